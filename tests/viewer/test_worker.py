from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import FakeDream
from viewer.controls import HeldKeys
from viewer.session import Session
from viewer.sidecar import read_sidecar
from viewer.video import read_frames
from viewer.worker import Worker


@pytest.fixture
def start(tmp_path: Path):
    workers = []

    def begin(**settings) -> Worker:
        def open_session() -> Session:
            return Session("worldsim/DreamFake-v0", rewind_seconds=10.0)

        settings.setdefault("name_recording", lambda: tmp_path / "by-key.mp4")
        worker = Worker(open_session, HeldKeys(), **settings)
        workers.append(worker)
        worker.start()
        wait(lambda: worker.view.moment is not None or worker.view.error)
        return worker

    yield begin
    for worker in workers:
        worker.close()


def wait(condition: Callable[[], object], timeout: float = 10.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def step_of(worker: Worker) -> int:
    assert worker.view.moment
    return worker.view.moment.step


def test_the_world_runs_at_its_own_rate(start) -> None:
    worker = start()
    first, began = step_of(worker), time.monotonic()
    time.sleep(2.0)
    rate = (step_of(worker) - first) / (time.monotonic() - began)
    assert 13 < rate < 19
    assert 13 < worker.view.fps < 19


def test_held_keys_become_actions(start) -> None:
    worker = start()
    worker.held.press("w")
    wait(lambda: worker.view.moment.action == "forward")
    worker.held.press("a")
    wait(lambda: worker.view.moment.action == "forward turn left")
    worker.held.clear()
    wait(lambda: worker.view.moment.action == "stay")


class Turning:
    """Turns left, and notes how often it was asked and told to begin."""

    def __init__(self, spec):
        self.action, self.seen, self.begun = spec.action_index("turn left"), 0, 0

    def reset(self):
        self.begun += 1

    def act(self, observation, info):
        assert observation.shape == (64, 64, 3)
        self.seen += 1
        return self.action


def test_an_agent_acts_while_no_key_is_held_and_can_be_switched_off(start) -> None:
    agents: list[Turning] = []
    worker = start(make_agent=lambda spec: agents.append(Turning(spec)) or agents[0])
    wait(lambda: worker.view.moment.action == "turn left")
    assert worker.view.agent_acts
    worker.held.press("w")
    wait(lambda: worker.view.moment.action == "forward")
    seen = agents[0].seen
    wait(lambda: agents[0].seen > seen)  # it goes on looking
    worker.held.clear()
    wait(lambda: worker.view.moment.action == "turn left")
    worker.toggle_agent()
    wait(lambda: worker.view.moment.action == "stay" and not worker.view.agent_acts)
    begun = agents[0].begun
    worker.reset()
    wait(lambda: agents[0].begun > begun)


def test_a_watched_agent_goes_on_to_the_next_start_when_its_episode_ends(
    start, monkeypatch
) -> None:
    monkeypatch.setenv("FAKE_END_AT", "3")
    monkeypatch.setattr("viewer.worker.REST_SECONDS", 0.2)
    worker = start(make_agent=Turning)
    wait(lambda: worker.view.moment.ended)
    wait(lambda: worker.view.start == "cave" and not worker.view.moment.ended)
    wait(lambda: worker.view.start == "attic")
    worker.toggle_agent()
    wait(lambda: worker.view.moment.ended and not worker.view.agent_acts)
    start_was = worker.view.start
    time.sleep(0.5)
    assert worker.view.start == start_was and worker.view.moment.ended, "a person chooses"


def test_a_dream_that_begins_again_says_so_and_how_much_it_knows(start, monkeypatch) -> None:
    step, told = FakeDream.step, {"worn": 1.0, "again": True}
    monkeypatch.setattr(FakeDream, "step", lambda env, action: (*step(env, action)[:4], told))
    worker = start()
    wait(lambda: worker.view.moment.known == 0.5)
    wait(lambda: "back to what was seen" in worker.view.message[1])


def test_without_an_agent_there_is_nobody_to_take_over(start) -> None:
    worker = start()
    worker.toggle_agent()
    wait(lambda: "agent=" in worker.view.message[1])
    assert not worker.view.agent_acts


def test_pause_holds_still_and_a_single_step_is_one(start) -> None:
    worker = start()
    worker.toggle_pause()
    wait(lambda: worker.view.paused)
    before = step_of(worker)
    time.sleep(0.3)
    assert step_of(worker) == before
    worker.step_once()
    wait(lambda: step_of(worker) == before + 1)
    time.sleep(0.3)
    assert step_of(worker) == before + 1
    worker.toggle_pause()
    wait(lambda: step_of(worker) > before + 3)


def test_holding_rewind_runs_back_to_the_beginning(start) -> None:
    worker = start()
    wait(lambda: step_of(worker) >= 8)
    worker.rewind(True)
    wait(lambda: worker.view.rewinding)
    worker.toggle_pause()
    wait(lambda: step_of(worker) == 0)
    wait(lambda: "as far back" in worker.view.message[1])


def test_starts_change_and_sentences_arrive(start) -> None:
    worker = start()
    worker.next_start(1)
    wait(lambda: worker.view.start == "cave")
    worker.next_start(-1)
    wait(lambda: worker.view.start == "hall")
    worker.say("turn left")
    wait(lambda: worker.view.moment.sentence == "turn left")
    worker.say("x" * 300)
    wait(lambda: "300 letters" in worker.view.message[1])
    assert not worker.view.error
    worker.reset()
    wait(lambda: worker.view.moment.sentence == "")


def test_recording_by_key_writes_a_film(start, tmp_path: Path) -> None:
    worker = start()
    worker.toggle_recording()
    wait(lambda: (worker.view.recorded_frames or 0) > 5)
    worker.toggle_recording()
    wait(lambda: worker.view.recorded_frames is None)
    assert "saved" in worker.view.message[1]
    assert len(list(read_frames(tmp_path / "by-key.mp4"))) > 5


def test_a_recording_that_cannot_be_written_is_told_and_the_world_goes_on(start) -> None:
    worker = start(name_recording=lambda: Path("/dev/null/film.mp4"))
    worker.toggle_recording()
    wait(lambda: "cannot write" in worker.view.message[1])
    before = step_of(worker)
    wait(lambda: step_of(worker) > before + 2)


def test_a_broken_world_says_so_in_a_line_and_keeps_the_film(
    start, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("FAKE_FAIL_AT", "12")
    worker = start(record=tmp_path / "film.mp4")
    wait(lambda: worker.view.error)
    assert worker.view.error == "RuntimeError: the fake world broke on two lines"
    worker.close()
    assert len(list(read_frames(tmp_path / "film.mp4"))) == 12
    recording = read_sidecar(tmp_path / "film.jsonl")
    assert len(recording.events) == 12 and not recording.cut


def test_a_world_that_cannot_open_is_an_error_not_a_hang() -> None:
    worker = Worker(lambda: Session("worldsim/Nothing-v0"), HeldKeys())
    worker.start()
    wait(lambda: worker.view.error)
    assert "unknown environment" in worker.view.error
    worker.close()
