from dataclasses import replace

import numpy as np
import pytest

from tests.worldsim.data.episodes import SIZE, SPEC, make_episode
from worldsim.data import Dataset, DatasetWriter
from worldsim.data.episode import DEPTH_SIDE
from worldsim.evaluate.reading import measure_reading
from worldsim.evaluate.sights import load_sights, sight_at
from worldsim.evaluate.summary import summary
from worldsim.grammar import describe, questions, words
from worldsim.grammar_words import ABSENT, QUESTIONS
from worldsim.pose_text import tell_motion

THINGS = [
    {"name": "box", "colour": "red", "bearing": 2, "distance": 1.2},
    {"name": "ball", "colour": "blue", "bearing": 30, "distance": 3.6},
]


@pytest.fixture(scope="module")
def sights(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("reading") / "d", np.random.default_rng(0)
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed in range(6):
            depth = rng.integers(40, 900, (13, DEPTH_SIDE, DEPTH_SIDE)).astype(np.uint16)
            facts = [{"things": THINGS[: (seed + k) % 3]} for k in range(13)]
            writer.append(make_episode(12, seed, facts=facts, depth=depth))
    return load_sights(Dataset(path), 12, SIZE, 0)


class Knowing:
    """A reader that looks the answers up; `deaf` to phrasings it has not seen."""

    size = SIZE

    def __init__(self, sights, deaf=False):
        self._of = {sight.before.tobytes(): sight for sight in sights}
        self.deaf = deaf

    def infer_action(self, befores, afters, world, earlier=None, later=None):
        return [self._of[before.tobytes()].action for before in befores]

    def describe(self, frames):
        things = [self._of[frame.tobytes()].facts["things"] for frame in frames]
        return [
            "you see " + " and ".join(f"a {words(thing)} ahead" for thing in seen)
            if seen
            else "only walls"
            for seen in things
        ]

    def ask(self, frames, asked, befores=None):
        if befores is not None:
            return [tell_motion(*self._of[frame.tobytes()].motion) for frame in befores]
        return [self._answer(frame, text) for frame, text in zip(frames, asked, strict=True)]

    def _answer(self, frame, question):
        facts = self._of[frame.tobytes()].facts
        for asked in questions(facts, ["cone", "tree"]):
            phrases = QUESTIONS[asked.kind]
            known = phrases.seen if self.deaf else (*phrases.seen, *phrases.unseen)
            gaps = {"thing": asked.thing, "name": asked.thing}
            if question in [phrase.format(**gaps) for phrase in known]:
                return asked.answer
        if any(question.startswith(begin) for begin in ("is", "do", "can")):
            return "no"  # of what is not there
        return ABSENT

    def pose(self, befores, afters):
        return [self._of[before.tobytes()].motion for before in befores]

    def depth(self, frames):
        depths = np.stack([self._of[frame.tobytes()].depth for frame in frames])
        return depths.reshape(-1, 8, 2, 8, 2).mean((2, 4)) / 100


class Blind(Knowing):
    """Says the same of every frame."""

    def infer_action(self, befores, afters, world, earlier=None, later=None):
        return ["stay"] * len(befores)

    def describe(self, frames):
        return ["there is a green cone ahead"] * len(frames)

    def ask(self, frames, asked, befores=None):
        return ["nothing"] * len(frames)

    def pose(self, befores, afters):
        return [None] * len(befores)

    def depth(self, frames):
        return np.full((len(frames), 8, 8), 2.0)


def measure(reader, sights):
    return measure_reading(reader, SPEC, sights)


def test_who_knows_the_truth_gets_full_marks_and_beats_who_never_looks(sights):
    found = measure(Knowing(sights), sights)
    assert found["infer"]["model"] == found["infer"]["pair"] == 1 > found["infer"]["blind"]
    assert found["ask"]["seen"] == found["ask"]["unseen"] == 1 > found["ask"]["blind"]
    captions = found["describe"]
    assert captions["precision"] == captions["recall"] == captions["exact"] == 1
    assert captions["blind"]["recall"] < 1 and 0 < captions["blind"]["exact"] < 1
    assert found["depth"]["model"] == {"abs_rel": pytest.approx(0), "delta_1.25": 1}
    assert found["depth"]["blind"]["abs_rel"] > 0.1
    assert found["pose"]["model"] == {"metres": 0, "degrees": 0}
    assert found["pose"]["blind"]["metres"] > 0.1


def test_actions_are_asked_with_the_frames_around_them_and_of_two_frames_alone(sights):
    class Watching(Knowing):
        """Tells what was done from the frames around alone."""

        def infer_action(self, befores, afters, world, earlier=None, later=None):
            if earlier is None and later is None:
                return [""] * len(befores)
            mine = [self._of[before.tobytes()] for before in befores]
            for sight, before, after in zip(mine, earlier, later, strict=True):
                assert np.array_equal(before, sight.earlier)
                assert np.array_equal(after, sight.later)
            return [sight.action for sight in mine]

    found = measure(Watching(sights), sights)["infer"]
    assert found["pair"] == 0 and found["model"] == 1


def test_a_sight_holds_the_frames_around_it_as_far_as_there_are_any(tmp_path):
    with DatasetWriter(tmp_path, SPEC, SIZE) as writer:
        writer.append(make_episode(6))
    dataset = Dataset(tmp_path)
    frames = dataset.load(0).frames
    for at, before, after in ((0, 0, 1), (1, 1, 1), (3, 2, 1), (5, 2, 0)):
        sight = sight_at(dataset.load(0), at, SPEC, SIZE)
        assert np.array_equal(sight.before, frames[at])
        assert np.array_equal(sight.after, frames[at + 1])
        assert (len(sight.earlier), len(sight.later)) == (before, after)
        if before:
            assert np.array_equal(sight.earlier, frames[at - before : at])
        if after:
            assert np.array_equal(sight.later, frames[at + 2 : at + 3])


def test_what_moved_and_what_is_not_there_are_asked_too(sights):
    found = measure(Knowing(sights), sights)
    assert found["moved"]["seen"] == found["moved"]["unseen"] == 1 > found["moved"]["blind"]
    assert "in_vain" not in found  # a world that names no things
    spec = replace(SPEC, things=["red box", "blue ball", "green cone"])
    vain = measure_reading(Knowing(sights), spec, sights)["in_vain"]
    assert vain["seen"] == vain["unseen"] == 1 and vain["mistaken"] == 0 and vain["count"] > 3
    blind = measure_reading(Blind(sights), spec, sights)
    assert blind["moved"]["seen"] == blind["in_vain"]["seen"] == blind["in_vain"]["mistaken"] == 0


def test_who_never_looks_is_no_better_than_blind(sights):
    found = measure(Blind(sights), sights)
    assert found["infer"]["model"] <= found["infer"]["blind"]
    assert found["ask"]["seen"] <= found["ask"]["blind"]
    assert found["describe"]["precision"] == found["describe"]["recall"] == 0
    assert found["describe"]["exact"] == 0 < found["describe"]["blind"]["exact"]
    assert found["pose"]["model"] == found["pose"]["blind"]
    assert found["depth"]["model"]["delta_1.25"] < 0.5


CAR = {"on_road": True, "speed": 80.0, "top_speed": 100.0, "bend": 0.0}


def test_a_caption_of_a_drive_is_right_only_with_speed_road_and_bend(tmp_path):
    with DatasetWriter(tmp_path / "d", SPEC, SIZE) as writer:
        for seed in range(4):
            facts = [CAR | {"bend": 50.0 * (seed == 3)}] * 13
            writer.append(make_episode(12, seed, facts=facts))
    drives = load_sights(Dataset(tmp_path / "d"), 4, SIZE, 0)

    class Driver(Blind):
        def describe(self, frames):
            facts = [self._of[frame.tobytes()].facts for frame in frames]
            return [describe(known, np.random.default_rng(0)) for known in facts]

    found = measure(Driver(drives), drives)["describe"]
    assert found == {"exact": 1, "blind": {"exact": 0.75}, "count": 4}
    assert measure(Blind(drives), drives)["describe"]["exact"] == 0


def test_unseen_phrasings_are_counted_apart(sights):
    found = measure(Knowing(sights, deaf=True), sights)
    assert found["ask"]["seen"] == 1 and found["ask"]["unseen"] < 0.6


def test_what_the_data_does_not_know_is_left_out(tmp_path):
    with DatasetWriter(tmp_path, SPEC, SIZE) as writer:
        writer.append(make_episode(12, pose=None))
    sights = load_sights(Dataset(tmp_path), 3, SIZE, 0)
    assert measure(Blind(sights), sights).keys() == {"infer"}


def test_the_summary_says_it_all(sights):
    text = summary({"worlds": {"toy": {"reading": measure(Knowing(sights), sights)}}}, "toy")
    for name in (
        "infer: 1.000 of the actions (of two frames alone 1.000",
        "ask: 1.000",
        "describe: precision 1.000",
        "depth: abs",
        "pose:",
    ):
        assert name in text
