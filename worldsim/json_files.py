"""JSON files of a checkpoint folder: written plainly, read with one clear error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worldsim.errors import WorldsimError


def write_json(path: Path, data: object) -> None:
    """Write a file for people to read as well."""
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path, meaning: Callable[[Any], Any]) -> Any:
    """Return what a file means; anything wrong with it is a damaged checkpoint."""
    try:
        return meaning(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, WorldsimError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, reason: object) -> WorldsimError:
    """Return the error for a part of a checkpoint that cannot be read."""
    return WorldsimError(
        f"the checkpoint is damaged at {path} ({' '.join(str(reason).split())[:200]}): "
        "copy or download it again"
    )
