import numpy as np
import pytest

from worldsim.sequence import (
    IGNORE,
    PADDING,
    Example,
    Talk,
    Window,
    follow,
    pack,
    say,
    simulate,
    talk,
)
from worldsim.text import TextTokenizer

WORDS = ["forward", "turn left", "stay"]
SENTENCES = ["go on", "go on", "turn round"]


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer.train([*WORDS, *SENTENCES], 384)


@pytest.fixture
def window(tokenizer):
    return Window(
        latents=np.arange(4, dtype=np.float32)[:, None, None, None] * np.ones((4, 2, 3, 3)),
        actions=[tokenizer.encode(word) for word in WORDS],
        sentences=[tokenizer.encode(sentence) for sentence in SENTENCES],
        stretch=[0, 0, 1],
        answers=[tokenizer.reward_id(r) for r in (0.0, 0.0, 1.0)] + [tokenizer.reward_id(0, True)],
    )


def layout(example: Example, tokenizer) -> list[object]:
    """Write what happens in its order, asides left out: token ids, and F0, F1 … for frames."""
    words = zip(example.text_order, example.ids, example.text_branch, strict=True)
    units = [(order, token) for order, token, branch in words if not branch]
    frames = enumerate(example.frame_order)
    return [unit for _, unit in sorted(units + [(order, f"F{k}") for k, order in frames])]


def test_simulate_writes_frames_answers_and_actions_in_the_order_they_happen(window, tokenizer):
    end, (a, b, c), answers = tokenizer.frame_end, window.actions, window.answers
    example = simulate(window, tokenizer, 100, [True] * 3)
    assert layout(example, tokenizer) == [
        "F0", end, answers[0], *a, "F1", end, answers[1], *b,
        "F2", end, answers[2], *c, "F3", end, answers[3],
    ]  # fmt: skip
    assert example.frame_time == [0, 1, 2, 3]
    order = sorted(example.text_order + example.frame_order)
    assert order == list(range(len(order)))


def test_every_text_token_learns_what_comes_next(window, tokenizer):
    example = simulate(window, tokenizer, 100, [True] * 3, prompt=tokenizer.encode("go on"))
    units = layout(example, tokenizer)
    targets = iter(example.targets)
    for unit, following in zip(units, units[1:] + [IGNORE], strict=True):
        if not isinstance(unit, str):
            wanted = tokenizer.frame if isinstance(following, str) else following
            assert next(targets) == wanted


def test_a_step_s_text_counts_from_its_frame(window, tokenizer):
    example = simulate(window, tokenizer, 100, [True] * 3)
    for time in range(4):
        steps = np.array(example.text_time) == time
        assert list(np.array(example.text_index)[steps]) == list(range(steps.sum()))


def test_an_action_that_is_dropped_leaves_the_answer(window, tokenizer):
    example = simulate(window, tokenizer, 100, [True, False, True])
    end, (a, _, c), answers = tokenizer.frame_end, window.actions, window.answers
    wanted = [end, answers[0], *a, end, answers[1], end, answers[2], *c, end, answers[3]]
    assert example.ids == wanted
    assert len(example.frames) == 4


def test_a_sentence_is_said_once_at_the_beginning_of_its_stretch(window, tokenizer):
    end, answers, sentences = tokenizer.frame_end, window.answers, window.sentences
    assert layout(say(window, tokenizer, 100), tokenizer) == [
        "F0", end, answers[0], *sentences[0], "F1", end, answers[1],
        "F2", end, answers[2], *sentences[2], "F3", end, answers[3],
    ]  # fmt: skip


def test_an_instruction_stands_first_and_ends_with_its_stretch(window, tokenizer):
    end, (a, b, _), answers = tokenizer.frame_end, window.actions, window.answers
    assert layout(follow(window, tokenizer, 100), tokenizer) == [
        tokenizer.begin, *window.sentences[0],
        "F0", end, answers[0], *a, "F1", end, answers[1], *b, "F2", end, answers[2],
    ]  # fmt: skip


def test_a_talk_shows_frames_without_actions_and_only_what_is_said_is_learnt(window, tokenizer):
    asked, said = [tokenizer.mark("<infer>")], tokenizer.encode("turn left")
    example = talk(window, tokenizer, [Talk(asked, said, at=3), Talk(asked, said[:1], at=1)])
    mark, answers, end = tokenizer.frame_end, window.answers, tokenizer.mark("<end>")
    assert layout(example, tokenizer) == [
        "F0", mark, answers[0], "F1", mark, answers[1], "F2", mark, answers[2],
        "F3", mark, answers[3],
    ]  # fmt: skip
    branches = np.array(example.text_branch)
    for branch, words, step in ((1, said[:1], 1), (2, said, 3)):
        mine = np.flatnonzero(branches == branch)
        assert [example.ids[k] for k in mine] == [*asked, *words, end]
        assert [example.targets[k] for k in mine] == [*words, end, IGNORE]
        assert {example.text_time[k] for k in mine} == {step}
        assert [example.text_index[k] for k in mine] == list(range(2, 4 + len(words)))


def test_an_aside_leaves_no_trace_in_what_happens(window, tokenizer):
    asked, said = [tokenizer.mark("<infer>")], tokenizer.encode("turn left")
    plain = talk(window, tokenizer, [])
    example = talk(window, tokenizer, [Talk(asked, said, at=k) for k in (0, 0, 2)])
    trunk = np.array(example.text_branch) == 0
    for name in ("ids", "targets", "text_time", "text_index"):
        assert np.array(getattr(example, name))[trunk].tolist() == getattr(plain, name)
    assert layout(example, tokenizer) == layout(plain, tokenizer)


def test_a_prompt_stands_before_the_first_frame(window, tokenizer):
    prompt = tokenizer.encode("turn round")
    example = simulate(window, tokenizer, 100, [True] * 3, prompt)
    assert layout(example, tokenizer)[: len(prompt) + 2] == [tokenizer.begin, *prompt, "F0"]
    assert example.targets[len(prompt)] == tokenizer.frame


def test_text_that_would_overflow_ends_the_example_early_at_a_whole_step(window, tokenizer):
    whole = simulate(window, tokenizer, 100, [True] * 3)
    for room in range(2, len(whole.ids) + 1):
        example = simulate(window, tokenizer, room, [True] * 3)
        assert len(example.ids) <= room
        assert example.ids[:-2] == whole.ids[: len(example.ids) - 2]
        assert example.ids[-1] == window.answers[len(example.frames) - 1]
    assert len(example.frames) == 4
    assert len(simulate(window, tokenizer, 2, [True] * 3).frames) == 1


def test_packing_keeps_every_example_whole_and_apart(window, tokenizer):
    short = simulate(window, tokenizer, 10, [True] * 3)
    examples = [simulate(window, tokenizer, 100, [True] * 3), short, say(window, tokenizer, 100)]
    examples.append(talk(window, tokenizer, [Talk([tokenizer.mark("<pose>")], [300], at=1)]))
    rows, placed = pack(examples, 3, 60, 8, tokenizer.pad)
    assert placed == 4
    for doc, example in enumerate(examples):
        (row,) = set(np.nonzero(rows.frame_doc == doc)[0]) | set(
            np.nonzero(rows.text_doc == doc)[0]
        )
        text, frames = rows.text_doc[row] == doc, rows.frame_doc[row] == doc
        assert rows.text_ids[row, text].tolist() == example.ids
        assert rows.text_targets[row, text].tolist() == example.targets
        assert rows.text_order[row, text].tolist() == example.text_order
        assert rows.text_branch[row, text].tolist() == example.text_branch
        assert rows.frame_order[row, frames].tolist() == example.frame_order
        assert np.array_equal(rows.latents[row, frames], np.stack(example.frames))
    empty = rows.text_doc == PADDING
    assert (rows.text_ids[empty] == tokenizer.pad).all()
    assert (rows.text_targets[empty] == IGNORE).all()
    assert not rows.latents[rows.frame_doc == PADDING].any()


def test_what_does_not_fit_is_left_over_and_what_comes_later_may_still_fit(window, tokenizer):
    long, short = (
        simulate(window, tokenizer, 100, [True] * 3),
        simulate(window, tokenizer, 2, [True] * 3),
    )
    rows, placed = pack([long, long, short], 1, 100, 5, tokenizer.pad)
    assert placed == 2
    assert sorted(set(rows.frame_doc.ravel())) == [0, 2]
