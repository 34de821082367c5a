"""Everything one model can do, as one object: `worldsim.Model`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from worldsim.checkpoint import Checkpoint, Start
from worldsim.reader import Frames, Reader
from worldsim.simulator import Simulator


class Model:
    """A checkpoint that dreams, acts and answers; every method is a question of its own.

    Nothing is remembered from one call to the next: for a world to walk about in, many at once and
    as fast as they go, use `Simulator`; for the bare answers `Reader`, on which this is built. All
    is computed in float32, so that dreams and answers come from the very same weights.

    Frames are uint8 ``(H, W, 3)`` of the checkpoint's size, `size`.

    Args:
        checkpoint: Weights, vocabulary and worlds.
        device: Where to compute.

    Raises:
        WorldsimError: What is given makes no sense; or, of all but `simulate` and `imagine`, the
            checkpoint was not trained to answer.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu"):
        self._checkpoint, self._device = checkpoint, device
        self.size: int = checkpoint.codec.config.image_size

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, device: str = "cpu") -> Model:
        """Load a checkpoint folder; without a path, the bundled one."""
        return cls(Checkpoint.load(path or None), device)

    def simulate(
        self,
        frames: Frames,
        actions: Sequence[str],
        then: Sequence[str | None],
        prompt: str | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Dream what follows after some frames.

        Args:
            frames: What was seen up to now, K of them.
            actions: The K - 1 actions between them, in words.
            then: What is done at each step to come: an action in words, a sentence, or None for
                what is not known.
            prompt: A sentence that sets the scene.
            seed: Of what is left to chance.

        Returns:
            The next frames, uint8 ``(len(then), H, W, 3)``.
        """
        simulator = self._simulator(lanes=1)
        start = Start("given", "", np.asarray(frames), list(actions))
        simulator.reset([start], [prompt], [seed])
        dreamed = np.zeros((len(then), self.size, self.size, 3), np.uint8)
        for k, words in enumerate(then):
            simulator.say([words])
            dreamed[k] = simulator.step([None]).frames[0].numpy()
        return dreamed

    def infer_action(
        self,
        befores: Frames,
        afters: Frames,
        world: str,
        earlier: Sequence[Frames] | None = None,
        later: Sequence[Frames] | None = None,
    ) -> list[str]:
        """Return which action of a world led from each frame to the next.

        For each pair the frames `earlier` and `later` may be shown too, see `Reader.infer_action`:
        what goes on by itself is seen there.
        """
        return self._reader.infer_action(befores, afters, world, earlier, later)

    def act(self, instruction: str, frames: Frames, actions: Sequence[str], world: str) -> str:
        """Return the next action for an instruction, after K frames and K - 1 actions."""
        return self._reader.act(instruction, frames, actions, world)

    def describe(self, frames: Frames) -> list[str]:
        """Return a caption of each frame."""
        return self._reader.describe(frames)

    def ask(
        self, frames: Frames, questions: Sequence[str], befores: Frames | None = None
    ) -> list[str]:
        """Return the answer to a question about each frame; `befores` are those a step earlier."""
        return self._reader.ask(frames, questions, befores)

    def imagine(self, prompts: Sequence[str], seeds: Sequence[int] | None = None) -> np.ndarray:
        """Return a first frame for each sentence, uint8 ``(len(prompts), H, W, 3)``."""
        return self._simulator(lanes=len(prompts)).imagine(prompts, seeds).numpy()

    def depth(self, frames: Frames) -> np.ndarray:
        """Return how far things are in parts of each frame, float32 ``(B, 8, 8)`` metres."""
        return self._reader.depth(frames)

    def pose(self, befores: Frames, afters: Frames) -> list[tuple[float, ...] | None]:
        """Return metres ahead, metres and degrees to the left from frame to frame, or None."""
        return self._reader.pose(befores, afters)

    @cached_property
    def _reader(self) -> Reader:
        # Made when first asked: a checkpoint that cannot answer can still dream.
        return Reader(self._checkpoint, self._device)

    def _simulator(self, lanes: int) -> Simulator:
        # Of another precision, it would take the weights away from the reader, who shares them.
        return Simulator(self._checkpoint, lanes, device=self._device, dtype=torch.float32)
