"""What is good about a way that a planner tries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from worldsim.errors import WorldsimError
from worldsim.grammar_words import TO_THING
from worldsim.metrics import LPIPS, as_images

UNSEEN = -50.0
METRES = re.compile(r"(\d+) metres?$")
# "walk to the {thing}" and the like; what follows is what is to be reached.
TO = "|".join(
    phrase.replace("{thing}", "")
    for phrase in ("reach the {thing}", *TO_THING.seen, *TO_THING.unseen)
)
SENT = re.compile(rf"\b(?:{TO})(.+)")
# Of what one can be sent to that is no thing: nothing is said of whether it is there.
WHEREABOUTS = {
    *("left", "right", "other", "side", "front", "end", "middle", "corner", "wall", "door"),
    *("room", "corridor", "hall", "exit", "way", "road"),
}


class Asked(Protocol):
    """The part of `worldsim.reader.Reader` that is asked."""

    def ask(self, frames: Any, questions: Sequence[str]) -> list[str]:
        """Answer a question about each frame."""


class Score(Protocol):
    """Says how good ways are."""

    def __call__(self, frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return one number a way, more being better.

        Args:
            frames: uint8 ``(N, H, W, 3)``, the last of each way.
            rewards: ``(T, N)``, 0 after an end.
            alive: ``(T, N)``: whether there was no end yet, or how likely that is; 0 to 1.
        """


def by_reward(frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Score a way by what it pays."""
    return rewards.sum(axis=0)


@dataclass
class ByPicture:
    """Scores a way by how near its last frame is to a picture, in mean absolute difference."""

    goal: np.ndarray  # uint8 (H, W, 3)

    def __call__(self, frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return minus the distance."""
        _check_size(self.goal, frames)
        return -np.abs(frames.astype(np.float32) - self.goal).mean(axis=(1, 2, 3)) / 255


@dataclass
class ByLook:
    """Scores a way by how much its last frame looks like a picture (LPIPS).

    As the planner of Navigation World Models does (Bar et al. 2025, arXiv 2412.03572).
    """

    goal: np.ndarray  # uint8 (H, W, 3)
    lpips: LPIPS

    def __call__(self, frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return minus the distance."""
        _check_size(self.goal, frames)
        with torch.inference_mode():
            return -self.lpips.between(self.lpips.features(as_images(frames)), self._wanted).numpy()

    @cached_property
    def _wanted(self) -> list[Tensor]:
        with torch.inference_mode():
            return self.lpips.features(as_images(self.goal[None]))


@dataclass
class ByAnswer:
    """Scores a way by what the model itself answers about its last frame: how far a thing is.

    Args:
        reader: Answers.
        thing: Such as "red box".
    """

    reader: Asked
    thing: str
    _said: bool = field(default=False, init=False, repr=False)

    def __call__(self, frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return minus metres, one less where it is not straight ahead; `UNSEEN` out of sight.

        Where it is out of sight at the end of all ways, there is nothing to choose by: said once.
        """
        far, where = (
            self.reader.ask(list(frames), [f"{words} the {self.thing}"] * len(frames))
            for words in ("how far is", "where is")
        )
        scores = [
            -float(found[1]) - (side != "ahead") if (found := METRES.match(said)) else UNSEEN
            for said, side in zip(far, where, strict=True)
        ]
        if not self._said and max(scores) == UNSEEN:
            self._said = True
            tqdm.write(
                f"the model saw no {self.thing} at the end of any of {len(scores)} dreamed ways: "
                "as long as that is so, it goes anywhere"
            )
        return np.array(scores)


def find_thing(sentence: str, things: Sequence[str]) -> str:
    """Return the thing that a sentence names, the longest of those known.

    Raises:
        WorldsimError: It names none.
    """
    named = [thing for thing in things if re.search(rf"\b{re.escape(thing)}\b", sentence.lower())]
    if not named:
        raise WorldsimError(
            f"'{sentence}' names nothing that there is in this world: name one of "
            f"{', '.join(things) or '(it has no things)'}"
        )
    return max(named, key=len)


def check_thing(sentence: str, things: Sequence[str]) -> None:
    """Refuse a sentence that sends one to something of a kind that is not in the world.

    Colours are not looked at: a green key is a key, be it one that training never showed. Whether
    it is in this very place is not known, and sentences put in another way than "walk to the …"
    pass, as do all where no things are known.

    Raises:
        WorldsimError: It does.
    """
    kinds = {thing.split()[-1] for thing in things}
    sent = SENT.search(sentence.lower())
    if kinds and sent and not (kinds | WHEREABOUTS) & set(re.findall(r"\w+", sent[1])):
        find_thing(sentence, things)  # says what there is


def _check_size(goal: np.ndarray, frames: np.ndarray) -> None:
    if goal.shape != frames.shape[1:]:
        raise WorldsimError(
            f"the goal is a picture of {goal.shape}, the dream shows {frames.shape[1:]}: resize it"
        )
