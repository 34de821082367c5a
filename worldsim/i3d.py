"""I3D, a network that names what people do in videos: the eye of the Fréchet video distance.

Source: Carreira & Zisserman 2017 (1705.07750), Kinetics-400, RGB; the distance: Unterthiner et al.
2018 (1812.01717). The weights come from `worldsim assets`. Published figures were made with
another port of the same network and thousands of videos: ours are comparable to each other only.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from worldsim.assets import i3d_path
from worldsim.errors import WorldsimError

SIDE = 224
# Channels of the branches: 1x1; 1x1 then 3x3; 1x1 then 3x3; pool then 1x1.
MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
BRANCHES = (
    ("Branch_0_Conv3d_0a_1x1",),
    ("Branch_1_Conv3d_0a_1x1", "Branch_1_Conv3d_0b_3x3"),
    ("Branch_2_Conv3d_0a_1x1", "Branch_2_Conv3d_0b_3x3"),
    ("Branch_3_Conv3d_0b_1x1",),
)


class I3D(nn.Module):
    """Videos to the 400 scores of Kinetics' classes, averaged over time."""

    def __init__(self) -> None:
        """Build the network without weights; use `load`."""
        super().__init__()
        self.convs = nn.ModuleDict()
        self._add("Conv3d_1a_7x7", 3, 64, 7, stride=2)
        self._add("Conv3d_2b_1x1", 64, 64, 1)
        self._add("Conv3d_2c_3x3", 64, 192, 3)
        width = 192
        for name, (a, b1, b2, c1, c2, d) in MIXED.items():
            sizes = (((a, 1),), ((b1, 1), (b2, 3)), ((c1, 1), (c2, 3)), ((d, 1),))
            for convs, outs in zip(BRANCHES, sizes, strict=True):
                inside = width
                for conv, (out, kernel) in zip(convs, outs, strict=True):
                    self._add(f"Mixed_{name}_{conv}", inside, out, kernel)
                    inside = out
            width = a + b2 + c2 + d
        self._add("Logits_Conv3d_0c_1x1", width, 400, 1)
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls) -> I3D:
        """Return I3D with the weights of the cache; `WorldsimError` where they are missing."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path, model = i3d_path(), cls()
        try:
            model.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        except (SafetensorError, RuntimeError, OSError) as error:
            raise WorldsimError(f"{path} is damaged: run `worldsim assets force=true`") from error
        return model

    def forward(self, videos: Tensor) -> Tensor:
        """Return scores ``(B, 400)`` of videos ``(B, 3, T, 224, 224)`` in [-1, 1], T from 9 on."""
        x = _pool(self._unit("Conv3d_1a_7x7", videos, stride=2), (1, 3, 3), (1, 2, 2))
        x = self._unit("Conv3d_2c_3x3", self._unit("Conv3d_2b_1x1", x))
        x = _pool(x, (1, 3, 3), (1, 2, 2))
        for name in MIXED:
            if name == "4b":
                x = _pool(x, (3, 3, 3), (2, 2, 2))
            if name == "5b":
                x = _pool(x, (2, 2, 2), (2, 2, 2))
            x = self._mixed(name, x)
        x = functional.avg_pool3d(x, (min(2, x.shape[2]), 7, 7), stride=1)
        return self.convs["Logits_Conv3d_0c_1x1"](x).mean(dim=(2, 3, 4))

    def _add(self, name: str, inside: int, out: int, kernel: int, stride: int = 1) -> None:
        self.convs[name] = nn.Conv3d(inside, out, kernel, stride)

    def _unit(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        conv = self.convs[name]
        assert isinstance(conv, nn.Conv3d)
        return functional.relu(conv(_same(x, conv.kernel_size, (stride,) * 3)))

    def _mixed(self, name: str, x: Tensor) -> Tensor:
        found = []
        for number, convs in enumerate(BRANCHES):
            y = _pool(x, (3, 3, 3), (1, 1, 1)) if number == 3 else x
            for conv in convs:
                y = self._unit(f"Mixed_{name}_{conv}", y)
            found.append(y)
        return torch.cat(found, dim=1)


def video_features(network: I3D, videos: np.ndarray, batch: int = 4) -> np.ndarray:
    """Return scores ``(N, 400)`` of uint8 videos ``(N, T, H, W, 3)``."""
    found = []
    with torch.inference_mode():
        for part in torch.from_numpy(np.ascontiguousarray(videos)).split(batch):
            x = part.permute(0, 4, 1, 2, 3).float() / 127.5 - 1  # (B, 3, T, H, W)
            size = (x.shape[2], SIDE, SIDE)
            found.append(network(functional.interpolate(x, size, mode="trilinear")).numpy())
    return np.concatenate(found)


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Fréchet distance of two sets of features ``(N, D)``, taken as Gaussian.

    With fewer examples than features it is biased upwards: compare equal numbers only.
    """
    means = one.mean(axis=0), other.mean(axis=0)
    a, b = (np.atleast_2d(np.cov(x.astype(np.float64), rowvar=False)) for x in (one, other))
    # the trace of the root of a product of two covariances, from its eigenvalues
    root = np.sqrt(np.clip(np.linalg.eigvals(a @ b).real, 0, None)).sum()
    return float(((means[0] - means[1]) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * root)


def _same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad with zeros as TensorFlow's SAME does: what is odd goes to the end."""
    sides = []
    for length, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max(0, (-(-length // s) - 1) * s + k - length)
        sides += [total // 2, total - total // 2]
    return functional.pad(x, sides)


def _pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    # What is pooled has been through a relu, so that zeros around it change nothing.
    return functional.max_pool3d(_same(x, kernel, stride), kernel, stride)
