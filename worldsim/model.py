"""The network: one decoder-only transformer over text tokens and frame tokens.

Attention is shared by all tokens, the feed-forward is separate for text and vision. The network
maps tokens and noisy latents to next-token logits and flow velocities; it knows nothing of
losses, samplers, caches or worlds. Method: Beyond Language Modeling (2603.03276) in small.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from worldsim.attention import Attend, frame_positions, rotary_angles, text_positions
from worldsim.block import Block
from worldsim.mover import Mover
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
        image_size: H = W of a picture.
        mover_width: Channels of the mover at its coarsest size, a multiple of 32, see `Mover`; 0:
            none, and what is expected is that nothing moves.
        match_width: Channels by which the mover compares the last two pictures, see `Matching`; 0:
            it does not.
        stem_width: Channels of the stem at the finest size, a multiple of 8: frames that are only
            looked at pass through it. 0: none, they are seen through one matrix alone.
        split: Whether text and vision have a feed-forward each; without, both have that of vision.
    """

    surprise: Tensor
    variance: Tensor

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
        image_size: int = 64,
        mover_width: int = 96,
        match_width: int = 32,
        stem_width: int = 0,
        split: bool = True,
    ):
        super().__init__()
        fits = width % 64 == 0 and mover_width % 32 == 0 and stem_width % 8 == 0
        if not fits or latent_size % patch:
            raise ValueError(
                f"{width=} {latent_size=} {patch=} {mover_width=} {stem_width=} do not fit together"
            )
        self.patch = patch
        self.grid = latent_size // patch
        values = latent_channels * patch * patch
        self.mover = Mover(image_size, width, mover_width, match_width) if mover_width else None
        # Of clean frames, by latent channel: the variance, and the share of it that is not known
        # where the frame before is; see `doubt`.
        self.register_buffer("surprise", torch.full((latent_channels, 1, 1), 0.5))
        self.register_buffer("variance", torch.ones(latent_channels, 1, 1))
        self.words = nn.Embedding(vocab_size, width)
        self.image_in = nn.Linear(3 * values, width)
        self.stem = Stem(image_size, self.grid, stem_width, width) if stem_width else None
        self.cells = nn.Parameter(torch.randn(self.grid**2, width) * 0.02)
        self.said_norm = nn.RMSNorm(width)
        self.about = nn.Sequential(
            nn.Linear(128 + width, width), nn.SiLU(), nn.Linear(width, width)
        )
        hidden = (text_hidden if split else 0, image_hidden)
        self.blocks = nn.ModuleList(Block(width, *hidden) for _ in range(depth))
        self.text_norm = nn.RMSNorm(width)
        self.image_norm = nn.RMSNorm(width)
        self.text_out = nn.Linear(width, vocab_size, bias=False)
        self.image_out = nn.Linear(width, 2 * values)
        nn.init.zeros_(self.image_out.weight)
        nn.init.zeros_(self.image_out.bias)
        nn.init.normal_(self.words.weight, std=0.02)
        nn.init.zeros_(self.text_out.weight)

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
        expected: Tensor,
        said: Tensor,
        levels: Tensor,
        expected_levels: Tensor,
        frame_time: Tensor,
        attend: Attend,
        looked: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run the network once.

        Args:
            text_ids: ``(B, L)``; L may be 0.
            text_time: ``(B, L)`` step of every text token.
            text_index: ``(B, L)`` place of a token within the text of its step.
            frames: ``(B, F, c, h, w)`` latents, noisy to the degree `levels` says.
            expected: ``(B, F, c, h, w)`` latents of the frames before, moved, see `move`; noisy,
                too, and zeros where there is none before.
            said: ``(B, F, D)`` the last words before each frame, see `hear`.
            levels: ``(B, F)`` in [0, 1]; 0 is clean, 1 is pure noise.
            expected_levels: ``(B, F)``, the same of what is expected; 1 where there is none.
            frame_time: ``(B, F)`` step of every frame.
            attend: What sees what; text first, then the frames' tokens.
            looked: ``(B, H, N, D)`` of `look`: the first H frames are only looked at.

        Returns:
            Logits ``(B, L, vocab)`` and velocities ``(B, F - H, c, h, w)``, noise minus clean.
        """
        num_text, history = text_ids.shape[1], 0 if looked is None else looked.shape[1]
        text = self.words(text_ids)
        waves = [_waves(x).to(said.dtype) for x in (levels, expected_levels)]
        about = self.about(torch.cat([*waves, self.said_norm(said)], dim=-1))  # (B, F, D)
        image = self._embed(frames, expected, levels, expected_levels) + about[:, :, None]
        if looked is not None:
            image = torch.cat([image[:, :history] + looked, image[:, history:]], dim=1)
        image = image.flatten(1, 2)
        positions = torch.cat(
            [
                text_positions(text_time, text_index, self.grid),
                frame_positions(frame_time, self.grid),
            ],
            dim=1,
        )
        angles = rotary_angles(positions, head_dim=64)
        for layer, block in enumerate(self.blocks):
            text, image = block(text, image, angles, layer, attend)
        logits = self.text_out(self.text_norm(text)) if num_text else text
        if history == frames.shape[1]:
            return logits, frames[:, history:]
        said_of = self.image_out(self.image_norm(image[:, history * self.num_tokens :]))
        drawn = (x[:, history:] for x in (frames, expected, levels, expected_levels))
        return logits, self._velocity(said_of, *drawn)

    def move(self, pictures: Tensor, said: Tensor) -> Tensor:
        """Guess pictures by moving the ones before; see `Mover`.

        Args:
            pictures: ``(B, F, 2, 3, H, W)`` in [-1, 1], of the frame before each and of the one
                before that.
            said: ``(B, F, D)``.

        Returns:
            ``(B, F, 3, H, W)``.
        """
        if self.mover is None:
            return pictures[:, :, 0]
        moved = self.mover(pictures.flatten(0, 1), said.flatten(0, 1))
        return moved.unflatten(0, pictures.shape[:2])

    def look(self, pictures: Tensor) -> Tensor:
        """Look at finished pictures ``(B, F, 2, 3, H, W)``, each beside the one before it.

        Returns:
            What is added to their tokens, ``(B, F, N, D)``.
        """
        if self.stem is None:
            return self.cells.new_zeros(*pictures.shape[:2], *self.cells.shape)
        return self.stem(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])

    def _velocity(
        self, said: Tensor, frames: Tensor, expected: Tensor, levels: Tensor, doubts: Tensor
    ) -> Tensor:
        """Return velocities ``(B, F, c, h, w)`` as the transformer says them.

        What it says is of unit size at every level: the rest follows from the noisy frame and the
        expected one, two measurements of the clean frame that are weighed by their precision. This
        is the preconditioning of Karras et al. 2022 (EDM), with a mean that is not zero. How far
        the expected frame is to be doubted is for the network to say, value by value: where it is
        right, nothing of the noise may stay, and the noise need not pass through the network.
        """
        both = self._unpatch(said, frames.shape[1]).unflatten(0, frames.shape[:2])
        unit, doubt = both.chunk(2, dim=2)
        carry, prior = self.doubt(doubts, doubt)
        carry, prior, level = (x.to(frames.dtype) for x in (carry, prior, _wide(levels)))
        spread = (prior * (1 - level) ** 2 + level**2).sqrt()
        known = (level - prior * (1 - level)) * frames - level * carry * expected
        return known / spread**2 - prior.sqrt() / spread * unit

    def doubt(self, expected_levels: Tensor, more: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return how much noisy expected frames say, and the variance that they leave.

        Args:
            expected_levels: ``(B, F)``.
            more: Logarithm of how much more than what `surprise` says of the whole channel is not
                known, ``(B, F, c, h, w)``.

        Returns:
            The factor that takes their noise off and the variance that is left around that, both
            ``(B, F, c, 1, 1)`` or as `more`.
        """
        level, variance = _wide(expected_levels), self.variance.float()
        clear = (1 - level) ** 2 * variance / ((1 - level) ** 2 * variance + level**2)
        # What was moved is kept whole. The best linear guess would be a share of it: a blur.
        left = self.surprise.float() * (more.clamp(-7, 3).exp() if more is not None else 1.0)
        return clear / (1 - level).clamp(min=1e-6), variance * (left * clear + 1 - clear)

    @torch.no_grad()
    def measure_surprise(
        self, expected: Tensor, clean: Tensor, follows: Tensor, rate: float
    ) -> None:
        """Let `surprise` and `variance` follow what frames are like, ``(B, F, c, h, w)``.

        Args:
            expected: Without noise.
            clean: What came.
            follows: ``(B, F)``, 1 where something was expected.
            rate: Of the way that they go.
        """
        wide, cells = _wide(follows), expected.shape[-2] * expected.shape[-1]
        count = (follows.sum() * cells).clamp(min=1)
        off, whole = (
            (x.float().square() * wide).sum(dim=(0, 1, 3, 4)) / count
            for x in (clean - expected, clean)
        )
        whole = whole.clamp(min=1e-3)
        surprise = (off / whole).clamp(0.02, 2)
        for mine, now in ((self.surprise, surprise), (self.variance, whole)):
            mine.lerp_(now[:, None, None].to(mine.dtype), rate)

    def hear(self, text_ids: Tensor, heard: Tensor) -> Tensor:
        """Add up words, so that a frame need not search the text for what leads to it.

        Args:
            text_ids: ``(B, L)``.
            heard: ``(B, F, L)``, 1 where a token belongs to a frame.

        Returns:
            ``(B, F, D)``.
        """
        words = self.words(text_ids)
        return heard.to(words.dtype) @ words

    def _embed(self, frames: Tensor, expected: Tensor, levels: Tensor, doubts: Tensor) -> Tensor:
        """Show frames, what was expected and how they differ, of unit size each; (B, F, N, D)."""
        carry, prior = self.doubt(doubts)
        level, dtype = _wide(levels), frames.dtype
        spread = ((1 - level) ** 2 * self.variance.float() + level**2).sqrt()
        new = frames - ((1 - level) * carry).to(dtype) * expected
        new = new / (prior * (1 - level) ** 2 + level**2).sqrt().to(dtype)
        sized = expected / self.variance.sqrt().to(dtype)
        three = torch.cat([frames / spread.to(dtype), sized, new], dim=2)
        b, f, c, h, w = three.shape
        p, g = self.patch, self.grid
        tokens = three.view(b, f, c, g, p, g, p).permute(0, 1, 3, 5, 2, 4, 6)
        return self.image_in(tokens.reshape(b, f, g * g, c * p * p)) + self.cells

    def _unpatch(self, tokens: Tensor, num_frames: int) -> Tensor:
        """(B, F * N, values * p * p) -> (B * F, values, h, w)."""
        p, g = self.patch, self.grid
        tokens = tokens.unflatten(1, (num_frames, g, g)).unflatten(-1, (-1, p, p))
        return tokens.permute(0, 1, 4, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4).flatten(0, 1)


def _wide(values: Tensor) -> Tensor:
    """(B, F) -> (B, F, 1, 1, 1)."""
    return values[:, :, None, None, None]


def _waves(levels: Tensor) -> Tensor:
    """(B, F) noise levels -> (B, F, 64) sines and cosines, from slow to fast."""
    frequencies = torch.logspace(0, 2.5, 32, device=levels.device)
    angles = levels.float()[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
