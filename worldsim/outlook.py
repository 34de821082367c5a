"""What may lie around pictures, beyond all that was ever in sight: looked for, and again in time.

Where a dream begins `Beyond` says it, and a mirror where that does not reach. As the picture moves
on, what was said comes into sight, and before all of it has it is looked for once more, from the
newest picture: that takes the place of what nobody has seen yet, and of nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.advection import MARKS, mirrored
from worldsim.beyond import FAR, Beyond, above_or_below, all_around

AGAIN = 0.375  # sides of a picture that come into sight over one edge, until it is looked for again


class Outlook:
    """Looks around pictures ``(n, v, H, W)``; what it says has `MARKS` beside its colours.

    Args:
        beyond: Says what lies beyond edges.
        side: H = W.
        margins: Pixels above and below pictures, and to the left and right.
    """

    def __init__(self, beyond: Beyond, side: int, margins: tuple[int, int]):
        self.beyond, self.side, self.margins = beyond, side, margins
        self.far = 8 * round(FAR * side / 8)

    def first(self, pictures: Tensor) -> Tensor:
        """Return pictures in the middle of what may lie around them, where that is all there is."""
        up, left = self.margins
        # Who tries many actions in one place begins with many of the same picture.
        seen, same = pictures.flatten(1).unique(dim=0, return_inverse=True)
        found = all_around(self.beyond, seen.unflatten(1, pictures.shape[1:]), self.far, up)
        wide = mirrored(pictures, up, left)
        wide[:, :-MARKS] = mirrored(found, 0, left - self.far)[same, :-MARKS]
        return wide

    def again(self, wide: Tensor, side: str) -> Tensor:
        """Look over one side once more; what was ever in sight stays as it is.

        Args:
            wide: ``(n, v + MARKS, H + 2 up, W + 2 left)``, as `first` returned it and moved since.
            side: One of `beyond.SIDES`.
        """
        (up, left), far, size = self.margins, self.far, self.side
        band = wide[:, :-MARKS, up : up + size, left - far : left + size + far]
        rows, columns, said = slice(up, up + size), slice(None), band
        if side in ("up", "down"):
            rows = slice(0, up) if side == "up" else slice(up + size, None)
            said = above_or_below(self.beyond, band, side, far, up)
        else:
            columns = slice(0, left) if side == "left" else slice(left + size, None)
            over = self.beyond.over(band[..., far:-far], side, far)
            both = (over, band[..., -far:]) if side == "left" else (band[..., :far], over)
            said = torch.cat(both, dim=-1)
        guess = mirrored(said, 0, left - far)[:, :-MARKS, :, columns]
        here = wide[..., rows, columns]
        # Its marks stay: what is said from what was said is known no better.
        here[:, :-MARKS] = torch.where(here[:, -MARKS, None] == 0, guess, here[:, :-MARKS])
        return wide
