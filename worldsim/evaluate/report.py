"""The numbers as pictures: an HTML page with a few PNG files beside it."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from worldsim.errors import WorldsimError
from worldsim.evaluate.clips import Clips
from worldsim.evaluate.index import HELDOUT_MAPS, MAPS, MAZES
from worldsim.evaluate.table import measured

TITLES = {
    MAZES: "Held-out places",
    MAPS: "Known maps, new paths",
    HELDOUT_MAPS: "Held-out maps",
}
RIVALS = ("model", "shuffled", "repeat_last", "codec")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>worldsim eval: {world}</title>
<style>body{{font:15px/1.5 sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}}
table{{border-collapse:collapse}}td,th{{padding:.2em .8em;text-align:right;border-bottom:1px solid
#ddd}}td:first-child,th:first-child{{text-align:left}}img{{max-width:100%;image-rendering:pixelated}}
pre{{background:#f6f6f6;padding:1em;overflow:auto}}</style><h1>{world}</h1>{body}
<h2>All numbers</h2><pre>{numbers}</pre></html>
"""


@dataclass
class Pictures:
    """Frames to show.

    Attributes:
        rollouts: By group: the real clips and the dreamed frames `(N, horizon, H, W, 3)`.
        drift: Every so-many-th frame of the long dreams, `(starts, frames, H, W, 3)`.
    """

    rollouts: dict[str, tuple[Clips, np.ndarray]] = field(default_factory=dict)
    drift: np.ndarray | None = None


def write_report(folder: Path, result: dict[str, Any], world: str, pictures: Pictures) -> Path:
    """Write ``report.html`` and its pictures into `folder` and return the page's path."""
    found = result["worlds"][world]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        body = [_overview(world, found)]
        for group, title in TITLES.items():
            body.append(_group(folder, group, title, found, pictures))
        if pictures.drift is not None:
            Image.fromarray(_grid(pictures.drift[:, ::4])).save(folder / "drift.png")
            body.append("<h2>Long dreams, first to last frame</h2><img src='drift.png'>")
        page = folder / "report.html"
        numbers = html.escape(json.dumps(result, indent=2))
        text = PAGE.format(world=html.escape(world), body="\n".join(body), numbers=numbers)
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorldsimError(f"cannot write the report to {folder}: {error.strerror}") from error
    return page


def contact_sheet(
    clips: Clips, dreamed: np.ndarray, horizons: list[int], rows: int = 6
) -> np.ndarray:
    """Draw the first places: real above dreamed, the last shown frame and each horizon.

    The first places of the index, never the best ones.
    """
    lines = []
    for row in range(min(rows, len(clips))):
        last = clips.frames[row, clips.context - 1]
        lines.append([last] + [clips.future[row, h - 1] for h in horizons])
        lines.append([last] + [dreamed[row, h - 1] for h in horizons])
    return _grid(np.asarray(lines), pair=True)


def _group(folder: Path, group: str, title: str, found: dict[str, Any], p: Pictures) -> str:
    """Write one group's sheet, curves and table."""
    if group not in p.rollouts:
        return ""
    clips, dreamed = p.rollouts[group]
    rows = {int(k): v for k, v in found.get(group, {}).items() if k.isdigit()}
    horizons = sorted(rows) or [h for h in (1, 4, 16, 32) if h <= dreamed.shape[1]]
    sheet = f"{group}_sheet.png"
    Image.fromarray(contact_sheet(clips, dreamed, horizons)).save(folder / sheet)
    steps = ", ".join(f"+{h}" for h in horizons)
    text = f"<h2>{title}</h2><p>Real above dreamed; last shown frame, then {steps} steps.</p>"
    text += f"<img src='{sheet}'>"
    if rows:
        _curves(folder / f"{group}_curves.png", rows)
        text += f"{_table(rows)}<img src='{group}_curves.png'>"
    return text


def _table(rows: dict[int, Any]) -> str:
    """Return LPIPS by horizon as an HTML table."""
    head = "".join(f"<th>{name}</th>" for name in RIVALS)
    lines = [f"<table><tr><th>steps, LPIPS</th>{head}<th>model / repeat_last</th></tr>"]
    for horizon, row in sorted(rows.items()):
        cells = "".join(f"<td>{row[name]['lpips']:.3f}</td>" for name in RIVALS)
        lines.append(f"<tr><td>{horizon}</td>{cells}<td>{row['lpips_ratio']:.2f}</td></tr>")
    return "".join(lines) + "</table>"


def _curves(path: Path, rows: dict[int, Any]) -> None:
    """Plot the three measures over the horizon."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, measure in zip(figure.subplots(1, 3), ("lpips", "psnr", "ssim"), strict=True):
        for name in RIVALS:
            axes.plot(
                sorted(rows), [rows[h][name][measure] for h in sorted(rows)], "o-", label=name
            )
        axes.set(title=measure.upper(), xlabel="steps ahead")
    axes.legend()
    figure.savefig(path, dpi=90)


def _overview(world: str, found: dict[str, Any]) -> str:
    """Return the world's column of the table of what was measured, as an HTML table."""
    worlds = {world: found}
    lines = [f"<tr><th></th><th>{html.escape(world)}</th><th>wanted</th></tr>"]
    for row in measured(worlds):
        cells = (row.name(worlds), row.cell(found), row.wanted)
        lines.append(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _grid(frames: np.ndarray, pair: bool = False) -> np.ndarray:
    """Lay out uint8 `(rows, columns, H, W, 3)` with thin gaps, wider ones between pairs."""
    rows, columns, height, width, _ = frames.shape
    scale = max(1, 96 // height)
    frames = frames.repeat(scale, 2).repeat(scale, 3)
    height, width = height * scale, width * scale
    tops = [row * (height + 2) + (row // 2 * 6 if pair else 0) for row in range(rows)]
    sheet = np.full((tops[-1] + height, columns * (width + 2) - 2, 3), 255, np.uint8)
    for row, top in enumerate(tops):
        for column in range(columns):
            left = column * (width + 2)
            sheet[top : top + height, left : left + width] = frames[row, column]
    return sheet
