import numpy as np
import pytest
import torch

from agents.scores import UNSEEN, ByAnswer, ByLook, ByPicture, find_thing
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
