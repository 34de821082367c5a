"""The model's answers about frames: what happened, what is there, how far, what to do.

The same network as the simulator's, and the same memory; only what is read from it is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worldsim.checkpoint import Checkpoint, RolloutConfig
from worldsim.codec import to_float
from worldsim.errors import WorldsimError
from worldsim.pose_text import read_motion
from worldsim.rollout import Rollout
from worldsim.sequence import FIRST_WORD
from worldsim.text import ANSWER, ASK, DEPTH, DEPTHS, DESCRIBE, END, INFER, POSE
from worldsim.world import WorldSpec

MOST_WORDS = 48  # tokens of a caption or an answer
DEPTH_WORDS = 8  # distances along each side of a picture


class Reader:
    """Answers about frames, uint8 ``(H, W, 3)`` of the checkpoint's size.

    Answers are the likeliest words, one after the other; the same frames give the same answers.
    How sure the model is it does not say.

    Args:
        checkpoint: One that was trained with ``batch.talk_share``.
        device: Where to compute.

    Raises:
        WorldsimError: A frame or a question makes no sense, or the checkpoint never learnt to
            answer.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu"):
        self.tokenizer, self.worlds = checkpoint.tokenizer, checkpoint.worlds
        self.tokenizer.mark(END)
        self.network = torch.nn.Module.to(checkpoint.network, device, torch.float32).eval()
        self.codec = torch.nn.Module.to(checkpoint.codec, device, torch.float32).eval()
        self.size: int = self.codec.config.image_size
        # Frames stand as in training, where what is asked about has no more noise than history.
        config = RolloutConfig(
            window=max(checkpoint.rollout.window, 2 * DEPTH_WORDS),
            base_level=checkpoint.rollout.base_level,
        )
        self._rollout = Rollout(self.network, self.tokenizer, config, 1, self.codec.latent_shape)
        self._lane = torch.zeros(1, dtype=torch.long, device=device)
        self._place = 0  # of the next token within the text after the newest frame

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, device: str = "cpu") -> Reader:
        """Load a checkpoint folder; without a path, the bundled one."""
        return cls(Checkpoint.load(path or None), device)

    def describe(self, frame: np.ndarray) -> str:
        """Return a caption of a frame."""
        return self._say([frame], [self.tokenizer.mark(DESCRIBE)])

    def ask(self, frame: np.ndarray, question: str) -> str:
        """Return the answer to a question about a frame, such as "what is ahead"."""
        words = self.tokenizer.encode_sentence(question.rstrip(" ?"))
        return self._say([frame], [self.tokenizer.mark(ASK), *words, self.tokenizer.mark(ANSWER)])

    def pose(self, before: np.ndarray, after: np.ndarray) -> tuple[float, ...] | None:
        """Return metres ahead and to the left and degrees to the left from frame to frame.

        None where the model's answer is no motion.
        """
        return read_motion(self._say([before, after], [self.tokenizer.mark(POSE)]))

    @torch.inference_mode()
    def infer_action(self, before: np.ndarray, after: np.ndarray, world: str) -> str:
        """Return which action of a world led from one frame to the next, the likeliest of all."""
        spec = self._spec(world)
        logits = self._see([before, after], [self.tokenizer.mark(INFER)])
        return self._choose(spec, logits, self.tokenizer.mark(END))

    @torch.inference_mode()
    def act(
        self, instruction: str, frames: Sequence[np.ndarray], actions: Sequence[str], world: str
    ) -> str:
        """Return the likeliest next action of a world for an instruction.

        Args:
            instruction: Such as "walk to the red box".
            frames: What was seen up to now, K of them.
            actions: The K - 1 actions between them, in words.
            world: Whose actions there are to choose from.
        """
        spec, words = self._spec(world), self.tokenizer.encode_sentence(instruction)
        if len(actions) != len(frames) - 1:
            raise WorldsimError(f"{len(frames)} frames have {len(frames) - 1} actions between them")
        done = [self.tokenizer.encode(spec.action_text(spec.action_index(a))) for a in actions]
        logits = self._see(frames, [], done, words)
        return self._choose(spec, logits, self.tokenizer.frame)

    @torch.inference_mode()
    def depth(self, frame: np.ndarray) -> np.ndarray:
        """Return how far away things are, float32 ``(DEPTH_WORDS, DEPTH_WORDS)`` metres."""
        ids = torch.tensor(self.tokenizer.depth_ids)
        logits = self._see([frame], [self.tokenizer.mark(DEPTH)])
        steps = []
        for _ in range(DEPTH_WORDS**2):
            steps.append(int(logits[ids].argmax()))
            logits = self._go_on(int(ids[steps[-1]]))
        metres = np.array(DEPTHS, np.float32)[steps]
        return metres.reshape(DEPTH_WORDS, DEPTH_WORDS)

    @torch.inference_mode()
    def _say(self, frames: Sequence[np.ndarray], asked: list[int]) -> str:
        logits, said = self._see(frames, asked), list[int]()
        while len(said) < MOST_WORDS:
            token = int(logits.argmax())
            if token == self.tokenizer.mark(END):
                break
            said.append(token)
            logits = self._go_on(token)
        return self.tokenizer.decode(said)

    def _see(
        self,
        frames: Sequence[np.ndarray],
        asked: list[int],
        actions: Sequence[list[int]] = (),
        prompt: list[int] | None = None,
    ) -> Tensor:
        """Take frames in and ask; return the logits of the first word to say, ``(vocab,)``."""
        images = np.stack([self._checked(frame) for frame in frames])
        device = self._lane.device
        latents = self.codec.encode(to_float(torch.from_numpy(images).to(device)))
        self._rollout.forget(self._lane)
        if prompt:
            self._rollout.read_prompt(self._lane, prompt)
        for k, latent in enumerate(latents):
            if k:
                self._rollout.read_step(self._lane, [actions[k - 1] if actions else []])
            self._rollout.commit(self._lane, latent[None])
        self._place = FIRST_WORD + len(asked)
        return self._rollout.ask(self._lane, asked)[0]

    def _go_on(self, token: int) -> Tensor:
        """Let one more token be said; return the logits of the next, ``(vocab,)``."""
        logits = self._rollout.go_on(self._lane, token, self._place)[0]
        self._place += 1
        return logits

    def _choose(self, spec: WorldSpec, logits: Tensor, end: int) -> str:
        """Return the action that is likeliest to be said, with what comes after it."""
        state, place = self._rollout.state(), self._place
        chances = []
        for words in spec.actions:
            self._rollout.load(state)
            self._place = place
            chances.append(self._likelihood(logits, [*self.tokenizer.encode(words), end]))
        return spec.actions[int(np.argmax(chances))]

    def _likelihood(self, logits: Tensor, ids: list[int]) -> float:
        """Return the logarithm of the chance that exactly these tokens follow."""
        total = 0.0
        for token in ids:
            total += float(logits.log_softmax(dim=-1)[token])
            logits = self._go_on(token)
        return total

    def _checked(self, frame: np.ndarray) -> np.ndarray:
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.shape != (self.size, self.size, 3):
            raise WorldsimError(
                f"a frame must be uint8 ({self.size}, {self.size}, 3), not {frame.dtype} "
                f"{frame.shape}: resize the picture first"
            )
        return frame

    def _spec(self, world: str) -> WorldSpec:
        if world not in self.worlds:
            raise WorldsimError(
                f"this checkpoint knows no world '{world}': use one of {', '.join(self.worlds)}"
            )
        return self.worlds[world]
