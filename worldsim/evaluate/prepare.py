"""Everything an evaluation needs before it measures: the index, the clips and the judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.evaluate import index as indexing
from worldsim.evaluate.clips import Clips, load_clips
from worldsim.judge import Judge
from worldsim.judge_training import JudgeConfig, Real, train_judge, train_odometer
from worldsim.odometer import Odometer
from worldsim.watcher import Watcher


def find_windows(
    dataset: Dataset, train_data: str, heldout_maps: list[str], context: int, horizon: int
) -> indexing.EvalIndex:
    """Make or find the fixed index, and make sure that no maze in it was learned from.

    Args:
        dataset: Held-out data; the index is stored in its folder.
        train_data: The model's training data, whose maps are known and whose mazes must not
            occur; "" where only `heldout_maps` tells known maps from held-out ones.
        heldout_maps: More names of held-out maps.
        context: Real frames shown before the dream.
        horizon: Steps the dream is compared for.
    """
    heldout = list(heldout_maps)
    if train_data:
        training = {(info.source, info.seed) for info in Dataset(train_data).episodes}
        known = {source for source, _ in training}
        for info in dataset.episodes:
            is_maze = indexing.GENERATED.match(info.source) and info.source in known
            if is_maze or (info.source, info.seed) in training:
                raise WorldsimError(
                    f"{info.source} with seed {info.seed} of '{dataset.path}' is in "
                    f"'{train_data}' too: evaluate on data collected with split=heldout"
                )
        heldout += sorted({info.source for info in dataset.episodes} - known)
    wanted = indexing.make_index(dataset, context, horizon, heldout)
    return indexing.find_index(dataset, wanted, dataset.path / indexing.FILE)


def load_groups(
    dataset: Dataset, index: indexing.EvalIndex, context: int, horizon: int, count: int, size: int
) -> dict[str, Clips]:
    """Load the first `count` windows of each group at the model's picture size."""
    return {
        name: load_clips(dataset, windows[:count], context, horizon, size)
        for name, windows in index.groups.items()
    }


def join(parts: list[Clips]) -> Clips:
    """Put groups together."""
    frames = np.concatenate([part.frames for part in parts])
    actions = np.concatenate([part.actions for part in parts])
    return Clips(parts[0].spec, frames, actions, parts[0].context)


def find_judges(
    folder: Path,
    dataset: Dataset,
    train_data: str,
    index: indexing.EvalIndex,
    count: int,
    config: JudgeConfig,
) -> tuple[Judge, Odometer | None]:
    """Load the judges, or train them on real frames that nothing is measured on and keep them.

    They learn from `train_data`; without, from the episodes of `dataset` in which none of the
    first `count` windows of a group lies. There is no odometer where there are no poses.
    """
    source, indices = dataset, None
    if train_data:
        source = Dataset(train_data)
    else:
        rows = [window for windows in index.groups.values() for window in windows[:count]]
        used = {(window.source, window.seed) for window in rows}
        indices = [i.index for i in dataset.episodes if (i.source, i.seed) not in used]
    found: list[Watcher | None] = []
    real: Real | None = None
    for kind, train in ((Judge, train_judge), (Odometer, train_odometer)):
        watcher = kind.load(folder) if kind.exists(folder) else None
        if watcher is None:
            if indices is not None and len(indices) < 2:
                raise WorldsimError(
                    f"no episodes of '{dataset.path}' are left for the judge to learn from: name "
                    "the model's training data with train_data="
                )
            real = real or Real(source, config, indices)
            watcher = train(real, config)
            if watcher is not None:
                watcher.save(folder)
        else:
            remedy = "remove that folder or name another with judge="
            known = f"the {kind.kind} in {folder}"
            dataset.spec.check_same(watcher.spec, str(dataset.path), known, remedy)
        found.append(watcher)
    return found[0], found[1]  # type: ignore[return-value]
