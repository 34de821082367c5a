"""What judges have in common: they see a few frames in a row and live in a folder of their own.

They are trained on real frames only and then shown dreamed ones. They see brightness at 64×64
pixels, not colour.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

SIZE = 64
BEFORE, AFTER = 2, 2  # frames seen before the one acted in, and after it
STACK = BEFORE + 1 + AFTER


class Watcher(nn.Module):
    """A small convolutional network on `STACK` frames in a row; a subclass says what it reads.

    Args:
        spec: The world whose frames it sees.
        channels: Of its first layer; the others follow.
        outputs: Numbers it says about a stack.

    Attributes:
        kind: Name of its files.
        accuracy: How good it is on held-out real frames, as measured after training.
    """

    kind = "watcher"

    def __init__(self, spec: WorldSpec, channels: int, outputs: int) -> None:
        super().__init__()
        self.spec, self.channels = spec, channels
        self.accuracy: dict[str, float] = {}
        widths = [2 * STACK - 1, channels, 2 * channels, 3 * channels, 4 * channels]
        layers: list[nn.Module] = []
        for index in range(4):
            kernel = 5 if index == 0 else 3
            layers += [nn.Conv2d(widths[index], widths[index + 1], kernel, 2, kernel // 2)]
            layers += [nn.BatchNorm2d(widths[index + 1]), nn.ReLU()]
        hidden = nn.Linear(widths[-1] * (SIZE // 16) ** 2, 8 * channels)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), hidden, nn.ReLU())
        self.head = nn.Linear(8 * channels, outputs)

    def watch(self, stacks: Tensor) -> Tensor:
        """Return `(N, outputs)` for brightness `(N, STACK, 64, 64)` in [0, 1]."""
        # What moved matters more than what is there, and light differs between places.
        centred = stacks - stacks.mean((1, 2, 3), keepdim=True)
        x = torch.cat([centred, 4 * (stacks[:, 1:] - stacks[:, :-1])], 1)
        return self.head(self.body(x))

    def save(self, folder: Path) -> None:
        """Write its json and its safetensors file into `folder`."""
        from safetensors.torch import save

        tensors = {name: value.contiguous() for name, value in self.state_dict().items()}
        about = {"spec": self.spec.to_dict(), "channels": self.channels, "accuracy": self.accuracy}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, data in (
                (f"{self.kind}.safetensors", save(tensors)),
                (f"{self.kind}.json", (json.dumps(about, indent=2) + "\n").encode()),
            ):
                partial = folder / f".{name}.{os.getpid()}.part"
                partial.write_bytes(data)
                partial.replace(folder / name)
        except OSError as error:
            raise WorldsimError(
                f"cannot write the {self.kind} to {folder}: {error.strerror}"
            ) from error

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Say whether there is one in a folder."""
        return (folder / f"{cls.kind}.json").exists()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read one; `WorldsimError` where it is missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            about: dict[str, Any] = json.loads((folder / f"{cls.kind}.json").read_text())
            watcher = cls(WorldSpec.from_dict(about["spec"]), about["channels"])  # type: ignore[call-arg]
            watcher.accuracy = about["accuracy"]
            watcher.load_state_dict(load_file(folder / f"{cls.kind}.safetensors"))
        except FileNotFoundError as error:
            raise WorldsimError(
                f"no {cls.kind} in {folder}: train one or name another folder"
            ) from error
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise WorldsimError(
                f"the {cls.kind} in {folder} is damaged: remove it, retrain"
            ) from error
        return watcher.eval()


def stacks_of(frames: np.ndarray | Tensor) -> Iterator[Tensor]:
    """Cut uint8 clips `(N, F, H, W, 3)` into stacks, clip by clip, some hundred at a time.

    Yields:
        Floats `(n, STACK, 64, 64)` in [0, 1]; `N * (F - STACK + 1)` stacks in all.
    """
    windows = shrink(frames).unfold(1, STACK, 1).movedim(-1, 2)
    for part in windows.reshape(-1, STACK, SIZE, SIZE).split(256):
        yield part.float() / 255


def shrink(frames: np.ndarray | Tensor) -> Tensor:
    """Turn uint8 clips `(N, F, H, W, 3)` into uint8 brightness `(N, F, 64, 64)`."""
    clips = []
    for clip in torch.as_tensor(frames):
        gray = clip.float() @ torch.tensor([0.299, 0.587, 0.114])
        if gray.shape[-2:] != (SIZE, SIZE):
            gray = functional.interpolate(gray[None], (SIZE, SIZE), mode="area")[0]
        clips.append(gray.round().clamp(0, 255).to(torch.uint8))
    return torch.stack(clips)
