"""How things moved from one picture to the next, found by looking at both.

In play this is what a dream begins with: how fast things go is in no picture, see `Momentum`. While
learning it is also what was to be said. Who learns from pictures alone moves things too little:
where it is not sure by how much, the blur in between costs least.
Where a picture looks alike everywhere any motion fits, so a spot's own is doubted where it is far
from what most of the picture does. Two answers are tried: what is found place by place, and what is
found so once the whole picture has been turned back (`turning`). Nothing here knows of cameras, of
depth or of actions. Sources: dense inverse search, Kroeger et al. 2016 (1603.03590), as OpenCV has
it; learning motion from another's flow, Liu et al. 2019 (SelFlow, 1904.09117); fits that forget
what does not fit, Black & Anandan 1996.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.advection import advect
from worldsim.canvas import Canvas
from worldsim.codec import to_uint8
from worldsim.painter import polynomials
from worldsim.turning import turned

if TYPE_CHECKING:
    import cv2

LOOKS = 2  # how it looks, a number: who has learnt from what it found before finds it changed
GRID = 16  # places along each side of a picture
SIDE = 64  # pixels of the pictures that are compared, if they are not smaller: 4 ms each
COMMON = 2  # degree of the polynomial of place that most of a picture moves by
PASSES = 8  # until it is found
APART = 0.5  # pixels off it at which a place has half a say in it
ODD = 4.0  # pixels off it at which a third of a place's own motion is believed
UNSAID = 0.6  # of what changed: if motion says no more, and is trusted less than
LEAST = 0.35  # on the mean, nothing is known
CLEARLY = 0.96  # of the error before, that is left where a picture turned back explains more
DOUBT = 0.05  # error of a moved picture in [-1, 1] at which its motion counts a third


class Hindsight:
    """Safe to be asked by several threads.

    Args:
        draw: Recorded latents ``(n, c, h, w)`` to pictures ``(n, 3, H, W)`` in [-1, 1], on the CPU.
    """

    def __init__(self, draw: Callable[[Tensor], Tensor]):
        self.draw = draw

    @classmethod
    def of(cls, canvas: Canvas) -> Hindsight:
        """Look at latents as a canvas draws them, wherever that is."""
        return cls(lambda latents: canvas.draw(latents.to(canvas.matrix.device)).float().cpu())

    @torch.no_grad()
    def __call__(self, latents: np.ndarray, follows: np.ndarray) -> np.ndarray:
        """Look back from every frame to the one before it.

        Args:
            latents: ``(B, F, c, h, w)`` of recorded frames.
            follows: ``(B, F)``, whether a frame comes one step after its left neighbour.

        Returns:
            float32 ``(B, F, 3, GRID, GRID)``: where what is seen at a place was before, right
            and down, in widths of a picture, and how far that is to be trusted, 0 to 1; all 0 where
            no frame is before or next to nothing of it is found again.
        """
        import cv2

        found = np.zeros((*follows.shape, 3, GRID, GRID), np.float32)
        rows, at = np.nonzero(follows)
        if not len(rows):
            return found
        now, before = (self._draw(latents[rows, k]) for k in (at, at - 1))
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        search.setFinestScale(0)
        coarse, wrong = _tried(now, before, _places(search, now, before))
        whole = now.shape[-1] * turned(now, before, coarse / now.shape[-1])
        rest = _places(search, now, advect(before, whole))
        again, still_wrong = _tried(now, before, rest + advect(whole, rest))
        better = still_wrong.mean(dim=(1, 2, 3)) < CLEARLY * wrong.mean(dim=(1, 2, 3))
        coarse = torch.where(better[:, None, None, None], again, coarse)
        wrong = torch.where(better[:, None, None, None], still_wrong, wrong)
        trust = torch.exp(-F.adaptive_avg_pool2d(wrong, GRID) / DOUBT)
        still = (before - now).abs().mean(dim=(1, 2, 3))
        lost = (wrong.mean(dim=(1, 2, 3)) > UNSAID * still) & (trust.mean(dim=(1, 2, 3)) < LEAST)
        seen = torch.cat([coarse / now.shape[-1], trust], dim=1)
        found[rows, at] = (seen * ~lost[:, None, None, None]).numpy()
        return found

    def _draw(self, latents: np.ndarray) -> Tensor:
        pictures = self.draw(torch.from_numpy(latents).float())
        smaller = pictures.shape[-1] > SIDE
        return F.interpolate(pictures, (SIDE, SIDE), mode="area") if smaller else pictures


def steady(flow: Tensor) -> Tensor:
    """Doubt what moves unlike the rest of its picture.

    Args:
        flow: ``(n, 2, s, s)`` in pixels.

    Returns:
        The same, each place's the median around it, and the nearer to the one smooth motion of
        most places the farther it was from that.
    """
    side = flow.shape[-1]
    fields = polynomials(side, COMMON).flatten(1).to(flow)  # (terms, s * s)
    seen = flow.flatten(2).mT  # (n, s * s, 2)
    away = torch.zeros_like(seen[..., :1])
    common = seen
    for _ in range(PASSES):
        heard = fields / (1 + (away / APART).square()).mT  # (n, terms, s * s)
        common = fields.T @ torch.linalg.solve(heard @ fields.T, heard @ seen)
        away = (seen - common).norm(dim=-1, keepdim=True)
    around = F.pad(flow, (1,) * 4, mode="replicate").unfold(2, 3, 1).unfold(3, 3, 1)
    own = around.flatten(-2).median(dim=-1).values.flatten(2).mT
    believed = common + (own - common) * torch.exp(-(away / ODD).square())
    return believed.mT.unflatten(2, (side, side))


def _places(search: cv2.DISOpticalFlow, now: Tensor, before: Tensor) -> Tensor:
    """Search for every pixel by itself, (n, 3, H, W) -> (n, 2, H, W) pixels."""
    none = np.zeros((*now.shape[-2:], 2), np.float32)
    pairs = zip(_gray(now), _gray(before), strict=True)
    flows = np.stack([search.calc(a, b, none.copy()) for a, b in pairs])
    return torch.from_numpy(flows).float().movedim(-1, 1)


def _tried(now: Tensor, before: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return a flow as it is kept, (n, 2, GRID, GRID), and how wrong what it moves is."""
    coarse = steady(F.adaptive_avg_pool2d(flow, GRID))
    return coarse, (advect(before, coarse) - now).abs().mean(dim=1, keepdim=True)


def _gray(pictures: Tensor) -> np.ndarray:
    """(n, 3, H, W) in [-1, 1] -> uint8 (n, H, W)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return (to_uint8(pictures).numpy() @ weights).round().astype(np.uint8)
