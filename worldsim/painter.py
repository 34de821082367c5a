"""Draws the next frame: the picture of the last one, moved, then mended.

The transformer says for every cell what is to happen; here it is done, close to the pixels. A
learnt flow says for every spot of the next frame where it was in the last one, as the motion
compensation of video codecs does; how things moved up to now is found by `Matching` and may go on,
or `Momentum` says how they do. Nothing here knows of cameras, of depth or of actions. Sources:
convolutions around a transformer, Transfusion (2408.11039); pixels pushed about, see `advection`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.advection import (
    FINER,
    MARKS,
    WORN,
    advect,
    coarser,
    finer,
    growth,
    mirrored,
    roughness,
    smooth,
    wear,
)
from worldsim.canvas import Canvas
from worldsim.matching import Matching
from worldsim.residual import Residual

DEGREE = 3  # of polynomials that say a motion of the whole picture
MOOD = 64  # width of what is said to every layer about the frame as a whole
REACH = 4.0  # pixels that a spot's flow is measured in
SURE = 4.0  # of an untrained painter, logits: that things go on, and that nothing appears
NEAR = 0.25  # sides of a picture, how far beyond its edges a step can look
EDGE = 0.06  # sides of a picture, how far from its edges all is mended that should be
MOST = 0.7  # of the contrast around a spot, that what is mended there may have
LEAST = 0.004  # contrast that there is everywhere, in its eyes
KEPT = 0.6  # of what was mended, that is still there a step later
TOLD = 2  # of the marks, the first, that mending is told of


class Nearby(NamedTuple):
    """What is known of pictures beside what they look like, see `surroundings`.

    Attributes:
        around: ``(…, v + MARKS, y, x)``, the picture with what lies around it, `NEAR` to each side,
            as in `mirrored`; only marks and margins are looked at.
        fine: ``(…, v, FINER * H, FINER * W)``, the picture without what was mended.
    """

    around: Tensor
    fine: Tensor


class Moved(NamedTuple):
    """The last picture, pushed about.

    Attributes:
        picture: ``(n, v, H, W)``.
        flow: ``(n, 2, y, x)``, where each spot was in the last picture, pixels right and down.
        new: ``(n, 1, H, W)``, 1 where a spot was never in sight, else 0.
        known: ``(n, 1, H, W)``, 1 where it was so in a real frame, 0 where that was drawn.
        fine: ``(n, v, FINER * H, FINER * W)``, the picture without what was ever mended in it.
        appears: ``(n, 1, H, W)``, how much of a spot is new in the midst of it.
        worn: ``(n, 1, H, W)``, how far it was magnified since it was seen or drawn, see `WORN`.
    """

    picture: Tensor
    flow: Tensor
    new: Tensor
    known: Tensor
    fine: Tensor
    appears: Tensor
    worn: Tensor


class Painter(nn.Module):
    """A small U-Net on pictures, with the transformer's words at its bottom.

    Args:
        canvas: Draws latents as pictures and reads them back.
        plan: Values the transformer says about each cell.
        whole: Width of what it says about the whole frame.
        widths: Channels, from fine to coarse; each step halves the picture.
        match_width: Channels by which the last two pictures are compared; 0: they are not.
        told: Whether it is told how things go on, see `Momentum`; it says spot by spot how far it
            believes that, untrained by half.
        may_rest: Whether it says how much happens at all, see `_happening`.
        may_appear: Whether it says where something new appears, see `mended`.
        may_invent: Whether it knows what was never in sight, or never really so, when it mends.
    """

    fields: Tensor
    inside: Tensor

    def __init__(
        self,
        canvas: Canvas,
        plan: int,
        whole: int,
        widths: list[int],
        match_width: int = 0,
        told: bool = False,
        may_rest: bool = False,
        may_appear: bool = False,
        may_invent: bool = False,
    ):
        super().__init__()
        values, fine = canvas.values * canvas.fold**2, widths[0]
        self.fold = canvas.fold
        self.mood = nn.Linear(whole, MOOD)
        self.look = nn.Conv2d(2 * values, fine, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.before = nn.ModuleList(Residual(width, MOOD) for width in widths)
        self.plan = nn.Conv2d(plan, widths[-1], 1)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.after = nn.ModuleList(Residual(width, MOOD) for width in widths)
        self.flow = nn.Conv2d(fine, 2, 3, padding=1)
        side = canvas.side // self.fold
        self.match = Matching(values, side, match_width, fine) if match_width else None
        self.keep = nn.Conv2d(fine, 1, 3, padding=1) if match_width else None  # of that motion
        self.told = nn.Conv2d(2, fine, 3, padding=1) if told else None
        self.believe = nn.Conv2d(fine, 1, 3, padding=1) if told else None  # rather than itself
        self.rest = nn.Conv2d(fine, 1, 3, padding=1) if may_rest else None
        self.rest_all = nn.Sequential(
            nn.Linear(whole, MOOD), nn.SiLU(), nn.Linear(MOOD, 1)
        ) if may_rest else None  # fmt: skip
        self.appear = nn.Conv2d(fine, 1, 3, padding=1) if may_appear else None
        self.register_buffer("fields", polynomials(side), persistent=False)
        self.register_buffer("inside", inside(canvas.side, EDGE * canvas.side), persistent=False)
        self.sweep = nn.Linear(whole, 2 * len(self.fields))
        self.look_again = nn.Conv2d(fine + 2 * values, fine + 8, 3, padding=1)
        marks = TOLD * self.fold**2
        self.marks = nn.Conv2d(marks, fine + 8, 3, padding=1) if may_invent else None
        self.mend = Residual(fine + 8, MOOD)
        self.draw = nn.Conv2d(fine + 8, values, 3, padding=1)
        last = self.rest_all and self.rest_all[-1]
        motion = self.flow, self.sweep, self.keep, self.told, self.believe
        for layer in (*motion, self.draw, self.rest, last, self.appear, self.marks):
            for parameter in layer.parameters() if layer else ():
                nn.init.zeros_(parameter)

    def move(
        self,
        past: Tensor,
        plan: Tensor,
        whole: Tensor,
        going: Tensor | None = None,
        near: Nearby | None = None,
    ) -> tuple[Moved, Tensor]:
        """Push the last picture about.

        What was mended in it is moved apart from the rest, and fades: mended anew at every step, it
        would add up to stripes. Only what appears in the midst of it stays as it was drawn.

        Args:
            past: ``(n, 2, v, H, W)`` pictures of the frame before and of the one before that:
                how things moved up to now is seen best in pixels.
            plan: ``(n, plan, h, w)``.
            whole: ``(n, whole)``.
            going: ``(n, 2, y, x)``, how things go on by themselves, in pixels.
            near: What else is known of the frame before; without it, that nothing was mended in it
                and what `mirrored` makes of it.

        Returns:
            The picture moved, and features for `mended`.
        """
        mood, skips = self.mood(whole), []
        folded = F.pixel_unshuffle(past, self.fold).to(self.look.weight.dtype)
        x, matched = self.look(folded.flatten(1, 2)), None
        if self.match:
            now, before = folded.unbind(dim=1)
            matched, seen = self.match(now, before)
            x = x + seen
        if self.told and going is not None:
            x = x + self.told(going / REACH)
        for residual, down in zip(self.before, [None, *self.down], strict=True):
            x = residual(x if down is None else down(x), mood)
            skips.append(x)
        x = self.after[-1](x + self.plan(plan), mood)
        for k in reversed(range(len(self.up))):
            x = self.after[k](F.pixel_shuffle(self.up[k](x), 2) + skips[k], mood)
        flow = REACH * (self.flow(x) + self._sweep(whole))
        if self.keep is not None and matched is not None:
            flow = flow + self.fold * self.keep(x) * matched
        if self.believe and going is not None:
            flow = flow + self.believe(x).sigmoid() * (going - flow)
        happening, last = self._happening(x, whole), past[:, 0].float()
        flow = happening * flow
        fine, mended, marks = _pushed(last, near or beside(last), flow)
        seen, known = marks[:, :TOLD].detach().clamp(0, 1).split(1, dim=1)
        worn = marks[:, TOLD:] + growth(flow, self.fold) + wear(flow, self.fold)
        worn = worn.detach().clamp(0, WORN)
        kept = 1 - (1 - KEPT) * F.interpolate(happening, last.shape[-2:])
        appears = F.interpolate(self._appearing(x), last.shape[-2:])
        picture = coarser(fine) + kept * mended
        return Moved(picture, flow, 1 - seen, known, fine, appears, worn), x

    def mended(self, moved: Moved, guess: Tensor, features: Tensor, whole: Tensor) -> Tensor:
        """Return what is to be added to a guess of the frame, pictures ``(n, v, H, W)``.

        It is detail alone, nothing on average over an eighth of the picture each way: colours come
        by motion, a rollout would add up the smallest leaning to a colour without end. What was
        never in sight may get its colours here; so may what appears in the midst of a picture, such
        as a ball of fire that was a dot a step ago. Of the latter all that is said is added, else
        no more than suits the contrast there without what was ever mended: a dream sees what it
        mended, mends it again, and would end as rows of dots on even walls. Towards the edges less
        and less is mended: what lies beyond is not seen, and what is guessed there would gather.
        """
        both = F.pixel_unshuffle(torch.cat([moved.picture, guess], dim=1), self.fold)
        x, new = self.look_again(torch.cat([features, both.to(features.dtype)], dim=1)), moved.new
        if self.marks:
            marks = F.pixel_unshuffle(1 - torch.cat([1 - new, moved.known], dim=1), self.fold)
            x = x + self.marks(marks.to(x.dtype))
        drawn = F.pixel_shuffle(self.draw(F.silu(self.mend(x, self.mood(whole)))), self.fold)
        size = drawn.shape[-2:]
        appears = F.interpolate(self._appearing(features), size)
        happening = F.interpolate(self._happening(features, whole), size)
        coarse = smooth(drawn, max(1, size[-1] // 8))
        mended = (drawn - coarse * (1 - new) * (1 - appears)) * happening * self.inside
        there, added = roughness(coarser(moved.fine)), roughness(mended.float())
        suits = MOST * (there + LEAST) / added.clamp(min=LEAST / 100)
        return mended * torch.maximum(suits.clamp(max=1).to(mended.dtype), appears)

    def _appearing(self, features: Tensor) -> Tensor:
        """Return how much of each spot is new in the midst of it, ``(n, 1, y, x)``; untrained 0."""
        if self.appear is None:
            return torch.zeros_like(features[:, :1])
        return (self.appear(features) - SURE).sigmoid() - 1 / (1 + math.exp(SURE))

    def _happening(self, features: Tensor, whole: Tensor) -> Tensor:
        """Return whether anything moves or is mended at each spot, ``(n, 1, y, x)``; untrained 1.

        Where nothing happens that is to say nothing: many numbers that should each be 0 are each a
        little off, and a dream adds them up; one number that says so for all of them is not.
        """
        if self.rest is None or self.rest_all is None:
            return torch.ones_like(features[:, :1])
        goes_on = self.rest(features) + self.rest_all(whole)[:, :, None, None]
        return (goes_on + SURE).sigmoid() * (1 + math.exp(-SURE))

    def _sweep(self, whole: Tensor) -> Tensor:
        """Return a smooth flow: polynomials of place, ``(n, whole)`` -> ``(n, 2, y, x)``.

        A motion of the whole picture has few numbers, so all places vote on them: where texture
        repeats, a single spot cannot tell a large motion from none.
        """
        return swept(self.sweep(whole), self.fields)


def _pushed(last: Tensor, near: Nearby, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Push a picture, what was mended in it, and its marks; only the picture is `finer`."""
    around, fine = near.around.to(last.dtype), near.fine.to(last.dtype)
    reach = round(NEAR * last.shape[-1])
    wide, middle = finer(around[:, :-MARKS]), slice(FINER * reach, -FINER * reach)
    wide[..., middle, middle] = fine
    mended = F.pad(last - coarser(fine), (reach,) * 4)
    rest = advect(torch.cat([mended, around[:, -MARKS:]], dim=1), flow, reach)
    return advect(wide, FINER * flow, FINER * reach), *rest.split([last.shape[1], MARKS], dim=1)


def polynomials(side: int, degree: int = DEGREE) -> Tensor:
    """Return polynomials of a place, each over all places of a picture, (terms, side, side)."""
    middle = (torch.arange(side) + 0.5) * 2 / side - 1
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    return torch.stack([middle[:, None] ** i * middle**j for i, j in powers])


def inside(side: int, reach: float) -> Tensor:
    """Return 1 for places of a picture, less for those less than `reach` from an edge."""
    place = torch.arange(side) + 0.5
    far = (torch.minimum(place, side - place) / reach).clamp(max=1)
    return torch.minimum(far[:, None], far)


def swept(weights: Tensor, fields: Tensor) -> Tensor:
    """Add up polynomials: (n, 2 * terms), (terms, y, x) -> a flow (n, 2, y, x)."""
    both = weights.unflatten(-1, (2, -1))
    return torch.einsum("nat,tyx->nayx", both, fields.to(weights.dtype))


def beside(picture: Tensor) -> Nearby:
    """Return what may be near pictures of which nothing else is known, see `Painter.move`."""
    reach = round(NEAR * picture.shape[-1])
    return Nearby(mirrored(picture, reach, reach), finer(picture))
