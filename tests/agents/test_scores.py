import numpy as np
import pytest
import torch

from agents.scores import UNSEEN, ByAnswer, ByLook, ByPicture, check_thing, find_thing
from worldsim.errors import WorldsimError

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
NONE = np.zeros((1, 3))


class Sight:
    """Perceives the picture itself; its distance is the squared difference."""

    def features(self, images):
        return [images]

    def between(self, a, b):
        return (a[0] - b[0]).square().mean(dim=(1, 2, 3))


class Answers:
    """Sees the red box in the first two of three pictures."""

    def ask(self, frames, questions):
        assert len(frames) == len(questions) and "the red box" in questions[0]
        if questions[0].startswith("how far"):
            return ["3 metres", "1 metre", "none in sight"]
        return ["ahead", "left", "none in sight"]


@pytest.mark.parametrize("kind", [ByPicture, lambda goal: ByLook(goal, Sight())])
def test_the_picture_itself_is_nearest(kind):
    scores = kind(FRAMES[1])(FRAMES, NONE, NONE > 0)
    assert scores.argmax() == 1 and scores[1] == pytest.approx(0) and (scores[[0, 2]] < 0).all()


@pytest.mark.parametrize("kind", [ByPicture, lambda goal: ByLook(goal, Sight())])
def test_a_picture_of_another_size_is_named(kind):
    with pytest.raises(WorldsimError, match="resize it"):
        kind(FRAMES[0, :32, :32])(FRAMES, NONE, NONE > 0)


def test_what_is_near_and_ahead_is_good_and_what_is_out_of_sight_is_not():
    assert ByAnswer(Answers(), "red box")(FRAMES, NONE, NONE > 0).tolist() == [-3, -2, UNSEEN]


class Blind(Answers):
    """Sees no red box anywhere."""

    def ask(self, frames, questions):
        return ["none in sight"] * len(frames)


def test_what_is_seen_at_the_end_of_no_way_is_said_once(capsys):
    score = ByAnswer(Blind(), "red box")
    for _ in range(3):
        assert (score(FRAMES, NONE, NONE > 0) == UNSEEN).all()
    assert capsys.readouterr().out.count("saw no red box at the end of any of 3 dreamed ways") == 1
    ByAnswer(Answers(), "red box")(FRAMES, NONE, NONE > 0)
    assert not capsys.readouterr().out, "it is seen at the end of some"


@pytest.mark.parametrize("said", ["walk to the moon", "Go and find the moon!", "approach the dog."])
def test_who_is_sent_to_what_is_not_in_the_world_is_told_what_there_is(said):
    with pytest.raises(WorldsimError, match="names nothing that there is.*red box, duck"):
        check_thing(said, ["red box", "duck"])


@pytest.mark.parametrize(
    "said",
    ["walk to the duck", "find the green box", "go on", "turn left", "go to the left", "wander on",
     "walk to the end of the corridor", "look at the moon"],
)  # fmt: skip
def test_things_that_there_are_new_colours_and_free_sentences_pass(said):
    check_thing(said, ["red box", "duck"])


def test_where_no_things_are_known_none_is_missed():
    check_thing("walk to the moon", [])


def test_the_longest_thing_that_a_sentence_names_is_meant():
    assert find_thing("Reach the red box!", ["box", "red box", "duck"]) == "red box"
    with pytest.raises(WorldsimError, match="'go to the moon' names nothing.*box, duck"):
        find_thing("go to the moon", ["box", "duck"])


def test_frames_become_images_in_range():
    seen = []

    class Watching(Sight):
        def features(self, images):
            seen.append(images)
            return [images]

    ByLook(FRAMES[0], Watching())(FRAMES, NONE, NONE > 0)
    assert all(isinstance(x, torch.Tensor) and x.min() >= -1 and x.max() <= 1 for x in seen)
