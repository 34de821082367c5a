"""The manners of the command line, tried on a made-up program."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module

import pytest
from omegaconf import MISSING

from worldsim import cli, program, program_help
from worldsim.errors import WorldsimError


@dataclass
class InnerConfig:
    """Nested.

    Attributes:
        width: How wide it is.
    """

    width: int = 10


@dataclass
class ToyConfig:
    """Options.

    Attributes:
        path: Where it is.
        names: All of
            their names.
    """

    path: str = MISSING
    steps: int = 5
    on: bool = True
    note: str | None = None
    names: list[str] = field(default_factory=list)
    inner: InnerConfig = field(default_factory=InnerConfig)


@pytest.fixture
def run(capsys):
    """Run the toy program; return the exit status, the configs it got and what it printed."""

    def runner(*arguments: str, verb: str = "toy", error: BaseException | None = None):
        seen: list[ToyConfig] = []

        def toy(cfg: ToyConfig) -> int | None:
            """Do nothing at all."""
            seen.append(cfg)
            if error is not None:
                raise error
            return None

        status = program.run(verb, ToyConfig, toy, list(arguments))
        printed = capsys.readouterr()
        return status, seen, printed.out, printed.err

    return runner


def test_a_program_gets_a_real_dataclass(run):
    status, seen, out, err = run("path=here", "steps=7", "inner.width=3", "names=[a,b]")
    expected = ToyConfig(path="here", steps=7, names=["a", "b"], inner=InnerConfig(3))
    assert (status, seen, out, err) == (0, [expected], "", "")
    assert type(seen[0]) is ToyConfig and type(seen[0].inner) is InnerConfig


@pytest.mark.parametrize(
    "text",
    [
        "go left, then right",
        "isn't [it",
        "a=b",
        "20: go | 30: stop",
        "C:\\new (1)",
        "C:\\new",
        "(\\",
        "\\'(",
        "5",
    ],
)
def test_any_sentence_or_file_name_can_be_typed(run, text):
    assert run("path=x", f"note={text}")[1][0].note == text


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["path=x", "stps=1"], "unknown key 'stps', did you mean 'steps'?"),
        (["path=x", "inner.wdth=1"], "unknown key 'inner.wdth', did you mean 'inner.width'?"),
        (["path=x", "steps=many"], "steps: Value 'many'"),
        (["path=x", "steps=1,2"], "steps: Value '1,2'"),
        (["path=x", "on=7x"], "on: "),
        (["path=x", "names=a"], "names: "),
        (["path=x", "inner=3"], "inner: "),
        (["path=x", "note=${nothing}"], "note: "),
        (["path=x", "steps"], "'steps' is not of the form key=value"),
        (["path=x", "+more=1"], "'+more=1' is not of the form key=value"),
        (["path=x", "--fast"], "unknown option '--fast'"),
        (["steps=3"], "path= is required"),
    ],
)
def test_arguments_without_sense_give_one_line_and_status_2(run, arguments, words):
    status, seen, out, err = run(*arguments)
    assert (status, seen, out) == (2, [], "")
    assert words in err and err.startswith("worldsim toy: ") and "toy --help" in err
    assert err.count("\n") == 1


def test_a_user_error_gives_its_message_and_status_1(run):
    status, _, out, err = run("path=x", error=WorldsimError("no 'x': make one"))
    assert (status, out, err) == (1, "", "worldsim toy: no 'x': make one\n")


def test_ctrl_c_gives_a_line_and_status_130(run):
    status, _, _, err = run("path=x", error=KeyboardInterrupt())
    assert (status, err) == (130, "worldsim toy: interrupted\n")


def test_a_bug_keeps_its_traceback(run):
    with pytest.raises(ZeroDivisionError):
        run("path=x", error=ZeroDivisionError())


def test_a_sweep_runs_every_combination_and_leaves_no_litter(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, seen, _, _ = run("-m", "path=x", "steps=1,2", "on=true,false")
    assert [(cfg.steps, cfg.on) for cfg in seen] == [(1, True), (1, False), (2, True), (2, False)]
    assert (status, list(tmp_path.iterdir())) == (0, [])


def test_the_config_can_be_printed_instead(run):
    status, seen, out, _ = run("--cfg", "job", "path=x", "inner.width=4")
    assert (status, seen) == (0, []) and "width: 4" in out


def test_help_lists_keys_defaults_and_notes(run):
    status, seen, out, _ = run("--help")
    assert (status, seen) == (0, [])
    for line in ("path=(required)  ", "steps=5", "on=true", "note=null", "inner.width=10  "):
        assert f"\n  {line}" in out
    for note in ("Do nothing at all.", "All of their names.", "How wide it is."):
        assert note in out


def test_a_recipe_changes_defaults_and_keys_beside_it_win(run, tmp_path, monkeypatch):
    package = tmp_path / "toyconf"
    (package / "recipe").mkdir(parents=True)
    (package / "__init__.py").touch()
    recipe = package / "recipe"
    (recipe / "big.yaml").write_text("# @package _global_\nsteps: 9\ninner:\n  width: 64\n")
    (recipe / "typo.yaml").write_text("# @package _global_\nstps: 9\n")
    monkeypatch.syspath_prepend(tmp_path)
    for module in (program, program_help):
        monkeypatch.setattr(module, "CONFIG_MODULE", "toyconf")

    cfg = run("recipe=big", "path=x", "inner.width=8", verb="train")[1][0]
    assert (cfg.steps, cfg.inner.width) == (9, 8)
    assert run("path=x", verb="train")[1][0].steps == 5
    assert "recipe 'typo': unknown key 'stps'" in run("recipe=typo", "path=x", verb="train")[3]
    status, _, _, err = run("recipe=huge", "path=x", verb="train")
    assert status == 2 and "unknown recipe 'huge': choose one of big, typo" in err
    assert run("recipe=3", "path=x", verb="train")[0] == 2
    assert "recipe=big|typo" in run("--help", verb="train")[2]


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_leads_to_a_program_with_help(verb, capsys):
    entry = cli.VERBS[verb]
    assert cli.main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"worldsim {verb}: ")
    if entry.positional:
        assert f"  {entry.positional}=" in printed
    assert callable(getattr(import_module(entry.module), entry.function))


def test_the_dispatcher_knows_its_verbs(capsys):
    assert cli.main(["--help"]) == 0
    assert all(f"  {verb}" in capsys.readouterr().out for verb in ["play"])
    assert cli.main([]) == 2
    assert cli.main(["fly"]) == 2
    assert "unknown verb 'fly': use play, " in capsys.readouterr().err


def test_a_bare_argument_is_the_file(capsys):
    assert cli.main(["data", "/no/such=folder"]) == 1
    assert "no dataset at '/no/such=folder'" in capsys.readouterr().err


def test_a_missing_library_is_named(monkeypatch, capsys):
    monkeypatch.setitem(cli.VERBS, "data", cli.Verb("not_installed_lib.x", "A", "b", ""))
    assert cli.main(["data"]) == 1
    said = capsys.readouterr().err
    assert "the library 'not_installed_lib' is not installed" in said and '"worldsim"' in said


def test_a_missing_library_of_an_extra_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)  # as if it were not there
    for name in [name for name in sys.modules if name.startswith("agents.")]:
        monkeypatch.delitem(sys.modules, name)
    assert cli.main(["agent", "train", "task=doom/take_cover"]) == 1
    assert 'pip install "worldsim[agents]"' in capsys.readouterr().err


def test_a_verb_of_two_words_takes_short_keys(capsys):
    assert cli.main(["agent", "train", "task=doom/take_cover", "in=sleep"]) == 1
    assert "worldsim agent train: in=sleep: use dream, real, both" in capsys.readouterr().err
    assert cli.main(["agent", "dance"]) == 2
    assert "unknown verb 'agent'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line, answer",
    [
        ("worldsim tr", "train"),
        ("worldsim data sent", "sentences="),
        ("worldsim data rows=3 col", "columns="),
    ],
)
def test_the_tab_key_completes_verbs_and_keys(monkeypatch, capsys, line, answer):
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert cli.main(["-sc", "query=bash"]) == 0
    assert answer in capsys.readouterr().out.split()


def test_help_is_instant_because_it_loads_nothing():
    program = (
        "import sys; from worldsim import cli; assert cli.main(['--help']) == 0; "
        "print(sorted({'torch', 'pygame', 'hydra', 'numpy', 'gymnasium'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["pointcloud", "--help"]])
def test_a_reader_that_stops_reading_is_no_error(arguments):
    command = [sys.executable, "-m", "worldsim.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == cli.UNREAD


def test_a_pipe_to_somebody_else_that_breaks_is_not_hushed_up(monkeypatch):
    def broken(*_: object) -> int:
        raise BrokenPipeError("the worker is gone")

    monkeypatch.setattr(cli, "_run", broken)
    with pytest.raises(BrokenPipeError, match="the worker is gone"):
        cli.main(["doctor"])
