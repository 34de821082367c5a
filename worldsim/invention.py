"""What rollouts in progress invent: where nothing is known of a picture, or no longer enough."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from worldsim.advection import MARKS, WORN, coarser
from worldsim.inventor import MAX_WORDS, Hint, Inventor, asked, fit, heard, shown
from worldsim.model import WorldTransformer
from worldsim.surroundings import Around, closed, opened, with_new
from worldsim.tiles import CELL, EACH, NONE

PASSES, FIRST_PASSES = 6, 16  # in which cells of a picture are named, and of a first one
CHANCE = 3.0  # how much chance counts in which cells are named first
WARMTH, NUCLEUS = 0.9, 0.95  # of chances; how much of them all words together have that are drawn
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
        self.words = network.words
        # What a prompt said, tokens counted from 1; 0: nothing.
        self.said = torch.zeros(lanes, MAX_WORDS, dtype=torch.long, device=network.device)

    def state(self) -> tuple[Tensor, ...]:
        """Return all that changes."""
        return (self.said,)

    def tell(self, lanes: Tensor, ids: list[int]) -> None:
        """Say what a prompt said of some lanes; of a long one the beginning is heard."""
        ids = ids[:MAX_WORDS]
        self.said[lanes] = 0
        self.said[lanes, : len(ids)] = torch.tensor(ids, dtype=torch.long).to(self.said) + 1

    def first(self, lanes: Tensor, noise: Tensor) -> Tensor:
        """Invent frames ``(B, c, h, w)`` of which only a prompt is known."""
        side = self.canvas.side
        nothing = torch.zeros(len(lanes), self.canvas.values, side, side, device=self.said.device)
        worn = torch.full_like(nothing[:, :1], WORN)
        hint = Hint(nothing, worn, nothing, self._heard(lanes))
        return self.canvas.read(self._drawn(hint, noise, FIRST_PASSES))

    def _heard(self, lanes: Tensor) -> Tensor:
        said = self.said[lanes]
        return heard(self.words, (said - 1).clamp(min=0), said > 0)

    def into(
        self, lanes: Tensor, latents: Tensor, around: Around, like: Tensor, noise: Tensor
    ) -> tuple[Tensor, Around]:
        """Replace what is worn in frames, and beside them what comes into sight next.

        Args:
            lanes: ``(B,)``.
            latents: ``(B, c, h, w)``, the frames.
            around: What lies around them.
            like: ``(B, v, H, W)``, what was seen last: what else there is looks like it.
            noise: ``(B, noise_channels, h, w)``.

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
            like[some], self._heard(lanes[some]), noise[some],
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
        drawn = self._drawn(fit(Hint(picture, worn, like, said)), noise, PASSES)
        amount = shown(worn)
        picture = picture + amount * (drawn - picture)
        marks = torch.maximum(seen, amount), known * (1 - amount), worn * (1 - amount)
        return torch.cat([picture, *marks], dim=1), amount

    def _drawn(self, hint: Hint, noise: Tensor, passes: int) -> Tensor:
        """Name cells that are asked for, the surest first, and draw them; noise `noise_channels`.

        How many are named in a pass grows as in MaskGIT; chance counts the less the later.
        """
        inventor, of = self.inventor, asked(hint.worn)[:, 0].flatten(1)
        luck = noise[:, : 3 * passes].to(hint.picture).unflatten(1, (passes, 3)).flatten(3)
        luck = torch.special.ndtr(luck).clamp(1e-6, 1 - 1e-6)
        words = torch.full((len(of), EACH, of.shape[1]), NONE, device=of.device)
        left, total = of.clone(), of.sum(dim=1)
        cells = (hint.picture.shape[-1] // CELL,) * 2
        for k in range(passes):
            thought = inventor(words.unflatten(2, cells), hint)
            first, sure = drawn_by(inventor.say(thought), luck[:, k, 0])
            second, too = drawn_by(inventor.say_second(thought, first), luck[:, k, 1])
            chance = -(-luck[:, k, 2].log()).log() * CHANCE * (1 - (k + 1) / passes)
            sure = (sure + too + chance).masked_fill(~left, -torch.inf)
            stay = (total * math.cos(math.pi / 2 * (k + 1) / passes)).long()
            rank = sure.argsort(dim=1, descending=True).argsort(dim=1)
            now = left & (rank < (left.sum(dim=1) - stay)[:, None])
            words = torch.where(now[:, None], torch.stack([first, second], dim=1), words)
            left = left & ~now
        words = words.unflatten(2, cells)
        tiles = inventor.tiles
        wanted = asked(hint.worn).float()
        return tiles(tiles.meant(words), wanted, hint.picture, hint.worn).clamp(-1, 1)


def noise_channels(latent: int) -> int:
    """Return how many numbers of chance a cell of a frame wants, that has so many itself."""
    return max(latent, 3 * FIRST_PASSES)


def drawn_by(logits: Tensor, luck: Tensor) -> tuple[Tensor, Tensor]:
    """Draw words by luck in [0, 1], (n, m, words), (n, m); return them and how likely they were.

    That is the logarithm of their chance. Of unlikely words none is drawn (Holtzman et al. 2019,
    1904.09751).
    """
    chances, order = (logits.float() / WARMTH).softmax(dim=-1).sort(dim=-1, descending=True)
    before = chances.cumsum(dim=-1) - chances
    chances = chances * (before < NUCLEUS)
    total = chances.cumsum(dim=-1)
    place = (total < luck[..., None] * total[..., -1:]).sum(dim=-1, keepdim=True)
    word = order.gather(-1, place)
    return word[..., 0], logits.float().log_softmax(dim=-1).gather(-1, word)[..., 0]


def _aside(amount: Tensor) -> int:
    """Return how far to the right of a picture most is to be replaced, (H, W) -> pixels."""
    columns = amount.mean(dim=0)
    place = torch.linspace(-0.5, 0.5, len(columns), device=columns.device)
    lean = float(columns @ place / columns.sum())
    return 0 if abs(lean) < 0.25 else round(ASIDE * len(columns)) * (1 if lean > 0 else -1)
