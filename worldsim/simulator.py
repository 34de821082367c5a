"""The model as a world: reset, step, say, append, snapshot, restore.

Stateful and batched: every lane is a rollout of its own, with its own past and its own random
numbers. It knows nothing of Gymnasium, keyboards or windows, and never sees a real simulator.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from worldsim.answers import Answers
from worldsim.checkpoint import Checkpoint, RolloutConfig, Start, weights_id
from worldsim.codec import to_float, to_uint8
from worldsim.errors import WorldsimError
from worldsim.likelihood import one_step_flow_loss
from worldsim.precision import multiplies_bf16
from worldsim.rollout import Rollout
from worldsim.sampler import noise_levels
from worldsim.scene import GONE
from worldsim.starts import check_frames, check_start

STAGES = "denoise", "commit", "decode"
UNDRAWN = 0.5  # in the place of luck: an end comes where it is the likelier


@dataclass
class StepOutput:
    """What the world answers: uint8 ``(B, H, W, 3)``, float ``(B,)`` on average, bool ``(B,)``.

    Whether a world ends is drawn: with `end_chances`, ``(B,)``. How little frames have left of what
    was seen is `worn`, ``(B,)``, see `scene.GONE`.
    """

    frames: Tensor
    rewards: Tensor
    terminated: Tensor
    end_chances: Tensor
    worn: Tensor


@dataclass
class Snapshot:
    """A simulator's whole state, random numbers included; restore it as often as you like."""

    memory: tuple[Tensor, ...]
    said: list[list[int]]
    noise: list[Tensor]


class Simulator:
    """Dreams frames from actions and sentences.

    Args:
        checkpoint: Weights, vocabulary and worlds.
        num_envs: Lanes.
        num_steps: Denoising passes a frame, first ones among them; None takes the checkpoint's own
            numbers.
        device: None takes a GPU where there is one.
        dtype: None takes bfloat16 where the hardware multiplies it, float32 elsewhere.
        weights_id: Digest of the weights, for recordings.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        num_envs: int = 1,
        num_steps: int | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        weights_id: str = "",
    ):
        if num_envs < 1:
            raise WorldsimError(f"num_envs={num_envs} makes no sense: use 1 or more")
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.dtype = dtype or (torch.bfloat16 if multiplies_bf16(self.device) else torch.float32)
        self.num_envs, self.weights_id = num_envs, weights_id
        self.draw_ends = True  # else worlds go on whatever the chance of an end
        self.tokenizer, self.worlds, self.starts = (
            checkpoint.tokenizer, checkpoint.worlds, checkpoint.starts,
        )  # fmt: skip
        # A dream passes its pictures on through the canvas: what is rounded there adds up.
        canvas = copy.deepcopy(checkpoint.network.canvas)
        # nn.Module's own `to`: that of diffusers warns about parts to keep in float32, of none.
        for part in (checkpoint.network, checkpoint.codec):
            nn.Module.to(part, self.device, self.dtype)
        checkpoint.network.canvas = canvas.to(self.device)
        self.network, self.codec = checkpoint.network.eval(), checkpoint.codec.eval()
        self.config: RolloutConfig = checkpoint.rollout
        self.levels, self.first_levels = (
            noise_levels(num_steps or number, self.config.shift)
            for number in (self.config.num_steps, self.config.first_steps)
        )
        self.image_size: int = self.codec.config.image_size
        self.stage_ms = dict.fromkeys(STAGES, 0.0)
        self._rollout = Rollout(
            self.network, self.tokenizer, self.config, num_envs, self.codec.latent_shape
        )
        self._said: list[list[int]] = [[] for _ in range(num_envs)]
        self._noise = [torch.Generator() for _ in range(num_envs)]

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        num_envs: int = 1,
        num_steps: int | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Simulator:
        """Load a checkpoint folder; without a path, the bundled one."""
        checkpoint = Checkpoint.load(path or None)
        return cls(checkpoint, num_envs, num_steps, device, dtype, weights_id(path or None))

    @torch.inference_mode()
    def reset(
        self,
        starts: Sequence[Start],
        prompts: Sequence[str | None] | None = None,
        seeds: Sequence[int] | None = None,
        lanes: Sequence[int] | None = None,
    ) -> Tensor:
        """Begin rollouts from clips.

        Args:
            starts: One clip a lane.
            prompts: A sentence each that sets the scene, or None; an empty one is an error.
            seeds: One a lane; without them lanes are seeded by their number.
            lanes: Which lanes to begin anew; all by default. The others go on undisturbed.

        Returns:
            The last frame of every clip, uint8 ``(len(lanes), H, W, 3)``.
        """
        chosen = list(range(self.num_envs)) if lanes is None else list(lanes)
        seeds = chosen if seeds is None else seeds
        prompts = prompts or [None] * len(chosen)
        for start in starts:
            check_start(start, self.image_size)
        ids = [[] if p is None else self.tokenizer.encode_sentence(p) for p in prompts]
        every = torch.tensor(chosen, device=self.device)
        self._rollout.forget(every)
        for lane, index, prompt, seed in zip(chosen, every, ids, seeds, strict=True):
            self._noise[lane].manual_seed(int(seed))
            self._said[lane] = []
            if prompt:
                self._rollout.read_prompt(index[None], prompt)
        self._show(every, starts)
        return torch.stack([torch.as_tensor(s.frames[-1]) for s in starts])

    @torch.inference_mode()
    def imagine(self, prompts: Sequence[str], seeds: Sequence[int] | None = None) -> Tensor:
        """Begin rollouts in places that only a sentence describes.

        Args:
            prompts: One a lane, such as "you see a red box ahead".
            seeds: One a lane; without them lanes are seeded by their number.

        Returns:
            The first frame of every lane, uint8 ``(B, H, W, 3)``; go on from there with `step`.
        """
        if len(prompts) != self.num_envs:
            raise WorldsimError(f"{len(prompts)} prompts for {self.num_envs} lanes: give one each")
        every = torch.arange(self.num_envs, device=self.device)
        ids = [self.tokenizer.encode_sentence(prompt) for prompt in prompts]
        self._said = [[] for _ in prompts]
        self._rollout.forget(every)
        for lane, prompt in enumerate(ids):
            self._rollout.read_prompt(every[lane : lane + 1], prompt)
        for generator, seed in zip(self._noise, seeds or range(self.num_envs), strict=True):
            generator.manual_seed(int(seed))
        drawn = self._rollout.draw(every, None, self._draw_noise(), self.first_levels)
        self._answer(every, self._rollout.commit(every, *drawn), UNDRAWN)
        return self._decode(drawn.latents)

    @torch.inference_mode()
    def step(self, actions: Sequence[str | None]) -> StepOutput:
        """Dream the next frame of every lane.

        Args:
            actions: Canonical words, one a lane; None leaves the step unlabelled (a sentence said
                before goes on steering).
        """
        if len(actions) != self.num_envs:
            raise WorldsimError(f"{len(actions)} actions for {self.num_envs} lanes: give one each")
        every = torch.arange(self.num_envs, device=self.device)
        words = [
            said or ([] if action is None else self.tokenizer.encode(action))
            for said, action in zip(self._said, actions, strict=True)
        ]
        self._said = [[] for _ in actions]
        noise = self._draw_noise()
        began = time.perf_counter()
        drawn = self._rollout.draw(every, words, noise, self.levels)
        denoised = time.perf_counter()
        luck = torch.cat([torch.rand(1, generator=g) for g in self._noise])
        luck = luck if self.draw_ends else torch.ones_like(luck)
        answer = self._answer(every, self._rollout.commit(every, *drawn), luck)
        committed = time.perf_counter()
        frames = self._decode(drawn.latents)
        times = pairwise((began, denoised, committed, time.perf_counter()))
        self.stage_ms = {k: 1e3 * (b - a) for k, (a, b) in zip(STAGES, times, strict=True)}
        return StepOutput(frames, *answer[:3], self._rollout.scene.worn(every).cpu())

    @torch.inference_mode()
    def begin_again(self) -> list[int]:
        """Show lanes with too little left of what they saw the newest of it; return which.

        A dream pushes about what it has seen: that grows, and what is beside it is made up.
        """
        every = torch.arange(self.num_envs, device=self.device)
        gone = every[self._rollout.scene.worn(every) > GONE]
        if len(gone):
            self._rollout.read_step(gone, [[]] * len(gone))
            self._rollout.commit(gone, *self._rollout.scene.again(gone))
        return gone.tolist()

    def say(self, texts: Sequence[str | None]) -> None:
        """Put a sentence in the place of each lane's next action; None says nothing."""
        ids = [self.tokenizer.encode_sentence(text) if text is not None else [] for text in texts]
        self._said = [new or old for new, old in zip(ids, self._said, strict=True)]

    @torch.inference_mode()
    def append(self, frames: Tensor) -> None:
        """Replace the newest dreamed frames by seen ones, uint8 ``(B, H, W, 3)``."""
        frames = torch.as_tensor(frames)
        check_frames(frames, self.image_size)
        if len(frames) != self.num_envs:
            raise WorldsimError(f"{len(frames)} frames for {self.num_envs} lanes: give one each")
        every = torch.arange(self.num_envs, device=self.device)
        self._rollout.take_back(every)
        self._answer(every, self._rollout.commit(every, self._encode(frames)), UNDRAWN)

    def snapshot(self) -> Snapshot:
        """Return a copy of the whole state."""
        noise = [generator.get_state() for generator in self._noise]
        return Snapshot(self._rollout.state(), [list(said) for said in self._said], noise)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot; what follows repeats bit for bit on the same machine."""
        if [x.shape for x in snapshot.memory] != [x.shape for x in self._rollout.state()]:
            raise WorldsimError("the snapshot is of another model or number of lanes")
        self._rollout.load(snapshot.memory)
        self._said = [list(said) for said in snapshot.said]
        for generator, state in zip(self._noise, snapshot.noise, strict=True):
            generator.set_state(state)

    @torch.inference_mode()
    def reconstruct(self, frames: Tensor) -> Tensor:
        """Send uint8 frames ``(N, H, W, 3)`` through the codec and back: the floor of quality."""
        return self._decode(self._encode(torch.as_tensor(frames)))

    def flow_loss(
        self, frames: Tensor, actions: Sequence[Sequence[str]], generator: torch.Generator
    ) -> float:
        """Return how surprised the model is by real frames uint8 ``(B, T + 1, H, W, 3)``."""
        frames = torch.as_tensor(frames)
        latents = self._encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        return one_step_flow_loss(
            self.network, self.tokenizer, self.config, latents, actions, generator
        )

    def _show(self, lanes: Tensor, starts: Sequence[Start]) -> None:
        """Take clips in, side by side; longer ones go on alone."""
        lengths = [len(start.frames) for start in starts]
        frames = torch.cat([torch.as_tensor(start.frames) for start in starts])
        latents = self._encode(frames).split(lengths)
        for k in range(max(lengths)):
            here = [i for i, length in enumerate(lengths) if k < length]
            if k:
                words = [self.tokenizer.encode(starts[i].actions[k - 1]) for i in here]
                self._rollout.read_step(lanes[here], words)
            self._rollout.commit(lanes[here], torch.stack([latents[i][k] for i in here]))

    def _draw_noise(self) -> Tensor:
        """Draw a frame of noise in every lane, (B, c, h, w)."""
        shape = self.codec.latent_shape
        return torch.stack([torch.randn(shape, generator=g) for g in self._noise])

    def _answer(self, lanes: Tensor, logits: Tensor, luck: Tensor | float) -> Answers:
        """Hear what the world says after a frame."""
        said = Answers.of(logits, self.tokenizer, luck)
        self._rollout.answer[lanes] = said.tokens
        return said

    def _encode(self, frames: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) -> (N, c, h, w)."""
        frames = to_float(frames.to(self.device)).to(self.dtype)
        return self.codec.encode(frames).float()

    def _decode(self, latents: Tensor) -> Tensor:
        """(N, c, h, w) -> uint8 (N, H, W, 3) on the CPU."""
        return to_uint8(self.codec.decode(latents.to(self.dtype)).float()).cpu()
