"""Pictures to latents and back. Knows nothing of time, actions or the transformer.

Two codecs behind one surface: `encode(frames) -> latents`, `decode(latents) -> frames`, frames
float in [-1, 1], latents with roughly zero mean and unit variance (the scale is kept with the
weights).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from worldsim.errors import WorldsimError

Distance = Callable[[Tensor, Tensor], Tensor]
"""Perceptual distance of two batches of frames, one number a frame."""


class ConvCodec(ModelMixin, ConfigMixin):
    """A small `diffusers` autoencoder, eight pixels to a latent cell.

    Pixels are first folded (`fold` × `fold` to channels), which spares the most expensive
    convolutions. Trained with L1 + LPIPS and a little noise on the latents, so that what the
    transformer gets slightly wrong still decodes well.

    Args:
        image_size: H = W.
        latent_channels: c.
        widths: Channels at each resolution after folding; each step halves the picture.
        fold: Pixels folded into channels along each side.
        noise: Standard deviation of the noise on the latents in training.
        lpips_weight: Weight of the perceptual distance beside L1.
    """

    latents_mean: Tensor
    latents_std: Tensor

    @register_to_config
    def __init__(
        self,
        image_size: int = 64,
        latent_channels: int = 16,
        widths: tuple[int, ...] = (64, 96),
        fold: int = 4,
        noise: float = 0.1,
        lpips_weight: float = 0.5,
    ):
        super().__init__()
        self.fold = fold
        self.net = AutoencoderKL(
            in_channels=3 * fold * fold,
            out_channels=3 * fold * fold,
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            block_out_channels=tuple(widths),
            layers_per_block=1,
            latent_channels=latent_channels,
            norm_num_groups=8,
            mid_block_add_attention=False,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )
        self.register_buffer("latents_mean", torch.zeros(latent_channels, 1, 1))
        self.register_buffer("latents_std", torch.ones(latent_channels, 1, 1))

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        side = self.config.image_size // (self.fold * 2 ** (len(self.config.widths) - 1))
        return self.config.latent_channels, side, side

    @property
    def cell(self) -> int:
        """Pixels a latent cell stands for by matrix alone; 1, as this codec is not linear."""
        return 1

    def canvas(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return matrices and mean that change nothing; see `PatchCodec.canvas`."""
        c = self.config.latent_channels
        eye = torch.eye(c, device=self.device)
        return eye, eye, torch.zeros(c, device=self.device)

    def encode(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, c, h, w), normalised."""
        return (self._encode(frames) - self.latents_mean) / self.latents_std

    def decode(self, latents: Tensor) -> Tensor:
        """(B, c, h, w), normalised -> (B, 3, H, W), about [-1, 1]."""
        return self._decode(latents * self.latents_std + self.latents_mean)

    def sketch(self, latents: Tensor) -> Tensor:
        """Decode; here nothing can be left out."""
        return self.decode(latents)

    def loss(self, frames: Tensor, noise: Tensor, distance: Distance) -> tuple[Tensor, dict]:
        """Return the reconstruction loss on frames ``(B, 3, H, W)`` and detached logs.

        Args:
            frames: In [-1, 1].
            noise: Standard normal, shaped like the latents.
            distance: LPIPS.
        """
        latents = self._encode(frames)
        again = self._decode(latents + self.config.noise * noise)
        loss, logs = _reconstruction(again, frames, distance, self.config.lpips_weight)
        # A weak pull to zero keeps the latents from outgrowing the noise.
        return loss + 2e-3 * latents.square().mean(), logs

    @torch.no_grad()
    def fit(self, frames: Tensor) -> None:
        """Set the latents' mean and spread from frames ``(B, 3, H, W)``."""
        latents = self._encode(frames)
        self.latents_mean.copy_(latents.mean(dim=(0, 2, 3))[:, None, None])
        self.latents_std.copy_(latents.std(dim=(0, 2, 3))[:, None, None].clamp(min=1e-3))

    def _encode(self, frames: Tensor) -> Tensor:
        return self.net.encode(F.pixel_unshuffle(frames, self.fold)).latent_dist.mode()

    def _decode(self, latents: Tensor) -> Tensor:
        return F.pixel_shuffle(self.net.decode(latents).sample, self.fold)


class PatchCodec(ModelMixin, ConfigMixin):
    """Square patches of pixels, rotated to their principal components; the rest is dropped.

    Latents are fitted in seconds instead of trained, and cost one matrix each way. With all
    components kept, no whitening and no retouching it is plain pixels to the transformer. A few
    convolutions may retouch decoded pictures (seams between patches, what was dropped); they
    do not change the latents.

    Args:
        image_size: H = W.
        fold: Pixels along each side of a patch, one latent cell.
        keep: Components kept, at most ``3 * fold²``.
        whiten: 0 keeps the components' own spread, 1 makes all equally loud.
        retouch: Width of the retouching convolutions; 0 leaves them out.
        noise: Largest standard deviation of the noise on latents while retouching is learnt.
        lpips_weight: Weight of the perceptual distance beside L1.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    @register_to_config
    def __init__(
        self,
        image_size: int = 64,
        fold: int = 8,
        keep: int = 32,
        whiten: float = 0.5,
        retouch: int = 32,
        noise: float = 0.3,
        lpips_weight: float = 0.5,
    ):
        super().__init__()
        values = 3 * fold**2
        if not 1 <= keep <= values or image_size % fold:
            raise ValueError(f"{image_size=} {fold=} {keep=} do not fit together")
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("basis", torch.eye(values)[:, :keep].clone())
        self.register_buffer("scale", torch.ones(keep))
        self.retoucher = _retouch(retouch) if retouch else None

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        side = self.config.image_size // self.config.fold
        return self.config.keep, side, side

    @property
    def cell(self) -> int:
        """Pixels along each side that a latent cell stands for by matrix alone."""
        return self.config.fold

    def canvas(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what draws a cell's pixels, ``(c, v)``, reads them, ``(v, c)``, and their mean."""
        return self.scale[:, None] * self.basis.mT, self.basis / self.scale, self.mean

    def encode(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, c, h, w)."""
        patches = F.pixel_unshuffle(frames, self.config.fold).movedim(1, -1)
        return ((patches - self.mean) @ self.basis / self.scale).movedim(-1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 3, H, W)."""
        frames = self.sketch(latents)
        if self.retoucher is None:
            return frames
        return frames + F.pixel_shuffle(self.retoucher(F.pixel_unshuffle(frames, 2)), 2)

    def sketch(self, latents: Tensor) -> Tensor:
        """Decode by matrix alone, as pictures are compared while the transformer is trained."""
        patches = (latents.movedim(1, -1) * self.scale) @ self.basis.mT + self.mean
        return F.pixel_shuffle(patches.movedim(-1, 1), self.config.fold)

    def loss(self, frames: Tensor, noise: Tensor, distance: Distance) -> tuple[Tensor, dict]:
        """Return the loss of decoding slightly wrong latents; arguments as in `ConvCodec.loss`."""
        amount = torch.linspace(0, self.config.noise, len(frames), device=frames.device)
        latents = self.encode(frames) + amount[:, None, None, None] * noise
        return _reconstruction(self.decode(latents), frames, distance, self.config.lpips_weight)

    @torch.no_grad()
    def fit(self, frames: Tensor) -> None:
        """Find the components of some frames ``(B, 3, H, W)``; latents get unit variance."""
        patches = F.pixel_unshuffle(frames, self.config.fold).movedim(1, -1).flatten(0, -2).double()
        self.mean.copy_(patches.mean(dim=0))
        centred = patches - patches.mean(dim=0)
        variance, basis = torch.linalg.eigh(centred.mT @ centred / len(patches))
        variance, basis = variance.flip(0)[: self.config.keep], basis.flip(1)[:, : self.config.keep]
        spread = variance.clamp(min=1e-9).sqrt()
        scale = spread**self.config.whiten
        scale = scale * (spread / scale).square().mean().sqrt()
        self.basis.copy_(basis)
        self.scale.copy_(scale)


Codec = ConvCodec | PatchCodec
CODECS: dict[str, type[ConvCodec] | type[PatchCodec]] = {"conv": ConvCodec, "patch": PatchCodec}


def to_float(frames: Tensor) -> Tensor:
    """uint8 (..., H, W, 3) -> float (..., 3, H, W) in [-1, 1]. One of the two conversions."""
    return frames.movedim(-1, -3).float() / 127.5 - 1


def to_uint8(frames: Tensor) -> Tensor:
    """Float (..., 3, H, W) -> uint8 (..., H, W, 3). The other one."""
    return ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).movedim(-3, -1)


def _reconstruction(
    again: Tensor, frames: Tensor, distance: Distance, weight: float
) -> tuple[Tensor, dict]:
    """Weigh L1 and perceptual distance."""
    l1 = (again - frames).abs().mean()
    perceptual = distance(again, frames).mean()
    loss = l1 + weight * perceptual
    return loss, {"loss": loss.detach(), "l1": l1.detach(), "lpips": perceptual.detach()}


def _retouch(width: int) -> nn.Sequential:
    """Convolutions on pixels folded 2 × 2, changing nothing until trained."""
    last = nn.Conv2d(width, 12, 3, padding=1)
    nn.init.zeros_(last.weight)
    assert last.bias is not None
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Conv2d(12, width, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.SiLU(),
        last,
    )


def make_codec(kind: str, image_size: int, **options: object) -> Codec:
    """Build an untrained codec by name."""
    if kind not in CODECS:
        raise WorldsimError(f"unknown codec '{kind}': use {' or '.join(CODECS)}")
    return CODECS[kind](image_size=image_size, **options)
