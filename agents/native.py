"""The model itself as a policy: an instruction in, its own next action out, no reward learnt."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from agents.schema import check_schema
from agents.scores import check_thing
from worldsim.errors import WorldsimError
from worldsim.reader import Reader
from worldsim.world import WorldSpec


class Follow:
    """Asks the model at every step what to do next.

    What was really seen and done is read anew at every step, so nothing it dreams is ever its past.
    That comes to the same as replacing the dreamed frames in the memory by those really seen
    (DreamZero, arXiv 2602.15922), at the price of reading the whole window each time.

    Args:
        reader: The model.
        instruction: Such as "walk to the red box".
        world: Name of the world whose actions there are.
        keys: Words of the actions it may take.
        acts_in: The world it acts in, whose numbers must be the model's; None: taken for granted.

    Raises:
        WorldsimError: The instruction is empty or sends it to a thing that the world has not, the
            model knows no such world, or it knows it by other actions.
    """

    def __init__(
        self,
        reader: Reader,
        instruction: str,
        world: str,
        keys: list[str],
        acts_in: WorldSpec | None = None,
    ) -> None:
        if world not in reader.worlds:
            known = ", ".join(reader.worlds)
            raise WorldsimError(f"the model knows no world '{world}': use one of {known}")
        if acts_in:
            check_schema(reader.worlds[world], acts_in)
        reader.tokenizer.encode_sentence(instruction)  # says what is wrong with it, now
        check_thing(instruction, reader.worlds[world].things)
        self.reader, self.instruction, self.world = reader, instruction, world
        self.keys, self._spec = list(keys), reader.worlds[world]
        window = reader.window
        self._frames: deque[np.ndarray] = deque(maxlen=window)
        self._done: deque[str] = deque(maxlen=window - 1)

    def reset(self) -> None:
        """Begin an episode: nothing was seen yet."""
        self._frames.clear()
        self._done.clear()

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the world's number of the next action, for a frame uint8 ``(H, W, 3)``."""
        self._frames.append(observation)
        done = list(self._done)[len(self._done) - len(self._frames) + 1 :]
        words = self.reader.act(self.instruction, list(self._frames), done, self.world, self.keys)
        self._done.append(words)
        return self._spec.action_index(words)
