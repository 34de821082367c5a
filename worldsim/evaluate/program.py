"""`worldsim eval`: measures a checkpoint on a held-out dataset and writes JSON and a report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from worldsim import provenance
from worldsim.checkpoint import Checkpoint
from worldsim.data import Collection, Dataset
from worldsim.errors import WorldsimError
from worldsim.evaluate.clips import Dreamer, dream
from worldsim.evaluate.control import measure_control, measure_shuffle_ratio
from worldsim.evaluate.drift import measure_drift
from worldsim.evaluate.memory import measure_memory
from worldsim.evaluate.prepare import find_judge, find_windows, join, load_groups
from worldsim.evaluate.reading import Answers, load_sights, measure_reading
from worldsim.evaluate.report import Pictures, write_report
from worldsim.evaluate.rewards import measure_rewards
from worldsim.evaluate.sentences import measure_sentences
from worldsim.evaluate.summary import summary
from worldsim.evaluate.video import measure_fvd, measure_video, shuffled_rows
from worldsim.i3d import I3D, video_features
from worldsim.judge_training import JudgeConfig
from worldsim.metrics import LPIPS
from worldsim.reader import Reader
from worldsim.simulator import Simulator

PARTS = ("video", "fvd", "control", "shuffle", "sentences", "drift", "memory", "rewards", "reading")


@dataclass
class EvalConfig:
    """Options of `worldsim eval`.

    Attributes:
        data: Held-out dataset; several, with commas, one after the other.
        train_data: The dataset the model learned from, one for each world. The judge learns from
            it, maps that occur in it count as known, and mazes must not. Empty: the judge learns
            from the episodes of `data` that the index leaves free.
        checkpoint: Checkpoint folder; empty: the bundled one.
        out: JSON file to write; the report lies beside it in a folder of the same name.
        parts: What to measure: video, fvd, control, shuffle, sentences, drift, memory, rewards,
            reading. Memory is left out where one cannot turn on the spot, reading where the
            checkpoint never learnt to answer.
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
        memory_starts: Places from which the model turns away and back.
        num_rewards: Moments whose reward and end are dreamed.
        num_readings: Frames that the model is asked about.
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
    memory_starts: int = 16
    num_rewards: int = 64
    num_readings: int = 48
    num_envs: int = 16
    device: str = ""
    seed: int = 0


def evaluate(cfg: EvalConfig) -> None:
    """Measure a checkpoint; what is done is written after every part, so a kill loses little."""
    check(cfg)
    provenance.check_writable(Path(cfg.out))
    parts = one_world_each(cfg)
    simulator = Simulator.from_pretrained(
        cfg.checkpoint or None, num_envs=cfg.num_envs, device=cfg.device or None
    )
    for name, part in parts.items():
        if name not in simulator.worlds:
            raise WorldsimError(
                f"'{part.data}' is of the world '{name}', the checkpoint knows "
                f"{', '.join(simulator.worlds)}: evaluate on a dataset of one of these"
            )
    reader, worlds = _reader(cfg), dict[str, Any]()
    for name, part in parts.items():
        folder = Path(cfg.out).with_suffix("")
        run = Evaluation(part, Dataset(part.data), simulator, reader)
        result = run.run(worlds, cfg.data, folder / name if len(parts) > 1 else folder)
        print(f"{name}\n{summary(result, name)}" if len(parts) > 1 else summary(result, name))
        print(f"wrote {cfg.out} and {folder / name if len(parts) > 1 else folder}/report.html")


def one_world_each(cfg: EvalConfig) -> dict[str, EvalConfig]:
    """Split an evaluation on several datasets into one for each world.

    Raises:
        WorldsimError: Two datasets are of one world, or one has no training data beside it.
    """
    datasets = Collection(cfg.data).datasets
    trained = Collection(cfg.train_data).datasets if cfg.train_data else []
    learnt = {dataset.spec.name: str(dataset.path) for dataset in trained}
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
        judge = str(Path(cfg.judge) / name) if cfg.judge and len(datasets) > 1 else cfg.judge
        parts[name] = replace(
            cfg, data=str(dataset.path), train_data=learnt.get(name, ""), judge=judge
        )
    return parts


def _reader(cfg: EvalConfig) -> Reader | None:
    """Load the model as one that answers, unless it cannot."""
    if "reading" not in cfg.parts:
        return None
    checkpoint = Checkpoint.load(cfg.checkpoint or None)
    if checkpoint.tokenizer.can_talk:
        return Reader(checkpoint, cfg.device or "cpu")
    print("no reading: this checkpoint was trained before frames could be asked about")
    return None


class Evaluation:
    """One run: everything loaded, the rollouts that several parts look at, and the numbers."""

    def __init__(
        self, cfg: EvalConfig, dataset: Dataset, simulator: Dreamer, reader: Answers | None = None
    ) -> None:
        """Load clips and judge, and dream once from every clip."""
        self.cfg, self.dataset, self.simulator, self.reader = cfg, dataset, simulator, reader
        horizon = max(cfg.horizons)
        heldout = [*cfg.heldout_maps, *dataset.spec.heldout_sources]
        index = find_windows(dataset, cfg.train_data, heldout, cfg.context, horizon)
        self.groups = load_groups(
            dataset, index, cfg.context, horizon, cfg.num_windows, simulator.image_size
        )
        # Mazes where there are any: the parts that look at one group take the hardest.
        self.clips = next(iter(self.groups.values()))
        self.world: dict[str, Any] = {}
        self.pictures = Pictures()
        if {"control", "sentences"} & set(cfg.parts):
            folder = Path(cfg.judge) if cfg.judge else dataset.path / "judge"
            self.judge = find_judge(
                folder, dataset, cfg.train_data, index, cfg.num_windows, cfg.judge_config
            )
            self.world["judge"] = self.judge.accuracy
        self.dreams: dict[str, np.ndarray] = {}
        if {"video", "fvd", "control"} & set(cfg.parts):
            for name, clips in self.groups.items():
                self.dreams[name] = dream(simulator, clips, seed=cfg.seed, desc=f"dream {name}")
                self.pictures.rollouts[name] = (clips, self.dreams[name])

    def run(
        self,
        worlds: dict[str, Any] | None = None,
        data: str | None = None,
        folder: Path | None = None,
    ) -> dict[str, Any]:
        """Measure part after part, write the files, return the numbers.

        Args:
            worlds: What was measured in other worlds already; this one joins them.
            data: All the data that is measured on; None: this dataset's.
            folder: Of the report; None: beside the JSON file.
        """
        cfg, name = self.cfg, self.dataset.spec.name
        about = provenance.meta(cfg.seed, data or cfg.data, self.simulator.weights_id)
        about |= {"context": cfg.context, "parts": []}
        worlds = {} if worlds is None else worlds
        worlds[name] = self.world
        result: dict[str, Any] = {"worlds": worlds, "meta": about}
        possible = [part for part in PARTS if part != "reading" or self.reader]
        for part in tqdm([part for part in possible if part in cfg.parts], desc="eval"):
            getattr(self, f"_{part}")()
            about["parts"].append(part)
            provenance.write_json(Path(cfg.out), result)
        write_report(folder or Path(cfg.out).with_suffix(""), result, name, self.pictures)
        return result

    def _video(self) -> None:
        lpips, seed = LPIPS.load(), self.cfg.seed
        for name, clips in self.groups.items():
            other = clips.future_actions[shuffled_rows(len(clips), seed)]
            shuffled = dream(self.simulator, clips, other, seed=seed, desc=f"shuffled {name}")
            self.world[name] = measure_video(
                self.simulator, clips, self.dreams[name], shuffled, self.cfg.horizons, lpips
            )

    def _fvd(self) -> None:
        network, group = I3D.load(), next(iter(self.groups))
        self.world["fvd_i3d"] = measure_fvd(
            lambda videos: video_features(network, videos), self.clips, self.dreams[group]
        )

    def _control(self) -> None:
        clips, dreamed = join(list(self.groups.values())), list(self.dreams.values())
        self.world["control"] = measure_control(
            self.judge, clips, np.concatenate(dreamed), self.cfg.control_steps
        )

    def _shuffle(self) -> None:
        ratio = measure_shuffle_ratio(self.simulator, self.clips, self.cfg.seed)
        self.world["shuffle_ratio"] = ratio

    def _sentences(self) -> None:
        cfg, spec = self.cfg, self.dataset.spec
        phrases = self.simulator.worlds[spec.name].phrases or spec.phrases
        self.world["sentences"] = measure_sentences(
            self.simulator,
            self.judge,
            self.clips,
            phrases,
            cfg.sentence_starts,
            cfg.num_phrases,
            seed=cfg.seed,
        )

    def _drift(self) -> None:
        cfg = self.cfg
        self.world["drift"], self.pictures.drift = measure_drift(
            self.simulator, self.dataset, self.clips, cfg.drift_steps, cfg.drift_starts, cfg.seed
        )

    def _memory(self) -> None:
        cfg, lpips = self.cfg, LPIPS.load()
        clips = self.clips.pick(np.arange(min(cfg.memory_starts, len(self.clips))))
        found = measure_memory(self.simulator, self.dataset, clips, lpips, cfg.seed)
        if found is not None:
            self.world["memory"] = found

    def _rewards(self) -> None:
        cfg = self.cfg
        self.world["rewards"] = measure_rewards(
            self.simulator, self.dataset, cfg.num_rewards, cfg.context, cfg.seed
        )

    def _reading(self) -> None:
        assert self.reader is not None
        cfg = self.cfg
        sights = load_sights(self.dataset, cfg.num_readings, self.reader.size, cfg.seed)
        self.world["reading"] = measure_reading(self.reader, self.dataset.spec, sights, cfg.seed)


def check(cfg: EvalConfig) -> None:
    """Refuse values that make no sense before anything is loaded."""
    for part in cfg.parts:
        if part not in PARTS:
            raise WorldsimError(f"unknown part '{part}': use {', '.join(PARTS)}")
    if not cfg.horizons or min(cfg.horizons) < 1:
        raise WorldsimError(f"horizons={cfg.horizons}: use steps of 1 or more, such as [1,4,16,32]")
    for name in (
        "num_windows",
        "drift_steps",
        "drift_starts",
        "sentence_starts",
        "num_envs",
        "memory_starts",
        "num_rewards",
        "num_readings",
    ):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)} is too small: use 1 or more")
    if cfg.context < 3:
        raise WorldsimError(f"context={cfg.context} is too short: the judge looks at 3 frames")
    if max(cfg.horizons) < 2:
        raise WorldsimError("horizons must reach 2 steps or more: the judge looks ahead")
