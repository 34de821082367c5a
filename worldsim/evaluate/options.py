"""What `worldsim eval` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from worldsim.data import Collection
from worldsim.errors import WorldsimError
from worldsim.judge_training import JudgeConfig

PARTS = (
    *("video", "fvd", "control", "shuffle", "sentences", "drift", "rest", "memory", "rewards"),
    *("reading", "imagine"),
)


@dataclass
class EvalConfig:
    """Options of `worldsim eval`.

    Attributes:
        data: Held-out dataset; several, with commas, one after the other.
        train_data: The dataset the model learned from, one for each world. The judge learns from
            it, maps that occur in it count as known, and mazes must not. Empty: the judge learns
            from the episodes of `data` that the index leaves free.
        checkpoint: Checkpoint folder; empty: the bundled one.
        out: JSON file to write; beside it of the same name the table of all worlds, as Markdown,
            and a folder with the report.
        parts: What to measure: video, fvd, control, shuffle, sentences, drift, rest, memory,
            rewards, reading, imagine. Memory is left out where one cannot turn on the spot, the
            last two where the checkpoint never learnt to answer.
        num_windows: Places a group that are looked at, at most 128; fewer are faster and noisier.
        context: Real frames the model is shown before it dreams.
        horizons: Steps ahead at which frames are compared.
        heldout_maps: Names of held-out maps besides those that the dataset's world lists.
        judge: Folder of the judge, of several worlds with a folder for each; trained and stored
            there if it is missing. Empty: in `data`.
        judge_config: How to train it.
        control_steps: Dreamed steps in which the judge names the action.
        drift_steps: Length of the long dreams.
        drift_starts: Number of the long dreams.
        sentence_starts: Places at which each sentence is tried.
        num_phrases: Phrases an action, of the seen and of the unseen each.
        num_walks: Places from which it is told to walk to a thing in sight, of pairs of kind and
            colour that training knows and of others each.
        memory_starts: Places from which the model turns away and back, or stays.
        num_rewards: Moments whose reward and end are dreamed.
        num_readings: Frames that the model is asked about.
        num_imagined: Sentences of which a picture is imagined.
        num_envs: Dreams computed together.
        device: Where to compute, such as cpu or cuda; empty: the simulator's choice.
        seed: Seed of everything random.
    """

    data: str
    train_data: str = ""
    checkpoint: str = ""
    out: str = "eval.json"
    parts: list[str] = field(default_factory=lambda: list(PARTS))
    num_windows: int = 64
    context: int = 16
    horizons: list[int] = field(default_factory=lambda: [1, 2, 4, 8, 16, 32])
    heldout_maps: list[str] = field(default_factory=list)
    judge: str = ""
    judge_config: JudgeConfig = field(default_factory=JudgeConfig)
    control_steps: int = 16
    drift_steps: int = 1000
    drift_starts: int = 8
    sentence_starts: int = 4
    num_phrases: int = 2
    num_walks: int = 16
    memory_starts: int = 16
    num_rewards: int = 64
    num_readings: int = 48
    num_imagined: int = 48
    num_envs: int = 16
    device: str = ""
    seed: int = 0


def one_world_each(cfg: EvalConfig) -> dict[str, EvalConfig]:
    """Split an evaluation on several datasets into one for each world.

    Raises:
        WorldsimError: Two datasets are of one world, or one has no training data beside it, or
            such with other actions, rate or units.
    """
    datasets = Collection(cfg.data).datasets
    trained = Collection(cfg.train_data).datasets if cfg.train_data else []
    learnt = {dataset.spec.name: dataset for dataset in trained}
    parts: dict[str, EvalConfig] = {}
    for dataset in datasets:
        name = dataset.spec.name
        if name in parts:
            raise WorldsimError(f"data={cfg.data} has '{name}' twice: evaluate one at a time")
        if learnt and name not in learnt:
            raise WorldsimError(
                f"train_data={cfg.train_data} has nothing of '{name}': name what the model "
                "learned of every world in data"
            )
        if learnt:
            of_world, remedy = learnt[name], "name data collected like that in data="
            dataset.spec.check_same(
                of_world.spec, str(dataset.path), f"train_data={of_world.path}", remedy
            )
        judge = str(Path(cfg.judge) / name) if cfg.judge and len(datasets) > 1 else cfg.judge
        train_data = str(learnt[name].path) if learnt else ""
        parts[name] = replace(cfg, data=str(dataset.path), train_data=train_data, judge=judge)
    return parts


def check(cfg: EvalConfig) -> None:
    """Refuse values that make no sense before anything is loaded."""
    for part in cfg.parts:
        if part not in PARTS:
            raise WorldsimError(f"unknown part '{part}': use {', '.join(PARTS)}")
    if Path(cfg.out).suffix == ".md":
        raise WorldsimError(f"out={cfg.out} is where the table goes: name a .json file")
    if not cfg.horizons or min(cfg.horizons) < 1:
        raise WorldsimError(f"horizons={cfg.horizons}: use steps of 1 or more, such as [1,4,16,32]")
    for name in (
        "num_windows",
        "drift_steps",
        "drift_starts",
        "sentence_starts",
        "num_walks",
        "num_envs",
        "memory_starts",
        "num_rewards",
        "num_readings",
        "num_imagined",
    ):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)} is too small: use 1 or more")
    if cfg.context < 3:
        raise WorldsimError(f"context={cfg.context} is too short: the judge looks at 3 frames")
    if max(cfg.horizons) < 2:
        raise WorldsimError("horizons must reach 2 steps or more: the judge looks ahead")
