"""What a network learns before everything together, each part by itself and once in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worldsim.errors import WorldsimError
from worldsim.hindsight import Hindsight
from worldsim.model import WorldTransformer
from worldsim.train import askings, gaits
from worldsim.train.askings import fit_askings
from worldsim.train.batches import Batches
from worldsim.train.glances import fit_glance
from worldsim.train.momenta import Lesson, fit_momentum
from worldsim.train.numbers import Numbers
from worldsim.train.run import RunFolder


def look(
    network: WorldTransformer,
    run: RunFolder,
    batches: Batches,
    things: Mapping[str, Sequence[str]],
    steps: tuple[int, int],
    shares: Mapping[str, float],
    seed: int,
) -> None:
    """Learn what there is to see, and to ask for it in words: so many updates of each, or none."""
    looking, asking = steps
    if looking and network.glance is None:
        raise WorldsimError(f"glance_steps={looking}: nobody glances, set model.glance_width=32")
    if asking and not looking:
        raise WorldsimError(
            f"asking_steps={asking}: questions have no numbers yet, set glance_steps=8000"
        )
    if looking and network.glance:
        fit_glance(
            network.glance, network.canvas, batches.latents, batches.tracks, things, run, looking,
            shares, seed,
        )  # fmt: skip
    if asking:
        lesson = askings.Lesson(batches, Numbers.load(run, looking), things, shares, seed)
        fit_askings(network, lesson, run, asking)


def go_on_moving(
    network: WorldTransformer,
    run: RunFolder,
    batches: Batches,
    steps: tuple[int, int],
    shares: Mapping[str, float],
    seed: int,
) -> None:
    """Learn how whole pictures and all in them go on moving: so many updates of each, or none."""
    rough, fine = steps
    latents, tracks, hindsight = batches.latents, batches.tracks, Hindsight.of(network.canvas)
    if rough:
        moved = gaits.look_up(latents, tracks, hindsight, run.path / "motion.npy")
        gaits.fit_gait(network, gaits.Lesson(moved, tracks, shares, seed), run, rough)
    if fine:
        fit_momentum(network, Lesson(latents, tracks, hindsight, shares, seed), run, fine)
