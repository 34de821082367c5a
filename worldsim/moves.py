"""`worldsim infer`, `pose` and `act`: what was done between pictures, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from omegaconf import MISSING

from worldsim.errors import WorldsimError
from worldsim.pictures import open_sequence, square

if TYPE_CHECKING:
    from worldsim.reader import Reader


@dataclass
class InferConfig:
    """Options of `worldsim infer`.

    Attributes:
        images: Two pictures or more of one size, a step apart each; their middle squares are shown.
            Who sees what comes before and after two of them knows better what was done.
        world: Whose actions there are to choose from.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
    """

    images: list[str] = MISSING
    world: str = "doom"
    checkpoint: str = ""
    device: str = "cpu"


def infer(cfg: InferConfig) -> None:
    """Print which action the model thinks led from each picture to the next.

    Raises:
        WorldsimError: Pictures, world or checkpoint are missing or do not fit, or the checkpoint
            never learnt to answer.
    """
    from worldsim.reader import Reader

    pictures = open_sequence(cfg.images, least=2)
    reader = Reader.from_pretrained(cfg.checkpoint or None, cfg.device)
    frames = [square(picture, reader.size) for picture in pictures]
    _print_pairs(cfg.images, _done(reader, frames, cfg.world))


@dataclass
class PoseConfig:
    """Options of `worldsim pose`.

    Attributes:
        images: Two pictures or more of one size, a step apart each; their middle squares are shown.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
    """

    images: list[str] = MISSING
    checkpoint: str = ""
    device: str = "cpu"


def pose(cfg: PoseConfig) -> None:
    """Print how the model thinks the eye moved from each picture to the next, in metres.

    Raises:
        WorldsimError: Pictures or checkpoint are missing or do not fit, or the checkpoint never
            learnt to answer.
    """
    from worldsim.reader import Reader

    pictures = open_sequence(cfg.images, least=2)
    reader = Reader.from_pretrained(cfg.checkpoint or None, cfg.device)
    frames = [square(picture, reader.size) for picture in pictures]
    motions = reader.pose(frames[:-1], frames[1:])
    _print_pairs(cfg.images, [_in_units(motion) for motion in motions])


@dataclass
class ActConfig:
    """Options of `worldsim act`.

    Attributes:
        images: One picture or more of one size, what was seen up to now; their middle squares are
            shown.
        instruction: What is to be reached, such as "walk to the red box".
        actions: What was done between the pictures, one less than pictures; empty: what the model
            takes it for, as `worldsim infer` prints it.
        world: Whose actions there are to choose from.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
    """

    images: list[str] = MISSING
    instruction: str = MISSING
    actions: list[str] = field(default_factory=list)
    world: str = "doom"
    checkpoint: str = ""
    device: str = "cpu"


def act(cfg: ActConfig) -> None:
    """Print the action the model would take next to do what it is told.

    Raises:
        WorldsimError: Pictures, instruction, actions, world or checkpoint are missing or do not
            fit, or the checkpoint never learnt to answer.
    """
    from worldsim.reader import Reader

    pictures = open_sequence(cfg.images, least=1)
    if cfg.actions and len(cfg.actions) != len(pictures) - 1:
        raise WorldsimError(
            f"actions={cfg.actions}: {len(pictures)} pictures have {len(pictures) - 1} actions "
            "between them; leave actions= out to let the model read them off the pictures"
        )
    reader = Reader.from_pretrained(cfg.checkpoint or None, cfg.device)
    frames = [square(picture, reader.size) for picture in pictures]
    done = cfg.actions or _done(reader, frames, cfg.world)
    print(reader.act(cfg.instruction, frames, done, cfg.world))


def _done(reader: Reader, frames: list[np.ndarray], world: str) -> list[str]:
    """Return what the model takes to have been done between frames, each seen among the others."""
    places = range(len(frames) - 1)
    earlier, later = [frames[:at] for at in places], [frames[at + 2 :] for at in places]
    return reader.infer_action(frames[:-1], frames[1:], world, earlier, later)


def _in_units(motion: tuple[float, ...] | None) -> str:
    if motion is None:
        return "no motion could be read"
    ahead, left, turn = motion
    return f"ahead {ahead:+.2f} m, left {left:+.2f} m, turn {turn:+.0f}° to the left"


def _print_pairs(paths: list[str], said: list[str]) -> None:
    for before, after, text in zip(paths[:-1], paths[1:], said, strict=True):
        print(f"{before} -> {after}: {text}")
