from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tests.fakes  # noqa: F401 (registers the fake world)
from viewer.history import History
from viewer.replay import ReplayConfig, replay
from viewer.session import Session
from viewer.video import read_frames
from viewer.worlds import find_env_id, make_env, world_names
from worldsim.errors import WorldsimError

FAKE = "worldsim/DreamFake-v0"


def open_fake(**settings) -> Session:
    return Session(FAKE, **{"rewind_seconds": 10.0, **settings})


def step(session: Session, words: str, count: int = 1) -> np.ndarray:
    for _ in range(count):
        session.step(session.spec.action_index(words))
    return session.now.frame


def test_same_seed_start_and_actions_give_the_same_frames() -> None:
    one, two, other = open_fake(seed=1), open_fake(seed=1), open_fake(seed=2)
    assert np.array_equal(step(one, "forward", 5), step(two, "forward", 5))
    assert not np.array_equal(step(one, "forward", 5), step(other, "forward", 10))
    one.reset_again()
    two.reset_again()
    assert np.array_equal(step(one, "back", 3), step(two, "back", 3))


def test_reward_and_steps_add_up_until_a_reset() -> None:
    session = open_fake()
    step(session, "forward", 3)
    assert (session.now.step, session.now.total_reward, session.now.action) == (3, 3.0, "forward")
    session.reset_again()
    assert (session.now.step, session.now.total_reward) == (0, 0.0)


def test_rewinding_goes_back_and_the_same_actions_follow_bit_for_bit() -> None:
    session = open_fake()
    before = step(session, "forward", 4)
    after = step(session, "turn left", 3)
    assert session.rewind(3)
    assert session.now.step == 4
    assert np.array_equal(session.now.frame, before)
    assert np.array_equal(step(session, "turn left", 3), after)


def test_rewinding_ends_where_the_memory_ends() -> None:
    session = open_fake(rewind_seconds=2 / 17.5)
    step(session, "forward", 5)
    assert session.rewind(10)
    assert session.now.step == 3
    assert not session.rewind()
    assert not open_fake(rewind_seconds=0).rewind()


def test_large_snapshots_are_kept_further_apart() -> None:
    history = History(num_steps=20, budget=10_000)
    for step in range(100):
        if history.wants(step):
            history.keep(lambda: {"cache": [np.zeros(1000, np.uint8)] * 2}, step, None, {}, 0)
    assert [step for step in range(100) if history.has(step)] == [80, 84, 88, 92, 96]
    kept = history.back_to(90)
    assert kept and kept.step == 88
    assert not history.has(88) and history.has(84)


def test_starts_are_known_by_name_number_and_seed() -> None:
    assert open_fake(start="cave").start == "cave"
    assert open_fake(start="2").start == "attic"
    assert open_fake(seed=4).start == "cave"
    session = open_fake()
    session.next_start()
    assert session.start == "cave"
    session.next_start(-1)
    session.next_start(-1)
    assert session.start == "attic"
    with pytest.raises(WorldsimError, match="unknown start 'cav'.*cave"):
        open_fake(start="cav")
    with pytest.raises(WorldsimError, match="unknown start '99'"):
        open_fake(start="99")


def test_an_empty_or_overlong_sentence_is_refused_and_the_world_goes_on() -> None:
    session = open_fake()
    with pytest.raises(WorldsimError, match="empty"):
        session.say("  ")
    with pytest.raises(WorldsimError, match="letters"):
        session.say("a" * 500)
    step(session, "forward")
    session.say("turn left")
    assert session.now.sentence == "turn left"


def test_an_ended_episode_needs_a_reset_or_a_rewind(monkeypatch) -> None:
    monkeypatch.setenv("FAKE_END_AT", "3")
    session = open_fake()
    step(session, "forward", 3)
    assert session.now.ended
    with pytest.raises(WorldsimError, match="ended"):
        session.step(0)
    session.rewind()
    assert not session.now.ended


def test_an_action_out_of_range_is_named() -> None:
    with pytest.raises(WorldsimError, match="27"):
        open_fake().step(27)


def test_a_film_begun_in_the_middle_replays_exactly(tmp_path: Path, capsys) -> None:
    session = open_fake(seed=5, start="cave", prompt="dark")
    step(session, "forward", 6)
    session.say("go on")
    step(session, "turn left", 6)
    session.rewind(4)
    session.start_recording(tmp_path / "film.mp4")
    step(session, "back", 5)
    session.rewind(7)
    step(session, "turn right", 2)
    session.next_start()
    step(session, "forward", 2)
    recorder = session.recording
    assert recorder and recorder.num_frames == 1 + 5 + 1 + 2 + 1 + 2
    session.stop_recording()
    assert replay(ReplayConfig(file=str(tmp_path / "film.jsonl"))) == 0
    assert "frames identical" in capsys.readouterr().out
    assert len(list(read_frames(tmp_path / "film.mp4"))) == 12


def test_the_film_shows_what_the_sidecar_says(tmp_path: Path) -> None:
    session = open_fake()
    session.start_recording(tmp_path / "film.mp4", scale=3)
    seen = [session.now.frame] + [step(session, "forward") for _ in range(20)]
    session.close()
    film = list(read_frames(tmp_path / "film.mp4"))
    assert len(film) == len(seen)
    assert film[0].shape == (192, 192, 3)
    for shown, frame in zip(film, seen, strict=True):
        assert np.abs(shown[1::3, 1::3].astype(int) - frame).mean() < 12
    lines = [json.loads(line) for line in (tmp_path / "film.jsonl").read_text().splitlines()]
    assert lines[0]["model"] == "fa4e" * 16
    assert [line["frame"] for line in lines[1:]] == list(range(21))


def test_worlds_are_found_by_name_and_strange_ids_are_refused() -> None:
    assert find_env_id("fake") == FAKE
    with pytest.raises(WorldsimError, match="unknown world 'moon'.*fake"):
        find_env_id("moon")
    for env_id in ("os:CartPole-v1", "CartPole-v1", "worldsim/Nothing-v0"):
        with pytest.raises(WorldsimError, match="unknown environment"):
            make_env(env_id)


def test_dreams_of_tasks_are_no_worlds_of_their_own():
    assert {"doom", "rooms", "carracing", "kart"} <= set(world_names())
    assert not any("takecover" in name for name in world_names())
    assert "doomtakecover" in world_names(real=True)
