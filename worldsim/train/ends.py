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
from worldsim.objective import Batch, ObjectiveConfig, WorldObjective
from worldsim.train.batches import Batches
from worldsim.train.dreams import Dreams

SHRINK = 1e-3  # weight of the squared size of the direction
FEWEST = 8  # ends to learn from


class Fitted(NamedTuple):
    """What came of it: steps and ends seen, and the mean surprise in nats, by chance and now."""

    steps: int
    ends: int
    blind: float
    now: float


def fit_ends(checkpoint: Checkpoint, batches: Batches, rows: int) -> Fitted | None:
    """Set the words for ends; None, and nothing is changed, where the play has hardly any.

    Half of the rows follow the model's own dreams, as far as `BatchConfig.dream_share` says: there
    an end has to be told from pictures that may not show it.

    Args:
        checkpoint: Trained; only these words of its `text_out` change.
        batches: Recorded play.
        rows: Of it to learn from.
    """
    network, tokenizer = checkpoint.network, checkpoint.tokenizer
    known, ended = look(checkpoint, batches, rows)
    if int(ended.sum()) < FEWEST:
        return None
    direction = regress(known, ended)
    ids = torch.tensor(tokenizer.answer_ids).view(2, -1)
    with torch.no_grad():
        words = network.text_out.weight
        words[ids[1]] = words[ids[0]] + direction.to(words)
    share = ended.mean()
    blind = float(F.binary_cross_entropy(share.expand_as(ended), ended))
    now = float(F.binary_cross_entropy_with_logits(known @ direction, ended))
    return Fitted(len(ended), int(ended.sum()), blind, now)


@torch.no_grad()
def look(checkpoint: Checkpoint, batches: Batches, rows: int) -> tuple[Tensor, Tensor]:
    """Return what the network knows after each frame, ``(N, D)``, and whether it was an end."""
    network, tokenizer = checkpoint.network.eval(), checkpoint.tokenizer
    # No frame is drawn, so no weight of how frames look counts.
    objective = WorldObjective(network, ObjectiveConfig(), None)
    dreams = Dreams(network, tokenizer, checkpoint.rollout, batches)
    answers = torch.tensor(tokenizer.answer_ids)
    ends, found = answers.view(2, -1)[1], list[Tensor]()
    hook = network.text_out.register_forward_pre_hook(lambda _, seen: found.append(seen[0]))
    known, ended = list[Tensor](), list[Tensor]()
    first = batches.config.dream_from
    try:
        count = -(-rows // batches.config.rows)
        for step in tqdm(range(first, first + count), desc="ends", unit="batch", leave=False):
            batch = Batch(*(x.to(network.device) for x in batches(step)))
            if dreams.stale(batch, step):
                dreams.renew(step)
            found.clear()
            objective.read(dreams.into(batch))
            where = torch.isin(batch.text_targets, answers.to(network.device))
            known.append(found.pop()[where].float().cpu())
            ended.append(torch.isin(batch.text_targets[where].cpu(), ends).float())
    finally:
        hook.remove()
    return torch.cat(known), torch.cat(ended)


def regress(known: Tensor, ended: Tensor) -> Tensor:
    """Return the direction ``(D,)`` whose product with what is known is the logit of an end."""
    direction = torch.zeros(known.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([direction], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        wrong = F.binary_cross_entropy_with_logits(known @ direction, ended)
        wrong = wrong + SHRINK * direction.square().mean()
        wrong.backward()
        return wrong

    optimizer.step(loss)
    return direction.detach()


def describe(fitted: Fitted | None) -> str:
    """Say what came of it."""
    if fitted is None:
        return "hardly an end in the data: no dream will end"
    share = fitted.ends / fitted.steps
    gain = 1 - fitted.now / fitted.blind
    return (
        f"ends: {fitted.ends} of {fitted.steps} steps ({share:.2%}); foreseen "
        f"{np.clip(gain, 0, 1):.0%} better than by chance"
    )
