"""`worldsim doctor`: says what this machine can do, and what to install for the rest."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from worldsim.assets import i3d_path, lpips_path
from worldsim.errors import WorldsimError

# World -> (module of its simulator, extra that brings it).
SIMULATORS = {
    "doom": ("vizdoom", "doom"),
    "rooms": ("miniworld", "rooms"),
    "carracing": ("Box2D", "carracing"),
    "kart": ("pystk2", "kart"),
}
AGENTS = "stable-baselines3"  # what agents learn with
# What MiniWorld does when it is imported: OpenGL starts, without a window.
STARTS_OPENGL = "import pyglet; pyglet.options['headless'] = True; import pyglet.window"
OPENGL_REMEDY = "on Debian or Ubuntu apt-get install libegl1 libglu1-mesa libgl1-mesa-dri"
OPENGL_SECONDS = 60
DISTRIBUTIONS = {"pystk2": "pysupertuxkart2"}  # packages named otherwise than their module
CHECKPOINT = Path(__file__).parent / "pretrained"
OK, MISSING = "ok", "missing"


@dataclass
class DoctorConfig:
    """Options of `worldsim doctor`.

    Attributes:
        json: Print JSON instead of lines.
    """

    json: bool = False


def doctor(cfg: DoctorConfig) -> int:
    """Say what this machine can do, and what to install for the rest.

    The exit status is 0 even where something optional is missing, and 1 where a learned world
    cannot be driven: without torch or without the bundled checkpoint.
    """
    report = examine()
    print(json.dumps(report, indent=2) if cfg.json else as_text(report))
    return 0 if report["torch"]["version"] and report["checkpoint"]["state"] == OK else 1


def examine() -> dict[str, Any]:
    """Return everything `doctor` prints as a JSON-ready dictionary."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "worldsim": _version("worldsim"),
        "torch": _torch(),
        "cpu": _cpu(),
        "display": _display(),
        "worlds": {world: _simulator(*where) for world, where in SIMULATORS.items()},
        "agents": _version(AGENTS) or "",
        "checkpoint": _checkpoint(CHECKPOINT),
        "lpips": _weights(lpips_path),
        "i3d": _weights(i3d_path),
    }


def as_text(report: dict[str, Any]) -> str:
    """Lay a report out in lines."""
    torch, cpu = report["torch"], report["cpu"]
    features = ", ".join(name for name, present in cpu["features"].items() if present)
    lines = [
        ("worldsim", f"{report['worldsim']}, Python {report['python']}"),
        ("system", report["platform"]),
        ("processor", f"{cpu['cores']} cores, {features or 'no vector extensions known'}"),
        ("torch", torch["version"] or f"cannot be loaded: {torch['problem']}"),
        ("gpu", torch["gpu"] or "none: the CPU is used"),
        ("display", report["display"] or "none: `worldsim play` records an mp4 instead"),
    ]
    for world, entry in report["worlds"].items():
        lines.append((f"{world} (real)", entry["version"] or f"not installed: {entry['remedy']}"))
    missing = 'not installed: pip install "worldsim[agents]"'
    lines.append(("agents", f"{AGENTS} {report['agents']}" if report["agents"] else missing))
    for name in ("checkpoint", "lpips", "i3d"):
        entry = report[name]
        lines.append((name, entry.get("file") if entry["state"] == OK else entry["problem"]))
    return "\n".join(f"{name:<17} {value}" for name, value in lines)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _torch() -> dict[str, Any]:
    """Load torch here and not at the top: it takes seconds, and may itself be broken."""
    try:
        import torch
    except (ImportError, OSError) as error:
        problem = " ".join(str(error).split())
        return {"version": None, "gpu": None, "threads": None, "problem": problem}
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    if gpu is None and torch.backends.mps.is_available():
        gpu = "Apple GPU (mps)"
    return {"version": torch.__version__, "gpu": gpu, "threads": torch.get_num_threads()}


def _cpu() -> dict[str, Any]:
    """Return core count and what matters for bf16 speed; flags are known on Linux only."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        flags = set()
    names = {"avx2": "avx2", "avx512": "avx512f", "bf16": "avx512_bf16", "amx_bf16": "amx_bf16"}
    features = {name: flag in flags for name, flag in names.items()}
    return {"cores": os.cpu_count(), "machine": platform.machine(), "features": features}


def _display() -> str | None:
    """Name the display a window would open on, without opening one."""
    if sys.platform in ("win32", "darwin"):
        return sys.platform
    return os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or None


def _simulator(module: str, extra: str) -> dict[str, Any]:
    """Tell whether a simulator and what it needs are installed; it is not loaded."""
    remedy = f'pip install "worldsim[{extra}]"'
    if find_spec(module) is None:
        return {"state": MISSING, "version": None, "remedy": remedy}
    if module == "pystk2":
        from worldsim.kart_assets import find_assets

        try:
            find_assets()
        except WorldsimError as error:
            return {"state": MISSING, "version": None, "remedy": str(error)}
    problem = _opengl_problem() if module == "miniworld" else None
    if problem:
        return {"state": MISSING, "version": None, "remedy": f"{OPENGL_REMEDY} ({problem})"}
    found = _version(DISTRIBUTIONS.get(module, module))
    return {"state": OK, "version": f"{module} {found}", "remedy": remedy}


def _opengl_problem() -> str | None:
    """Say why OpenGL cannot start without a window; in a process of its own, it may not end well.

    The libraries being there is not enough: without a driver they load and draw nothing.
    """
    command = [sys.executable, "-c", STARTS_OPENGL]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=OPENGL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"OpenGL did not start within {OPENGL_SECONDS} s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"OpenGL ended with status {done.returncode}"


def _checkpoint(folder: Path) -> dict[str, Any]:
    """Read the header of every bundled weight file; a cut-off file does not pass."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        return {"state": MISSING, "problem": f"no weights under {folder}: reinstall worldsim"}
    count = 0
    for file in files:
        try:
            with safe_open(str(file), framework="numpy") as tensors:
                count += len(list(tensors.keys()))
        except (SafetensorError, OSError) as error:
            return {"state": "damaged", "problem": f"{file} ({error}): reinstall worldsim"}
    size = sum(file.stat().st_size for file in files) / 2**20
    return {"state": OK, "file": f"{files[0].parent}, {count} tensors, {size:.1f} MiB"}


def _weights(path: Callable[[], Path]) -> dict[str, Any]:
    """Tell whether the weights of a measure are there."""
    try:
        return {"state": OK, "file": str(path())}
    except WorldsimError as error:
        return {"state": MISSING, "problem": str(error)}
