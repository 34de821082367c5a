"""`worldsim data path=…`: what is in a dataset, as numbers and as pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from omegaconf import MISSING
from PIL import Image

from worldsim.data import files, layout
from worldsim.data.reader import Dataset
from worldsim.data.stats import column_values
from worldsim.errors import WorldsimError

SHEET, HISTOGRAM, NUMBERS = "contact_sheet.png", "actions.png", "summary.json"
ATTRIBUTION = "ATTRIBUTION.md"
COLUMNS = ("action", "next.reward", "next.done", "task_index")


@dataclass
class SummaryConfig:
    """Options of `worldsim data`.

    Attributes:
        path: Folder of the dataset.
        out: Folder for the pictures; empty: the dataset's own folder.
        rows: Episodes on the contact sheet.
        columns: Frames of each episode on the contact sheet.
        sentences: Number of most frequent sentences to print.
    """

    path: str = MISSING
    out: str = ""
    rows: int = 8
    columns: int = 10
    sentences: int = 12


def summarize(cfg: SummaryConfig) -> None:
    """Print what is in a dataset and draw a contact sheet and a histogram of its actions.

    Raises:
        WorldsimError: The dataset is missing, empty or damaged, or `out` cannot be written to.
    """
    dataset = Dataset(cfg.path)
    if not len(dataset):
        raise WorldsimError(f"'{cfg.path}' has no complete episode yet: collect some first")
    if cfg.rows < 1 or cfg.columns < 1:
        raise WorldsimError(f"rows={cfg.rows} columns={cfg.columns}: use at least 1 of each")
    if not cfg.out and not (dataset.path / ATTRIBUTION).exists():  # a collection was cut short
        write_attribution(dataset)
    out = Path(cfg.out or cfg.path)
    numbers = write_summary(dataset, out, cfg.rows, cfg.columns)
    print(as_text(numbers, cfg.sentences))
    print(f"pictures: {out / SHEET}, {out / HISTOGRAM}")


def write_summary(dataset: Dataset, out: Path, rows: int = 8, columns: int = 10) -> dict[str, Any]:
    """Write contact sheet, histogram and counts of a dataset that is not empty; return the counts.

    Raises:
        WorldsimError: The dataset is damaged, or `out` cannot be written to.
    """
    numbers = count(dataset)
    sheet = contact_sheet(dataset, rows, columns)
    files.write_json(out / NUMBERS, numbers)
    files.write_atomically(out / SHEET, lambda path: sheet.save(path, format="PNG"))
    files.write_atomically(out / HISTOGRAM, lambda path: draw_histogram(path, numbers["actions"]))
    return numbers


def write_attribution(dataset: Dataset, names: str = "") -> None:
    """Write into a dataset whose pictures it holds and under which licences.

    Args:
        dataset: Its world's credits stand first.
        names: Text of the makers' own file of authors, copied whole below them.
    """
    lines = ["# Attribution", "", dataset.spec.credits or "Unknown."]
    lines += ["", "```text", names.rstrip(), "```"] if names else []
    text = "\n".join(lines) + "\n"
    path = dataset.path / ATTRIBUTION
    files.write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def count(dataset: Dataset) -> dict[str, Any]:
    """Count episodes, actions, sources, sentences and rewards; frames are not decoded."""
    columns = _read_columns(dataset)
    actions = np.bincount(columns["action"], minlength=len(dataset.spec.actions))
    tasks = np.bincount(columns["task_index"], minlength=len(dataset.tasks))
    rewards, frames = columns["next.reward"], sum(info.length for info in dataset.episodes)
    sources = Counter(info.source for info in dataset.episodes)
    return {
        "world": dataset.spec.name,
        "credits": dataset.spec.credits,
        "image_size": dataset.image_size,
        "fps": dataset.fps,
        "episodes": len(dataset),
        "frames": frames,
        "hours": frames / dataset.fps / 3600,
        "mebibytes": sum(f.stat().st_size for f in dataset.path.rglob("*.mp4")) / 2**20,
        "terminated": int(columns["next.done"].sum()),
        "pickups": int((rewards > 0).sum()),
        "reward_sum": float(rewards.sum()),
        "num_sources": len(sources),
        "sources": dict(sources.most_common()),
        "actions": dict(zip(dataset.spec.actions, actions.tolist(), strict=True)),
        "sentences": {dataset.tasks[i]: int(tasks[i]) for i in np.argsort(-tasks) if tasks[i]},
    }


def as_text(numbers: dict[str, Any], num_sentences: int) -> str:
    """Lay the counts out in lines."""
    steps = max(1, sum(numbers["actions"].values()))
    said = {text: n for text, n in numbers["sentences"].items() if text}
    size = numbers["image_size"]
    lines = [
        f"world      {numbers['world']}, {size}×{size}, {numbers['fps']} steps/s",
        f"credits    {numbers['credits'] or 'unknown'}",
        f"episodes   {numbers['episodes']} ({numbers['terminated']} ended by the world)",
        f"frames     {numbers['frames']} ({numbers['hours']:.2f} h, "
        f"{numbers['mebibytes']:.1f} MiB of video)",
        f"sources    {numbers['num_sources']}: {_shorten(numbers['sources'])}",
        f"rewards    {numbers['pickups']} steps with one, {numbers['reward_sum']:g} in all",
        f"sentences  {len(said)} on {sum(said.values()) / steps:.0%} of the steps",
    ]
    lines += [f"  {n / steps:6.2%}  {text}" for text, n in [*said.items()][:num_sentences]]
    lines.append("actions")
    ranked = sorted(numbers["actions"].items(), key=lambda item: -item[1])
    lines += [f"  {n / steps:6.2%}  {text}" for text, n in ranked]
    return "\n".join(lines)


def contact_sheet(dataset: Dataset, rows: int, columns: int) -> Image.Image:
    """Return frames at even distances: one row an episode, episodes at even distances too."""
    size, gap = dataset.image_size, 2
    chosen = _spread(len(dataset), rows)
    sheet = np.full(
        (len(chosen) * (size + gap) + gap, columns * (size + gap) + gap, 3), 32, dtype=np.uint8
    )
    for row, episode in enumerate(chosen):
        frames = dataset.load(episode).frames
        for column, frame in enumerate(_spread(len(frames), columns)):
            y, x = gap + row * (size + gap), gap + column * (size + gap)
            sheet[y : y + size, x : x + size] = frames[frame]
    return Image.fromarray(sheet)


def draw_histogram(path: Path, actions: dict[str, int]) -> None:
    """Draw how often each action was taken."""
    from matplotlib.figure import Figure

    ranked = sorted(actions.items(), key=lambda item: item[1])
    figure = Figure(figsize=(7, 1 + 0.24 * len(ranked)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh([text for text, _ in ranked], [number for _, number in ranked], color="#4477aa")
    axes.set_xlabel("steps")
    axes.tick_params(axis="y", labelsize=8)
    figure.savefig(path, format="png", dpi=110)


def _read_columns(dataset: Dataset) -> dict[str, np.ndarray]:
    """Read the small columns of all episodes, leaving out each last, padded row."""
    schema = pa.schema([layout.FRAME_SCHEMA.field(name) for name in COLUMNS])
    tables = []
    for info in dataset.episodes:
        table = files.read_table(layout.data_file(dataset.path, info.index), schema)
        tables.append(table.slice(0, info.length - 1))
    table = pa.concat_tables(tables)
    return {name: column_values(table, name) for name in COLUMNS}


def _spread(total: int, wanted: int) -> list[int]:
    """Return up to `wanted` different indices below `total`, evenly apart."""
    return np.unique(np.linspace(0, total - 1, min(wanted, total)).astype(int)).tolist()


def _shorten(names: Iterable[str], limit: int = 6) -> str:
    """List some names and say that there are more."""
    listed = list(names)
    return ", ".join(listed[:limit]) + (", …" if len(listed) > limit else "")
