"""`worldsim eval`: measures a checkpoint on a held-out dataset and writes JSON and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from worldsim import provenance
from worldsim.checkpoint import Checkpoint
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.evaluate.clips import Clips, Dreamer, dream
from worldsim.evaluate.control import measure_control, measure_motion, measure_shuffle_ratio
from worldsim.evaluate.drift import measure_drift
from worldsim.evaluate.imagining import measure_imagining
from worldsim.evaluate.memory import measure_memory
from worldsim.evaluate.new_pairs import load_strange, measure_new_pairs
from worldsim.evaluate.options import PARTS, EvalConfig, check, one_world_each
from worldsim.evaluate.prepare import find_judges, find_windows, join, load_groups
from worldsim.evaluate.reading import Answers, measure_reading
from worldsim.evaluate.report import Pictures, write_report
from worldsim.evaluate.rest import measure_rest
from worldsim.evaluate.rewards import measure_rewards
from worldsim.evaluate.sentences import measure_lasting, measure_sentences
from worldsim.evaluate.sights import load_sights
from worldsim.evaluate.summary import summary
from worldsim.evaluate.table import write_table
from worldsim.evaluate.video import (
    make_crowds,
    measure_fvd,
    measure_looks,
    measure_video,
    shuffled_rows,
)
from worldsim.evaluate.walks import measure_walks
from worldsim.i3d import I3D, video_features
from worldsim.metrics import LPIPS
from worldsim.reader import Reader
from worldsim.simulator import Simulator


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
        simulator.worlds[name].check_same(
            Dataset(part.data).spec,
            "the checkpoint",
            part.data,
            "evaluate on data collected like what it learned from",
        )
    reader, worlds = _reader(cfg), dict[str, Any]()
    for name, part in parts.items():
        folder = Path(cfg.out).with_suffix("")
        run = Evaluation(part, Dataset(part.data), simulator, reader)
        result = run.run(worlds, cfg.data, folder / name if len(parts) > 1 else folder)
        print(f"{name}\n{summary(result, name)}" if len(parts) > 1 else summary(result, name))
        report = (folder / name if len(parts) > 1 else folder) / "report.html"
        print(f"wrote {cfg.out}, {Path(cfg.out).with_suffix('.md')} and {report}")


def _reader(cfg: EvalConfig) -> Reader | None:
    """Load the model as one that answers, unless it cannot."""
    if not {"reading", "imagine"} & set(cfg.parts):
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
            self.judge, self.odometer = find_judges(
                folder, dataset, cfg.train_data, index, cfg.num_windows, cfg.judge_config
            )
            self.world["judge"] = self.judge.accuracy
            if self.odometer:
                self.world["odometer"] = self.odometer.accuracy
        self.dreams, self.shuffled = dict[str, np.ndarray](), dict[str, np.ndarray]()
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
        possible = [p for p in PARTS if self.reader or p not in ("reading", "imagine")]
        for part in tqdm([part for part in possible if part in cfg.parts], desc="eval"):
            getattr(self, f"_{part}")()
            about["parts"].append(part)
            provenance.write_json(Path(cfg.out), result)
            write_table(Path(cfg.out).with_suffix(".md"), result)
        write_report(folder or Path(cfg.out).with_suffix(""), result, name, self.pictures)
        return result

    def _video(self) -> None:
        lpips = LPIPS.load()
        for name, clips in self.groups.items():
            dreamed, shuffled = self.dreams[name], self._dream_shuffled(name)
            self.world[name] = measure_video(
                self.simulator, clips, dreamed, shuffled, self.cfg.horizons, lpips
            )

    def _dream_shuffled(self, group: str) -> np.ndarray:
        """Dream once from every clip of a group with another clip's actions."""
        if group not in self.shuffled:
            clips, seed = self.groups[group], self.cfg.seed
            other = clips.future_actions[shuffled_rows(len(clips), seed)]
            self.shuffled[group] = dream(
                self.simulator, clips, other, seed=seed, desc=f"shuffled {group}"
            )
        return self.shuffled[group]

    def _fvd(self) -> None:
        network, group = I3D.load(), next(iter(self.groups))
        dreamed, shuffled = self.dreams[group], self._dream_shuffled(group)
        crowds = make_crowds(self.simulator, self.clips, dreamed, shuffled)
        self.world["fvd_i3d"] = measure_fvd(
            lambda videos: video_features(network, videos), self.clips, crowds
        )
        self.world["frechet_alexnet"] = measure_looks(LPIPS.load(), self.clips, crowds)

    def _control(self) -> None:
        clips, dreamed = join(list(self.groups.values())), list(self.dreams.values())
        self.world["control"] = measure_control(
            self.judge, clips, np.concatenate(dreamed), self.cfg.control_steps
        )
        if self.odometer:
            self.world["motion"] = measure_motion(
                self.odometer, clips, np.concatenate(dreamed), self.cfg.control_steps
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
            self.odometer,
            self.clips,
            phrases,
            cfg.sentence_starts,
            cfg.num_phrases,
            seed=cfg.seed,
        )
        found = measure_lasting(
            self.simulator, self.judge, self.clips, phrases, cfg.sentence_starts, seed=cfg.seed
        )
        if found is not None:
            self.world["lasting"] = found
        self.world["walks"] = measure_walks(
            self.simulator, self.odometer, self.dataset, cfg.num_walks, cfg.context, seed=cfg.seed
        )

    def _drift(self) -> None:
        cfg = self.cfg
        self.world["drift"], self.pictures.drift = measure_drift(
            self.simulator, self.dataset, self.clips, cfg.drift_steps, cfg.drift_starts, cfg.seed
        )

    def _rest(self) -> None:
        self.world["rest"] = measure_rest(
            self.simulator, self._starts(), LPIPS.load(), self.cfg.seed
        )

    def _memory(self) -> None:
        cfg, clips, lpips = self.cfg, self._starts(), LPIPS.load()
        self.world["memory"] = measure_memory(self.simulator, self.dataset, clips, lpips, cfg.seed)

    def _starts(self) -> Clips:
        return self.clips.pick(np.arange(min(self.cfg.memory_starts, len(self.clips))))

    def _rewards(self) -> None:
        cfg = self.cfg
        self.world["rewards"] = measure_rewards(
            self.simulator, self.dataset, cfg.num_rewards, cfg.context, cfg.seed
        )

    def _reading(self) -> None:
        assert self.reader is not None
        cfg = self.cfg
        sights = load_sights(self.dataset, cfg.num_readings, self.reader.size, cfg.seed)
        found = measure_reading(self.reader, self.dataset.spec, sights, cfg.seed)
        strange = load_strange(self.dataset, cfg.num_readings, self.reader.size, cfg.seed)
        if strange:
            found["new_pairs"] = measure_new_pairs(
                self.reader, self.dataset.spec, strange, sights, cfg.seed
            )
        self.world["reading"] = found

    def _imagine(self) -> None:
        cfg = self.cfg
        learnt = Dataset(cfg.train_data) if cfg.train_data else self.dataset
        found = measure_imagining(
            self.simulator, learnt, self.dataset, LPIPS.load(), cfg.num_imagined, cfg.seed
        )
        if found is not None:
            self.world["imagine"] = found
