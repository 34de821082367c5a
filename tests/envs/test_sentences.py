import gymnasium as gym
import numpy as np
import pytest

from envs.sentences import SentenceActions, understand
from tests.agents.toy import Colours
from tests.fakes import FakeDream
from tests.worldsim.tiny import SPEC
from worldsim.errors import WorldsimError


class Real(Colours):
    """The coloured world with phrases; writes down what is done."""

    def __init__(self, steps=12):
        super().__init__(steps=steps)
        self.spec_world, self.done = SPEC, []

    def step(self, action):
        self.done.append(int(action))
        return super().step(action)


def said(sentence):
    return SPEC.action_text(understand(sentence, SPEC))


@pytest.mark.parametrize(
    ("sentence", "action"),
    [
        ("turn left", "turn left"),
        ("Rotate left.", "turn left"),
        ("for 3 steps: rotate left", "turn left"),
        ("forward turn left, the next 12 steps", "forward turn left"),
        ("turn left forward", "forward turn left"),
        ("stay", "stay"),
    ],
)
def test_phrases_and_words_of_actions_are_understood(sentence, action):
    assert said(sentence) == action


@pytest.mark.parametrize("sentence", ["sing a song", "turn left or right", "7 steps", "rotate"])
def test_what_means_nothing_is_said_with_what_does(sentence):
    with pytest.raises(WorldsimError, match=f"'{sentence}': say such as turn left, or combine"):
        understand(sentence, SPEC)


def test_a_real_world_does_what_is_said_for_as_long_as_is_said():
    env = SentenceActions(Real(), steps=2)
    env.reset(seed=0)
    _, _, over, cut, info = env.step("rotate left")
    assert env.unwrapped.done == [SPEC.action_index("turn left")] * 2
    assert info["steps"] == 2 and info["frames"].shape == (2, 36, 36, 3) and not (over or cut)
    frame, reward, over, _, info = env.step("forward for 20 steps")
    assert info["steps"] == 10 and over and np.array_equal(info["frames"][-1], frame)
    assert reward == 0 and len(env.unwrapped.done) == 12, "over means over"


def test_what_is_not_understood_is_not_done():
    env = SentenceActions(Real())
    env.reset(seed=0)
    for sentence in ("sing", "", "  ", 3):
        with pytest.raises(WorldsimError, match="understand|no sentence"):
            env.step(sentence)
    assert env.unwrapped.done == []


def test_a_dream_hears_the_sentence_itself(monkeypatch):
    heard = []
    monkeypatch.setattr(FakeDream, "say", lambda self, text: heard.append(text), raising=False)
    env = SentenceActions(gym.wrappers.TimeLimit(FakeDream(), 5), steps=3)
    env.reset(seed=0)
    assert env.step("dance with me ")[4]["steps"] == 3 and heard == ["dance with me"]
    *_, cut, info = env.step("go on")
    assert cut and info["steps"] == 2


def test_sentences_are_an_action_space_of_their_own():
    space = SentenceActions(Real()).action_space
    assert isinstance(space, gym.spaces.Text) and "turn left, for 5 steps" in space
    with pytest.raises(WorldsimError, match="steps 0 is out of range"):
        SentenceActions(Real(), steps=0)
