"""After training: how likely an end is, fitted to recorded play with everything else as it is.

An end is one step of hundreds, so the words for it hardly learn while all others do, and are held
for all but impossible. Said as the words for rewards, moved to what ends pay, plus one direction
common to all, its odds are a logistic regression on what the network knows anyway: convex, fast,
and right on average.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from worldsim.checkpoint import Checkpoint
from worldsim.train.batches import CONTEXT, Batches, Lane
from worldsim.train.dreams import follow, make_memory

SHRINK = 1e-3  # weight of the squared size of the direction
FEWEST = 8  # ends to learn from
AT_ONCE = 24  # dreams side by side


class Fitted(NamedTuple):
    """What came of it: steps and ends seen, and the mean surprise in nats, by chance and now."""

    steps: int
    ends: int
    blind: float
    now: float


class Seen(NamedTuple):
    """What the network knows after frames, and what came of them.

    Attributes:
        known: ``(N, D)``.
        ended: 1 where a frame was an end, else 0, ``(N,)``.
        weight: How much each counts.
        reward: Bin of the reward that came with it.
    """

    known: Tensor
    ended: Tensor
    weight: Tensor
    reward: Tensor


def fit_ends(checkpoint: Checkpoint, batches: Batches, dreams: int) -> Fitted | None:
    """Set the words for ends; None, and nothing is changed, where the play has hardly any.

    Args:
        checkpoint: Trained; only these words of its `text_out` change.
        batches: Recorded play.
        dreams: Along it to learn from, and as many again, as far as there are ends, that come to
            one.
    """
    network, tokenizer = checkpoint.network, checkpoint.tokenizer
    seen = look(checkpoint, batches, dreams)
    if int(seen.ended.sum()) < FEWEST:
        return None
    ids = torch.tensor(tokenizer.answer_ids).view(2, -1)
    words = network.text_out.weight.detach()
    usual = words[ids[0]].float()
    moved = usual + pay(seen, usual)
    # What ends pay is likelier or less so among all words than what usual steps pay.
    offset = (seen.known @ moved.T).logsumexp(dim=1) - (seen.known @ usual.T).logsumexp(dim=1)
    direction = regress(seen, offset)
    words[ids[1]] = (moved + direction).to(words)
    share = (seen.ended * seen.weight).sum() / seen.weight.sum()
    blind = F.binary_cross_entropy(share.expand_as(seen.ended), seen.ended, seen.weight)
    now = F.binary_cross_entropy_with_logits(
        seen.known @ direction + offset, seen.ended, seen.weight
    )
    return Fitted(len(seen.ended), int(seen.ended.sum()), float(blind), float(now))


@torch.no_grad()
def look(checkpoint: Checkpoint, batches: Batches, dreams: int) -> Seen:
    """Dream along play and note what is known where an end came, and where none did.

    What is no end is looked at in dreams from anywhere; ends, of which those have hardly any, in
    dreams that come to one after none to all of the steps they go on, weighed so that each world
    ends as often as it really does.
    """
    depth, anywhere, generation = batches.config.dream_depth, list[Lane](), 0
    while len(anywhere) < dreams:
        anywhere += batches.lanes(generation * batches.config.dream_every)
        generation += 1
    rng, to_ends = np.random.default_rng(batches.seed), list[Lane]()
    tracks = [t for t in batches.tracks if t.ended and len(t.actions) >= CONTEXT]
    for k in rng.permutation(len(tracks))[:dreams].tolist():
        frames = len(tracks[k].actions) + 1
        ahead = int(rng.integers(min(depth, frames - CONTEXT) + 1))
        to_ends.append(Lane(tracks[k], frames - CONTEXT - ahead, CONTEXT + ahead))
    lanes = anywhere + to_ends
    found = _dream(checkpoint, batches, lanes)
    kept = [over if k >= len(anywhere) else ~over for k, (_, over, _) in enumerate(found)]
    known, ended, reward = (
        torch.cat([row[part][keep] for row, keep in zip(found, kept, strict=True)])
        for part in range(3)
    )
    world = np.repeat([lane.track.world for lane in lanes], [int(keep.sum()) for keep in kept])
    weight = torch.ones(len(known))
    for name in set(world):
        here = torch.from_numpy(world == name)
        played = [track for track in batches.tracks if track.world == name]
        share = sum(t.ended for t in played) / sum(len(t.actions) for t in played)
        weight[here & ended] = share * (here & ~ended).sum() / (here & ended).sum().clamp(min=1)
    return Seen(known, ended.float(), weight, reward)


def _dream(
    checkpoint: Checkpoint, batches: Batches, lanes: list[Lane]
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return of each lane's frames what is known after it, whether it was an end, what it paid."""
    network, found = checkpoint.network.eval(), list[tuple[Tensor, Tensor, Tensor]]()
    ids = checkpoint.tokenizer.answer_ids
    bins = {word: k % (len(ids) // 2) for k, word in enumerate(ids)}
    luck, heard = torch.Generator().manual_seed(batches.seed), list[Tensor]()
    hook = network.text_out.register_forward_pre_hook(lambda _, seen: heard.append(seen[0]))
    groups = [lanes[k : k + AT_ONCE] for k in range(0, len(lanes), AT_ONCE)]
    try:
        for group in tqdm(groups, desc="ends", unit="batch", leave=False):
            memory = make_memory(
                network, checkpoint.tokenizer, checkpoint.rollout, batches, len(group)
            )
            after = []
            for _ in follow(memory, batches, group, luck):
                after.append(heard.pop()[:, -1].float().cpu())  # that of the frame's mark
                heard.clear()
            for lane, knows in zip(group, torch.stack(after, dim=1), strict=True):
                frames = torch.arange(lane.frames) + lane.first
                over = (frames == len(lane.track.actions)) & lane.track.ended
                paid = lane.track.answers[lane.first : lane.first + lane.frames]
                found.append((knows[: lane.frames], over, torch.tensor([bins[a] for a in paid])))
    finally:
        hook.remove()
    return found


def pay(seen: Seen, words: Tensor) -> Tensor:
    """Return how to move the words for rewards ``(R, D)`` so that they say what ends pay."""
    at = seen.ended > 0
    known, reward, weight = seen.known[at], seen.reward[at], seen.weight[at]
    move = torch.zeros_like(words, requires_grad=True)

    def loss() -> Tensor:
        wrong = F.cross_entropy(known @ (words + move).T, reward, reduction="none")
        return (wrong * weight).sum() / weight.sum() + SHRINK * move.square().mean()

    return _least(loss, move)


def regress(seen: Seen, offset: Tensor) -> Tensor:
    """Return the direction ``(D,)`` whose product with what is known is the logit of an end.

    Args:
        seen: Frames, and which of them were ends.
        offset: Added to every logit, ``(N,)``.
    """
    direction = torch.zeros(seen.known.shape[1], requires_grad=True)

    def loss() -> Tensor:
        odds = seen.known @ direction + offset
        wrong = F.binary_cross_entropy_with_logits(odds, seen.ended, seen.weight)
        return wrong + SHRINK * direction.square().mean()

    return _least(loss, direction)


def _least(loss: Callable[[], Tensor], values: Tensor) -> Tensor:
    """Change values until a convex loss is least; return them."""
    optimizer = torch.optim.LBFGS([values], max_iter=200, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimizer.zero_grad()
        found = loss()
        found.backward()
        return found

    optimizer.step(step)
    return values.detach()


def describe(fitted: Fitted | None) -> str:
    """Say what came of it."""
    if fitted is None:
        return "hardly an end in the data: no dream will end"
    gain = 1 - fitted.now / fitted.blind
    return (
        f"ends: {fitted.ends} and {fitted.steps - fitted.ends} other steps, nearly all dreamed; "
        f"told apart {np.clip(gain, 0, 1):.0%} better than by chance"
    )
