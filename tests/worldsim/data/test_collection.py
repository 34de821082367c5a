from dataclasses import replace

import numpy as np
import pytest

from tests.worldsim.sliding import SIZE, SPEC, walk
from worldsim.data import Collection, Dataset, DatasetWriter
from worldsim.errors import WorldsimError

OTHER = replace(SPEC, name="gliding", steps_per_second=16.0, description="a gliding plane")


def write(path, spec=SPEC, seeds=(0, 1), size=SIZE):
    with DatasetWriter(path, spec, size) as writer:
        for seed in seeds:
            episode, _ = walk(seed, 12)
            if size != SIZE:
                episode.frames = episode.frames[:, :size, :size].copy()
            writer.append(episode)
    return path


def test_one_dataset_is_what_it_was(tmp_path):
    dataset = Dataset(write(tmp_path / "a"))
    collection = Collection(tmp_path / "a")
    assert len(collection) == 2 and collection.episodes == dataset.episodes
    assert np.array_equal(collection.load(1).frames, dataset.load(1).frames)
    assert collection.spec(0) == SPEC and collection.worlds == {"sliding": SPEC}


def test_episodes_of_several_follow_one_another_each_with_its_own_world(tmp_path):
    write(tmp_path / "a", seeds=(0, 1))
    write(tmp_path / "b", OTHER, seeds=(2, 3, 4))
    collection = Collection(f"{tmp_path}/a, {tmp_path}/b")
    assert [episode.seed for episode in collection.episodes] == [0, 1, 2, 3, 4]
    assert [collection.load(k).seed for k in range(5)] == [0, 1, 2, 3, 4]
    assert [collection.spec(k).name for k in range(5)] == ["sliding"] * 2 + ["gliding"] * 3
    assert np.array_equal(collection.load_steps(2).actions, walk(2, 12)[0].actions)
    assert list(collection.worlds) == ["sliding", "gliding"]
    assert {"forward", "a sliding plane", "a gliding plane"} <= set(collection.sentences)


def test_pictures_of_two_sizes_do_not_go_together(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", OTHER, size=16)
    with pytest.raises(WorldsimError, match="b has 16 pixels, .*a has 32: collect both"):
        Collection(f"{tmp_path}/a,{tmp_path}/b")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"actions": (*SPEC.actions, "jump")}, "b has action 9 'jump', .*a has no action 9"),
        ({"steps_per_second": 20.0}, "b has 20.0 steps a second, .*a has 10.0 steps a second"),
        ({"metres_per_unit": 0.5}, "b has 0.5 m a unit, .*a has 1.0 m a unit"),
    ],
)
def test_two_ways_to_play_the_same_world_do_not_go_together(tmp_path, changes, says):
    write(tmp_path / "a")
    write(tmp_path / "b", replace(SPEC, **changes))
    with pytest.raises(WorldsimError, match=f"'sliding' .*{says}: collect one of them again"):
        Collection(f"{tmp_path}/a,{tmp_path}/b")


def test_other_sentences_of_the_same_world_and_another_world_at_another_rate_go_together(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", replace(SPEC, phrases={}, description="the same plane"))
    write(tmp_path / "c", replace(OTHER, metres_per_unit=0.5))
    collection = Collection(f"{tmp_path}/a,{tmp_path}/b,{tmp_path}/c")
    assert collection.worlds["sliding"] == SPEC
    assert {spec.steps_per_second for spec in collection.worlds.values()} == {10.0, 16.0}


@pytest.mark.parametrize(
    ("paths", "says"), [("", "no dataset is named"), ("a,nowhere", "no dataset at '.*nowhere'")]
)
def test_what_is_missing_is_said(tmp_path, monkeypatch, paths, says):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a")
    with pytest.raises(WorldsimError, match=says):
        Collection(paths)
