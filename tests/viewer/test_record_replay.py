from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import tests.fakes  # noqa: F401 (registers the fake world)
from agents.policy import About, PolicyAgent, make_policy
from agents.tasks import TASKS, Task
from tests.worldsim.tiny import SPEC, make_checkpoint
from viewer.record import RecordConfig, read_sentences, record
from viewer.replay import ReplayConfig, replay
from viewer.video import read_frames
from worldsim.data import DatasetWriter, Episode
from worldsim.errors import WorldsimError


def film(tmp_path: Path, **settings) -> Path:
    out = tmp_path / "run.mp4"
    assert record(RecordConfig(**{"world": "fake", "out": str(out), "steps": 30, **settings})) == 0
    return out.with_suffix(".jsonl")


def edit(path: Path, change) -> Path:
    lines = path.read_text().splitlines()
    changed = path.with_name("edited.jsonl")
    changed.write_text("\n".join(change(lines)) + "\n")
    return changed


@pytest.mark.parametrize("policy", ["keys", "forward", "stay", "random", "script:w*20 a*5"])
def test_what_is_recorded_replays_identically(tmp_path: Path, policy: str, capsys) -> None:
    path = film(tmp_path, policy=policy, say="5: turn left | 10: go back", seed=2)
    assert replay(ReplayConfig(file=str(path), out=str(tmp_path / "again.mp4"))) == 0
    assert "31 frames identical" in capsys.readouterr().out
    assert len(list(read_frames(tmp_path / "again.mp4"))) == 31


def test_a_trained_agent_is_filmed_in_the_world_of_its_task(tmp_path: Path, monkeypatch) -> None:
    keys = ("stay", "turn left", "forward")
    monkeypatch.setitem(TASKS, "fake", Task("worldsim/Fake-v0", "worldsim/DreamFake-v0", keys, ""))
    about = About("fake", list(keys), stack=2, image_size=64, inside="real")
    PolicyAgent(make_policy(about), about, [0, 1, 2]).save(tmp_path / "agent")
    path = film(tmp_path, world="doom", policy=f"agent:{tmp_path / 'agent'}")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["action"] for line in lines if "action" in line} == set(keys)
    assert replay(ReplayConfig(file=str(path))) == 0
    with pytest.raises(WorldsimError, match="'nobody' is no agent"):
        film(tmp_path, policy="agent:nobody")


def test_an_agent_without_its_library_is_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "agents.bundled", None)  # importing it fails
    with pytest.raises(WorldsimError, match=r'cannot act here .*pip install "worldsim\[agents\]"'):
        film(tmp_path, policy="agent:carracing")


def test_the_dream_of_a_task_begins_in_recorded_play_where_the_model_has_no_clips(
    tmp_path: Path, capsys
) -> None:
    make_checkpoint(image_size=64, painter_width=0).save(tmp_path / "model")
    rng = np.random.default_rng(0)
    with DatasetWriter(tmp_path / "play", SPEC, 64) as writer:
        frames = rng.integers(0, 256, (13, 64, 64, 3), dtype=np.uint8)
        none = np.zeros(12, np.float32)
        writer.append(
            Episode(frames, none.astype(int), none, False, [""] * 12, "health_gathering", 0)
        )
    told = {"checkpoint": str(tmp_path / "model"), "data": str(tmp_path / "play")}
    path = film(tmp_path, world="doom/health_gathering", policy="stay", steps=3, **told)
    reset = json.loads(path.read_text().splitlines()[1])["reset"]
    assert reset["start"].startswith("health_gathering-0-")
    assert replay(ReplayConfig(file=str(path), **told)) == 0
    with pytest.raises(WorldsimError, match="no start clips of 'health_gathering'.*data="):
        film(tmp_path, world="doom/health_gathering", checkpoint=told["checkpoint"])
    with pytest.raises(WorldsimError, match="data='x' means nothing to the real"):
        film(tmp_path, real=True, world="doom", data="x")


def test_a_script_sets_the_length_of_its_film(tmp_path: Path) -> None:
    path = film(tmp_path, policy="script:forward*6 turn left*2", steps=None)
    events = [json.loads(line) for line in path.read_text().splitlines()[2:]]
    assert [event["action"] for event in events] == ["forward"] * 6 + ["turn left"] * 2


def test_a_film_goes_through_several_episodes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FAKE_END_AT", "8")
    path = film(tmp_path)
    starts = [json.loads(line)["reset"]["start"] for line in path.read_text().splitlines()
              if "reset" in line]  # fmt: skip
    assert starts == ["hall", "cave", "attic", "hall"]
    assert replay(ReplayConfig(file=str(path))) == 0


def test_the_first_differing_step_is_named(tmp_path: Path, capsys) -> None:
    def other_action(lines: list[str]) -> list[str]:
        event = json.loads(lines[7])
        event["action"] = "back" if event["action"] != "back" else "forward"
        return [*lines[:7], json.dumps(event), *lines[8:]]

    path = edit(film(tmp_path, policy="forward"), other_action)
    assert replay(ReplayConfig(file=str(path))) == 1
    assert "step 6 differs (line 8)" in capsys.readouterr().out


def test_another_model_is_refused(tmp_path: Path) -> None:
    path = edit(film(tmp_path), lambda lines: [lines[0].replace("fa4e", "beef"), *lines[1:]])
    with pytest.raises(WorldsimError, match="recorded with model beefbeefbeef"):
        replay(ReplayConfig(file=str(path)))


def test_a_line_cut_by_a_kill_is_tolerated_and_said(tmp_path: Path, capsys) -> None:
    path = film(tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    assert replay(ReplayConfig(file=str(path))) == 0
    out = capsys.readouterr().out
    assert "cut off" in out and "30 frames identical" in out


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda lines: [*lines[:4], "garbage", *lines[4:]], "line 5: not JSON"),
        (lambda lines: [*lines[:4], "[1]", *lines[4:]], "line 5: not a JSON object"),
        (lambda lines: [*lines[:4], '{"jump": 1}', *lines[4:]], "line 5: not a step"),
        (lambda lines: [*lines[:4], '{"step": "x"}', *lines[4:]], "line 5: 'step' is 'x'"),
        (lambda lines: ['{"format": "other"}', *lines[1:]], "line 1: not a worldsim recording"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 9')], "version 9"),
        (lambda lines: [lines[0].replace("worldsim/D", "os:D"), *lines[1:]], "unknown environment"),
        (lambda lines: [lines[0], *lines[2:]], "begins with a reset"),
        (lambda lines: [line.replace("turn", "fly") for line in lines], "line 3: unknown action"),
        (
            lambda lines: [*lines[:4], '{"restore_step": 99, "frame_sha256": ""}'],
            "line 5: step 99 is not kept",
        ),
    ],
)
def test_a_corrupt_sidecar_is_one_error_with_its_line(tmp_path: Path, change, complaint) -> None:
    path = edit(film(tmp_path, policy="script:turn left*30"), change)
    with pytest.raises(WorldsimError, match=complaint):
        replay(ReplayConfig(file=str(path)))


@pytest.mark.parametrize("content", [b"", b'{"format"', b"\x00\xff\n", b"[" * 100_000 + b"\n"])
def test_a_file_that_is_no_recording_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.jsonl").write_bytes(content)
    with pytest.raises(WorldsimError, match="bad.jsonl"):
        replay(ReplayConfig(file=str(tmp_path / "bad.jsonl")))


def test_replay_never_overwrites_the_recording(tmp_path: Path) -> None:
    path = film(tmp_path)
    with pytest.raises(WorldsimError, match="is the recording itself"):
        replay(ReplayConfig(file=str(path), out=str(tmp_path / "run.mp4")))
    with pytest.raises(WorldsimError, match="is the film: replay its sidecar"):
        replay(ReplayConfig(file=str(tmp_path / "run.mp4")))
    with pytest.raises(WorldsimError, match="name a recording"):
        replay(ReplayConfig())
    with pytest.raises(WorldsimError, match="cannot read"):
        replay(ReplayConfig(file=str(tmp_path / "none.jsonl")))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"policy": "expert"}, "unknown policy 'expert': use keys"),
        ({"policy": "script:w"}, "not a script"),
        ({"policy": "script:jump*3"}, "unknown action 'jump'"),
        ({"steps": 0}, "steps=0"),
        ({"say": "turn left"}, "write a step"),
        ({"say": "x: turn left"}, "write a step"),
        ({"start": "cellar"}, "unknown start 'cellar'"),
        ({"world": "moon"}, "unknown world 'moon'"),
        ({"real": True}, "unknown world 'fake'"),
    ],
)
def test_a_wrong_option_is_one_error(tmp_path: Path, settings, complaint: str) -> None:
    with pytest.raises(WorldsimError, match=complaint):
        film(tmp_path, **settings)


def test_sentences_are_read_with_their_steps() -> None:
    assert read_sentences("20: turn left | 60: go: back;0:x") == {
        20: "turn left",
        60: "go: back",
        0: "x",
    }
    assert read_sentences(None) == {}
