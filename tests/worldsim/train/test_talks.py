import json

import numpy as np
import pytest
import torch

from tests.worldsim.train.played import make_batches, same
from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.data.episode import DEPTH_SIDE
from worldsim.deed import BEFORE
from worldsim.errors import WorldsimError
from worldsim.grammar_words import QUESTIONS
from worldsim.hindsight import GRID
from worldsim.pose_text import write_motion
from worldsim.sequence import PADDING, talk
from worldsim.text import DEPTHS, TALK, TextTokenizer
from worldsim.train.latents import Track
from worldsim.train.talks import PARTS_ASKED, SHARES, Talks, depth_words

BOX = {"name": "box", "colour": "red", "bearing": 2, "distance": 2.0}
LATENTS = np.arange(6, dtype=np.float16)[:, None, None, None] * np.ones((1, 2, 2, 2))


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer.train(["forward", "what is ahead", "red box", "you see", "+0.25"] * 4, 500)


@pytest.fixture
def track(tokenizer):
    rng = np.random.default_rng(0)
    return Track(
        start=0,
        actions=[tokenizer.encode("forward")] * 5,
        sentences=[[]] * 5,
        stretch=[0] * 5,
        answers=[tokenizer.reward_id(0.0)] * 6,
        world="rooms",
        metres=0.5,
        pose=np.cumsum(rng.normal(size=(6, 3)), axis=0).astype(np.float32),
        facts=[json.dumps({"things": [BOX] * k}) for k in range(6)],
        depth=rng.integers(50, 900, (6, DEPTH_SIDE, DEPTH_SIDE)).astype(np.uint16),
    )


def one(talks, mark, track, first):
    """Return an example that asks this kind of thing, and the branch in which it does."""
    examples = (talks(track, first, np.random.default_rng(seed)) for seed in range(50))
    found = next(x for x in examples if talks.tokenizer.mark(mark) in x.ids)
    return found, found.text_branch[found.ids.index(talks.tokenizer.mark(mark))]


def learnt(example, branch):
    """What is to be said: the tokens that something in a branch has to expect."""
    return [
        token
        for token, of in zip(example.targets, example.text_branch, strict=True)
        if of == branch and token >= 0
    ]


def said(example, branch, tokenizer):
    return tokenizer.decode(learnt(example, branch))


def test_an_action_is_asked_after_two_frames_without_it(tokenizer, track):
    example, branch = one(Talks(LATENTS, tokenizer, {}), "<infer>", track, 2)
    assert [frame[0, 0, 0] for frame in example.frames] == [2, 3]
    assert said(example, branch, tokenizer) == "forward"
    assert example.ids.count(track.actions[2][0]) == 1  # said once, seen by nothing else
    assert {t for t, b in zip(example.text_time, example.text_branch, strict=True)
            if b == branch} == {1}  # fmt: skip


def test_the_motion_is_in_metres(tokenizer, track):
    track.pose[1] = track.pose[0] + [0, 0, 0]
    example, branch = one(Talks(LATENTS, tokenizer, {}), "<pose>", track, 0)
    assert said(example, branch, tokenizer) == write_motion(0, 0, 0)


def test_captions_and_answers_are_true_of_the_frame_shown(tokenizer, track):
    talks, rng = Talks(LATENTS, tokenizer, {"rooms": ["red box", "cone"]}), np.random.default_rng(0)
    for _ in range(20):
        assert "red box" in tokenizer.decode(talks._describe(track, 1, rng).said)
        assert "box" not in tokenizer.decode(talks._describe(track, 0, rng).said)
    answers = {tokenizer.decode(talks._ask(track, 1, rng).said) for _ in range(100)}
    assert answers == {"red box", "nothing", "yes", "no", "ahead", "2 metres", "red", "1"}


def test_the_question_is_not_for_the_model_to_guess(tokenizer, track):
    example, branch = one(Talks(LATENTS, tokenizer, {}), "<ask>", track, 1)
    mine = [t for t, b in zip(example.ids, example.text_branch, strict=True) if b == branch]
    answer = mine[mine.index(tokenizer.mark("<answer>")) + 1 :]
    assert learnt(example, branch) == answer and answer[-1] == tokenizer.mark("<end>")
    assert len(mine) > len(answer) + 3


def test_depth_is_asked_of_parts_each_by_itself_in_distances_a_fifth_apart(tokenizer, track):
    example, _ = one(Talks(LATENTS, tokenizer, {}), "<depth>", track, 3)
    words, mark = depth_words(track.depth[3]).flatten(), tokenizer.mark("<depth>")
    asked = [k for k, token in enumerate(example.ids) if token == mark]
    places = [example.text_index[k] - PARTS for k in asked]
    assert len(set(places)) == PARTS_ASKED and set(places) <= set(range(PARTS_SIDE**2))
    assert [tokenizer.depth_ids.index(example.targets[k]) for k in asked] == words[places].tolist()
    branches = [example.text_branch[k] for k in asked]
    assert all(example.text_branch.count(branch) == 1 for branch in branches)  # none sees another
    part = track.depth[3].reshape(PARTS_SIDE, 2, PARTS_SIDE, 2).mean((1, 3)) / 100
    ratio = np.array(DEPTHS)[depth_words(track.depth[3])] / part
    assert (np.maximum(ratio, 1 / ratio) < 1.11).all()


def test_a_caption_comes_before_the_frame_that_it_describes(tokenizer, track):
    talks, rng = Talks(LATENTS, tokenizer, {}), np.random.default_rng(0)
    example = talks.imagine(track, 2, rng)
    assert [frame[0, 0, 0] for frame in example.frames] == [2]
    before = [t for t, order in zip(example.ids, example.text_order, strict=True)
              if order < example.frame_order[0]]  # fmt: skip
    assert "red box" in tokenizer.decode(before) and before[0] == tokenizer.begin
    track.facts = None
    assert talks.imagine(track, 2, rng) is None


def test_what_the_data_does_not_say_is_not_asked(tokenizer, track):
    track.pose = track.facts = track.depth = None
    talks, rng = Talks(LATENTS, tokenizer, {}), np.random.default_rng(0)
    unknown = (talks._describe, talks._ask, talks._pose, talks._depth, talks._moved, talks._nothing)
    for kind in unknown:
        assert kind(track, 1, rng) is None
    assert set(talks(track, 1, rng).text_branch) == {0, 1}  # the action


def test_what_is_asked_of_one_frame_is_asked_before_the_next_is_seen(tokenizer, track):
    talks = Talks(LATENTS, tokenizer, {}, SHARES | {"moved": 0})
    rng = np.random.default_rng(0)
    after_two = {tokenizer.mark("<infer>"), tokenizer.mark("<pose>")}
    for first in range(5):
        example = talks(track, first, rng)
        for token, time in zip(example.ids, example.text_time, strict=True):
            if token in {tokenizer.mark(name) for name in TALK[:5]}:
                assert time == int(token in after_two)


def test_every_kind_is_asked(tokenizer, track):
    talks, rng = Talks(LATENTS, tokenizer, {}), np.random.default_rng(0)
    marks = {tokenizer.mark(name) for name in TALK if name not in ("<answer>", "<end>")}
    seen = set()
    for _ in range(60):
        seen |= set(talks(track, int(rng.integers(5)), rng).ids) & marks
    assert seen == marks


def asked_as_before_there_were_shares(talks, track, first, rng):
    """Ask the kinds of the mixture without shares, in its order and with its luck."""
    kinds = [talks._describe, talks._ask, talks._ask]
    if rng.random() < 0.25:
        kinds.append(talks._depth)
    found = [kind(track, first, rng) for kind in kinds]
    found += [kind(track, first + 1, rng) for kind in (talks._infer, talks._pose)]
    return talk(track.window(LATENTS, first, 1), talks.tokenizer, [x for x in found if x])


def test_without_the_two_new_kinds_the_default_mixture_is_to_the_token_what_it_was(
    tokenizer, track
):
    new = {"moved": 0, "nothing": 0}
    talks = Talks(LATENTS, tokenizer, {"rooms": ["red box", "blue cone"]}, SHARES | new)
    ours, old = np.random.default_rng(3), np.random.default_rng(3)
    for k in range(60):
        got = talks(track, k % 5, ours)
        wanted = asked_as_before_there_were_shares(talks, track, k % 5, old)
        assert (got.ids, got.targets, got.text_time) == (
            wanted.ids, wanted.targets, wanted.text_time,
        )  # fmt: skip


def counts(talks, track, clips=400):
    """How often each kind is asked, by counting who is called."""
    found = dict.fromkeys(SHARES, 0)

    def counted(kind, ask):
        def counting(*at):
            found[kind] += 1
            return ask(*at)

        return counting

    for kind in SHARES:
        setattr(talks, f"_{kind}", counted(kind, getattr(talks, f"_{kind}")))
    rng = np.random.default_rng(0)
    for k in range(clips):
        talks(track, k % 5, rng)
    return {kind: number / clips for kind, number in found.items()}


@pytest.mark.parametrize(
    "shares", [SHARES, {"infer": 1.5, "nothing": 0.5}, {"depth": 0.0, "moved": 3}]
)
def test_every_kind_is_asked_as_often_as_its_share_says(tokenizer, track, shares):
    talks = Talks(LATENTS, tokenizer, {"rooms": ["blue cone"]}, shares)
    wanted = dict.fromkeys(SHARES, 0) | shares
    assert counts(talks, track) == pytest.approx(wanted, abs=0.07)


def test_by_default_nothing_is_left_unasked():
    assert all(share > 0 for share in SHARES.values())


def test_a_clip_of_which_nothing_is_asked_is_none(tokenizer, track):
    track.depth = None
    rng = np.random.default_rng(0)
    assert Talks(LATENTS, tokenizer, {}, {"depth": 1})(track, 0, rng) is None


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({"dept": 1}, "batch.talk_shares.dept: there is no such kind, use describe, ask, depth"),
        (SHARES | {"ask": -1}, "batch.talk_shares.ask=-1: use 0 or more"),
        (SHARES | {"ask": float("nan")}, "batch.talk_shares.ask=nan: use 0 or more"),
        (dict.fromkeys(SHARES, 0), "are all 0, so nothing can be asked"),
        ({}, "are all 0, so nothing can be asked"),
    ],
)
def test_shares_that_make_no_sense_are_one_error(tokenizer, shares, says):
    with pytest.raises(WorldsimError, match=says):
        Talks(LATENTS, tokenizer, {}, shares)


def test_what_the_camera_just_did_is_asked_after_two_frames_and_answered_in_words(tokenizer, track):
    track.pose[1:3] = track.pose[0]
    track.pose[2] += [0, 0, 5]
    talks = Talks(LATENTS, tokenizer, {}, {"moved": 1})
    for first, answer in ((0, "stood still"), (1, "turned left")):
        example = talks(track, first, np.random.default_rng(0))
        assert said(example, 1, tokenizer) == answer
        aside = [k for k, branch in enumerate(example.text_branch) if branch]
        assert {example.text_time[k] for k in aside} == {1}
        asked = tokenizer.decode(example.ids[aside[0] : aside[-1]])
        assert any(asked.startswith(phrase) for phrase in QUESTIONS["moved"].seen)


def test_where_a_thing_is_that_is_not_there_is_answered_with_none_in_sight(tokenizer, track):
    talks = Talks(LATENTS, tokenizer, {"rooms": ["red box", "blue cone"]}, {"nothing": 1})
    for seed in range(20):
        example = talks(track, 2, np.random.default_rng(seed))  # red boxes are in sight
        assert said(example, 1, tokenizer) == "none in sight"
        assert "cone" in tokenizer.decode(example.ids) and set(example.text_time) == {0, 1}
        aside = [k for k, branch in enumerate(example.text_branch) if branch]
        assert {example.text_time[k] for k in aside} == {0}


def test_around_a_frame_that_is_asked_how_one_came_there_motion_is_said_where_it_is_known(
    tokenizer, track
):
    talks = Talks(LATENTS, tokenizer, {}, {"infer": 1})
    without = talks(track, 2, np.random.default_rng(0))
    talks.moved = np.arange(6, dtype=np.float16)[:, None, None, None] * np.ones((3, GRID, GRID))
    example = talks(track, 2, np.random.default_rng(0))
    assert not without.moves and example.moves.keys() == {1}
    assert example.moves[1][:, 0, 0, 0].tolist() == [1, 2, 3, 4], "frame 3 is asked about"
    assert example.ids == without.ids and example.targets == without.targets
    talks.shares["moved"] = 1.0
    assert not talks(track, 2, np.random.default_rng(0)).moves, "words are asked without"


def test_a_row_of_talk_says_how_things_moved_and_is_else_what_it_was(tokenizer):
    shown = {"talk_rows": 2, "talk_length": 60, "talk_shares": {"infer": 1.0}}
    plain, told = (make_batches(tokenizer, **shown) for _ in range(2))
    told.talks.moved = np.ones((len(told.latents), 3, GRID, GRID), np.float16)
    one, two = plain.talk(3), told.talk(3)
    assert one.moves is None and same(one, two._replace(moves=None))
    second = (two.frame_doc != PADDING) & (two.frame_time == 1)
    assert torch.equal(two.moves[:, :, BEFORE].flatten(2).all(dim=2), second) and second.any()
    assert not two.moves[~second].any()
    assert same(two, told.talk(3)), "a batch is a function of its number"
