"""The network's memory of rollouts in progress: read words, draw a frame, take a frame in.

Latents in, latents out; it knows no pixels, no action names and no sentences, and lays tokens
out in time exactly as `sequence` does for training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worldsim.cache import KeyValueRing
from worldsim.checkpoint import RolloutConfig
from worldsim.deed import STEPS
from worldsim.glance import Told
from worldsim.heard import Heard
from worldsim.hindsight import GRID
from worldsim.model import WorldTransformer
from worldsim.painter import Moved
from worldsim.sampler import denoise
from worldsim.scene import Drawn, Scene
from worldsim.sequence import FIRST_WORD
from worldsim.surroundings import Around
from worldsim.text import MAX_SENTENCE_TOKENS, TextTokenizer
from worldsim.words import Words, padded

STEP_TEXT = 8  # answer, mark and the longest action; a sentence takes the room of older frames


class Rollout:
    """Lanes of keys, values and the newest latents.

    Args:
        network: Its device and type are used for everything.
        tokenizer: For the marks around frames.
        config: Window and noise of finished frames.
        lanes: Rollouts side by side.
        latent_shape: (c, h, w).
    """

    def __init__(
        self,
        network: WorldTransformer,
        tokenizer: TextTokenizer,
        config: RolloutConfig,
        lanes: int,
        latent_shape: tuple[int, int, int],
    ):
        self.network, self.tokenizer, self.config = network, tokenizer, config
        self.device, dtype = network.device, network.dtype
        size, per_step = network.config, network.num_tokens + STEP_TEXT
        slots = (config.window + 1) * per_step + MAX_SENTENCE_TOKENS
        self.ring = KeyValueRing(
            size.depth, lanes, slots, size.width // 64, 64, config.window, self.device, dtype
        )
        numbers = {"dtype": torch.long, "device": self.device}
        # Of the next token or frame; of the next frame; what the world said after the newest one.
        self.order, self.time, self.answer = (torch.zeros(lanes, **numbers) for _ in range(3))
        # The newest frames, the last one first; the third is for `take_back`.
        self.past = torch.zeros(lanes, 3, *latent_shape, device=self.device)
        self.heard = Heard(network, lanes)
        # The mean colour of the first frame: a dream stays near it, see `Canvas.settle`.
        self.home = torch.zeros(lanes, network.canvas.values, device=self.device)
        self.scene = Scene(network, lanes)
        # How things moved around the newest frame, for who asks what was done; 0: nobody knows.
        steps = STEPS if network.deed else 0
        self.moves = torch.zeros(lanes, steps, 3, GRID, GRID, device=self.device)
        # One fixed draw: committing the same frame twice gives the same memory.
        generator = torch.Generator().manual_seed(0)
        self._grain = torch.randn(latent_shape, generator=generator).to(self.device)

    def forget(self, lanes: Tensor) -> None:
        """Empty some lanes ``(B,)``."""
        self.ring.forget(lanes)
        for state in self._mine():
            state[lanes] = 0
        self.scene.forget(lanes, self.past[lanes, 0])
        self.answer[lanes] = self.tokenizer.reward_id(0.0)

    def read_prompt(self, lanes: Tensor, ids: list[int]) -> None:
        """Read a sentence before the first frame."""
        self._read(lanes, self._pad([[self.tokenizer.begin, *ids]] * len(lanes), first=0))

    def read_step(self, lanes: Tensor, words: Sequence[list[int]]) -> None:
        """Read the words that lead to a frame which is already known."""
        self._read(lanes, self._step_words(lanes, words))

    def ask(self, lanes: Tensor, asked: Sequence[list[int]], moves: Tensor | None = None) -> Tensor:
        """Ask after the newest frame; return the logits of the first word to say, (B, vocab).

        Args:
            lanes: ``(B,)``.
            asked: Token ids, one list a lane.
            moves: ``(B, STEPS, 3, y, x)``, how things moved around that frame, see `Deed`.
        """
        if moves is not None and self.network.deed:
            self.moves[lanes] = moves.to(self.moves)
        text = self._step_words(lanes, asked)
        last = text.valid.sum(dim=1) - 1
        return self._read(lanes, text, aside=True)[torch.arange(len(lanes)), last].float()

    def go_on(self, lanes: Tensor, tokens: Tensor, places: Tensor) -> Tensor:
        """Read one more token of an answer; return the logits of the next one, (B, vocab).

        Args:
            lanes: ``(B,)``.
            tokens: ``(B,)``.
            places: ``(B,)``, how many tokens of this step stand before it, the frame's mark and
                the world's answer among them.
        """
        text = Words(tokens[:, None], torch.ones_like(tokens[:, None]), places[:, None])
        return self._read(lanes, text, aside=True)[:, 0].float()

    def weigh(
        self,
        lanes: Tensor,
        ids: list[int],
        places: Tensor,
        alone: bool = False,
        aside: bool = True,
    ) -> Tensor:
        """Return the logits after each of some words, (B, L, vocab), without keeping them.

        Args:
            lanes: ``(B,)``.
            ids: The words, the same for all.
            places: ``(B,)``, that of the first, as for `go_on`.
            alone: Whether none of them sees another.
            aside: Whether they are about the newest frame, and no part of what happens.
        """
        text = self._pad([ids] * len(lanes), first=0)
        text = text._replace(places=text.places + places[:, None])
        return self._pass(lanes, text, None, 0.0, alone=alone, aside=aside)[0].float()

    def draw(
        self, lanes: Tensor, words: Sequence[list[int]] | None, noise: Tensor, levels: list[float]
    ) -> Drawn:
        """Read the words and denoise the next frame in the same passes.

        Args:
            lanes: ``(B,)``.
            words: Token ids of what is done or said, one list a lane; may be empty. None for a
                first frame, which nothing leads to.
            noise: ``(B, c, h, w)``.
            levels: See `sampler.noise_levels`.

        Returns:
            The frame, and how it moved; memory does not hold it until `commit`.
        """
        text = None if words is None else self._step_words(lanes, words)
        moved: Moved | None = None

        def velocity(latents: Tensor, level: float) -> Tensor:
            nonlocal text, moved
            if text is not None:
                self.heard.take(lanes, text, self.time[lanes])
            _, velocities, moved = self._pass(lanes, text, latents, level)
            if text is not None:
                self._keep(lanes, text)
                text = None
            return velocities

        home = None if words is None else self.home[lanes]
        latents = denoise(noise.to(self.device), velocity, levels)
        latents = self.network.canvas.settle(latents, home)
        if moved is None or words is None:
            return Drawn(latents)
        return self.scene.drawn(lanes, latents, moved)

    def commit(
        self,
        lanes: Tensor,
        latents: Tensor,
        drift: Tensor | None = None,
        around: Around | None = None,
    ) -> Tensor:
        """Take finished frames in.

        Args:
            lanes: ``(B,)``.
            latents: ``(B, c, h, w)``.
            drift: ``(B, 3, y, x)`` as they were drawn; None where they were seen.
            around: What lies around them, as they were drawn; None where they were seen.

        Returns:
            The logits of what the world answers, ``(B, vocab)``.
        """
        level = self.config.base_level
        noisy = (1 - level) * latents + level * self._grain
        mark = self._pad([[self.tokenizer.frame_end]] * len(lanes), first=0)
        logits = self._pass(lanes, mark, noisy, level, frame_first=True)[0]
        self.ring.keep(lanes, torch.full_like(lanes, self.network.num_tokens + 1))
        first = self.time[lanes] == 0
        self.home[lanes[first]] = self.network.canvas.tint(latents[first])
        heard = self.heard.now(lanes, self.time[lanes])
        self.scene.take(lanes, latents, heard, drift, around)
        self.moves[lanes] = 0
        self.order[lanes] += 2
        self.time[lanes] += 1
        self.past[lanes] = torch.cat([latents[:, None], self.past[lanes][:, :2]], dim=1)
        return logits[:, 0].float()

    def take_back(self, lanes: Tensor) -> None:
        """Undo the last `commit` of some lanes; only one step back."""
        self.ring.keep(lanes, torch.full_like(lanes, -(self.network.num_tokens + 1)))
        self.order[lanes] -= 2
        self.time[lanes] -= 1
        self.past[lanes] = torch.roll(self.past[lanes], -1, dims=1)
        self.moves[lanes] = 0
        self.scene.take_back(lanes)

    def state(self) -> tuple[Tensor, ...]:
        """Return copies of everything that changes."""
        return (*self.ring.state(), *(x.clone() for x in self._mine()))

    def load(self, state: tuple[Tensor, ...]) -> None:
        """Go back to a `state`."""
        self.ring.load(state[:4])
        for value, saved in zip(self._mine(), state[4:], strict=True):
            value.copy_(saved)

    def _mine(self) -> tuple[Tensor, ...]:
        mine = self.order, self.time, self.answer, self.past, self.home, self.moves
        return (*mine, *self.heard.state(), *self.scene.state())

    def _step_words(self, lanes: Tensor, words: Sequence[list[int]]) -> Words:
        """Put the world's last answer before what is done next; the mark has place 0."""
        answers = self.answer[lanes].tolist()
        return self._pad([[a, *said] for a, said in zip(answers, words, strict=True)], first=1)

    def _pad(self, rows: list[list[int]], first: int) -> Words:
        return padded(rows, first, self.tokenizer.pad, self.device)

    def _read(self, lanes: Tensor, text: Words, aside: bool = False) -> Tensor:
        """Take words in; return the logits after each, (B, L, vocab)."""
        self.heard.take(lanes, text, self.time[lanes])
        logits = self._pass(lanes, text, None, 0.0, aside=aside)[0]
        self._keep(lanes, text)
        return logits

    def _keep(self, lanes: Tensor, text: Words) -> None:
        counts = text.valid.sum(dim=1)
        self.ring.keep(lanes, counts)
        self.order[lanes] += counts

    def _pass(
        self,
        lanes: Tensor,
        text: Words | None,
        latents: Tensor | None,
        level: float,
        frame_first: bool = False,
        alone: bool = False,
        aside: bool = False,
    ) -> tuple[Tensor, Tensor, Moved | None]:
        """Run the network once on text, a frame, or both; text stands first in the tensors.

        In order and time text stands before the frame, where it belongs to the step of the frame
        before; with `frame_first` it follows the frame. With `alone` no token sees another of
        this pass. With `aside` words are about the newest frame, which they are told of.
        """
        b, n = len(lanes), self.network.num_tokens if latents is not None else 0
        text = text or self._pad([[]] * b, first=0)
        ids, valid = text.ids.long(), text.valid.bool()
        order, now = self.order[lanes][:, None], self.time[lanes][:, None]
        text_time = (now if frame_first else (now - 1).clamp(min=0)).expand(b, ids.shape[1])
        text_order = order + torch.arange(ids.shape[1], device=self.device) + frame_first
        frame_order = order if frame_first else order + valid.sum(dim=1, keepdim=True)
        attend = self.ring.place(
            lanes,
            torch.cat([text_order, frame_order.expand(b, n)], dim=1),
            torch.cat([text_time, now.expand(b, n)], dim=1),
            torch.cat([valid, valid.new_ones(b, n)], dim=1),
            alone,
        )
        past = self.past[lanes][:, None, :2]
        told: Told | None = None
        if aside:
            about = (valid & (text.places >= FIRST_WORD)).long() - 1
            seen, moves = past.to(self.network.dtype), self.moves[lanes][:, None]
            told = self.network.tell(seen, about, text.places, moves)
        past, now = (x[:, :0] if latents is None else x for x in (past, now))
        frames = past[:, :, 0] if latents is None else latents[:, None]
        said = self.heard.now(lanes, self.time[lanes])
        draws = latents is not None and not frame_first
        ahead = (lanes, said, self.past, self.time)
        gone, near = self.scene.ahead(*ahead) if draws else (None, None)
        logits, velocity, moved = self.network(
            ids, text_time, text.places,
            frames, past,
            said[:, None][:, : frames.shape[1]],
            torch.full((b, frames.shape[1]), level, device=self.device), now, attend,
            num_history=frames.shape[1] if frame_first else 0,
            told=told,
            gone=gone,
            near=near,
        )  # fmt: skip
        return logits, velocity.flatten(0, 1).float(), moved
