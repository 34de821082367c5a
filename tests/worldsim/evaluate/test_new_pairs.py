from dataclasses import replace

import numpy as np
import pytest

from tests.worldsim.data.episodes import SIZE, SPEC, make_episode
from worldsim.data import Dataset, DatasetWriter
from worldsim.evaluate.new_pairs import load_strange, measure_new_pairs, new_pairs
from worldsim.evaluate.sights import load_sights
from worldsim.grammar import questions
from worldsim.grammar_words import QUESTIONS

WORLD = replace(SPEC, things=["red box", "blue ball", "torch"])
BALL = {"name": "ball", "colour": "blue", "bearing": 30, "distance": 3.6}
NEW = {"name": "box", "colour": "purple", "bearing": -2, "distance": 1.2}
FAR = NEW | {"distance": 9.0}
PLAIN = {"name": "imp", "colour": "", "bearing": 0, "distance": 1.0}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "d"
    with DatasetWriter(path, WORLD, SIZE) as writer:
        for seed in range(8):
            facts = [{"things": [BALL, NEW] if seed % 2 and k == 3 else [BALL]} for k in range(13)]
            writer.append(make_episode(12, seed, facts=facts))
    return Dataset(path)


class Reader:
    """Answers from the facts of the frame it is shown, or always the same."""

    size = SIZE

    def __init__(self, sights, always=""):
        self._of = {sight.before.tobytes(): sight.facts for sight in sights}
        self._always = always

    def ask(self, frames, asked):
        return [self._one(frame, text) for frame, text in zip(frames, asked, strict=True)]

    def _one(self, frame, text):
        facts = self._of[frame.tobytes()]
        for asked in questions(facts, ["purple box"]):
            gaps = {"thing": asked.thing, "name": asked.thing}
            if text in [phrase.format(**gaps) for phrase in QUESTIONS[asked.kind].seen]:
                assert "box" in text  # nothing else is asked after
                return self._always or asked.answer
        raise AssertionError(text)


def test_only_coloured_things_nearby_that_training_has_not_are_new():
    assert new_pairs({"things": [BALL, NEW, PLAIN]}, WORLD) == ["purple box"]
    assert new_pairs({"things": [FAR]}, WORLD) == new_pairs({"on_road": True}, WORLD) == []


def test_frames_with_new_pairs_are_found_one_an_episode(dataset):
    sights = load_strange(dataset, 16, SIZE, 0)
    assert len(sights) == 4 and all(NEW in sight.facts["things"] for sight in sights)
    assert len(load_strange(dataset, 3, SIZE, 0)) == 3


def test_a_world_that_names_no_things_has_no_new_ones(dataset, monkeypatch):
    monkeypatch.setattr(dataset, "spec", replace(WORLD, things=[]))
    assert load_strange(dataset, 16, SIZE, 0) == []


def test_who_looks_beats_who_always_says_the_same(dataset):
    strange, plain = load_strange(dataset, 16, SIZE, 0), load_sights(dataset, 8, SIZE, 0)
    knowing = measure_new_pairs(Reader([*strange, *plain]), WORLD, strange, plain)
    assert set(knowing["kinds"]) == {"is there", "where", "how far", "colour"}
    assert knowing["kinds"]["is there"] == {"model": 1.0, "blind": 0.5, "count": 8}
    assert knowing["model"] == 1.0 and knowing["frames"] == 4
    deaf = measure_new_pairs(Reader([*strange, *plain], "yes"), WORLD, strange, plain)
    assert deaf["kinds"]["is there"]["model"] == 0.5
    assert np.isclose(deaf["model"], 0.5 / 4)
