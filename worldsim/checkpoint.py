"""A checkpoint folder: everything needed to dream a world, and nothing that can run code.

``transformer/`` and ``codec/`` (safetensors + JSON, through diffusers), ``tokenizer.json``,
``worlds.json`` (what each world lets one do, and sentences for it), ``rollout.json`` (how the
weights want to be sampled), ``starts.safetensors`` + ``starts.json`` (clips to begin from).
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from worldsim.codec import CODECS, Codec
from worldsim.errors import WorldsimError
from worldsim.json_files import damaged, read_json, write_json
from worldsim.model import WorldTransformer
from worldsim.starts import Start, load_starts, save_starts
from worldsim.text import TextTokenizer
from worldsim.world import WorldSpec

BUNDLED = Path(__file__).parent / "pretrained" / "default"


@dataclass
class RolloutConfig:
    """How frames are drawn from a network.

    Attributes:
        window: Steps of the past that are seen.
        base_level: Noise put on finished frames, as in training.
        num_steps: Denoising passes a frame; the dreams shown in training have one.
        first_steps: Denoising passes of a frame that nothing leads to.
        shift: Above 1, levels crowd at the noisy end of a frame's denoising.
    """

    window: int = 16
    base_level: float = 0.02
    num_steps: int = 1
    first_steps: int = 16
    shift: float = 1.0

    def __post_init__(self) -> None:
        """Refuse values with which nothing can be drawn."""
        counts = (self.window, self.num_steps, self.first_steps)
        whole = all(type(n) is int and 1 <= n <= 1024 for n in counts)
        numbers = all(type(x) in (int, float) for x in (self.base_level, self.shift))
        if not (whole and numbers and 0 <= self.base_level < 1 and 0 < self.shift <= 100):
            raise WorldsimError(
                f"{self} cannot be: window and numbers of steps are whole, from 1; base_level is "
                "in [0, 1), shift above 0"
            )


@dataclass
class Checkpoint:
    """The parts of a trained world, in memory."""

    network: WorldTransformer
    codec: Codec
    tokenizer: TextTokenizer
    worlds: dict[str, WorldSpec]
    rollout: RolloutConfig
    starts: list[Start] = field(default_factory=list)

    def save(self, folder: str | Path) -> None:
        """Write the folder atomically, replacing what was there; the transformer in 16 bits."""
        folder = Path(folder)
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        network = copy.deepcopy(self.network).half()
        for parameter in network.parameters():  # training may have laid them out otherwise
            parameter.data = parameter.data.contiguous()
        network.save_pretrained(partial / "transformer")
        _forget_origin(partial / "transformer")
        save_codec(partial / "codec", self.codec)
        self.tokenizer.save(partial)
        worlds = {name: spec.to_dict() for name, spec in self.worlds.items()}
        write_json(partial / "worlds.json", worlds)
        write_json(partial / "rollout.json", asdict(self.rollout))
        if self.starts:
            save_starts(partial, self.starts)
        replace_folder(partial, folder)

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Checkpoint:
        """Read a folder; without one, the bundled checkpoint."""
        folder = _standing(folder)
        if not folder.is_dir():
            raise WorldsimError(
                f"there is no checkpoint at {folder}: train one with `worldsim train recipe=nano` "
                "or name a folder with checkpoint=…"
            )
        network = _weights(WorldTransformer, folder / "transformer")
        codec = load_codec(folder / "codec")
        with torch.no_grad():
            network.canvas.fit(*codec.canvas())  # as exact as the codec has it
        return cls(
            network=network,
            codec=codec,
            tokenizer=TextTokenizer.load(folder),
            worlds=read_json(folder / "worlds.json", _worlds),
            rollout=read_json(folder / "rollout.json", lambda values: RolloutConfig(**values)),
            starts=load_starts(folder),
        )


def weights_id(folder: str | Path | None = None) -> str:
    """Return the sha256 over all weights of a checkpoint folder."""
    digest = hashlib.sha256()
    for path in sorted(_standing(folder).glob("*/*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def save_codec(folder: Path, codec: Codec) -> None:
    """Write a codec and, in ``kind.json``, which one it is."""
    codec.save_pretrained(folder)
    _forget_origin(folder)
    kind = next(name for name, kind in CODECS.items() if isinstance(codec, kind))
    (folder / "kind.json").write_text(json.dumps(kind))


def load_codec(folder: Path) -> Codec:
    """Read what `save_codec` wrote."""
    return _weights(read_json(folder / "kind.json", lambda name: CODECS[name]), folder)


def replace_folder(new: Path, old: Path) -> None:
    """Put a finished folder in the place of another; a kill leaves one of the two whole.

    Between its two steps the folder stands under the retired name, where `_standing` finds it.
    """
    retired = _retired(old)
    shutil.rmtree(retired, ignore_errors=True)
    if old.exists():
        os.replace(old, retired)
    os.replace(new, old)
    shutil.rmtree(retired, ignore_errors=True)


def _forget_origin(folder: Path) -> None:
    """Drop the folder a part was loaded from: it is a path of somebody's machine."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    write_json(path, config)


def _retired(folder: Path) -> Path:
    return folder.with_name(folder.name + ".old")


def _standing(folder: str | Path | None) -> Path:
    """Return the folder, or what a kill in the middle of `replace_folder` left in its place."""
    path = Path(folder) if folder else BUNDLED
    return _retired(path) if not path.exists() and _retired(path).is_dir() else path


def _worlds(texts: Any) -> dict[str, WorldSpec]:
    return {name: WorldSpec.from_dict(text) for name, text in texts.items()}


def _weights(kind: Any, folder: Path) -> Any:
    """Load one part on the CPU, in float32, complete or not at all."""
    try:
        model, report = kind.from_pretrained(
            folder, torch_dtype=torch.float32, low_cpu_mem_usage=False, output_loading_info=True
        )
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise damaged(folder, error) from error
    wrong = report["missing_keys"] or report["unexpected_keys"]
    if wrong:
        raise damaged(folder, f"other keys than this version of worldsim writes: {wrong}")
    return model.eval().requires_grad_(False)
