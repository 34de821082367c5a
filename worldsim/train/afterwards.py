"""What a finished checkpoint learns last, each part by itself; doing it twice changes little."""

from __future__ import annotations

from collections.abc import Mapping

from worldsim.checkpoint import Checkpoint
from worldsim.train.batches import Batches
from worldsim.train.edges import Album, fit_beyond
from worldsim.train.ends import describe, fit_ends
from worldsim.train.meanings import describe_learnt, fit_meanings
from worldsim.train.run import RunFolder


def look_beyond(
    run: RunFolder, batches: Batches, steps: int, shares: Mapping[str, float], seed: int
) -> None:
    """Learn what lies beyond the edges of pictures, see `train.edges`."""
    checkpoint = Checkpoint.load(run.path / "model")
    side = checkpoint.network.canvas.side
    album = Album(batches.latents, batches.tracks, shares, side, seed)
    fit_beyond(checkpoint.network, album, run, steps)
    checkpoint.save(run.path / "model")


def understand(run: RunFolder, batches: Batches, steps: int, seed: int) -> None:
    """Learn what sentences mean, see `train.meanings`."""
    checkpoint = Checkpoint.load(run.path / "model")
    learnt = fit_meanings(checkpoint, batches.tracks, steps, seed)
    print(describe_learnt(learnt))
    if learnt:
        checkpoint.save(run.path / "model")


def end(run: RunFolder, batches: Batches, dreams: int) -> None:
    """Fit the chance of ends, see `train.ends`."""
    checkpoint = Checkpoint.load(run.path / "model")
    fitted = fit_ends(checkpoint, batches, dreams)
    print(describe(fitted))
    if fitted:
        checkpoint.save(run.path / "model")
