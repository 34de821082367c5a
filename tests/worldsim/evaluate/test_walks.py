from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.worldsim.data.episodes import SIZE, SPEC, make_episode
from tests.worldsim.tiny import SPEC as TINY
from tests.worldsim.tiny import make_checkpoint
from worldsim.data import Dataset, DatasetWriter
from worldsim.evaluate.summary import summary
from worldsim.evaluate.walks import approach, goals, load_walks, measure_walks
from worldsim.grammar_words import TO_THING
from worldsim.odometer import Odometer
from worldsim.simulator import Simulator

WORLD = replace(SPEC, things=["red box", "blue ball", "torch"])
KNOWN = {"name": "ball", "colour": "blue", "bearing": 30, "distance": 4.0}
NEW = {"name": "box", "colour": "purple", "bearing": -40, "distance": 3.0}
PLAIN = {"name": "torch", "colour": "", "bearing": 0, "distance": 3.0}


def write(path, spec, things, count=6):
    with DatasetWriter(path, spec, SIZE) as writer:
        for seed in range(count):
            facts = [{"things": things(seed, k)} for k in range(13)]
            writer.append(make_episode(12, seed, facts=facts))
    return Dataset(path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks") / "d"
    return write(folder, WORLD, lambda seed, k: [KNOWN, NEW] if seed < 2 and k == 5 else [KNOWN])


class Walker:
    """Writes into its frames how it moves: what it is told, or what the key says."""

    num_envs, image_size = 4, SIZE

    def __init__(self, towards):
        self.towards = towards  # degrees a step by the thing that is named

    def reset(self, starts, prompts, seeds):
        assert all(len(start.actions) == len(start.frames) - 1 for start in starts)
        self.said = [None] * self.num_envs

    def say(self, texts):
        self.said = texts

    def step(self, actions):
        frames = torch.zeros(self.num_envs, SIZE, SIZE, 3, dtype=torch.uint8)
        for lane, text in enumerate(self.said):
            named = [turn for thing, turn in self.towards.items() if text and thing in text]
            if named:
                frames[lane, 0, 0] = torch.tensor([1, 128 + named[0], 0])
        return SimpleNamespace(frames=frames)


class Reader:
    """Reads what `Walker` wrote: a tenth of a metre ahead and degrees to the left."""

    def read(self, frames):
        moved = frames[:, 3:-1, 0, 0].astype(np.float32)
        is_written = moved[..., 2] == 0
        ahead = np.where(is_written, moved[..., 0] / 10, 0)
        turn = np.where((moved[..., 0] > 0) & is_written, moved[..., 1] - 128, 0)
        return np.stack([ahead, np.zeros_like(ahead), turn], axis=-1)


def test_a_way_straight_to_a_thing_ends_as_much_nearer_as_it_is_long():
    turned = np.zeros((2, 5, 3))
    turned[:, 0, 2] = 90, -90
    turned[:, 1:, 0] = 0.5
    near, degrees = approach(turned, np.array([90.0, 90.0]), np.array([3.0, 3.0]))
    assert near == pytest.approx([2, -2]) and degrees == pytest.approx([90, -90])
    aside = np.zeros((1, 4, 3))
    aside[..., 1] = 0.25  # a step to the left goes to what stands there, and turns nowhere
    near, degrees = approach(aside, np.array([90.0]), np.array([3.0]))
    assert near == pytest.approx([1]) and degrees == pytest.approx([0])


def test_only_a_thing_of_a_colour_that_is_alone_of_its_pair_and_neither_near_nor_far_is_a_goal():
    assert goals({"things": [KNOWN, NEW, PLAIN]}, WORLD, new=False) == [KNOWN]
    assert goals({"things": [KNOWN, NEW, PLAIN]}, WORLD, new=True) == [NEW]
    for distance in (0.5, 9.0):
        assert goals({"things": [NEW | {"distance": distance}]}, WORLD, new=True) == []
    assert goals({"things": [NEW, NEW]}, WORLD, new=True) == goals({}, WORLD, new=True) == []


def test_places_of_both_kinds_are_found_one_an_episode(dataset):
    walks = load_walks(dataset, 4, 4, SIZE, seed=0)
    assert walks["seen"].things == ["blue ball"] * 4
    assert walks["unseen"].things == ["purple box"] * 2
    assert walks["unseen"].clips.frames.shape == (2, 4, SIZE, SIZE, 3)
    assert walks["unseen"].clips.actions.shape == (2, 3)
    late = load_walks(dataset, 4, 8, SIZE, seed=0)
    assert late["unseen"] is None, "the context must lie within the episode"


def test_who_understands_known_pairs_only_is_told_from_who_understands_both(dataset):
    both = Walker({"blue ball": 3, "purple box": -4})
    found = measure_walks(both, Reader(), dataset, 4, 4)
    for kind, count in (("seen", 4), ("unseen", 2)):
        row = found[kind]
        assert row["count"] == row["aside"] == count
        assert row["said"]["metres"] > 0.7 and row["said"]["degrees"] > 20
        assert row["reworded"] == row["said"]
        assert row["silent"] == row["stay"] == {"metres": 0, "degrees": 0}
        assert row["nearer"] == row["closer_turn"] == 1
    known = measure_walks(Walker({"blue ball": 3}), Reader(), dataset, 4, 4)
    assert known["seen"]["nearer"] == 1 and known["unseen"]["nearer"] == 0
    away = measure_walks(Walker({"blue ball": -9}), Reader(), dataset, 4, 4)["seen"]
    assert away["said"]["degrees"] < -20 and away["closer_turn"] == 0
    text = summary({"worlds": {"toy": {"walks": found}}}, "toy")
    assert "seen pairs: +" in text and "nearer than that in 1.00 of 2" in text


def test_who_understands_words_of_training_only_is_found_out(dataset):
    class Parrot(Walker):
        def say(self, texts):
            known = {phrase.format(thing="blue ball") for phrase in TO_THING.seen}
            super().say([text if text in known else None for text in texts])

    row = measure_walks(Parrot({"blue ball": 3}), Reader(), dataset, 4, 4)["seen"]
    assert row["said"]["metres"] > 0.7 and row["reworded"]["metres"] == 0


def test_where_there_is_nothing_to_measure_it_says_why(dataset, tmp_path):
    assert "no poses" in measure_walks(Walker({}), None, dataset, 4, 4)["seen"]["why"]
    known = write(tmp_path / "known", WORLD, lambda *_: [KNOWN], 3)
    found = measure_walks(Walker({}), Reader(), known, 2, 4)
    assert found["seen"]["count"] == 2
    assert found["unseen"]["count"] == 0 and "does not know" in found["unseen"]["why"]
    nothing = write(tmp_path / "nothing", SPEC, lambda *_: [], 2)
    found = measure_walks(Walker({}), Reader(), nothing, 2, 4)
    assert "names no things" in found["unseen"]["why"]
    assert "walks" not in summary({"worlds": {"toy": {"walks": found}}}, "toy")


def test_a_real_simulator_can_be_sent_somewhere(tmp_path):
    spec = replace(TINY, things=["blue ball"])
    data = write(tmp_path / "d", spec, lambda *_: [KNOWN], 2)
    dreamer = Simulator(make_checkpoint(), num_envs=2, device="cpu", dtype=torch.float32)
    found = measure_walks(dreamer, Odometer(spec, 8), data, 2, 4, num_steps=4)
    assert found["seen"]["count"] == 2 and found["seen"]["said"]["metres"] == 0  # untrained: still
