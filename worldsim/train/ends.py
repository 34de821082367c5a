"""After training: how likely an end is, fitted to recorded play with everything else as it is.

An end is one step of hundreds, so the words for it hardly learn while all others do, and are held
for all but impossible. Said as its reward's word plus one direction common to all ends, its odds
are a logistic regression on what the network knows anyway: convex, fast, and right on average.
"""

from __future__ import annotations

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
    """What the network knows after frames, ``(N, D)``, whether they were ends, what each counts."""

    known: Tensor
    ended: Tensor
    weight: Tensor


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
    direction = regress(seen)
    ids = torch.tensor(tokenizer.answer_ids).view(2, -1)
    with torch.no_grad():
        words = network.text_out.weight
        words[ids[1]] = words[ids[0]] + direction.to(words)
    share = (seen.ended * seen.weight).sum() / seen.weight.sum()
    blind = F.binary_cross_entropy(share.expand_as(seen.ended), seen.ended, seen.weight)
    now = F.binary_cross_entropy_with_logits(seen.known @ direction, seen.ended, seen.weight)
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
    kept = [over if k >= len(anywhere) else ~over for k, (_, over) in enumerate(found)]
    known = torch.cat([after[keep] for (after, _), keep in zip(found, kept, strict=True)])
    ended = torch.cat([over[keep] for (_, over), keep in zip(found, kept, strict=True)])
    world = np.repeat([lane.track.world for lane in lanes], [int(keep.sum()) for keep in kept])
    weight = torch.ones(len(known))
    for name in set(world):
        here = torch.from_numpy(world == name)
        played = [track for track in batches.tracks if track.world == name]
        share = sum(t.ended for t in played) / sum(len(t.actions) for t in played)
        weight[here & ended] = share * (here & ~ended).sum() / (here & ended).sum().clamp(min=1)
    return Seen(known, ended.float(), weight)


def _dream(
    checkpoint: Checkpoint, batches: Batches, lanes: list[Lane]
) -> list[tuple[Tensor, Tensor]]:
    """Return of each lane what is known after each of its frames, and which of them was an end."""
    network, found = checkpoint.network.eval(), list[tuple[Tensor, Tensor]]()
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
                found.append((knows[: lane.frames], over))
    finally:
        hook.remove()
    return found


def regress(seen: Seen) -> Tensor:
    """Return the direction ``(D,)`` whose product with what is known is the logit of an end."""
    known, ended, weight = seen
    direction = torch.zeros(known.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([direction], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        wrong = F.binary_cross_entropy_with_logits(known @ direction, ended, weight)
        wrong = wrong + SHRINK * direction.square().mean()
        wrong.backward()
        return wrong

    optimizer.step(loss)
    return direction.detach()


def describe(fitted: Fitted | None) -> str:
    """Say what came of it."""
    if fitted is None:
        return "hardly an end in the data: no dream will end"
    gain = 1 - fitted.now / fitted.blind
    return (
        f"ends: {fitted.ends} and {fitted.steps - fitted.ends} other steps, nearly all dreamed; "
        f"told apart {np.clip(gain, 0, 1):.0%} better than by chance"
    )
