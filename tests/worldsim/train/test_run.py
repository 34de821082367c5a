import json
import os
from dataclasses import dataclass

import pytest
import torch

from worldsim.errors import WorldsimError
from worldsim.train.run import RunFolder


@dataclass
class Config:
    seed: int = 0
    words: int = 1
    minutes: float = 0.0


def open_run(path, **values):
    return RunFolder(path, Config(**values), ["seed", "words"], ["words"])


def test_a_state_comes_back_as_it_was(tmp_path):
    run = open_run(tmp_path)
    assert run.load_state() is None
    run.save_state({"step": 3, "weights": torch.arange(4.0)})
    state = open_run(tmp_path).load_state()
    assert state["step"] == 3 and torch.equal(state["weights"], torch.arange(4.0))


def test_a_kill_while_saving_keeps_the_state_before(tmp_path, monkeypatch):
    run = open_run(tmp_path)
    run.save_state({"step": 1})

    def killed(*_):
        raise KeyboardInterrupt

    for owner, name in ((torch, "save"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, killed)
            with pytest.raises(KeyboardInterrupt):
                run.save_state({"step": 2})
        assert run.load_state() == {"step": 1}


def test_a_state_that_would_run_code_is_not_loaded(tmp_path):
    run = open_run(tmp_path)
    torch.save({"step": Config()}, tmp_path / "state.pt")
    with pytest.raises(WorldsimError, match="state.pt is damaged.*delete it"):
        run.load_state()


def test_a_run_that_has_begun_keeps_its_identity_but_not_its_patience(tmp_path):
    open_run(tmp_path).save_state({"step": 1})
    open_run(tmp_path, minutes=5.0)
    with pytest.raises(WorldsimError, match="holds a run with seed=0, not 1.*out="):
        open_run(tmp_path, seed=1)


def test_before_its_first_state_only_what_was_prepared_is_fixed(tmp_path):
    open_run(tmp_path)
    open_run(tmp_path, words=2)  # nothing is made yet
    (tmp_path / "codec").mkdir()
    open_run(tmp_path, words=2, seed=1)
    with pytest.raises(WorldsimError, match="holds a run with words=2, not 3"):
        open_run(tmp_path, words=3)


def test_metrics_of_steps_to_be_repeated_are_dropped(tmp_path):
    run = open_run(tmp_path)
    for step in range(5):
        run.log(step, {"loss": 1.0 / (step + 1)})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1, "lo')  # a kill in the middle of a line
    run.forget_after(2)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 2]
    assert any((tmp_path / "tensorboard").iterdir())
