"""What a network learns before everything together, each part by itself and once in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worldsim.errors import WorldsimError
from worldsim.hindsight import Hindsight
from worldsim.model import WorldTransformer
from worldsim.train import askings, deeds, gaits
from worldsim.train.askings import fit_askings
from worldsim.train.batches import Batches
from worldsim.train.deeds import fit_deed
from worldsim.train.glances import fit_glance
from worldsim.train.momenta import Lesson, fit_momentum
from worldsim.train.motions import look_up
from worldsim.train.numbers import Numbers
from worldsim.train.run import RunFolder

MOTIONS = "motions.npy"  # in the folder of a run: how all frames moved


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


def tell_deeds(
    network: WorldTransformer,
    run: RunFolder,
    batches: Batches,
    steps: int,
    shares: Mapping[str, float],
    seed: int,
    asked: bool,
) -> None:
    """Learn to tell from motion what was done, so many updates or none; look motion up for that.

    With `asked`, also for who is then asked about it in words.
    """
    if steps and network.deed is None:
        raise WorldsimError(
            f"deed_steps={steps}: nobody sees what was done, set model.deed_width=48 and "
            "model.glance_width=32"
        )
    if network.deed and (steps or asked):
        hindsight = Hindsight.of(network.canvas)
        moved = look_up(batches.latents, batches.tracks, hindsight, run.path / MOTIONS)
        batches.talks.moved = moved
        if steps:
            fit_deed(network.deed, deeds.Lesson(moved, batches.tracks, shares, seed), run, steps)


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
        moved = look_up(latents, tracks, hindsight, run.path / MOTIONS)
        gaits.fit_gait(network, gaits.Lesson(moved, tracks, shares, seed), run, rough)
    if fine:
        fit_momentum(network, Lesson(latents, tracks, hindsight, shares, seed), run, fine)
