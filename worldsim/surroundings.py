"""What a dream remembers beyond the edges of its picture.

What leaves the picture goes on moving as the nearest spot of its edge does, and is still there when
that turns back. What was never in sight looks, until something is drawn there, like the first
picture in a mirror: the same walls and the same floor, no longer the same place. Nothing here knows
of cameras, of depth or of actions; every motion is the painter's own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.advection import MARKS, mirrored
from worldsim.canvas import Canvas
from worldsim.painter import NEAR, Moved

WIDE, HIGH = 2.0, 0.5  # what is remembered to each side, above and below, in sides of a picture


class Surroundings:
    """Lanes side by side, as in `rollout.Rollout`.

    What is beyond the edges is moved by whole pixels, and what is left over is kept for the next
    step: nothing is lost however often it moves, and at rest nothing moves at all.

    Args:
        canvas: Draws latents as pictures.
        lanes: How many.
    """

    def __init__(self, canvas: Canvas, lanes: int):
        self.side, device = canvas.side, canvas.matrix.device
        self.margins = round(HIGH * self.side), round(WIDE * self.side)
        size = [self.side + 2 * margin for margin in self.margins]
        # Colours, marks, and by how many pixels down and right a spot has not moved yet.
        shape = lanes, canvas.values + MARKS + 2, *size
        self.view = torch.zeros(shape, dtype=torch.float16, device=device)
        self.before = torch.zeros_like(self.view)  # a step ago; after `take_back` a step ahead
        self.ahead = torch.zeros(lanes, dtype=torch.bool, device=device)

    def state(self) -> tuple[Tensor, ...]:
        """Return all that changes."""
        return self.view, self.before, self.ahead

    def near(self, lanes: Tensor) -> Tensor:
        """Return what a step can bring into sight, see `Painter.move`."""
        (up, left), reach = self.margins, round(NEAR * self.side)
        here = self.view[lanes, :-2]
        return _middle(here, up - reach, left - reach)

    def moved(self, lanes: Tensor, moved: Moved) -> Tensor:
        """Return what `take` wants of a step, leaving everything as it is."""
        up, left = self.margins
        view, shift = self.view[lanes], self._spread(moved.flow.flatten(0, 1))
        shift = shift + view[:, -2:].float()
        whole = shift.round()
        rows, columns = (
            (torch.arange(n, device=view.device).view(shape) + part).clamp(0, n - 1)
            for n, shape, part in zip(
                view.shape[-2:], [(-1, 1), (1, -1)], whole.long().unbind(dim=1), strict=True
            )
        )
        places = (rows * view.shape[-1] + columns).flatten(1)[:, None]
        seen = view[:, :-2].flatten(2)
        seen = seen.gather(2, places.expand(-1, seen.shape[1], -1)).unflatten(2, view.shape[-2:])
        _middle(seen, up, left)[:, -1:] = moved.known.flatten(0, 1)
        return torch.cat([seen, (shift - whole).to(seen.dtype)], dim=1)

    def take(self, lanes: Tensor, pictures: Tensor, around: Tensor | None) -> None:
        """Take newest frames in.

        Args:
            lanes: ``(B,)``.
            pictures: ``(B, v, H, W)``.
            around: As `moved` returned it; None where they were seen. What is around these is not
                known, but where they take the place of dreamed ones: then it is as it was dreamed.
        """
        up, left = self.margins
        if around is None:
            anew = F.pad(mirrored(pictures, up, left), (0, 0, 0, 0, 0, 2)).to(self.view.dtype)
            around = torch.where(self.ahead[lanes, None, None, None], self.before[lanes], anew)
            _middle(around, up, left)[:, -3] = 1
        sight = _middle(around, up, left)
        sight[:, : pictures.shape[1]] = pictures
        sight[:, -4], sight[:, -2:] = 1, 0
        self.before[lanes], self.view[lanes] = self.view[lanes], around
        self.ahead[lanes] = False

    def take_back(self, lanes: Tensor) -> None:
        """Undo the last `take` of some lanes."""
        self.before[lanes], self.view[lanes] = self.view[lanes], self.before[lanes]
        self.ahead[lanes] = True

    def _spread(self, flow: Tensor) -> Tensor:
        """Let all places move as the nearest in sight, (n, 2, y, x) -> (n, 2, H, W), down first."""
        up, left = self.margins
        flow = F.interpolate(flow.float(), (self.side,) * 2, mode="bilinear", align_corners=False)
        return F.pad(flow.nan_to_num().flip(1), (left, left, up, up), mode="replicate")


def _middle(field: Tensor, up: int, left: int) -> Tensor:
    """Return a view without the margins."""
    height, width = field.shape[-2:]
    return field[..., up : height - up, left : width - left]
