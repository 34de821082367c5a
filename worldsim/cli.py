"""The `worldsim` command: finds the program of a verb and runs it.

Nothing but the table is loaded before a verb is chosen, so that `worldsim --help` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from typing import NamedTuple

UNREAD = 128 + 13  # what a shell says of a program that SIGPIPE ended
OWN_PACKAGES = ("worldsim", "envs", "agents", "viewer")
EXTRAS = {
    "stable_baselines3": "agents",
    "minari": "minari",
}  # libraries that some programs want, and their extra


class Verb(NamedTuple):
    """Where a program lives and what it is for.

    `positional` is the key of a bare argument, or of all of them, where there may be `several`;
    `alias` is a key people type and the one that it stands for.
    """

    module: str
    config: str
    function: str
    help: str
    positional: str | None = None
    several: bool = False
    alias: tuple[str, str] | None = None


VERBS = {
    "play": Verb("viewer.play", "PlayConfig", "play", "drive a world by keyboard, learned or real"),
    "record": Verb("viewer.record", "RecordConfig", "record", "record a drive as mp4, no window"),
    "replay": Verb(
        "viewer.replay", "ReplayConfig", "replay", "reproduce a recording exactly", "file"
    ),
    "collect": Verb("envs.collect", "CollectConfig", "main", "collect data from a simulator"),
    "data": Verb(
        "worldsim.data.summary", "SummaryConfig", "summarize", "look at what was collected", "path"
    ),
    "train": Verb("worldsim.train.program", "TrainConfig", "train", "train a model on a dataset"),
    "eval": Verb("worldsim.evaluate.program", "EvalConfig", "evaluate", "measure how good it is"),
    "table": Verb(
        "worldsim.evaluate.table", "TableConfig", "table", "one table of evaluations", "files"
    ),
    "compare": Verb(
        "worldsim.evaluate.compare", "CompareConfig", "compare", "plot a sweep of trainings", "runs"
    ),
    "probe": Verb("worldsim.evaluate.probe", "ProbeConfig", "probe", "read depth off the features"),
    "blend": Verb("worldsim.blend", "BlendConfig", "blend", "the mean of several checkpoints"),
    "bench": Verb("worldsim.bench", "BenchConfig", "bench", "measure how fast it is"),
    "ask": Verb("worldsim.ask", "AskConfig", "ask", "ask about a picture", "image"),
    "infer": Verb(
        "worldsim.moves", "InferConfig", "infer", "name what was done between them", "images", True
    ),
    "act": Verb("worldsim.moves", "ActConfig", "act", "what to do for a sentence", "images", True),
    "depth": Verb("worldsim.depth", "DepthConfig", "depth", "how far things are", "image"),
    "pose": Verb(
        "worldsim.moves", "PoseConfig", "pose", "the motion between pictures", "images", True
    ),
    "imagine": Verb("worldsim.imagine", "ImagineConfig", "imagine", "draw a sentence", "prompt"),
    "pointcloud": Verb(
        "worldsim.pointcloud", "PointCloudConfig", "pointcloud", "what the model knows of space"
    ),
    "agent train": Verb(
        *("agents.train", "AgentTrainConfig", "train", "train an agent in a dream"),
        alias=("in", "inside"),
    ),
    "agent eval": Verb(
        "agents.evaluate", "AgentEvalConfig", "evaluate", "measure agents in the real world"
    ),
    "agent navigate": Verb(
        "agents.navigate", "NavigateConfig", "navigate", "plan ways to pictures and take them"
    ),
    "agent clone": Verb("agents.clone", "CloneConfig", "clone", "an agent out of recorded play"),
    "agent distil": Verb(
        "agents.distil", "DistilConfig", "distil", "an agent learns what looking ahead finds"
    ),
    "agent foretell": Verb(
        "agents.foretell", "ForetellConfig", "foretell", "does a dream know what actions come to"
    ),
    "agent teach": Verb("agents.teach", "TeachConfig", "teach", "an agent learns from a guide"),
    "agent collect": Verb(
        "agents.collect", "AgentCollectConfig", "collect", "collect play of a task by its agent"
    ),
    "agent talk": Verb("agents.language", "TalkConfig", "talk", "let a language model walk"),
    "bench agents": Verb(
        "agents.bench", "AgentBenchConfig", "bench", "measure how fast agents dream and learn"
    ),
    "export": Verb("agents.export", "ExportConfig", "export", "export episodes to Minari"),
    "doctor": Verb("worldsim.doctor", "DoctorConfig", "doctor", "say what this machine can do"),
    "assets": Verb("worldsim.assets", "AssetsConfig", "main", "fetch the LPIPS weights, once"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run `worldsim VERB key=value…` and return the exit status."""
    try:
        status = _main(sys.argv[1:] if arguments is None else arguments)
        print(end="", flush=True)
        return status
    except BrokenPipeError:
        if not _unread():
            raise
        return UNREAD


def _main(arguments: list[str]) -> int:
    if arguments[:1] in (["-sc"], ["--shell-completion"]):
        return _complete(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(_version())
        return 0
    name, *rest = arguments
    if rest and f"{name} {rest[0]}" in VERBS:
        name, rest = f"{name} {rest[0]}", rest[1:]
    if name not in VERBS:
        print(f"worldsim: unknown verb '{name}': use {', '.join(VERBS)}", file=sys.stderr)
        return 2
    return _run(name, rest)


def _unread() -> bool:
    """Tell whether nobody reads what is printed, as behind `| head`; if so, print no more."""
    try:
        print(flush=True)
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def usage() -> str:
    """Return the list of verbs."""
    lines = ["Usage: worldsim VERB key=value …", ""]
    lines += [f"  {name:<15} {verb.help}" for name, verb in VERBS.items()]
    return "\n".join([*lines, "", "`worldsim VERB --help` lists the keys of a verb."])


def _run(name: str, arguments: list[str]) -> int:
    """Load a program and run it."""
    verb = VERBS[name]
    try:
        module = import_module(verb.module)
        program = import_module("worldsim.program")
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing in OWN_PACKAGES:
            raise
        package = f"worldsim[{EXTRAS[missing]}]" if missing in EXTRAS else "worldsim"
        print(
            f"worldsim {name}: the library '{missing}' is not installed: run `pip install "
            f'"{package}"`, or `worldsim doctor` to see what is missing',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"worldsim {name}: interrupted", file=sys.stderr)
        return 130
    config, function = getattr(module, verb.config), getattr(module, verb.function)
    if verb.alias:
        short, key = (f"{name}=" for name in verb.alias)
        arguments = [key + a[len(short) :] if a.startswith(short) else a for a in arguments]
    named = _name_bare(verb, arguments, program.quoted)
    return int(program.run(name, config, function, named))


def _name_bare(verb: Verb, arguments: list[str], quoted: Callable[[str], str]) -> list[str]:
    """Give the arguments at the beginning that have no key the one they are meant for."""
    bare = list(takewhile(_is_bare, arguments))
    if not verb.positional or not bare:
        return arguments
    if verb.several:
        listed = ",".join(quoted(value) for value in bare)
        return [f"{verb.positional}=[{listed}]", *arguments[len(bare) :]]
    return [f"{verb.positional}={bare[0]}", *arguments[1:]]


def _is_bare(argument: str) -> bool:
    """Tell a lone value from `key=value` and from an option; a file name may contain `=`."""
    key = argument.partition("=")[0]
    return not argument.startswith("-") and not ("=" in argument and key.isidentifier())


def _complete(arguments: list[str]) -> int:
    """Answer the shell: verbs first, then the keys of the verb, which Hydra knows.

    Hydra completes the whole line as overrides, so the verb is taken out of it.
    """
    words = os.environ.get("COMP_LINE", "").split()
    if not words:  # -sc install=bash: the same for every verb
        return _run("doctor", arguments)
    if len(words) < 2 or words[1] not in VERBS:
        typed = words[1] if len(words) > 1 else ""
        print(" ".join(name for name in VERBS if name.startswith(typed)))
        return 0
    line = os.environ["COMP_LINE"]
    shorter = line.replace(f" {words[1]}", "", 1)
    os.environ["COMP_LINE"] = shorter
    point = int(os.environ.get("COMP_POINT", len(line)))
    os.environ["COMP_POINT"] = str(point - len(line) + len(shorter))
    return _run(words[1], arguments)


def _version() -> str:
    try:
        return f"worldsim {version('worldsim')}"
    except PackageNotFoundError:
        return "worldsim (not installed)"


if __name__ == "__main__":
    sys.exit(main())
