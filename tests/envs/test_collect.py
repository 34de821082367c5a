import json
import os
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from envs import crew as crew_module
from envs.collect import (
    CollectConfig,
    collect,
    episode_seed,
    main,
    one_world_each,
    play_episode,
)
from envs.crew import Crew
from envs.worlds import WORLDS, find_world, make_explorer, make_world
from worldsim.data import Dataset
from worldsim.errors import WorldsimError


def fields(number, length=4):
    return {
        "frames": np.zeros((length + 1, 8, 8, 3), np.uint8),
        "actions": np.zeros(length, int),
        "rewards": np.zeros(length),
        "terminated": False,
        "texts": [""] * length,
        "source": "fake",
        "seed": number,
    }


def honest(settings, connection):
    while True:
        number = connection.recv()
        connection.send(("dull" if number in settings["dull"] else "episode", fields(number)))


def dies_once(settings, connection):
    """Die in episode 2, the first time it is tried."""
    while True:
        number = connection.recv()
        marker = Path(settings["marker"])
        if number == 2 and not marker.exists():
            marker.touch()
            os._exit(7)
        connection.send(("episode", fields(number)))


def dies(settings, connection):
    connection.recv()
    os._exit(7)


def cannot(settings, connection):
    connection.recv()
    connection.send(("error", "no simulator here: install it"))


def seeds_of(crew, number):
    try:
        return {crew.next_episode().seed for _ in range(number)}
    finally:
        crew.close()


def test_workers_play_the_numbers_they_are_given_and_dull_ones_are_left_out():
    assert seeds_of(Crew(honest, {"dull": [1]}, count(), 2), 4) <= {0, 2, 3, 4, 5, 6}


def test_a_worker_that_dies_is_replaced_and_its_episode_played_again(tmp_path, capsys):
    crew = Crew(dies_once, {"marker": str(tmp_path / "died")}, iter(range(50)), 1)
    assert seeds_of(crew, 5) == {0, 1, 2, 3, 4}
    assert "status 7 in episode 2" in capsys.readouterr().out


def test_workers_that_keep_dying_end_the_run_with_one_error(monkeypatch):
    monkeypatch.setattr(crew_module, "MAX_RESTARTS", 2)
    with pytest.raises(WorldsimError, match="workers died 3 times .*status 7"):
        seeds_of(Crew(dies, {}, count(), 1), 1)


def test_what_a_worker_says_it_lacks_is_the_error():
    with pytest.raises(WorldsimError, match="no simulator here"):
        seeds_of(Crew(cannot, {}, count(), 1), 1)


def test_episode_seeds_differ_and_never_change():
    seeds = [episode_seed(0, n) for n in range(1000)] + [episode_seed(1, n) for n in range(1000)]
    assert len(set(seeds)) == 2000
    assert episode_seed(0, 0) == episode_seed(0, 0) < 2**62


@pytest.mark.parametrize(
    ("world", "needs"),
    [("doom", "vizdoom"), ("rooms", "envs.rooms_engine"), ("carracing", "Box2D")],
)
def test_an_episode_of_a_seed_is_always_the_same(world, needs):
    pytest.importorskip(needs, exc_type=ImportError)
    env = make_world(world, **find_world(world).options, max_steps=40)
    first, _, again = (
        play_episode(env, make_explorer(world, np.random.default_rng(1)), seed)
        for seed in (5, 6, 5)
    )
    env.close()
    assert first.frames.tobytes() == again.frames.tobytes()
    assert first.texts == again.texts and first.source == again.source


def test_a_killed_collection_keeps_its_episodes_and_resumes_where_it_was(tmp_path):
    pytest.importorskip("vizdoom")
    path = tmp_path / "data"
    settings = {"path": str(path), "max_steps": 30, "image_size": 32, "num_workers": 1}
    code = (
        "from envs.collect import CollectConfig, collect\n"
        f"if __name__ == '__main__': collect(CollectConfig(num_frames=100000, **{settings}))"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, str(program)], env=environment)
    while len(list(path.glob("meta/episodes/**/*.parquet"))) < 3:
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    before = [info.seed for info in Dataset(path).episodes]
    frames = sum(info.length - 1 for info in Dataset(path).episodes) + 60
    collect(CollectConfig(num_frames=frames, **settings))
    after = [info.seed for info in Dataset(path).episodes]
    assert after[: len(before)] == before and len(after) > len(before)
    assert len(set(after)) == len(after)
    assert set(after) <= {episode_seed(0, n) for n in range(len(after) + 3)}


def test_several_worlds_share_the_frames_each_in_a_folder_of_its_own():
    cfg = CollectConfig(world="doom, rooms", num_frames=900, shares={"doom": 2, "rooms": 1})
    parts = one_world_each(cfg)
    assert [(p.world, p.path, p.num_frames) for p in parts] == [
        ("doom", "data/doom", 600),
        ("rooms", "data/rooms", 300),
    ]
    assert [p.world for p in one_world_each(CollectConfig(world="all"))] == list(WORLDS)
    (alone,) = one_world_each(CollectConfig(world="rooms", path="here"))
    assert (alone.path, alone.num_frames) == ("here", 200_000)


@pytest.mark.parametrize("shares", [{"doom": 1.0}, {"doom": 1.0, "rooms": 0.0}, {"moon": 1.0}])
def test_shares_are_one_for_each_world(shares):
    with pytest.raises(WorldsimError, match="shares=.*one above 0 for each of doom, rooms"):
        one_world_each(CollectConfig(world="doom,rooms", shares=shares))


def test_one_command_collects_several_worlds(tmp_path):
    pytest.importorskip("vizdoom")
    pytest.importorskip("Box2D")
    main(
        CollectConfig(
            world="carracing,doom",
            path=str(tmp_path),
            num_frames=80,
            max_steps=40,
            image_size=32,
            num_workers=1,
        )
    )
    found = {path.name: Dataset(path) for path in tmp_path.iterdir()}
    assert {name: data.spec.name for name, data in found.items()} == {
        "carracing": "carracing",
        "doom": "doom",
    }
    assert all(sum(e.length - 1 for e in data.episodes) >= 40 for data in found.values())
    assert "MIT" in found["doom"].spec.credits
    for data in found.values():
        numbers = json.loads((data.path / "summary.json").read_text())
        assert numbers["episodes"] == len(data)
        assert (data.path / "contact_sheet.png").stat().st_size > 100
        assert data.spec.credits in (data.path / "ATTRIBUTION.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"world": "moon"}, "moon"),
        ({"split": "test"}, "test"),
        ({"num_frames": 0}, "num_frames=0"),
        ({"num_workers": 0}, "num_workers=0"),
        ({"options": {"maze_share": 2.0}}, "maze_share 2.0"),
        ({"options": {"colour": 1}}, "colour"),
        ({"options": {"split": "train"}}, "options.split is a key of its own"),
        ({"world": "carracing", "options": {"colours": "red"}}, "'red'.*plain"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_is_written(tmp_path, setting, says):
    pytest.importorskip("vizdoom")
    pytest.importorskip("Box2D")
    with pytest.raises(WorldsimError, match=says):
        collect(CollectConfig(path=str(tmp_path / "data"), **setting))
    assert not list(tmp_path.iterdir())
