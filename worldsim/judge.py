"""A judge that sees a few consecutive frames and names the action between the middle two.

It is trained on real frames only and then asked about dreamed ones: where it names the actions
of a dream about as often as those of the real world, the keys do in the dream what they do there.
It sees brightness at 64×64 pixels, not colour. Some actions leave no trace (walking into a wall),
so it is never perfect on real frames either: compare the two accuracies, not with 1.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from worldsim.errors import WorldsimError
from worldsim.world import OPPOSITES, WorldSpec

SIZE = 64
BEFORE, AFTER = 2, 2  # frames seen before the one acted in, and after it
STACK = BEFORE + 1 + AFTER


class Judge(nn.Module):
    """A small convolutional network with one head for each pair of opposite words.

    Attributes:
        axes: Pairs of opposite words, such as ``["forward", "back"]``.
        accuracy: Accuracy on held-out real frames, as measured after training: ``exact`` and
            one figure an axis.
    """

    codes: Tensor

    def __init__(self, spec: WorldSpec, channels: int = 24) -> None:
        """Build an untrained judge for the actions of `spec`."""
        super().__init__()
        self.spec, self.channels = spec, channels
        self.axes = axes_of(spec)
        self.accuracy: dict[str, float] = {}
        widths = [2 * STACK - 1, channels, 2 * channels, 3 * channels, 4 * channels]
        layers: list[nn.Module] = []
        for index in range(4):
            kernel = 5 if index == 0 else 3
            layers += [nn.Conv2d(widths[index], widths[index + 1], kernel, 2, kernel // 2)]
            layers += [nn.BatchNorm2d(widths[index + 1]), nn.ReLU()]
        hidden = nn.Linear(widths[-1] * (SIZE // 16) ** 2, 8 * channels)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), hidden, nn.ReLU())
        self.head = nn.Linear(8 * channels, 3 * len(self.axes))
        self.register_buffer("codes", action_codes(spec), persistent=False)

    def forward(self, stacks: Tensor) -> Tensor:
        """Return logits `(N, axes, 3)` (neither, first word, second) of `(N, STACK, 64, 64)`."""
        # What moved matters more than what is there, and light differs between places.
        centred = stacks - stacks.mean((1, 2, 3), keepdim=True)
        x = torch.cat([centred, 4 * (stacks[:, 1:] - stacks[:, :-1])], 1)
        return self.head(self.body(x)).view(len(x), len(self.axes), 3)

    @torch.no_grad()
    def name(self, frames: np.ndarray | Tensor) -> np.ndarray:
        """Name the actions in uint8 clips `(N, F, H, W, 3)`.

        Returns:
            int64 `(N, F - 4)` action indices: entry i is the action between the clip's frames
            ``i + 2`` and ``i + 3``.
        """
        self.eval()
        clips = shrink(frames)
        windows = clips.unfold(1, STACK, 1).movedim(-1, 2)
        flat = windows.reshape(-1, STACK, SIZE, SIZE)
        parts = [self.decide(self(part.float() / 255)) for part in flat.split(256)]
        return np.concatenate(parts).reshape(windows.shape[:2])

    def decide(self, logits: Tensor) -> np.ndarray:
        """Return the most likely action that exists; it need not be every axis' favourite."""
        log_probs = logits.log_softmax(-1)
        scores = [log_probs[:, i, self.codes[:, i]] for i in range(len(self.axes))]
        return torch.stack(scores).sum(0).argmax(-1).cpu().numpy()

    def compare(self, named: np.ndarray, true: np.ndarray) -> dict[str, float]:
        """Return the share of `named` actions equal to `true`: ``exact`` and by axis."""
        codes = self.codes.cpu().numpy()
        result = {"exact": float((named == true).mean())}
        for i, axis in enumerate(self.axes):
            result["/".join(axis)] = float((codes[named, i] == codes[true, i]).mean())
        return result

    def save(self, folder: Path) -> None:
        """Write ``judge.json`` and ``judge.safetensors`` into `folder`."""
        from safetensors.torch import save

        tensors = {name: value.contiguous() for name, value in self.state_dict().items()}
        about = {"spec": self.spec.to_dict(), "channels": self.channels, "accuracy": self.accuracy}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in (
                ("judge.safetensors", save(tensors)),
                ("judge.json", (json.dumps(about, indent=2) + "\n").encode()),
            ):
                partial = folder / f".{name}.{os.getpid()}.part"
                partial.write_bytes(data)
                partial.replace(folder / name)
        except OSError as error:
            raise WorldsimError(f"cannot write the judge to {folder}: {error.strerror}") from error

    @classmethod
    def load(cls, folder: Path) -> Judge:
        """Read a judge; `WorldsimError` where it is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            about: dict[str, Any] = json.loads((folder / "judge.json").read_text())
            judge = cls(WorldSpec.from_dict(about["spec"]), about["channels"])
            judge.accuracy = about["accuracy"]
            judge.load_state_dict(load_file(folder / "judge.safetensors"))
        except FileNotFoundError as error:
            raise WorldsimError(
                f"no judge in {folder}: train one or name another folder"
            ) from error
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise WorldsimError(f"the judge in {folder} is damaged: remove it, retrain") from error
        return judge.eval()


def axes_of(spec: WorldSpec) -> list[list[str]]:
    """Return the pairs of opposite words of a world, such as ``[["forward", "back"], …]``."""
    axes: list[list[str]] = []
    for word in spec.elements:
        if not any(word in axis for axis in axes):
            axes.append([word, OPPOSITES.get(word, "")])
    return axes


def action_codes(spec: WorldSpec) -> Tensor:
    """Return int64 `(actions, axes)`: 0 neither word of the axis, 1 the first, 2 the second."""
    codes = torch.zeros(len(spec.actions), len(axes_of(spec)), dtype=torch.long)
    for row, axis in enumerate(axes_of(spec)):
        for code, word in enumerate(axis, start=1):
            for index, action in enumerate(spec.actions):
                if word and f" {word} " in f" {action} ":
                    codes[index, row] = code
    return codes


def shrink(frames: np.ndarray | Tensor) -> Tensor:
    """Turn uint8 clips `(N, F, H, W, 3)` into uint8 brightness `(N, F, 64, 64)`."""
    clips = []
    for clip in torch.as_tensor(frames):
        gray = clip.float() @ torch.tensor([0.299, 0.587, 0.114])
        if gray.shape[-2:] != (SIZE, SIZE):
            gray = functional.interpolate(gray[None], (SIZE, SIZE), mode="area")[0]
        clips.append(gray.round().clamp(0, 255).to(torch.uint8))
    return torch.stack(clips)
