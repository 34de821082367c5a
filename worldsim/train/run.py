"""The folder of a training run: what a resume needs, what people look at.

``state.pt`` and ``model/`` are replaced atomically; ``metrics.jsonl`` and TensorBoard grow.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch.utils.tensorboard import SummaryWriter
from yaml import YAMLError

from worldsim.errors import WorldsimError


class RunFolder:
    """Files of one run; knows nothing of models."""

    def __init__(self, path: str | Path, config: Any, identity: list[str], prepared: list[str]):
        """Open or continue a run.

        Args:
            path: The folder.
            config: The resolved config, a dataclass.
            identity: Keys (dotted) in which a continued run must not differ.
            prepared: Those of them that count already before the first state was saved.
        """
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._guard(config, identity if (self.path / "state.pt").exists() else prepared)
            OmegaConf.save(OmegaConf.create(asdict(config)), self.path / "config.yaml")
        except OSError as error:
            raise WorldsimError(
                f"cannot write to out={path} ({error.strerror}): choose another folder"
            ) from error
        self._board: SummaryWriter | None = None

    def _guard(self, config: Any, identity: list[str]) -> None:
        """Refuse to continue a run of something else."""
        before = self.path / "config.yaml"
        made = ("codec", "tokenizer.json", "latents.npy", "state.pt")
        if not before.exists() or not any((self.path / name).exists() for name in made):
            return
        try:
            old, new = OmegaConf.load(before), OmegaConf.create(asdict(config))
        except YAMLError as error:
            raise WorldsimError(
                f"{before} is damaged: restore it, or choose another out=… to start over"
            ) from error
        for key in identity:
            was, now = OmegaConf.select(old, key), OmegaConf.select(new, key)
            if was != now:
                raise WorldsimError(
                    f"{self.path} holds a run with {key}={was}, not {now}: "
                    "choose another out=… or delete the folder"
                )

    def load_state(self, file: str = "state.pt") -> dict[str, Any] | None:
        """Return the saved state, tensors and plain values only, or None."""
        path = self.path / file
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds
            raise WorldsimError(
                f"{path} is damaged ({str(error)[:100]}): delete it to start the run over; "
                f"the weights in {self.path / 'model'} are separate"
            ) from error

    def save_state(self, state: dict[str, Any], file: str = "state.pt") -> None:
        """Replace the state atomically."""
        partial = self.path / f"{file}.partial"
        torch.save(state, partial)
        os.replace(partial, self.path / file)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Append to ``metrics.jsonl`` and TensorBoard."""
        if self._board is None:
            self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=step)
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop metrics of steps that a resumed run is about to repeat."""
        path = self.path / "metrics.jsonl"
        if path.exists():
            kept = [line for line in path.read_text().splitlines(keepends=True)
                    if line.endswith("\n") and json.loads(line)["step"] <= step]  # fmt: skip
            path.write_text("".join(kept))
