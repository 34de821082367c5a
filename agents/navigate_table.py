"""The numbers of `worldsim agent navigate` as a table for people."""

from __future__ import annotations

from typing import Any

HEAD = [
    "ATE and RPE in metres, and in mean steps; of the closed loop success, SPL and collisions. The "
    "shortest way of SPL is the shortest one known: the recorded one, or through the openings of "
    "the simulator's plan, where it has one.",
    "",
    "| goal | planner | ATE | RPE | metres off at the end | success | SPL | collisions |",
    "|---|---|---|---|---|---|---|---|",
]


def table(found: dict[str, Any]) -> str:
    """Return the numbers as a table in Markdown."""
    lines = list(HEAD)
    for named, rows in found.items():
        for method, row in rows.items():
            if isinstance(row, dict):
                lines.append(f"| {named} | {method} | {' | '.join(_cells(row))} |")
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    cells = [f"{row[k]:.2f} ({row[k + '_steps']:.1f})" for k in ("ate", "rpe")]
    cells.append(f"{row['end']:.2f}")
    walk = row.get("closed")
    if walk:
        cells += [f"{walk['success']:.0%}", f"{walk['spl']:.2f}", f"{walk['collisions']:.1f}"]
    return cells + [""] * (6 - len(cells))
