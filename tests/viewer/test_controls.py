from __future__ import annotations

from tests.fakes import FAKE_SPEC
from viewer.controls import HeldKeys
from viewer.textline import MAX_LETTERS, TextLine


def held(*keys: str) -> HeldKeys:
    controls = HeldKeys(FAKE_SPEC.keys)
    for key in keys:
        controls.press(key)
    return controls


def action(controls: HeldKeys) -> str:
    return FAKE_SPEC.action_text(controls.take(FAKE_SPEC))


def test_keys_held_together_become_one_action() -> None:
    assert action(held("w", "left")) == "forward turn left"
    assert action(held("e", "up")) == "forward strafe right"


def test_opposite_keys_cancel_and_no_key_stays() -> None:
    assert action(held("w", "s", "a")) == "turn left"
    assert action(held()) == "stay"


def test_two_keys_of_one_word_hold_until_both_are_released() -> None:
    controls = held("w", "up")
    action(controls)
    controls.release("w")
    assert action(controls) == "forward"
    controls.release("up")
    assert action(controls) == "stay"


def test_a_tap_between_two_steps_counts_once() -> None:
    controls = held("a")
    controls.release("a")
    assert action(controls) == "turn left"
    assert action(controls) == "stay"


def test_a_tap_does_not_cancel_the_opposite_key_held_now() -> None:
    controls = held("a")
    controls.release("a")
    controls.press("d")
    assert action(controls) == "turn right"


def test_a_tap_joins_what_is_held() -> None:
    controls = held("w")
    action(controls)
    controls.press("a")
    controls.release("a")
    assert action(controls) == "forward turn left"


def test_clearing_lets_go_of_everything() -> None:
    controls = held("w", "a")
    controls.clear()
    assert action(controls) == "stay"
    assert not controls.held


def test_a_key_of_no_meaning_is_refused_and_worlds_bind_their_own() -> None:
    controls = HeldKeys()
    assert not controls.press("w")
    controls.bind(FAKE_SPEC.keys)
    assert controls.press("w")
    assert not controls.press("r")
    assert controls.words == {"forward"}


def test_a_key_held_while_the_world_opens_acts_once_it_is_open() -> None:
    controls = HeldKeys()
    controls.press("w")
    controls.press("r")
    controls.bind(FAKE_SPEC.keys)
    assert controls.held == {"w"}
    assert action(controls) == "forward"


def test_a_line_is_typed_corrected_said_and_recalled() -> None:
    line = TextLine()
    line.open()
    line.insert("turn lefft")
    for _ in range(3):
        line.backspace()
    line.insert("ft ")
    assert line.submit() == "turn left"
    assert not line.is_open
    line.open()
    line.recall(1)
    assert line.text == "turn left"
    line.recall(-1)
    assert line.text == ""


def test_a_cancelled_line_is_forgotten_and_a_long_one_is_cut() -> None:
    line = TextLine()
    line.open()
    line.insert("a" * (MAX_LETTERS + 50) + "\n")
    assert len(line.text) == MAX_LETTERS
    line.cancel()
    line.open()
    line.recall(1)
    assert line.text == ""
