import json

import numpy as np
import pytest

from worldsim.data.episode import DEPTH_SIDE
from worldsim.pose_text import write_motion
from worldsim.text import DEPTHS, TALK, TextTokenizer
from worldsim.train.latents import Track
from worldsim.train.talks import DEPTH_WORDS, Talks, depth_words

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
    """Return an example that asks this kind of thing of the frames from `first` on."""
    examples = (talks(track, first, np.random.default_rng(seed)) for seed in range(50))
    return next(x for x in examples if x and talks.tokenizer.mark(mark) in x.ids)


def learnt(example):
    """What is to be said: the tokens that something has to expect."""
    return [token for token in example.targets if token >= 0]


def said(example, tokenizer):
    return tokenizer.decode(learnt(example))


def test_an_action_is_asked_after_two_frames_without_it(tokenizer, track):
    example = one(Talks(LATENTS, tokenizer, {}), "<infer>", track, 2)
    assert [frame[0, 0, 0] for frame in example.frames] == [2, 3]
    assert said(example, tokenizer) == "forward"
    assert example.ids.count(track.actions[2][0]) == 1  # said once, at the end


def test_the_motion_is_in_metres(tokenizer, track):
    track.pose[1] = track.pose[0] + [0, 0, 0]
    example = one(Talks(LATENTS, tokenizer, {}), "<pose>", track, 0)
    assert said(example, tokenizer) == write_motion(0, 0, 0)


def test_captions_and_answers_are_true_of_the_frame_shown(tokenizer, track):
    talks, rng = Talks(LATENTS, tokenizer, {"rooms": ["red box", "cone"]}), np.random.default_rng(0)
    for _ in range(20):
        assert "red box" in tokenizer.decode(talks._describe(track, 1, rng).said)
        assert "box" not in tokenizer.decode(talks._describe(track, 0, rng).said)
    answers = {tokenizer.decode(talks._ask(track, 1, rng).said) for _ in range(100)}
    assert answers == {"red box", "nothing", "yes", "no", "ahead", "2 metres", "red", "1"}


def test_the_question_is_not_for_the_model_to_guess(tokenizer, track):
    example = one(Talks(LATENTS, tokenizer, {}), "<ask>", track, 1)
    question = example.ids[3 : example.ids.index(tokenizer.mark("<answer>"))]
    assert len(question) > 2
    assert learnt(example)[-1] == tokenizer.mark("<end>")
    assert len(learnt(example)) == len(example.ids) - 3 - len(question) - 1


def test_depth_is_said_row_by_row_in_distances_a_fifth_apart(tokenizer, track):
    example = one(Talks(LATENTS, tokenizer, {}), "<depth>", track, 3)
    words = [tokenizer.depth_ids.index(token) for token in learnt(example)[:-1]]
    assert words == depth_words(track.depth[3]).flatten().tolist()
    part = track.depth[3].reshape(DEPTH_WORDS, 2, DEPTH_WORDS, 2).mean((1, 3)) / 100
    ratio = np.array(DEPTHS)[depth_words(track.depth[3])] / part
    assert (np.maximum(ratio, 1 / ratio) < 1.11).all()


def test_a_caption_comes_before_the_frame_that_it_describes(tokenizer, track):
    talks, rng = Talks(LATENTS, tokenizer, {}), np.random.default_rng(0)
    example = talks._imagine(track, 2, rng)
    assert [frame[0, 0, 0] for frame in example.frames] == [2]
    before = [t for t, order in zip(example.ids, example.text_order, strict=True)
              if order < example.frame_order[0]]  # fmt: skip
    assert "red box" in tokenizer.decode(before) and before[0] == tokenizer.begin
    track.facts = None
    assert talks._imagine(track, 2, rng) is None


def test_what_the_data_does_not_say_is_not_asked(tokenizer, track):
    track.pose = track.facts = track.depth = None
    talks, rng = Talks(LATENTS, tokenizer, {}), np.random.default_rng(0)
    for kind in (talks._describe, talks._ask, talks._pose, talks._depth):
        assert kind(track, 1, rng) is None
    assert [found.before for found in talks.about(track, 1, 99, rng)] == [1]  # the action


def test_talks_about_a_frame_fit_the_room_and_are_of_different_kinds(tokenizer, track):
    talks, rng = Talks(LATENTS, tokenizer, {}), np.random.default_rng(0)
    for room in (5, 20, 60):
        for _ in range(20):
            found = talks.about(track, 2, room, rng)
            assert sum(one.length for one in found) <= room
            assert len({one.asked[0] for one in found}) == len(found)
    assert len(found) >= 3


def test_every_kind_is_asked(tokenizer, track):
    talks, rng = Talks(LATENTS, tokenizer, {}), np.random.default_rng(0)
    marks = {tokenizer.mark(name) for name in TALK if name not in ("<answer>", "<end>")}
    seen = set()
    for _ in range(60):
        ids = set(talks(track, int(rng.integers(5)), rng).ids)
        seen |= (ids & marks) or {tokenizer.begin}  # begins with a caption: imagine
    assert seen == marks | {tokenizer.begin}
