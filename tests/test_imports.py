"""Who may import whom, held by reading the imports, also those inside functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"worldsim", "envs", "agents", "viewer"}
# Package -> what it may never import: a module, with everything below it.
NEVER = {
    "worldsim": {"gymnasium", "pygame", "envs", "agents", "viewer", "vizdoom"},
    "envs": {"agents", "viewer", "pygame"},
    "agents": {"viewer"},
    "viewer": {"torch", "diffusers"},
}
# Package -> the parts of worldsim it may import; None is all of them.
PARTS = {"worldsim": None, "envs": None, "agents": {"data"}, "viewer": {"data"}}
# What is no more than words, errors and files may be imported everywhere.
COMMON = {"errors", "world", "json_files", "provenance"}
# The agent that acts with the model's own policy, scores that look or ask, and the programs that
# train, measure or draw; other agents know frames and numbers only.
MAY_USE_MODEL = {
    f"agents/{name}.py"
    for name in (
        "native",
        "scores",
        "options",
        "both",
        "evaluate",
        "navigate",
        "language",
        "report",
    )
}
# Programs that need more of a world than Gymnasium's id; other agents know no more than that.
MAY_USE_WORLDS = {"agents/navigate.py", "agents/language.py"}
HYDRA = {"worldsim/program.py", "worldsim/program_help.py"}
SIMULATORS = {"vizdoom": "envs/doom"}


def sources() -> list[str]:
    return sorted(
        file.relative_to(ROOT).as_posix() for name in OURS for file in (ROOT / name).rglob("*.py")
    )


def imports(name: str) -> set[str]:
    """Return every module a file imports, with the names taken from it, as dotted paths."""
    found = set()
    package = name.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, node.module or ""]).strip(".")
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def top(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("name", sources())
def test_a_file_imports_only_what_its_package_may(name):
    package = name.split("/")[0]
    found = imports(name)
    never = {module for module in found if top(module) in NEVER[package]}
    assert not never, f"{name} may not import {sorted(never)}"
    parts = {module.split(".")[1] for module in found if module.startswith("worldsim.")}
    allowed = PARTS[package]
    if allowed is not None and name not in MAY_USE_MODEL:
        assert parts <= allowed | COMMON, f"{name} may not import worldsim's {sorted(parts)}"
    if package == "agents" and any(top(module) == "envs" for module in found):
        assert name in MAY_USE_WORLDS, f"{name} may not import envs"
    if any(top(module) == "hydra" for module in found):
        assert name in HYDRA, f"{name}: Hydra belongs in {sorted(HYDRA)}"
    for simulator, home in SIMULATORS.items():
        if any(top(module) == simulator for module in found):
            assert name.startswith(home), f"{name}: {simulator} belongs in {home}*.py"
    if package == "viewer" and any(top(module) == "agents" for module in found):
        assert name in ("viewer/play.py", "viewer/record.py"), f"{name} may not import agents"


def test_packages_have_no_cycle():
    edges = {
        package: {
            top(module)
            for name in sources()
            if top(name.split("/")[0]) == package
            for module in imports(name)
        }
        & OURS - {package}
        for package in OURS
    }
    while edges:
        free = [package for package, needs in edges.items() if not needs & set(edges)]
        assert free, f"a cycle among {sorted(edges)}"
        for package in free:
            del edges[package]


@pytest.mark.parametrize("heavy", ["import envs", "import worldsim", "import worldsim.data"])
def test_light_imports_load_neither_torch_nor_a_simulator_nor_a_window(heavy):
    program = f"import sys; {heavy}; print({{'torch', 'vizdoom', 'pygame'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "set()\n", done.stderr
