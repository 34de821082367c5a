from dataclasses import replace

import numpy as np
import pytest

from agents.play import play
from agents.scripted import Stay
from agents.tasks import TASKS
from tests.agents.toy import TASK, Colours
from tests.worldsim.sliding import walk, write_dataset
from worldsim.errors import WorldsimError

minari = pytest.importorskip("minari")
from agents.export import ExportConfig, export  # noqa: E402


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "other"))
    monkeypatch.setitem(TASKS, "toy", TASK)


def read(tmp_path, name, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return minari.load_dataset(name)


def test_recorded_play_comes_out_as_it_went_in(tmp_path, monkeypatch):
    write_dataset(tmp_path / "d", range(3), steps=9)
    export(ExportConfig("toy/walks-v0", str(tmp_path / "d"), out=str(tmp_path / "minari")))
    found = read(tmp_path, "toy/walks-v0", monkeypatch)
    assert (found.total_episodes, found.total_steps) == (3, 27)
    for seed, episode in enumerate(found.iterate_episodes()):
        lived = walk(seed, 9)[0]
        assert np.abs(episode.observations.astype(int) - lived.frames).mean() < 12, "video"
        assert episode.actions.tolist() == lived.actions.tolist()
        assert episode.rewards.tolist() == lived.rewards.tolist()
        assert not episode.terminations.any() and episode.truncations.tolist() == [*[False] * 8, 1]


def test_an_agent_s_episodes_are_stored_without_loss(tmp_path, monkeypatch):
    cfg = ExportConfig("toy/stay-v0", task="toy", agent="stay", place="real", episodes=2, seed=5,
                       out=str(tmp_path / "minari"))  # fmt: skip
    export(cfg)
    found = list(read(tmp_path, "toy/stay-v0", monkeypatch).iterate_episodes())
    for seed, episode in zip((5, 6), found, strict=True):
        played = play(Colours("heldout"), Stay(), [seed], keep=True)[0]
        assert np.array_equal(episode.observations, np.stack(played.frames))
        assert episode.terminations.tolist() == [*[False] * 11, True]
        assert not episode.truncations.any()
    with pytest.raises(WorldsimError, match="toy/stay-v0 is there already"):
        export(cfg)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episodes": 0}, "episodes=0: say how many"),
        ({"place": "moon"}, "place=moon"),
        ({"id": "no name"}, "id=no name"),
        ({"data": "nowhere"}, "nowhere"),
        ({"task": "toys"}, "unknown task"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, changes, message):
    cfg = ExportConfig("toy/x-v0", task="toy", place="real", episodes=2, out=str(tmp_path / "m"))
    with pytest.raises(WorldsimError, match=message):
        export(replace(cfg, **changes))
