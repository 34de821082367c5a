"""What judges have in common: they see how a few frames became each other, and live in a folder.

They are trained on real frames only and then shown dreamed ones. They see motion alone, as
`hindsight` finds it, neither colours nor textures: a dream in which a wall has the wrong stones
but goes by as it should obeys its keys.
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

from worldsim.codec import to_float
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID, LOOKS, Hindsight
from worldsim.world import WorldSpec

BEFORE, AFTER = 2, 2  # frames seen before the one acted in, and after it
STACK = BEFORE + 1 + AFTER
STEPS = STACK - 1  # between these frames
FAST = 0.05  # widths of a picture that something moves in a step, as a unit
FASTEST = 4.0  # of these units; more is taken for that


class Watcher(nn.Module):
    """A small convolutional network on `STEPS` motions in a row; a subclass says what it reads.

    Args:
        spec: The world whose frames it sees.
        channels: Half of its first layer; the others follow.
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
        widths = [3 * STEPS, 2 * channels, 4 * channels, 4 * channels]
        layers: list[nn.Module] = []
        for index, stride in enumerate((1, 2, 2)):
            layers += [nn.Conv2d(widths[index], widths[index + 1], 3, stride, 1)]
            layers += [nn.BatchNorm2d(widths[index + 1]), nn.ReLU()]
        hidden = nn.Linear(widths[-1] * (GRID // 4) ** 2, 8 * channels)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), hidden, nn.ReLU())
        self.head = nn.Linear(8 * channels, outputs)

    def watch(self, stacks: Tensor) -> Tensor:
        """Return `(N, outputs)` for `(N, STEPS, 3, GRID, GRID)`, see `motions`."""
        went, sure = stacks.split([2, 1], dim=2)
        went = (went / FAST).clamp(-FASTEST, FASTEST)
        return self.head(self.body(torch.cat([went, sure], dim=2).flatten(1, 2)))

    def save(self, folder: Path) -> None:
        """Write its json and its safetensors file into `folder`."""
        from safetensors.torch import save

        tensors = {name: value.contiguous() for name, value in self.state_dict().items()}
        about = {"spec": self.spec.to_dict(), "channels": self.channels, "looks": LOOKS}
        about["accuracy"] = self.accuracy
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
            if about["looks"] != LOOKS:
                raise ValueError("it has learnt to see motion as it was found before")
            watcher.load_state_dict(load_file(folder / f"{cls.kind}.safetensors"))
        except FileNotFoundError as error:
            raise WorldsimError(
                f"no {cls.kind} in {folder}: train one or name another folder"
            ) from error
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise WorldsimError(
                f"the {cls.kind} in {folder} is damaged or of another version: remove it, retrain"
            ) from error
        return watcher.eval()


def stacks_of(frames: np.ndarray | Tensor) -> Iterator[Tensor]:
    """Cut uint8 clips `(N, F, H, W, 3)` into stacks, clip by clip, some hundred at a time.

    Yields:
        Floats `(n, STEPS, 3, GRID, GRID)`; `N * (F - STACK + 1)` stacks in all.
    """
    windows = motions(frames)[:, 1:].unfold(1, STEPS, 1).movedim(-1, 2)
    for part in windows.flatten(0, 1).split(256):
        yield part.float()


def motions(frames: np.ndarray | Tensor) -> Tensor:
    """Look up how uint8 clips `(N, F, H, W, 3)` moved.

    Returns:
        Halves `(N, F, 3, GRID, GRID)`, how each frame came from the one before it: see `Hindsight`;
        0 for first ones.
    """
    look, found = Hindsight(to_float), list[Tensor]()
    for clip in torch.as_tensor(frames):
        follows = np.arange(len(clip))[None] > 0
        found.append(torch.from_numpy(look(clip[None].numpy(), follows)[0]).half())
    return torch.stack(found)
