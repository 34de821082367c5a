"""What a program's `--help` prints: its keys, their defaults and what their docstring says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from importlib import resources
from typing import Any

from omegaconf import DictConfig, OmegaConf

CONFIG_MODULE = "worldsim.conf"

Function = Callable[[Any], int | None]


def recipes() -> list[str]:
    """Return the names `recipe=` accepts."""
    folder = resources.files(CONFIG_MODULE) / "recipe"
    if not folder.is_dir():
        return []
    return sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".yaml"))


def help_text(verb: str, config: type, function: Function) -> str:
    """Return what a program does and its keys with their defaults."""
    purpose = (function.__doc__ or config.__doc__ or "").strip().split("\n\n")[0]
    lines = [f"worldsim {verb}: {' '.join(purpose.split())}", ""]
    lines += [f"Usage: worldsim {verb} key=value …", "", "Keys and their defaults:"]
    notes = _notes(config)
    for key, default in keys(OmegaConf.structured(config)):
        line = f"  {key}={default}"
        note = notes.get(key)
        lines.append(f"{line:<34}  {note}" if note else line)
    if verb == "train" and recipes():
        choice = f"  recipe={'|'.join(recipes())}"
        lines.append(f"{choice:<34}  A named set of keys; keys given beside it win.")
    lines += ["", "-m runs every combination of comma-separated values; --cfg job shows all keys."]
    return "\n".join(lines)


def keys(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key of a config, dotted, with its value as one would type it."""
    for key in map(str, node):
        if OmegaConf.is_missing(node, key):
            yield f"{prefix}{key}", "(required)"
        elif OmegaConf.is_dict(node[key]) and len(node[key]):
            yield from keys(node[key], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _typed(node[key])


def _typed(value: object) -> str:
    """Return a value as one would type it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)


def _notes(config: type, prefix: str = "") -> dict[str, str]:
    """Return what the `Attributes:` section of a config's docstring says of each key."""
    section = re.split(r"\n\s*Attributes:\s*\n", config.__doc__ or "")
    notes: dict[str, str] = {}
    if len(section) > 1:
        found = re.findall(r"^\s*(\w+)(?: \([^)]*\))?: (.*(?:\n {12,}.*)*)", section[1], re.M)
        notes = {f"{prefix}{key}": " ".join(note.split()) for key, note in found}
    for field in fields(config):
        nested = field.default_factory
        if isinstance(nested, type) and is_dataclass(nested):
            notes |= _notes(nested, f"{prefix}{field.name}.")
    return notes
