"""What rollouts in progress invent: where nothing is known of a picture, or no longer enough."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.advection import MARKS, WORN, coarser
from worldsim.inventor import Hint, Inventor, fit, shown
from worldsim.model import WorldTransformer
from worldsim.sampler import denoise, noise_levels
from worldsim.surroundings import Around, closed, opened, with_new

PASSES = 4
LEAST = 0.03  # of a picture, that is to be replaced before any of it is
ASIDE = 0.375  # sides of a picture, how far beyond an edge it goes where that comes into sight


class Invention:
    """Lanes side by side, as in `rollout.Rollout`.

    Args:
        network: Its canvas draws.
        inventor: Part of it.
        lanes: How many.
    """

    def __init__(self, network: WorldTransformer, inventor: Inventor, lanes: int):
        self.canvas, self.inventor = network.canvas, inventor
        # What a prompt said, words added up.
        self.said = torch.zeros(lanes, network.config.width, device=network.device)

    def state(self) -> tuple[Tensor, ...]:
        """Return all that changes."""
        return (self.said,)

    def first(self, lanes: Tensor, noise: Tensor, levels: list[float]) -> Tensor:
        """Invent frames ``(B, c, h, w)`` of which only a prompt is known."""
        side = self.canvas.side
        nothing = torch.zeros(len(lanes), self.canvas.values, side, side, device=self.said.device)
        worn = torch.full_like(nothing[:, :1], WORN)
        hint = Hint(nothing, worn, nothing, self.said[lanes])
        return self.canvas.read(self._drawn(hint, noise, levels))

    def into(
        self, lanes: Tensor, latents: Tensor, around: Around, like: Tensor, noise: Tensor
    ) -> tuple[Tensor, Around]:
        """Replace what is worn in frames, and beside them what comes into sight next.

        Args:
            lanes: ``(B,)``.
            latents: ``(B, c, h, w)``, the frames.
            around: What lies around them.
            like: ``(B, v, H, W)``, what was seen last: what else there is looks like it.
            noise: ``(B, v * cell², h, w)``.

        Returns:
            Both, with what was invented.
        """
        side, values = self.canvas.side, self.canvas.values
        up, left = ((size - side) // 2 for size in around.view.shape[1:3])
        sight = slice(up, up + side), slice(left, left + side)
        worn = opened(around.view[:, *sight], values)[:, -1:].float()
        amount = shown(worn)
        some = (amount.mean(dim=(1, 2, 3)) > LEAST).nonzero()[:, 0]
        if not len(some):
            return latents, around
        wide = opened(around.view[some], values).float()
        wide[:, :values, *sight] = self.canvas.draw(latents[some])
        begins = [left + _aside(one[0]) for one in amount[some]]
        windows = [(k, slice(None), sight[0], slice(x, x + side)) for k, x in enumerate(begins)]
        found, much = self._found(
            torch.stack([wide[at] for at in windows]),
            like[some], self.said[lanes[some]], noise[some],
        )  # fmt: skip
        replaced = torch.zeros_like(wide[:, :1])
        for k, at in enumerate(windows):
            wide[at], replaced[at] = found[k], much[k]
        replaced = replaced[:, :, *sight]
        latents = latents.index_copy(0, some, self.canvas.read(wide[:, :values, *sight]))
        fine = with_new(around.fine[some], -replaced, coarser(around.fine[some]))
        appears = 1 - (1 - around.appears[some]) * (1 - replaced)
        return latents, Around(
            around.view.index_copy(0, some, closed(wide)),
            around.left,
            around.fine.index_copy(0, some, fine),
            around.appears.index_copy(0, some, appears.to(around.appears)),
        )

    def _found(
        self, window: Tensor, like: Tensor, said: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return windows ``(n, v + MARKS, H, W)`` with nothing worn, and how much is new there."""
        picture, (seen, known, worn) = window[:, :-MARKS], window[:, -MARKS:].split(1, dim=1)
        drawn = self._drawn(fit(Hint(picture, worn, like, said)), noise, noise_levels(PASSES))
        amount = shown(worn)
        picture = picture + amount * (drawn - picture)
        marks = torch.maximum(seen, amount), known * (1 - amount), worn * (1 - amount)
        return torch.cat([picture, *marks], dim=1), amount

    def _drawn(self, hint: Hint, noise: Tensor, levels: list[float]) -> Tensor:
        noisy = F.pixel_shuffle(noise, self.canvas.cell).to(hint.picture)

        def velocity(picture: Tensor, level: float) -> Tensor:
            guess = self.inventor(picture, picture.new_full((len(picture),), level), hint)
            return (picture - guess) / level

        return denoise(noisy, velocity, levels).clamp(-1, 1)


def _aside(amount: Tensor) -> int:
    """Return how far to the right of a picture most is to be replaced, (H, W) -> pixels."""
    columns = amount.mean(dim=0)
    place = torch.linspace(-0.5, 0.5, len(columns), device=columns.device)
    lean = float(columns @ place / columns.sum())
    return 0 if abs(lean) < 0.25 else round(ASIDE * len(columns)) * (1 if lean > 0 else -1)
