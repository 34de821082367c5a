"""After training: how likely an end is, fitted to recorded play with everything else as it is.

An end is one step of hundreds, so the words for it hardly learn while all others do, and are held
for all but impossible. Here they are the words for the same rewards, moved: a multinomial logistic
regression on what the network knows anyway. It is convex, fast and right on average, and how far
the words may move is what foretells best in dreams that were left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from worldsim.checkpoint import Checkpoint
from worldsim.train.batches import Batches
from worldsim.train.dreams import follow, make_memory
from worldsim.train.lanes import CONTEXT, Lane

SHRINKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # to choose from
FOLDS = 4  # parts of what was seen, each left out once
FEWEST = 8  # ends to learn from
AT_ONCE = 24  # dreams side by side


class Fitted(NamedTuple):
    """What came of it.

    Attributes:
        steps: Seen.
        ends: Of them.
        blind: Mean surprise of who only knows how often there is one, in nats.
        now: That of a fit to the other parts of what was seen.
    """

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
    shrink, now = choose_shrink(seen, usual)
    words[ids[1]] = regress(seen, usual, shrink).to(words)
    share = (seen.ended * seen.weight).sum() / seen.weight.sum()
    blind = F.binary_cross_entropy(share.expand_as(seen.ended), seen.ended, seen.weight)
    return Fitted(len(seen.ended), int(seen.ended.sum()), float(blind), now)


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


def choose_shrink(seen: Seen, usual: Tensor) -> tuple[float, float]:
    """Return which of `SHRINKS` says best what it was not fitted to, and its mean surprise there.

    Ends are few and what is known has many numbers: fitted too closely, an end is likely wherever
    nothing is about to happen.
    """
    ends = seen.ended > 0
    part = torch.arange(len(ends)) * FOLDS // len(ends)  # neighbours are of one dream
    part[ends] = torch.arange(int(ends.sum())) % FOLDS
    found = dict[float, float]()
    for shrink in tqdm(SHRINKS, desc="fit ends", unit="fit", leave=False):
        surprise = 0.0
        for fold in range(FOLDS):
            words = regress(Seen(*(x[part != fold] for x in seen)), usual, shrink)
            rest = Seen(*(x[part == fold] for x in seen))
            wrong = F.binary_cross_entropy_with_logits(
                odds(rest.known, usual, words), rest.ended, rest.weight, reduction="sum"
            )
            surprise += float(wrong) / len(ends)
        found[shrink] = surprise
    best = min(found, key=lambda shrink: found[shrink])
    return best, found[best]


def regress(seen: Seen, usual: Tensor, shrink: float) -> Tensor:
    """Return words for ends, ``(R, D)``: one choice between no end and an end that pays so much.

    They are the words for the same rewards, moved all alike, which says how likely an end is, and
    each by itself, which says what it pays; a multinomial logistic regression.

    Args:
        seen: Frames, which of them were ends, and what they paid.
        usual: Words for rewards without an end, ``(R, D)``.
        shrink: Weight of the squared size of these moves, ten times as much of the latter. To be
            unlikely in general costs nothing.
    """
    none = seen.known @ usual.T
    nothing = none.logsumexp(dim=1, keepdim=True)
    target = torch.where(seen.ended > 0, seen.reward, len(usual))
    middle = (seen.known * seen.weight[:, None]).sum(dim=0) / seen.weight.sum()
    general = middle / middle.square().sum()  # times what is known it is 1, about
    level = torch.zeros(1, requires_grad=True)
    alike = torch.zeros(usual.shape[1], requires_grad=True)
    each = torch.zeros_like(usual, requires_grad=True)
    optimizer = torch.optim.LBFGS([level, alike, each], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        ends = none + seen.known @ (level * general + alike + each).T
        wrong = F.cross_entropy(torch.cat([ends, nothing], dim=1), target, reduction="none")
        size = alike.square().mean() + 10 * each.square().mean()
        found = (wrong * seen.weight).sum() / seen.weight.sum() + shrink * size
        found.backward()
        return found

    optimizer.step(loss)
    return usual + (level * general + alike + each).detach()


def odds(known: Tensor, usual: Tensor, words: Tensor) -> Tensor:
    """Return the logit of an end, ``(N,)``, given the words for rewards without and with one."""
    return (known @ words.T).logsumexp(dim=1) - (known @ usual.T).logsumexp(dim=1)


def describe(fitted: Fitted | None) -> str:
    """Say what came of it."""
    if fitted is None:
        return "hardly an end in the data: no dream will end"
    gain = 1 - fitted.now / fitted.blind
    return (
        f"ends: {fitted.ends} and {fitted.steps - fitted.ends} other steps, nearly all dreamed; "
        f"foretold {np.clip(gain, 0, 1):.0%} better than by chance where they were not fitted"
    )
