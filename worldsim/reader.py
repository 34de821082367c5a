"""The model's answers about frames: what happened, what is there, how far, what to do.

The same network as the simulator's, and the same memory; only what is read from it is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.checkpoint import Checkpoint, RolloutConfig
from worldsim.codec import to_float
from worldsim.errors import WorldsimError
from worldsim.pose_text import read_motion
from worldsim.rollout import Rollout
from worldsim.sequence import FIRST_WORD
from worldsim.text import ANSWER, ASK, DEPTH, DEPTHS, DESCRIBE, END, INFER, POSE
from worldsim.witness import Frames, Stretch, Witness, stretches
from worldsim.world import WorldSpec

MOST_WORDS = 48  # tokens of a caption or an answer
LANES = 24  # asked side by side


class Reader:
    """Answers about frames, uint8 ``(H, W, 3)`` of the checkpoint's size; many at once.

    Answers are the likeliest words, one after the other; the same frames give the same answers.
    How sure the model is it does not say.

    Args:
        checkpoint: One that was trained with ``batch.talk_rows``.
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
        self.window = checkpoint.rollout.window  # frames that it was trained to see in a row
        # Frames stand as in training, where what is asked about has no more noise than history.
        self._config = RolloutConfig(
            window=max(checkpoint.rollout.window, 2 * PARTS_SIDE),
            base_level=checkpoint.rollout.base_level,
        )
        self._rollout = self._make_rollout(1)
        self._places = self._lanes  # of the next token within the text after the newest frame
        looks = self.codec, self.network.canvas
        self._witness = Witness(*looks) if self.network.deed else None

    @classmethod
    def from_pretrained(cls, path: str | Path | None = None, device: str = "cpu") -> Reader:
        """Load a checkpoint folder; without a path, the bundled one."""
        return cls(Checkpoint.load(path or None), device)

    def describe(self, frames: Frames) -> list[str]:
        """Return a caption of each frame."""
        return self._say([[frame] for frame in frames], [[self.tokenizer.mark(DESCRIBE)]])

    def ask(
        self, frames: Frames, questions: Sequence[str], befores: Frames | None = None
    ) -> list[str]:
        """Return the answer to a question about each frame, such as "what is ahead".

        Args:
            frames: Those asked about.
            questions: One each.
            befores: The frames a step earlier, for "what did you just do"; without them there is
                nothing to read that off.
        """
        if len(frames) != len(questions):
            raise WorldsimError(f"{len(frames)} frames have {len(questions)} questions: one each")
        mark = self.tokenizer.mark
        words = [self.tokenizer.encode_sentence(question.rstrip(" ?")) for question in questions]
        asked = [[mark(ASK), *ids, mark(ANSWER)] for ids in words]
        seen = [[frame] for frame in frames] if befores is None else _pairs(befores, frames)
        return self._say(seen, asked)

    def pose(self, befores: Frames, afters: Frames) -> list[tuple[float, ...] | None]:
        """Return metres ahead and to the left and degrees to the left from frame to frame.

        None where the model's answer is no motion.
        """
        pairs = _pairs(befores, afters)
        said = self._say(pairs, [[self.tokenizer.mark(POSE)]], moving=True)
        return [read_motion(text) for text in said]

    @torch.inference_mode()
    def infer_action(
        self,
        befores: Frames,
        afters: Frames,
        world: str,
        earlier: Sequence[Frames] | None = None,
        later: Sequence[Frames] | None = None,
    ) -> list[str]:
        """Return which action of a world led from each frame to the next, the likeliest of all.

        Two frames are enough; what moved by itself before, and what goes on afterwards, is seen
        only in those around them.

        Args:
            befores: A frame of each pair.
            afters: The one a step later.
            world: Whose actions there are to choose from.
            earlier: For each pair the frames before it, see `witness.stretches`; None for none.
            later: For each pair the frames after it.
        """
        spec, found = self._spec(world), list[str]()
        for part in _parts(stretches(_pairs(befores, afters), earlier, later)):
            pairs, asked = [stretch.pair for stretch in part], [[self.tokenizer.mark(INFER)]]
            logits = self._see(pairs, asked, moves=self._moves(part))
            found += self._choose(spec.actions, logits, self.tokenizer.mark(END))
        return found

    @torch.inference_mode()
    def act(
        self,
        instruction: str,
        frames: Frames,
        actions: Sequence[str],
        world: str,
        among: Sequence[str] | None = None,
    ) -> str:
        """Return the likeliest next action of a world for an instruction.

        Args:
            instruction: Such as "walk to the red box".
            frames: What was seen up to now, K of them.
            actions: The K - 1 actions between them, in words.
            world: Whose actions there are to choose from.
            among: Those of them that may be taken; None for all.
        """
        spec, words = self._spec(world), self.tokenizer.encode_sentence(instruction)
        offered = [spec.action_text(spec.action_index(a)) for a in among or spec.actions]
        if len(actions) != len(frames) - 1:
            raise WorldsimError(f"{len(frames)} frames have {len(frames) - 1} actions between them")
        done = [self.tokenizer.encode(spec.action_text(spec.action_index(a))) for a in actions]
        logits = self._see([list(frames)], [[]], done, words)
        return self._choose(offered, logits, self.tokenizer.frame, aside=False)[0]

    @torch.inference_mode()
    def depth(self, frames: Frames) -> np.ndarray:
        """Return how far things are, float32 ``(B, PARTS_SIDE, PARTS_SIDE)`` metres."""
        found = [self._depths(part) for part in _parts([[frame] for frame in frames])]
        return np.concatenate(found).reshape(-1, PARTS_SIDE, PARTS_SIDE)

    def _depths(self, frames: list[list[np.ndarray]]) -> np.ndarray:
        """Return metres ``(B, PARTS_SIDE ** 2)``, row by row: the mean logarithm of all words."""
        ids = torch.tensor(self.tokenizer.depth_ids, device=self.network.device)
        known = torch.tensor(DEPTHS[: len(ids)], device=ids.device).log()
        self._see(frames, [[]])
        marks = [self.tokenizer.mark(DEPTH)] * PARTS_SIDE**2
        first = torch.full_like(self._lanes, PARTS)
        logits = self._rollout.weigh(self._lanes, marks, first, alone=True)
        return (logits[..., ids].softmax(dim=2) @ known).exp().cpu().numpy()

    def _say(
        self, frames: list[list[np.ndarray]], asked: list[list[int]], moving: bool = False
    ) -> list[str]:
        """Ask of each list of frames its question, or all the only one; return the answers.

        With `moving`, who answers is shown how things moved between two frames.
        """
        asked = asked * len(frames) if len(asked) == 1 else asked
        found = list[str]()
        for part, questions in zip(_parts(frames), _parts(asked), strict=True):
            moves = self._moves(stretches(part)) if moving else None
            found += self._answers(part, questions, moves)
        return found

    @torch.inference_mode()
    def _answers(
        self, frames: list[list[np.ndarray]], asked: list[list[int]], moves: Tensor | None
    ) -> list[str]:
        logits, end = self._see(frames, asked, moves=moves), self.tokenizer.mark(END)
        said: list[list[int]] = [[] for _ in frames]
        silent = [False] * len(frames)
        for _ in range(MOST_WORDS):
            tokens = logits.argmax(dim=1)
            for lane, token in enumerate(tokens.tolist()):
                silent[lane] = silent[lane] or token == end
                if not silent[lane]:
                    said[lane].append(token)
            if all(silent):
                break
            logits = self._go_on(tokens)
        return [self.tokenizer.decode(ids) for ids in said]

    def _see(
        self,
        frames: list[list[np.ndarray]],
        asked: list[list[int]],
        actions: Sequence[list[int]] = (),
        prompt: list[int] | None = None,
        moves: Tensor | None = None,
    ) -> Tensor:
        """Take frames in and ask; return the logits of the first word to say, ``(B, vocab)``.

        Args:
            frames: As many for each of the lanes.
            asked: For each lane, or for all.
            actions: Between the frames; all lanes did the same.
            prompt: Read by all before the first frame.
            moves: How things moved around the newest frames, see `_moves`.
        """
        if len(frames) != len(self._lanes):
            self._rollout = self._make_rollout(len(frames))
        asked = asked * len(frames) if len(asked) == 1 else asked
        images = np.stack([[self._checked(frame) for frame in seen] for seen in frames], axis=1)
        self._rollout.forget(self._lanes)
        if prompt:
            self._rollout.read_prompt(self._lanes, prompt)
        for k, pictures in enumerate(images):
            if k:
                did = actions[k - 1] if actions else []
                self._rollout.read_step(self._lanes, [did] * len(frames))
            pixels = to_float(torch.from_numpy(pictures).to(self.network.device))
            self._rollout.commit(self._lanes, self.codec.encode(pixels))
        lengths = torch.tensor([len(ids) for ids in asked], device=self.network.device)
        self._places = FIRST_WORD + lengths
        return self._sayable(self._rollout.ask(self._lanes, asked, moves))

    def _moves(self, seen: list[Stretch]) -> Tensor | None:
        """Return how things moved around the second frames of pairs; None for who makes no use."""
        if self._witness is None:
            return None
        checked = [Stretch(*([self._checked(x) for x in part] for part in each)) for each in seen]
        return self._witness(checked)

    def _go_on(self, tokens: Tensor) -> Tensor:
        """Let one more token be said ``(B,)``; return the logits of the next, ``(B, vocab)``."""
        logits = self._rollout.go_on(self._lanes, tokens, self._places)
        self._places = self._places + 1
        return self._sayable(logits)

    def _sayable(self, logits: Tensor) -> Tensor:
        """Rule out what is only ever said of a step, ``(..., vocab)``: rewards and ends.

        Their words are fitted where the world answers (`train.ends`), and mean nothing elsewhere.
        """
        logits[..., self.tokenizer.answer_ids] = -torch.inf
        return logits

    def _choose(
        self, actions: Sequence[str], logits: Tensor, end: int, aside: bool = True
    ) -> list[str]:
        """Return for each lane the action likeliest to be said, with what comes after it."""
        said = [[*self.tokenizer.encode(words), end] for words in actions]
        chances = torch.stack([self._likelihood(logits, ids, aside) for ids in said])
        return [actions[k] for k in chances.argmax(dim=0).tolist()]

    def _likelihood(self, logits: Tensor, ids: list[int], aside: bool) -> Tensor:
        """Return the logarithm of the chance that exactly these tokens follow, ``(B,)``."""
        after = self._rollout.weigh(self._lanes, ids[:-1], self._places, aside=aside)
        after = self._sayable(after)
        chances = torch.cat([logits[:, None], after], dim=1).log_softmax(dim=-1)  # (B, L, vocab)
        return chances[:, torch.arange(len(ids)), ids].sum(dim=1)

    def _make_rollout(self, lanes: int) -> Rollout:
        self._lanes = torch.arange(lanes, device=self.network.device)
        shape = self.codec.latent_shape
        return Rollout(self.network, self.tokenizer, self._config, lanes, shape)

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


def _pairs(befores: Frames, afters: Frames) -> list[list[np.ndarray]]:
    return [[before, after] for before, after in zip(befores, afters, strict=True)]


def _parts(items: list[Any]) -> list[list[Any]]:
    """Split into as many as are asked side by side."""
    return [items[k : k + LANES] for k in range(0, len(items), LANES)]
