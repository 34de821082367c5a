from dataclasses import replace

import numpy as np
import pytest

from agents.native import Follow
from tests.worldsim.tiny import SPEC, make_checkpoint
from worldsim.errors import WorldsimError
from worldsim.reader import Reader

KEYS = ["stay", "turn left", "turn right"]


@pytest.fixture(scope="module")
def reader():
    return Reader(make_checkpoint())


def frames(count, size=32):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def test_it_does_what_the_model_says_after_what_was_seen_and_done(reader, monkeypatch):
    shown, act = [], reader.act

    def watched(instruction, seen, done, world, among):
        shown.append((instruction, len(seen), list(done), world))
        return act(instruction, seen, done, world, among)

    monkeypatch.setattr(reader, "act", watched)
    agent = Follow(reader, "walk to the green torch", "doom", KEYS)
    for episode in range(2):
        agent.reset()
        done = [SPEC.action_text(agent.act(frame, {})) for frame in frames(9)]
        assert set(done) <= set(KEYS)
        asked = shown[9 * episode :]
        assert [seen for _, seen, _, _ in asked] == [1, 2, 3, 4, 5, 6, 6, 6, 6], "its window"
        assert asked[8] == ("walk to the green torch", 6, done[3:8], "doom")


def test_the_same_frames_give_the_same_actions(reader):
    def film():
        agent = Follow(reader, "walk to the green torch", "doom", list(SPEC.actions))
        agent.reset()
        return [agent.act(frame, {}) for frame in frames(6)]

    assert film() == film()


@pytest.mark.parametrize(
    ("instruction", "world", "message"),
    [("", "doom", "empty"), ("go on", "moon", "no world 'moon': use one of doom")],
)
def test_what_cannot_be_followed_is_said_at_once(reader, instruction, world, message):
    with pytest.raises(WorldsimError, match=message):
        Follow(reader, instruction, world, KEYS)


def test_a_picture_of_another_size_is_named(reader):
    agent = Follow(reader, "go on", "doom", KEYS)
    agent.reset()
    with pytest.raises(WorldsimError, match="resize"):
        agent.act(frames(1, size=40)[0], {})


def with_things(things):
    checkpoint = make_checkpoint()
    return Reader(replace(checkpoint, worlds={"doom": replace(SPEC, things=things)}))


def test_it_is_not_sent_to_what_is_not_in_the_world():
    known = with_things(["green torch", "red key"])
    with pytest.raises(WorldsimError, match="'walk to the moon' names nothing.*green torch"):
        Follow(known, "walk to the moon", "doom", KEYS)
    for said in ("walk to the green torch", "go on"):
        Follow(known, said, "doom", KEYS)


def test_a_model_of_the_same_words_in_another_order_is_refused(reader):
    swapped = replace(SPEC, actions=("stay", *SPEC.actions[:0:-1]))
    with pytest.raises(WorldsimError, match="the world it acts in has action 1"):
        Follow(reader, "go on", "doom", KEYS, acts_in=swapped)
    slower = replace(SPEC, steps_per_second=SPEC.steps_per_second / 4, skip=4)
    Follow(reader, "go on", "doom", KEYS, acts_in=slower)
