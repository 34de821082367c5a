"""What a world lets its inhabitants do, said in words.

A `WorldSpec` is the vocabulary shared by a real simulator, the dream of it, the dataset recorded
from it and the keyboard. It knows nothing of pixels, of Gymnasium or of the model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

from worldsim.errors import WorldsimError

NO_ACTION = "stay"
OPPOSITES = {
    "forward": "back",
    "back": "forward",
    "turn left": "turn right",
    "turn right": "turn left",
    "strafe left": "strafe right",
    "strafe right": "strafe left",
    "gas": "brake",
    "brake": "gas",
    "steer left": "steer right",
    "steer right": "steer left",
}


@dataclass(frozen=True)
class WorldSpec:
    """The actions of a world, their words and their keys.

    Attributes:
        name: Short name used on the command line, such as ``"doom"``.
        actions: Canonical words of every action; the position is the Discrete action, and
            position 0 is always ``"stay"``: do nothing.
        keys: Keyboard key name to elementary word, such as ``{"w": "forward"}``.
        steps_per_second: World time: how many steps make one second.
        description: One sentence about the world, usable as a prompt.
        phrases: Sentences that mean an action, by its words: ``{"turn left": {"seen": [...],
            "unseen": [...]}}``; the unseen ones are kept out of every dataset.
        heldout_sources: Names of the maps kept out of training.
        metres_per_unit: Length of one unit of a pose.
        credits: Where its pictures come from, and under which licences.
        things: What may stand about in training places, such as "red box".
        places: Sentences about parts of the world, usable as prompts, too, by how the names of
            their maps begin, such as ``{"maze": "A walk through a maze."}``.
        field_of_view: Degrees that the square picture shows; 0 where it is no view from inside.
        skip: How many of the simulator's own steps one step is; an action is held for them all.
    """

    name: str
    actions: tuple[str, ...]
    keys: dict[str, str]
    steps_per_second: float
    description: str
    phrases: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    heldout_sources: list[str] = field(default_factory=list)
    metres_per_unit: float = 1.0
    credits: str = ""
    things: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    field_of_view: float = 90.0
    skip: int = 1

    def describe(self, source: str) -> str:
        """Return a sentence about a map, by its name; about the world where there is none."""
        known = [name for name in self.places if source.startswith(name)]
        return self.places[max(known, key=len)] if known else self.description

    def action_text(self, index: int) -> str:
        """Return the canonical words of an action index."""
        if not 0 <= int(index) < len(self.actions):
            raise WorldsimError(
                f"action {index} is out of range for world '{self.name}': "
                f"use 0 to {len(self.actions) - 1} (0 = {NO_ACTION})"
            )
        return self.actions[int(index)]

    def action_index(self, text: str) -> int:
        """Return the index of an action given in words, elementary words in any order."""
        wanted = _elements(text, self.elements)
        for index, words in enumerate(self.actions):
            if wanted is not None and _elements(words, self.elements) == wanted:
                return index
        raise WorldsimError(
            f"unknown action '{text}' for world '{self.name}': "
            f"combine {', '.join(self.elements)}, or say {NO_ACTION}"
        )

    def combine(self, words: Iterable[str]) -> int:
        """Return the action of several elementary words held at once; opposites cancel."""
        held = set(words)
        kept = {word for word in held if OPPOSITES.get(word) not in held}
        return self.action_index(" ".join(word for word in self.elements if word in kept))

    def in_own_steps(self) -> WorldSpec:
        """Return the same world in the steps of its simulator."""
        return replace(self, steps_per_second=self.steps_per_second * self.skip, skip=1)

    def check_same(self, other: WorldSpec, mine: str, theirs: str, remedy: str) -> None:
        """Refuse another description under which the same numbers would mean something else.

        That is one of another world, or with other actions, another step rate or other units of
        poses. Sentences, keys, places and credits may differ.

        Args:
            other: The other description.
            mine: Where this one is from, such as a folder.
            theirs: Where the other one is from.
            remedy: What to do about it, as the error says it.

        Raises:
            WorldsimError: They differ; it names the world, the first difference and the remedy.
        """
        for ours, others in zip(self._meaning(other), other._meaning(self), strict=True):
            if ours != others:
                raise WorldsimError(
                    f"the world '{self.name}' is not the same in both: {theirs} has {others}, "
                    f"{mine} has {ours}: {remedy}"
                )

    def _meaning(self, other: WorldSpec) -> list[str]:
        """Say what numbers mean here, as many words as `other` has; alike where both agree."""
        actions = [f"action {index} '{words}'" for index, words in enumerate(self.actions)] + [
            f"no action {index}" for index in range(len(self.actions), len(other.actions))
        ]
        rate, unit = self.steps_per_second, self.metres_per_unit
        return [f"the world '{self.name}'", *actions, f"{rate} steps a second", f"{unit} m a unit"]

    @property
    def elements(self) -> tuple[str, ...]:
        """The elementary words that keys stand for, in canonical order."""
        return tuple(dict.fromkeys(self.keys.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self) | {"actions": list(self.actions)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> WorldSpec:
        """Rebuild a spec from `to_dict`; unknown or missing fields are an error."""
        try:
            return cls(**{**data, "actions": tuple(data["actions"])})
        except (KeyError, TypeError) as error:
            raise WorldsimError(f"not a world description: {error}") from error


def key_combinations(*axes: tuple[str, str]) -> tuple[str, ...]:
    """Return ``"stay"`` and every combination with at most one word of each axis."""
    choices = product(*[("", *axis) for axis in axes])
    return tuple(" ".join(filter(None, words)) or NO_ACTION for words in choices)


def _elements(text: str, elements: tuple[str, ...]) -> frozenset[str] | None:
    """Split an action text into elementary words; None where something is left over."""
    rest = " ".join(text.lower().split())
    if rest in ("", NO_ACTION):
        return frozenset()
    found = set()
    for element in sorted(elements, key=len, reverse=True):
        if f" {element} " in f" {rest} ":
            rest = " ".join(f" {rest} ".replace(f" {element} ", " ").split())
            found.add(element)
    return None if rest else frozenset(found)
