"""Curves side by side in a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worldsim.errors import WorldsimError

DASHES = ("--", ":", "-.", (0, (8, 3)), (0, (1, 4)))


@dataclass
class Panel:
    """One measure against one setting.

    Attributes:
        title: The measure.
        xlabel: The setting.
        lines: By label: numbers of the setting, or names, and the values there.
        levels: By label: values to compare with, drawn all the way across.
    """

    title: str
    xlabel: str
    lines: Mapping[str, tuple[Sequence[float | str], Sequence[float]]]
    levels: Mapping[str, float] = field(default_factory=dict)


def draw_panels(path: Path, panels: Sequence[Panel], log: bool = False) -> None:
    """Write panels side by side; `log`: the setting grows by factors."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(panels), 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for label, (settings, values) in panel.lines.items():
            axes.plot(settings, values, "o-", label=label)
        for k, (label, value) in enumerate(panel.levels.items()):
            axes.axhline(value, color="grey", linestyle=DASHES[k % len(DASHES)], label=label)
        axes.set(title=panel.title, xlabel=panel.xlabel)
        xs = [x for settings, _ in panel.lines.values() for x in settings]
        if not any(isinstance(x, str) for x in xs):  # long numbers need room
            axes.xaxis.get_major_locator().set_params(nbins=5)
        if all(type(x) is int for x in xs):
            axes.xaxis.get_major_locator().set_params(integer=True)
        if log:
            axes.set_xscale("log")
            ticks = sorted({float(x) for x in xs})
            axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
            axes.minorticks_off()
        # Below: nothing is hidden, however the curves run.
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as error:
        raise WorldsimError(f"cannot write the figure to {path} ({error})") from error
