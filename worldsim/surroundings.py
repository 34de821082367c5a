"""What a dream remembers of its picture and beyond its edges.

What leaves the picture goes on to slide, turn and grow as the picture does on the whole, and is
still there when that turns back. What was never in sight is what an `Outlook` makes of the newest
picture, and without one a mirror: the same walls and the same floor, no longer the same place.
Nothing here knows of cameras, of depth or of actions; every motion is the painter's own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from worldsim.advection import FINER, MARKS, coarser, finer, mirrored
from worldsim.beyond import SIDES, Beyond
from worldsim.canvas import Canvas
from worldsim.outlook import AGAIN, Outlook
from worldsim.painter import NEAR, Moved, Nearby
from worldsim.turning import fitted

HALVES = 4  # numbers of 16 bits that move together
TURNS = 0.75  # sides of a picture beyond its edges, from where on all turns alike
WIDE, HIGH = 2.0, 0.5  # what is remembered to each side, above and below, in sides of a picture


class Around(NamedTuple):
    """What lies around frames, as `Surroundings` keeps it of some lanes.

    Attributes:
        view, off, used: See there.
        fine: The same, without what appears in the midst of it.
        appears: ``(n, 1, H, W)``, how much of a spot does.
    """

    view: Tensor
    off: Tensor
    fine: Tensor
    used: Tensor
    appears: Tensor


class Surroundings:
    """Lanes side by side, as in `rollout.Rollout`.

    What is beyond the edges is moved by whole pixels, and each spot knows how far from its place it
    truly lies: nothing goes astray however often it moves, straight edges stay straight when they
    turn, and at rest nothing moves at all. What is in sight is kept as it was moved, without what
    was mended, `finer` than the picture.

    Args:
        canvas: Draws latents as pictures.
        lanes: How many.
        beyond: Says what lies beyond edges; None: it is a mirror.
    """

    def __init__(self, canvas: Canvas, lanes: int, beyond: Beyond | None = None):
        self.side, self.values, device = canvas.side, canvas.values, canvas.matrix.device
        self.margins = round(HIGH * self.side), round(WIDE * self.side)
        size = [self.side + 2 * margin for margin in self.margins]
        # A spot is a few numbers of 64 bits, four halves each, so that it moves at once: colours,
        # nothing, and `MARKS`.
        words = -(-(self.values + MARKS) // HALVES)
        self.view = torch.zeros(lanes, *size, words, dtype=torch.int64, device=device)
        # How many pixels down and right of its place lies what a spot shows. In sight it goes on as
        # around it, though the picture lies just there: so columns leave evenly, one by one.
        self.off = torch.zeros(lanes, 2, *size, dtype=torch.float16, device=device)
        self.fine = torch.zeros(lanes, self.values, *[FINER * self.side] * 2, device=device)
        # How many pixels came into sight over each of the `SIDES` since it was looked over there.
        self.used = torch.zeros(lanes, len(SIDES), device=device)
        # All these a step ago; after `take_back`, a step ahead.
        self.before = tuple(torch.zeros_like(x) for x in self._now())
        self.ahead = torch.zeros(lanes, dtype=torch.bool, device=device)
        # Whether nobody has looked yet what may lie beyond the edges: so it does before it moves.
        self.fresh = torch.zeros_like(self.ahead)
        self.outlook = Outlook(beyond, self.side, self.margins) if beyond else None
        self._every = torch.arange(lanes, device=device)
        ends = ((torch.arange(n) + 0.5) * 2 for n in size)
        down, right = (
            ((at - 2 * margin) / self.side - 1).clamp(-1 - 2 * TURNS, 1 + 2 * TURNS)
            for at, margin in zip(ends, self.margins, strict=True)
        )
        self._place = torch.meshgrid(right.to(device), down.to(device), indexing="xy")
        rows = (torch.arange(n, device=device).float() for n in size)
        self._spot = torch.stack(torch.meshgrid(*rows, indexing="ij"))

    def state(self) -> tuple[Tensor, ...]:
        """Return all that changes."""
        return *self._now(), *self.before, self.ahead, self.fresh

    def near(self, lanes: Tensor) -> Nearby:
        """Return what a step can bring into sight, see `Painter.move`."""
        self._look(lanes)
        reach = round(NEAR * self.side)
        up, left = (margin - reach for margin in self.margins)
        of = self._of(lanes)
        return Nearby(opened(_middle(self.view, up, left)[of], self.values), self.fine[of])

    def worn(self, lanes: Tensor) -> Tensor:
        """Return how worn the newest pictures are on average, ``(B,)``, see `advection.WORN`."""
        sight = _middle(self.view, *self.margins)[self._of(lanes)]
        return opened(sight, self.values)[:, -1].float().mean(dim=(1, 2))

    def moved(self, lanes: Tensor, moved: Moved) -> Around:
        """Return what `take` wants of a step, leaving everything as it is."""
        of = self._of(lanes)
        view, off = self.view[of], self.off[of].float()
        shift = self._spread(moved.flow.flatten(0, 1))
        used = self.used[of] + self._comes(shift)
        places, off = self._nearest(shift, off)
        spots = view.flatten(1, 2)
        spots = spots.gather(1, places[..., None].expand_as(spots)).view_as(view)
        marks = _middle(spots, *self.margins).view(torch.float16)[..., -MARKS:]
        known, worn, fine, appears = (
            x.flatten(0, 1) for x in (moved.known, moved.worn, moved.fine, moved.appears)
        )
        marks.copy_(torch.cat([torch.ones_like(known), known, worn], dim=1).movedim(1, -1))
        fine = with_new(fine, -appears, coarser(fine))
        return Around(spots, off.half(), fine, used, appears)

    def take(self, lanes: Tensor, pictures: Tensor, around: Around | None) -> None:
        """Take newest frames in.

        Args:
            lanes: ``(B,)``.
            pictures: ``(B, v, H, W)``.
            around: As `moved` returned it; None where they were seen. What is around these is not
                known, but where they take the place of dreamed ones: then it is as it was dreamed.
        """
        seen, (up, left) = around is None, self.margins
        pictures = pictures.clamp(-65504, 65504)  # what goes astray stays a number in halves
        view, off, fine, used, appears = around or self._anew(lanes, pictures)
        sight = _middle(view, up, left).view(torch.float16)
        sight[..., : self.values] = pictures.movedim(1, -1)
        if seen:
            sight[..., -MARKS:] = torch.tensor([1, 1, 0], dtype=torch.float16)
        fine = with_new(fine, appears, pictures)
        of = self._of(lanes)
        for old, now, new in zip(self.before, self._now(), (view, off, fine, used), strict=True):
            old[of] = now[of]
            now[of] = new
        self.fresh[lanes] = ~self.ahead[lanes] & seen
        self.ahead[lanes] = False

    def take_back(self, lanes: Tensor) -> None:
        """Undo the last `take` of some lanes."""
        for old, now in zip(self.before, self._now(), strict=True):
            old[lanes], now[lanes] = now[lanes], old[lanes]
        self.ahead[lanes] = True

    def _now(self) -> tuple[Tensor, ...]:
        return self.view, self.off, self.fine, self.used

    def _of(self, lanes: Tensor) -> Tensor | slice:
        """Name lanes; all of them at once are not copied to be looked at."""
        return slice(None) if torch.equal(lanes, self._every) else lanes

    def _anew(self, lanes: Tensor, pictures: Tensor) -> Around:
        """Return what is around frames that were seen."""
        view, off, used = (self.before[k][lanes] for k in (0, 1, 3))
        begins = ~self.ahead[lanes]
        off[begins] = 0
        used[begins] = 0
        view[begins] = closed(mirrored(pictures[begins], *self.margins))
        nothing, all_of = self.fine.new_zeros(()), self.fine.new_ones(1, 1, 1, 1)
        return Around(view, off, nothing, used, all_of)

    def _look(self, lanes: Tensor) -> None:
        """Say what may lie around frames of which nobody has yet, or of which little is left."""
        if self.outlook is None:
            return
        if len(fresh := lanes[self.fresh[lanes]]):
            wide = opened(self.view[fresh], self.values).float()
            (up, left), side = self.margins, self.side
            picture = wide[:, : self.values, up : up + side, left : left + side]
            wide[:, : self.values] = self.outlook.first(picture)[:, : self.values]
            self.view[fresh], self.fresh[fresh] = closed(wide), False
        for k, over in enumerate(SIDES):
            if len(due := lanes[self.used[lanes, k] > AGAIN * self.side]):
                wide = opened(self.view[due], self.values).float()
                self.view[due] = closed(self.outlook.again(wide, over))
                self.used[due, k] = 0

    def _comes(self, shift: Tensor) -> Tensor:
        """Return how far what is beyond each of the `SIDES` comes into sight, ``(n, 4)`` pixels."""
        (up, left), last = self.margins, self.side - 1
        at = shift[:, :, up : up + self.side : last, left : left + self.side : last]  # corners
        ways = at[:, 1, :, 1], -at[:, 1, :, 0], -at[:, 0, 0], at[:, 0, 1]
        return torch.stack([way.amax(dim=1).clamp(min=0) for way in ways], dim=1)

    def _spread(self, flow: Tensor) -> Tensor:
        """Let what lies around slide, turn and grow as what is in sight does on the whole.

        A picture that slides is found to grow a little, too, now here and now there; of that
        nothing would come back. So what grows less than it slides grows not at all.

        (n, 2, y, x) -> (n, 2, H, W), down first.
        """
        said = fitted(flow.float().nan_to_num().clamp(-self.side, self.side))[..., None, None]
        (right, right_by, right_down), (down, down_right, down_by) = said.movedim((1, 2), (0, 1))
        turn, grow = (down_right - right_down) / 2, (right_by + down_by) / 2
        grow = grow**3 / (grow**2 + right**2 + down**2).clamp(min=1e-9)
        across, along = self._place
        right = right - turn * along + grow * across.clamp(-1, 1)
        down = down + turn * across + grow * along.clamp(-1, 1)
        return torch.stack([down, right], dim=1).clamp(-self.side, self.side)

    def _nearest(self, shift: Tensor, off: Tensor) -> tuple[Tensor, Tensor]:
        """Find for each spot the one that truly lies nearest to where it was.

        Args:
            shift: ``(n, 2, H, W)``, how far that is from its place, down and right.
            off: The same, how far from its own place what a spot shows lies.

        Returns:
            The number of that spot, ``(n, H * W)``, and how far from where it was wanted it lies.
        """
        height, width = self._spot.shape[1:]
        wanted, found = self._spot + shift, list[tuple[Tensor, Tensor]]()
        spot = shift.round()
        for _ in range(2):
            spot += self._spot
            spot[:, 0].clamp_(0, height - 1)
            spot[:, 1].clamp_(0, width - 1)
            number = (spot[:, 0] * width + spot[:, 1]).long().flatten(1)
            there = off.flatten(2).gather(2, number[:, None].expand(-1, 2, -1)).view_as(off)
            found.append((number, spot.add_(there).sub_(wanted)))
            spot = (shift - there).round_()
        (one, by), (other, other_by) = found
        better = other_by.square().sum(dim=1) < by.square().sum(dim=1)
        place = torch.where(better.flatten(1), other, one)
        return place, torch.where(better[:, None], other_by, by).clamp_(-1, 1)


def opened(view: Tensor, values: int) -> Tensor:
    """Return colours and `MARKS` of spots, (n, y, x, words) -> halves (n, v + MARKS, y, x)."""
    halves = view.contiguous().view(torch.float16).movedim(-1, 1)
    return torch.cat([halves[:, :values], halves[:, -MARKS:]], dim=1)


def closed(wide: Tensor) -> Tensor:
    """Return spots of which `opened` makes the same again."""
    spots, values = wide.movedim(1, -1).half(), wide.shape[1] - MARKS
    gap = spots.new_zeros(*spots.shape[:3], -wide.shape[1] % HALVES)
    return torch.cat([spots[..., :values], gap, spots[..., values:]], dim=-1).view(torch.int64)


def with_new(fine: Tensor, appears: Tensor, picture: Tensor) -> Tensor:
    """Add as much of a picture as appears in it; mostly nothing does."""
    return fine + finer(appears * picture) if appears.any() else fine


def _middle(field: Tensor, up: int, left: int) -> Tensor:
    """Return a view without the margins, (n, H, W, …)."""
    height, width = field.shape[1:3]
    return field[:, up : height - up, left : width - left]
