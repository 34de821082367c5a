"""The network: one decoder-only transformer over text tokens and frame tokens.

Attention is shared by all tokens, the feed-forward is separate for text and vision. The network
maps tokens and noisy latents to next-token logits and flow velocities; it knows nothing of
losses, samplers, caches or worlds. Method: Beyond Language Modeling (2603.03276) in small.
"""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from worldsim.attention import Attend, frame_positions, rotary_angles, text_positions
from worldsim.beyond import Beyond
from worldsim.block import Block
from worldsim.canvas import Canvas
from worldsim.deed import Deed
from worldsim.glance import Glance, Told
from worldsim.hearing import Hearing
from worldsim.levels import spread, surprise, waves
from worldsim.momentum import Gone, Momentum
from worldsim.painter import Moved, Nearby, Painter
from worldsim.patches import from_patches, into_patches
from worldsim.sizes import check_sizes
from worldsim.stem import Stem


class WorldTransformer(ModelMixin, ConfigMixin):
    """Text and noisy frames in, next-token logits and velocities out.

    Args:
        vocab_size: Entries of the tokenizer.
        width: D, a multiple of ``64``, the width of an attention head.
        depth: Number of blocks.
        text_hidden: Hidden width of the text feed-forward.
        image_hidden: Hidden width of the vision feed-forward.
        latent_channels: c of the codec.
        latent_size: h = w of the codec.
        patch: Latent cells per token along each side; ``(latent_size / patch)²`` tokens a frame.
        cell: Pixels along each side of a latent cell where the codec is linear, else 1; see
            `Canvas`.
        painter_width: Channels of the painter where a cell is one spot, half as many at each finer
            size, see `Painter`; 0: every frame is drawn by the transformer alone.
        match_width: Channels by which the painter compares two frames, see `Matching`; or 0.
        momentum_width: Channels, a multiple of 32, of what says how things go on, see `Momentum`.
        gait_width: Of what knows how whole pictures do, see `Gait`; or 0.
        plan_width: Values the painter is told about each cell.
        stem_width: Channels of the stem, a multiple of 8, see `Stem`; 0: a matrix alone.
        split: Whether text and vision have a feed-forward each; without, both have that of vision.
        may_rest: Whether the painter says how much happens at all, see `Painter`.
        may_appear: Whether the painter says where something new appears, see `Painter`.
        may_invent: Whether the painter knows what was never in sight, see `Painter`.
        beyond_width: Channels, a multiple of 8, of what looks over edges, see `Beyond`; or 0.
        hears: Whether what is heard of many words is learnt, see `Hearing`; else it is their sum.
        glance_width: Channels, a multiple of 8, of what questions look at, see `Glance`; or 0.
        deed_width: The same of what tells them what was done, see `Deed`; or 0.
    """

    surprise: Tensor

    @register_to_config
    def __init__(
        self,
        vocab_size: int = 512,
        width: int = 256,
        depth: int = 6,
        text_hidden: int = 256,
        image_hidden: int = 704,
        latent_channels: int = 16,
        latent_size: int = 8,
        patch: int = 2,
        cell: int = 1,
        painter_width: int = 96,
        match_width: int = 0,
        momentum_width: int = 0,
        gait_width: int = 0,
        plan_width: int = 32,
        stem_width: int = 0,
        split: bool = True,
        may_rest: bool = False,
        may_appear: bool = False,
        may_invent: bool = False,
        beyond_width: int = 0,
        hears: bool = False,
        glance_width: int = 0,
        deed_width: int = 0,
    ):
        super().__init__()
        check_sizes(self.config)
        self.patch = patch
        self.grid = latent_size // patch
        values = latent_channels * patch * patch
        self.canvas = Canvas(latent_channels, latent_size, cell)
        self.painter: Painter | None = None
        if painter_width:
            sizes = round(math.log2(max(1, cell // self.canvas.fold))) + 1
            widths = [painter_width // 2**k for k in reversed(range(sizes))]
            parts = match_width, momentum_width > 0, may_rest, may_appear, may_invent
            self.painter = Painter(self.canvas, plan_width, width, widths, *parts)
        moves = self.canvas, momentum_width, width, gait_width
        self.momentum = Momentum(*moves) if momentum_width else None
        self.beyond = Beyond(self.canvas.values, beyond_width) if beyond_width else None
        # How wrong the frame before is about the next one, by latent channel; see `_draw`.
        self.register_buffer("surprise", torch.full((latent_channels, 1, 1), 0.5))
        self.words = nn.Embedding(vocab_size, width)
        self.hearing = Hearing(width) if hears else None
        self.image_in = nn.Linear(2 * values, width)
        self.stem = Stem(self.canvas, self.grid, stem_width, width) if stem_width else None
        self.glance = Glance(self.canvas, glance_width, width, depth) if glance_width else None
        self.deed = Deed(deed_width, width) if deed_width else None
        self.cells = nn.Parameter(torch.randn(self.grid**2, width) * 0.02)
        self.said_norm = nn.RMSNorm(width)
        self.about = nn.Sequential(nn.Linear(64 + width, width), nn.SiLU(), nn.Linear(width, width))
        hidden = text_hidden if split else 0, image_hidden
        self.blocks = nn.ModuleList(Block(width, *hidden) for _ in range(depth))
        self.text_norm = nn.RMSNorm(width)
        self.image_norm = nn.RMSNorm(width)
        self.text_out = nn.Linear(width, vocab_size, bias=False)
        drawn = patch * patch * (plan_width + 1) if painter_width else values
        self.image_out = nn.Linear(width, drawn)
        nn.init.zeros_(self.image_out.weight)
        nn.init.zeros_(self.image_out.bias)
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.zeros_(self.text_out.weight)

    @torch.no_grad()
    def fit_surprise(self, latents: Tensor) -> None:
        """Measure `surprise` on recorded play, ``(B, T, c, h, w)``."""
        self.surprise.copy_(surprise(latents)[:, None, None])

    @property
    def num_tokens(self) -> int:
        """N, tokens of a frame."""
        return self.grid**2

    def forward(
        self,
        text_ids: Tensor,
        text_time: Tensor,
        text_index: Tensor,
        frames: Tensor,
        past: Tensor,
        said: Tensor,
        levels: Tensor,
        frame_time: Tensor,
        attend: Attend,
        num_history: int = 0,
        told: Told | None = None,
        gone: Gone | None = None,
        near: Nearby | None = None,
    ) -> tuple[Tensor, Tensor, Moved | None]:
        """Run the network once.

        Args:
            text_ids: ``(B, L)``; L may be 0.
            text_time: ``(B, L)`` step of every text token.
            text_index: ``(B, L)`` place of a token within the text of its step.
            frames: ``(B, F, c, h, w)`` latents, noisy to the degree `levels` says.
            past: ``(B, F, 2, c, h, w)``, of the two frames before; zeros where there is none.
            said: ``(B, F, D)`` what is heard of the last words before each frame, see `hear`.
            levels: ``(B, F)`` in [0, 1]; 0 is clean, 1 is pure noise.
            frame_time: ``(B, F)`` step of every frame.
            attend: What sees what; text first, then the frames' tokens.
            num_history: Frames at the front that are only looked at, H.
            told: What text that asks about frames may look at, see `tell`.
            gone: What `Momentum` is to know of the frames that are drawn, ``(B, F - H, ...)``.
            near: What else is known of the frame before each of these, see `Painter.move`.

        Returns:
            Logits ``(B, L, vocab)``, velocities ``(B, F - H, c, h, w)`` (noise minus clean) and
            how the frames before are moved, all ``(B, F - H, ...)``; None without a painter.
        """
        num_text = text_ids.shape[1]
        text = self.words(text_ids)
        about = torch.cat([waves(levels).to(said.dtype), self.said_norm(said)], dim=-1)
        about = self.about(about)  # (B, F, D)
        seen = frames if self.painter else frames / spread(levels).to(frames.dtype)
        image = self._embed_frames(seen, past[:, :, 0], num_history)
        image = image + about.repeat_interleave(self.num_tokens, dim=1)
        text_at = text_positions(text_time, text_index, self.grid)
        frames_at = frame_positions(frame_time, self.grid)
        angles = rotary_angles(torch.cat([text_at, frames_at], dim=1), head_dim=64)
        for layer, block in enumerate(self.blocks):
            text, image = block(text, image, angles, layer, attend)
            text = text + self.glance.think(layer, text, told) if told and self.glance else text
        if told and self.glance:
            text = text + self.glance.answer(text, told)
            if self.deed and told.done:
                text = text + self.deed.answer(text, told.done, told.of)
        logits = self.text_out(self.text_norm(text)) if num_text else text
        if num_history == frames.shape[1]:
            nothing = frames[:, num_history:]
            return logits, nothing, None
        image = self.image_norm(image[:, num_history * self.num_tokens :])
        frames, past, levels, about = (x[:, num_history:] for x in (frames, past, levels, about))
        if self.painter is None:
            return logits, self._denoise(image, frames, levels), None
        return logits, *self._draw(self.painter, image, frames, past, levels, about, gone, near)

    def _denoise(self, image: Tensor, frames: Tensor, levels: Tensor) -> Tensor:
        """Return velocities ``(B, F, c, h, w)`` as the transformer alone says them.

        What it says is of unit size at every level: the rest of the velocity follows from the
        noisy frame, as in Karras et al. 2022 (EDM), for clean frames of unit variance.
        """
        said = from_patches(self.image_out(image), frames.shape[1], self.grid, self.patch)
        said = said.view_as(frames)
        unit = spread(levels).to(frames.dtype)
        known = (2 * levels[:, :, None, None, None].to(frames.dtype) - 1) / unit**2
        return known * frames - said / unit

    def _draw(
        self,
        painter: Painter,
        image: Tensor,
        frames: Tensor,
        past: Tensor,
        levels: Tensor,
        about: Tensor,
        gone: Gone | None,
        near: Nearby | None,
    ) -> tuple[Tensor, Moved]:
        """Guess the clean frame and turn the guess into a velocity, both in float32.

        The noisy frame and the frame before, moved, are two measurements of the clean one;
        weighing them by their precision is left to arithmetic, so that neither the noise nor
        what has been seen already has to pass through the transformer. How far the moved frame
        is to be doubted is for the network to say, cell by cell. This is the preconditioning of
        Karras et al. 2022 (EDM) with the moved frame as a prior; what is left is mended. What is
        rounded here a dream adds up.
        """
        b, f = frames.shape[:2]
        said = from_patches(self.image_out(image), f, self.grid, self.patch)
        plan, doubt = said.split([self.config.plan_width, 1], dim=1)
        whole = (image.unflatten(1, (f, self.num_tokens)).mean(dim=2) + about).flatten(0, 1)
        noisy = frames.flatten(0, 1).float()
        level = levels.flatten()[:, None, None, None].float().clamp(min=1e-3)
        pictures = self.canvas.draw(past.flatten(0, 2)).unflatten(0, (b * f, 2))
        known = gone and (gone.drift.flatten(0, 1), gone.said.flatten(0, 1))
        going = self.momentum(pictures, *known) if self.momentum and known else None
        near = near and Nearby(*(x.flatten(0, 1) for x in near))
        moved, features = painter.move(pictures, plan, whole, going, near)
        prior = self.surprise.float() * doubt.float().clamp(-7, 3).exp()
        variance = prior * level**2 / (level**2 + prior * (1 - level) ** 2)
        seen = variance * (1 - level) / level**2
        guess = variance / prior * self.canvas.read(moved.picture) + seen * noisy
        picture = self.canvas.draw(guess)
        follows = past[:, :, 0].flatten(0, 1).abs().amax(dim=(1, 2, 3), keepdim=True) > 0
        moved = moved._replace(new=torch.where(follows, moved.new, 1.0))  # first frames are all so
        mended = picture + painter.mended(moved, picture, features, whole)
        correction = self.canvas.read(mended) - guess
        velocity = (noisy - guess - (variance / prior).sqrt() * correction) / level
        return velocity.unflatten(0, (b, f)), Moved(*(x.unflatten(0, (b, f)) for x in moved))

    def add_up(self, text_ids: Tensor, heard: Tensor) -> Tensor:
        """Add up words, so that a frame need not search the text for what leads to it.

        Args:
            text_ids: ``(B, L)``.
            heard: ``(B, F, L)``, 1 where a token belongs to a frame.

        Returns:
            ``(B, F, D)``.
        """
        words = self.words(text_ids)
        return heard.to(words.dtype) @ words

    def hear(self, said: Tensor, age: Tensor) -> Tensor:
        """Return what leads to frames, of what was said `age` frames ago, see `Hearing`."""
        return self.hearing(said, age) if self.hearing else said

    def tell(
        self, latents: Tensor, of: Tensor, index: Tensor, moves: Tensor | None = None
    ) -> Told | None:
        """Show text what it asks about, see `Glance.tell`; latents ``(B, F, 2, c, h, w)``.

        With `moves`, ``(B, F, STEPS, 3, y, x)``, also what was done there, see `Deed.see`.
        """
        if not self.glance:
            return None
        pictures = self.canvas.draw(latents.flatten(0, 2)).unflatten(0, latents.shape[:3])
        told = self.glance.tell(pictures.to(self.dtype), of, index)
        return told._replace(done=self.deed.see(moves)) if self.deed and moves is not None else told

    def _embed_frames(self, frames: Tensor, previous: Tensor, num_history: int) -> Tensor:
        """(B, F, c, h, w) -> (B, F * N, D)."""
        both = torch.cat([frames, previous], dim=2)
        b, tokens = len(both), into_patches(both, self.patch).to(self.dtype)
        tokens = self.image_in(tokens) + self.cells
        if self.stem and num_history:
            pairs = torch.stack([frames, previous], dim=2)[:, :num_history].flatten(0, 2)
            pictures = self.canvas.draw(pairs).unflatten(0, (b * num_history, 2))
            looked = self.stem(pictures.to(tokens.dtype)).unflatten(0, (b, num_history))
            tokens = torch.cat([tokens[:, :num_history] + looked, tokens[:, num_history:]], dim=1)
        return tokens.flatten(1, 2)
