from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from agents.scripted import RandomActions, RandomHold, Script, Slipping, Stay
from tests.fakes import FAKE_SPEC
from worldsim.errors import WorldsimError

FRAME = np.zeros((64, 64, 3), np.uint8)


def act(agent, steps: int) -> list[str]:
    agent.reset()
    return [FAKE_SPEC.action_text(agent.act(FRAME, {})) for _ in range(steps)]


def test_stay_does_nothing() -> None:
    assert set(act(Stay(), 5)) == {"stay"}


@pytest.mark.parametrize("kind", [RandomHold, RandomActions])
def test_same_seed_same_actions_other_seed_other_actions(kind) -> None:
    assert act(kind(FAKE_SPEC, 3), 100) == act(kind(FAKE_SPEC, 3), 100)
    assert act(kind(FAKE_SPEC, 3), 100) != act(kind(FAKE_SPEC, 4), 100)


def test_held_keys_go_mostly_forward_and_turn_both_ways_in_bursts() -> None:
    actions = act(RandomHold(FAKE_SPEC, 0), 2000)
    counts = Counter(word for action in actions for word in FAKE_SPEC.elements if word in action)
    assert counts["forward"] > 1000
    assert min(counts["turn left"], counts["turn right"]) > 100
    changes = sum(a != b for a, b in zip(actions, actions[1:], strict=False))
    assert changes < 400


def test_held_actions_that_are_given_are_all_held_and_no_other() -> None:
    given = [FAKE_SPEC.action_index(words) for words in ("stay", "strafe left", "strafe right")]
    actions = act(RandomHold(FAKE_SPEC, 0, given), 400)
    assert set(actions) == {"stay", "strafe left", "strafe right"}
    assert sum(a != b for a, b in zip(actions, actions[1:], strict=False)) < 100


@pytest.mark.parametrize(("skip", "longest"), [(1, 32), (4, 8)])
def test_who_slips_does_so_for_a_while_and_as_often_as_said(skip, longest) -> None:
    agent = Slipping(Stay(0), Stay(1), 0.25, seed=3, skip=skip)
    actions = np.array([agent.act(FRAME, {}) for _ in range(8000)])
    assert 0.2 < actions.mean() < 0.3
    ends = np.flatnonzero(np.diff(actions)) + 1
    assert np.diff(ends).min() >= longest / 4, "stretches, not single steps"
    again = Slipping(Stay(0), Stay(1), 0.25, seed=3, skip=skip)
    assert actions.tolist() == [again.act(FRAME, {}) for _ in range(8000)]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_who_never_slips_or_always_is_one_of_both(share) -> None:
    agent = Slipping(Stay(0), Stay(1), share)
    assert {agent.act(FRAME, {}) for _ in range(200)} == {int(share)}


def test_a_script_is_words_or_keys_and_then_nothing() -> None:
    expected = ["forward"] * 2 + ["turn left"] + ["forward strafe left"] * 2 + ["stay"] * 2
    assert act(Script("forward*2 turn left*1 w+q*2", FAKE_SPEC), 7) == expected
    assert act(Script("w * 2, a*1, forward strafe left*2", FAKE_SPEC), 7) == expected


@pytest.mark.parametrize("text", ["", "forward", "forward*", "forward*2 turn left", "*3", "w*x"])
def test_a_broken_script_says_how_to_write_one(text: str) -> None:
    with pytest.raises((ValueError, WorldsimError), match="forward"):
        Script(text, FAKE_SPEC)


def test_an_unknown_word_in_a_script_is_named() -> None:
    with pytest.raises(WorldsimError, match="jump"):
        Script("jump*3", FAKE_SPEC)
