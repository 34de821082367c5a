"""Where a number comes from: written beside every result, so that it can be believed or redone."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from worldsim.errors import WorldsimError


def meta(seed: int, dataset: str = "", checkpoint_sha256: str = "") -> dict[str, Any]:
    """Return `commit, checkpoint_sha256, seed, machine, torch, date, dataset` of this run."""
    import torch

    return {
        "commit": commit(),
        "checkpoint_sha256": checkpoint_sha256,
        "seed": seed,
        "machine": machine(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": dataset,
    }


def commit() -> str:
    """Return the git commit of this source tree (`+` = changed since), else the version."""
    root = Path(__file__).resolve().parent.parent
    if (root / ".git").exists():
        head, changed = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
        if head:
            return head + ("+" if changed else "")
    try:
        return metadata.version("worldsim")
    except metadata.PackageNotFoundError:
        return "unknown"


def machine() -> str:
    """Return processor, usable cores, torch's threads and the accelerator, in one line."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    line = f"{_processor()}, {cores} cores, {torch.get_num_threads()} threads, {platform.system()}"
    return f"{line}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else line


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, or of the names and contents of a folder's files."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write `data` in one piece: a reader sees the old file or the new one, never half.

    What is not a finite number becomes null, as JSON knows no other way.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(_plain(data), indent=2, allow_nan=False) + "\n")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise WorldsimError(
            f"cannot write {path}: {error.strerror}; choose another place"
        ) from error


def check_writable(path: Path) -> None:
    """Fail before an hour of work, not after it, where `path` cannot be written."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{path.name}.{os.getpid()}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WorldsimError(
            f"cannot write {path}: {error.strerror}; choose another out="
        ) from error
    if path.is_dir():
        raise WorldsimError(f"out={path} is a folder: name a .json file in it")
    if not path.suffix:  # what is written beside it is named after it, without one
        raise WorldsimError(f"out={path} has no ending: give {path}.json")


def _plain(value: Any) -> Any:
    """Replace infinities and NaN by None, in any depth."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _git(root: Path, *words: str) -> str:
    """Run git and return what it prints; "" where it cannot."""
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
