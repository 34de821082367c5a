"""Read a recording's sidecar, trusting nothing in it. Knows no world and no video."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewer.recorder import FORMAT, VERSION, Event
from worldsim.errors import WorldsimError

_HEADER: dict[str, type | tuple[type, ...]] = {
    "world": str,
    "env_id": str,
    "seed": int,
    "model": (str, type(None)),
    "steps_per_second": (int, float),
}
_KINDS = ("step", "say", "reset", "restore_step")


@dataclass
class Recording:
    """A sidecar that has been read.

    Attributes:
        header: Which world, model and settings.
        events: Line number and event, in order.
        cut: The last line was cut off, as a kill does; it is left out.
    """

    header: Event
    events: list[tuple[int, Event]]
    cut: bool


def read_sidecar(path: Path) -> Recording:
    """Read and check a sidecar; WorldsimError names the file and the line that is wrong."""
    lines = _read_lines(path)
    cut = bool(lines[-1])  # a whole file ends in a line feed, so its last piece is empty
    objects = [_parse(path, number, line) for number, line in enumerate(lines[:-1], 1)]
    if not objects:
        raise WorldsimError(f"'{path}' holds no recording: it has no complete first line")
    header = objects[0]
    _check_header(path, header)
    events = list(enumerate(objects[1:], 2))
    for number, event in events:
        _check_event(path, number, event)
    if not events or "reset" not in events[0][1]:
        raise WorldsimError(f"'{path}' line 2: a recording begins with a reset")
    return Recording(header, events, cut)


def _read_lines(path: Path) -> list[bytes]:
    if path.suffix == ".mp4":
        raise WorldsimError(f"'{path}' is the film: replay its sidecar '{path.stem}.jsonl'")
    try:
        return path.read_bytes().split(b"\n")
    except OSError as error:
        raise WorldsimError(f"cannot read '{path}': {error.strerror}") from error


def _parse(path: Path, number: int, line: bytes) -> Event:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WorldsimError(f"'{path}' line {number}: not JSON ({line[:40]!r})") from error
    if not isinstance(value, dict):
        raise WorldsimError(f"'{path}' line {number}: not a JSON object ({line[:40]!r})")
    return value


def _check_header(path: Path, header: Event) -> None:
    if header.get("format") != FORMAT:
        raise WorldsimError(f"'{path}' line 1: not a worldsim recording")
    if header.get("version") != VERSION:
        raise WorldsimError(
            f"'{path}' line 1: version {header.get('version')} of the format; "
            f"this worldsim reads {VERSION}"
        )
    for key, kind in _HEADER.items():
        if not isinstance(header.get(key), kind):
            raise WorldsimError(f"'{path}' line 1: '{key}' is {header.get(key)!r}")


def _check_event(path: Path, number: int, event: Event) -> None:
    kinds = [kind for kind in _KINDS if kind in event]
    if len(kinds) != 1:
        raise WorldsimError(f"'{path}' line {number}: not a step, say, reset or restore_step")
    wrong = [key for key, kind in _fields(kinds[0]) if not isinstance(_get(event, key), kind)]
    if wrong:
        raise WorldsimError(f"'{path}' line {number}: '{wrong[0]}' is {_get(event, wrong[0])!r}")


def _fields(kind: str) -> list[tuple[str, Any]]:
    """Return the fields of an event and their types; a dot steps into an object."""
    text = (str, type(None))
    fields: dict[str, list[tuple[str, Any]]] = {
        "step": [("step", int), ("action", str), ("frame_sha256", str)],
        "say": [("say", str)],
        "reset": [("reset", dict), ("reset.seed", int), ("reset.start", text)]
        + [("reset.prompt", text), ("frame_sha256", str)],
        "restore_step": [("restore_step", int), ("frame_sha256", str)],
    }
    return fields[kind]


def _get(event: Event, key: str) -> Any:
    value: Any = event
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
