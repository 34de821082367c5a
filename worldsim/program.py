"""Turns a config class and a function into a program with `key=value` arguments, by Hydra.

It gives every program the same manners: typed keys, `--help` with defaults, `--cfg job`,
`-m` for sweeps, no output folders, and exactly one message instead of a traceback where the user
can do something about it. It does not know the verbs; `worldsim.cli` does.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import tempfile
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from worldsim.errors import WorldsimError
from worldsim.program_help import CONFIG_MODULE, Function, help_text, keys, recipes

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
FLAGS_WITH_VALUE = {"--cfg", "-c", "--package", "-p", "--info", "-i", "-sc", "--shell-completion"}
FLAGS = FLAGS_WITH_VALUE | {"-m", "--multirun", "--resolve", "-h", "--help", "--hydra-help"}


class UsageError(Exception):
    """The arguments make no sense; the message says which and why."""


def run(verb: str, config: type, function: Function, arguments: list[str]) -> int:
    """Run `function` on a `config` filled from `key=value` arguments; return the exit status.

    Args:
        verb: Name of the program; `train` also takes `recipe=`, a file of `conf/recipe`.
        config: Dataclass with all keys and their defaults.
        function: The program; what it returns is the exit status, None being 0.
        arguments: What follows the verb on the command line.

    Returns:
        0 if all went well, 1 after a `WorldsimError`, 2 for arguments that make no sense, 130
        after Ctrl-C. Other exceptions are bugs and pass through.
    """
    try:
        register(verb, config)
        if {"-h", "--help"} & set(arguments):
            print(help_text(verb, config, function))
            return 0
        schema = OmegaConf.structured(config)
        jobs = _compose(verb, _opened(_readable(arguments), schema))
        typed = [OmegaConf.to_object(OmegaConf.merge(schema, job)) for job in jobs]
        return max((function(cfg) or 0 for cfg in typed), default=0)
    except WorldsimError as error:
        print(f"worldsim {verb}: {error}", file=sys.stderr)
        return FAILED
    except (UsageError, HydraException, OmegaConfBaseException) as error:
        print(f"worldsim {verb}: {_explain(verb, config, error)}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        print(f"worldsim {verb}: interrupted", file=sys.stderr)
        return INTERRUPTED


def register(verb: str, config: type) -> None:
    """Make a program known to Hydra, for `hydra.compose(config_name=verb)` too.

    Values may name a folder after the keys of a dictionary: ``${names:${batch.talk_shares}}``.
    """
    OmegaConf.register_new_resolver("names", "-".join, replace=True)
    store = ConfigStore.instance()
    store.store(name=f"{verb}_schema", node=config)
    defaults: list[Any] = [f"{verb}_schema"]
    if verb == "train":
        defaults.append({"recipe": None})
    defaults += [
        "_self_",
        {"override hydra/job_logging": "disabled"},
        {"override hydra/hydra_logging": "disabled"},
    ]
    quiet = {
        "run": {"dir": "."},
        "sweep": {"subdir": "."},
        "output_subdir": None,
        "job": {"name": verb, "chdir": False},
    }
    store.store(name=verb, node={"defaults": defaults, "hydra": quiet})


def _compose(verb: str, arguments: list[str]) -> list[DictConfig]:
    """Let `hydra.main`, which reads `sys.argv`, make one config or, with `-m`, several.

    The program itself runs outside Hydra, which would print its own line about every error.
    """
    jobs: list[DictConfig] = []
    # Hydra prints errors its own way unless told to raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    main = hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_MODULE}", config_name=verb)
    before = sys.argv
    with tempfile.TemporaryDirectory() as litter:  # a sweep writes a multirun.yaml
        sys.argv = ["worldsim", *arguments, f"hydra.sweep.dir='{litter}'"]
        try:
            main(jobs.append)()
        except ValueError as error:  # such as recipe=3
            raise UsageError(" ".join(str(error).split())) from error
        finally:
            sys.argv = before
    return jobs


def _readable(arguments: list[str]) -> list[str]:
    """Check the form of the arguments and quote the values Hydra's grammar would stumble over."""
    sweep = bool({"-m", "--multirun"} & set(arguments))
    result, takes_value = [], False
    for argument in arguments:
        if takes_value or argument.startswith("-"):
            if not takes_value and argument not in FLAGS:
                raise UsageError(f"unknown option '{argument}'")
            takes_value = not takes_value and argument in FLAGS_WITH_VALUE
            result.append(argument)
        elif not re.match(r"[A-Za-z_][\w./]*=", argument):
            raise UsageError(f"'{argument}' is not of the form key=value")
        else:
            result.append(argument if _parses(argument, sweep) else _quoted(argument))
    return result


def _opened(arguments: list[str], schema: DictConfig) -> list[str]:
    """Let keys that hold a dictionary take entries of any name, which Hydra spells ``++``."""
    free = tuple(f"{key}{mark}" for key in _dictionaries(schema) for mark in ".=")
    return [f"++{argument}" if argument.startswith(free) else argument for argument in arguments]


def _dictionaries(schema: DictConfig, prefix: str = "") -> list[str]:
    """Return the dotted names of all keys that hold a dictionary."""
    found = []
    for name in map(str, schema):
        if OmegaConf.get_type(schema, name) is dict:
            found.append(f"{prefix}{name}")
        elif OmegaConf.is_dict(schema._get_node(name)) and not OmegaConf.is_missing(schema, name):
            found += _dictionaries(schema[name], f"{prefix}{name}.")
    return found


def _parses(argument: str, sweep: bool) -> bool:
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return sweep or not override.is_sweep_override()


def _quoted(argument: str) -> str:
    """Take the value literally: sentences have commas, file names have brackets."""
    key, _, value = argument.partition("=")
    return f"{key}={quoted(value)}"


def quoted(value: str) -> str:
    """Write a value so that Hydra reads exactly this."""
    # Hydra takes a backslash for itself only where it stands before a quote.
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), value)
    return f"'{escaped}'"


def _explain(verb: str, config: type, error: Exception) -> str:
    """Say in one line what is wrong with the arguments and where to look."""
    full_key, text = _innermost(error)
    unknown = re.search(r"Key '([^']+)' (is )?not in", text)
    recipe = re.search(r"In 'recipe/([^']+)'", text)
    if isinstance(error, MissingConfigException):
        asked = str(error.missing_cfg_file or "").removeprefix("recipe/")
        text = f"unknown recipe '{asked}': choose one of {', '.join(recipes()) or '(no recipes)'}"
    elif unknown:
        key = full_key or unknown[1]
        known = [name for name, _ in keys(OmegaConf.structured(config))]
        close = difflib.get_close_matches(key, known, n=1)
        text = f"unknown key '{key}'" + (f", did you mean '{close[0]}'?" if close else "")
        if recipe:
            text = f"recipe '{recipe[1]}': {text}"
    elif "missing mandatory value" in text.lower():
        text = f"{full_key}= is required"
    elif full_key:
        text = f"{full_key}: {text}"
    return f"{text.rstrip('.')} (see `worldsim {verb} --help`)"


def _innermost(error: BaseException) -> tuple[str, str]:
    """Return key and text of the error that Hydra and OmegaConf wrapped into others."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    keys = [line.split(":", 1)[1].strip() for line in lines if "full_key:" in line]
    kept = [line for line in lines if "full_key:" not in line and "object_type=" not in line]
    return (keys or [str(getattr(error, "full_key", None) or "")])[0], " ".join(kept)
