from __future__ import annotations

import pytest

from tests.worldsim.sliding import SIZE, SPEC, walk, write_dataset
from worldsim.data import Dataset, DatasetWriter
from worldsim.errors import WorldsimError
from worldsim.evaluate.clips import load_clips
from worldsim.evaluate.index import (
    MAPS,
    MAZES,
    find_index,
    group_of,
    load_index,
    make_index,
    save_index,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("index") / "d", range(1001, 1010), steps=40)


def test_the_same_dataset_gives_the_same_index(dataset):
    first, second = (make_index(dataset, 4, 8, ["map04"]) for _ in range(2))
    assert first == second
    assert set(first.groups) == {"video", "video_maps", "video_heldout_maps"}


def test_windows_lie_inside_their_episodes_and_spread_over_them(dataset):
    rows = make_index(dataset, 4, 8, []).groups["video"]
    assert all(3 <= row.start <= 40 - 8 for row in rows)
    mazes = {info.source for info in dataset.episodes if info.source.startswith("maze")}
    assert {row.source for row in rows[: len(mazes)]} == mazes
    assert len(set(rows)) == len(rows)


def test_a_stored_index_stays_in_force_when_the_dataset_grows(dataset, tmp_path):
    path = tmp_path / "index.json"
    wanted = make_index(dataset, 4, 8, [])
    assert find_index(dataset, wanted, path) == wanted == load_index(path)
    assert find_index(dataset, make_index(dataset, 3, 6, ["map04"]), path) == wanted


def test_a_stored_index_that_is_too_short_or_of_other_data_is_refused(dataset, tmp_path):
    path = tmp_path / "index.json"
    save_index(path, make_index(dataset, 4, 8, []))
    with pytest.raises(WorldsimError, match="remove it to make a new one"):
        find_index(dataset, make_index(dataset, 4, 16, []), path)
    other = write_dataset(tmp_path / "other", range(50, 53))
    with pytest.raises(WorldsimError, match="does not hold"):
        find_index(other, make_index(other, 4, 8, []), path)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "x", "version": 1}'])
def test_a_damaged_index_is_an_error_with_a_remedy(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(WorldsimError, match="not an evaluation index.*remove it"):
        load_index(tmp_path / "index.json")


def test_episodes_too_short_for_any_window_are_an_error(dataset):
    with pytest.raises(WorldsimError, match="collect longer ones"):
        make_index(dataset, 16, 32, [])


def test_an_empty_dataset_is_an_error(dataset, tmp_path):
    with DatasetWriter(tmp_path / "empty", dataset.spec, 32):
        pass
    with pytest.raises(WorldsimError, match="collect longer ones"):
        make_index(Dataset(tmp_path / "empty"), 4, 8, [])


def test_groups_follow_the_name_of_the_map():
    heldout = ["map04"]
    assert group_of("maze-000123", heldout) == "video"
    assert group_of("freedoom2-map04", heldout) == "video_heldout_maps"
    assert group_of("map04", heldout) == "video_heldout_maps"
    assert group_of("freedoom2-map01", heldout) == "video_maps"


def test_clips_hold_the_frames_and_actions_of_their_window(dataset):
    window = make_index(dataset, 4, 8, []).groups["video"][0]
    clips = load_clips(dataset, [window], 4, 8, 32)
    number = [i.index for i in dataset.episodes if i.seed == window.seed][0]
    episode = dataset.load(number)
    assert (clips.frames[0, 3] == episode.frames[window.start]).all()
    assert (clips.future[0, 0] == episode.frames[window.start + 1]).all()
    assert clips.future_actions[0, 0] == episode.actions[window.start]
    start = clips.start(0)
    assert len(start.actions) == 3 and start.frames.shape == (4, 32, 32, 3)


def test_larger_frames_are_shrunk_to_the_models_size(dataset):
    window = make_index(dataset, 4, 8, []).groups["video"][0]
    assert load_clips(dataset, [window], 4, 8, 16).frames.shape == (1, 12, 16, 16, 3)


@pytest.mark.parametrize(
    "source", ["maze-000123", "furnished-wood-planks-000123", "painted-000123"]
)
def test_what_is_made_from_a_seed_is_held_out_by_its_seed(source):
    assert group_of(source, []) == MAZES
    assert group_of("freedoom2-map02", ["map02"]) == group_of("scotland", ["scotland"])
    assert group_of("scotland", []) == MAPS


def test_in_a_world_of_maps_the_held_out_ones_are_the_video(tmp_path):
    with DatasetWriter(tmp_path, SPEC, SIZE) as writer:
        for seed in range(6):
            episode = walk(seed, 40)[0]
            episode.source = "abroad" if seed % 2 else "home"
            writer.append(episode)
    groups = make_index(Dataset(tmp_path), 4, 8, ["abroad"]).groups
    assert list(groups) == [MAZES, MAPS]
    assert {window.source for window in groups[MAZES]} == {"abroad"}
