"""How far two pictures are apart, and how a picture looks by itself.

Everything takes float images `(N, 3, H, W)` in [-1, 1] (see `as_images`) and gives one number a
picture. LPIPS is the AlexNet variant, version 0.1; its weights come from `worldsim assets`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from worldsim.assets import lpips_path
from worldsim.errors import WorldsimError

# (channels in, channels out, kernel, stride, padding) of AlexNet's five convolutions.
ALEXNET = [(3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1)]
ALEXNET += [(384, 256, 3, 1, 1), (256, 256, 3, 1, 1)]
LUMA = (0.299, 0.587, 0.114)


class LPIPS(nn.Module):
    """Learned perceptual distance (AlexNet, v0.1), differentiable and frozen.

    It knows nothing of motion or of the world: it compares two pictures. From 32×32 pixels up;
    values at different picture sizes are not comparable.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        """Build the network without weights; use `load`."""
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, kernel, stride, padding) for i, o, kernel, stride, padding in ALEXNET
        )
        self.heads = nn.ParameterList(torch.zeros(1, shape[1], 1, 1) for shape in ALEXNET)
        shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
        scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
        self.register_buffer("shift", shift, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, device: str | torch.device = "cpu") -> LPIPS:
        """Return LPIPS with the weights of the cache; `WorldsimError` where they are missing."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path, model = lpips_path(), cls()
        try:
            model.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        except (SafetensorError, RuntimeError, OSError) as error:
            raise WorldsimError(f"{path} is damaged: run `worldsim assets force=true`") from error
        return model.to(device)

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the five layers' activations, each position scaled to length one."""
        x, found = (images - self.shift) / self.scale, []
        for index, conv in enumerate(self.convs):
            if index in (1, 2):
                x = functional.max_pool2d(x, 3, 2)
            x = functional.relu(conv(x))
            # The tiny constant inside the root keeps the gradient finite where all are zero.
            found.append(x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt())
        return found

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distance `(N,)` between two batches of images `(N, 3, H, W)` in [-1, 1]."""
        return self.between(self.features(a), self.features(b))

    def between(self, a: list[Tensor], b: list[Tensor], weight: Tensor | None = None) -> Tensor:
        """Return the distance `(N,)` between two batches of `features`.

        Args:
            a: The ones.
            b: The others.
            weight: ``(N, 1, H, W)`` of any size, how much each spot counts; None: all the same.
        """
        pairs = zip(a, b, self.heads, strict=True)
        apart = [((p - q).square() * head).sum(1, keepdim=True) for p, q, head in pairs]
        if weight is not None:
            sizes = [(x.shape[-2], x.shape[-1]) for x in apart]
            weights = [functional.adaptive_avg_pool2d(weight, size) for size in sizes]
            apart = [x * spots for x, spots in zip(apart, weights, strict=True)]
        return torch.stack([x.mean((1, 2, 3)) for x in apart]).sum(0)


def as_images(frames: Tensor | np.ndarray) -> Tensor:
    """Turn uint8 frames `(..., H, W, 3)` into float images `(N, 3, H, W)` in [-1, 1]."""
    frames = torch.as_tensor(frames)
    return frames.flatten(0, -4).movedim(-1, -3).float().div(127.5).sub(1.0)


def looks(lpips: LPIPS, frames: np.ndarray, batch: int = 64) -> np.ndarray:
    """Return what AlexNet's last layer sees in uint8 frames `(..., H, W, 3)`, `(N, 256)`."""
    found = []
    with torch.inference_mode():
        for images in as_images(frames).split(batch):
            found.append(lpips.features(images)[-1].mean((2, 3)).numpy())
    return np.concatenate(found)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio `(N,)` in decibels, at most 100 (equal images)."""
    error = (a - b).square().mean((1, 2, 3)).clamp_min(4e-10)
    return 10 * torch.log10(4.0 / error)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the structural similarity `(N,)`: 11-pixel Gaussian window, mean over channels."""
    line = torch.exp(-((torch.arange(11.0, device=a.device) - 5) ** 2) / (2 * 1.5**2))
    line = line / line.sum()
    window = (line[:, None] * line).expand(3, 1, 11, 11)
    a, b = (a + 1) / 2, (b + 1) / 2  # its luminance term is made for values from 0 up

    def blur(x: Tensor) -> Tensor:
        return functional.conv2d(x, window, groups=3)

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    both = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return (value / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean((1, 2, 3))


def luma(images: Tensor) -> Tensor:
    """Return brightness `(N, H, W)` in [-1, 1]."""
    return torch.einsum("nchw,c->nhw", images, images.new_tensor(LUMA))


def sharpness(images: Tensor) -> Tensor:
    """Return the mean strength of brightness edges `(N,)`: blur lowers it, noise raises it."""
    y = luma(images)
    across, down = y[:, :, 1:] - y[:, :, :-1], y[:, 1:] - y[:, :-1]
    return across.abs().mean((1, 2)) + down.abs().mean((1, 2))


def statistics(images: Tensor) -> dict[str, Tensor]:
    """Return how pictures look, one number `(N,)` each, without anything to compare with.

    ``sharpness``; ``contrast`` (spread of brightness); ``brightness``; ``saturation`` (mean
    distance between the strongest and the weakest channel); ``red`` and ``blue`` (the channel's
    mean minus green's: a tint).
    """
    y, means = luma(images), images.mean((2, 3))
    return {
        "sharpness": sharpness(images),
        "contrast": y.flatten(1).std(1),
        "brightness": y.mean((1, 2)),
        "saturation": (images.amax(1) - images.amin(1)).mean((1, 2)),
        "red": means[:, 0] - means[:, 1],
        "blue": means[:, 2] - means[:, 1],
    }
