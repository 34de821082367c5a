import json

import numpy as np
import pytest

from tests.worldsim.train.played import LENGTHS, make_batches, make_tokenizer, same, words
from worldsim.errors import WorldsimError
from worldsim.sequence import PADDING


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


def test_rows_of_talk_show_short_clips_and_say_something_of_them(tokenizer):
    batches = make_batches(tokenizer, talk_rows=2)
    for step in range(10):
        batch = batches.talk(step)
        assert batch.latents.shape[0] == 2 and not batch.depth.any()
        for row in range(2):
            docs = batch.frame_doc[row][batch.frame_doc[row] != PADDING].tolist()
            assert len(docs) == 4 and all(docs.count(doc) == 2 for doc in docs)
            assert (batch.text_ids[row] == tokenizer.mark("<infer>")).sum() == 2
    assert not same(batches.talk(0), batches.talk(1))


def test_without_rows_of_talk_or_anything_to_say_there_is_no_talk(tokenizer):
    assert make_batches(tokenizer).talk(0) is None
    assert make_batches(tokenizer, talk_rows=2, labelled_share=0.0).talk(0) is None


@pytest.mark.parametrize("kind", ["describe", "infer", "moved"])
def test_the_kinds_of_questions_are_the_configs(tokenizer, kind):
    batches = make_batches(tokenizer, talk_rows=2, talk_shares={kind: 1})
    batch, mark = batches.talk(0), tokenizer.mark("<infer>")
    if kind == "infer":
        assert (batch.text_ids == mark).sum() == 4
    else:  # of which this play knows nothing
        assert batch is None


@pytest.mark.parametrize("shares", [{"sing": 1}, {"ask": -0.5}, {"ask": 0.0}])
def test_impossible_kinds_of_questions_are_named(tokenizer, shares):
    with pytest.raises(WorldsimError, match="batch.talk_shares"):
        make_batches(tokenizer, talk_shares=shares)


def test_plain_text_stands_beside_the_clips_and_sees_none(tokenizer):
    batches = make_batches(tokenizer, talk_rows=3, prose_share=0.5, prose=["a small maze", "go on"])
    found = set()
    for step in range(5):
        batch = batches.talk(step)
        with_frames = set(batch.frame_doc.flatten().tolist())
        alone = [d for d in set(batch.text_doc.flatten().tolist()) if d not in with_frames]
        assert alone and len(with_frames) > 1
        for doc in alone:
            ids = batch.text_ids[batch.text_doc == doc].tolist()
            assert ids[0] == tokenizer.begin
            assert (batch.text_targets[batch.text_doc == doc][:-1] >= 0).all()
            found.add(tokenizer.decode(ids))
    assert found == {"a small maze", "go on"}


@pytest.mark.parametrize("share", [-0.1, 0.6])
def test_an_impossible_share_of_plain_text_is_named(tokenizer, share):
    with pytest.raises(WorldsimError, match=f"batch.prose_share={share}"):
        make_batches(tokenizer, prose_share=share)


def test_rows_of_captions_stand_last_and_each_caption_before_its_frame(tokenizer):
    batches = make_batches(tokenizer, imagine_share=0.5)
    thing = {"name": "box", "colour": "red", "bearing": 0, "distance": 2.0}
    for track in batches.tracks:
        track.facts = [json.dumps({"things": [thing]})] * (len(track.actions) + 1)
    batch = batches(0)
    for row in (2, 3):
        doc = int(batch.frame_doc[row, 0])
        assert (batch.text_doc[row] == doc).sum() > 2
        words = batch.text_order[row][batch.text_doc[row] == doc]
        assert (words[:-2] < batch.frame_order[row, 0]).all()
    assert (batch.frame_doc[:2] != PADDING).all()


@pytest.mark.parametrize(("share", "known"), [(0.0, 0), (0.5, 1), (1.0, 2)])
def test_of_episodes_without_labels_no_action_or_sentence_is_shown(tokenizer, share, known):
    """Two of the episodes are long enough for a window."""
    batches = make_batches(tokenizer, labelled_share=share, say_share=0.5)
    forward, go = tokenizer.encode("forward")[0], tokenizer.encode("go on")[0]
    told = set()
    for step in range(20):
        batch = batches(step)
        for row in range(3):
            ids, first = batch.text_ids[row].tolist(), int(batch.latents[row, 0, 0, 0, 0])
            if forward in ids or go in ids:
                told.add(first >= LENGTHS[0] + 1)
    assert len(told) == known


@pytest.mark.parametrize(("plain", "expected"), [(0.0, 0), (1.0, 1), (0.25, 0.25), (None, 0.5)])
def test_the_share_of_plain_video_is_what_it_is_told_to_be(tokenizer, plain, expected):
    batches = make_batches(tokenizer, labelled_share=0.5, plain_share=plain, dream_share=0.0)
    rng = np.random.default_rng(0)
    drawn = [batches._place(rng)[0].labelled for _ in range(400)]
    assert 1 - np.mean(drawn) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("wrong", [{"plain_share": 1.5}, {"labelled_share": -0.1}])
def test_shares_of_labels_and_plain_video_are_shares(tokenizer, wrong):
    with pytest.raises(WorldsimError, match="use 0 to 1"):
        make_batches(tokenizer, **wrong)


def test_more_labels_add_to_fewer(tokenizer):
    few, many = (
        {
            track.start
            for track in make_batches(tokenizer, labelled_share=share).tracks
            if track.labelled
        }
        for share in (0.5, 1.0)
    )
    assert few < many


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"action_drop": 0.0}, "forward forward forward forward"),
        ({"action_drop": 1.0}, ""),
        ({"watch_share": 1.0}, ""),
        ({"say_share": 1.0}, "go on"),
        ({"follow_share": 1.0}, "go on forward forward forward forward"),
        ({"prompt_share": 1.0, "action_drop": 1.0}, "a small maze"),
    ],
)
def test_shares_decide_what_is_said(tokenizer, shares, expected):
    none = {"say_share": 0.0, "watch_share": 0.0, "prompt_share": 0.0, "count_share": 0.0}
    batch = make_batches(tokenizer, **none | shares)(0)
    for row in range(4):
        assert words(batch, tokenizer, row) == expected


def test_a_dropped_action_is_dropped_alone(tokenizer):
    batches = make_batches(
        tokenizer, say_share=0.0, watch_share=0.0, prompt_share=0.0, action_drop=0.5
    )
    counts = [
        words(batches(step), tokenizer, row).count("forward")
        for step in range(20)
        for row in range(4)
    ]
    assert {1, 2, 3} <= set(counts) and 1.5 < np.mean(counts) < 2.5


def test_sentences_that_say_how_long_they_hold_are_true_of_what_follows(tokenizer):
    """Episodes of 4 and 9 steps, each one stretch: what is left of it is what is said."""
    batches = make_batches(tokenizer, say_share=1.0, count_share=1.0, prompt_share=0)
    found = set()
    for step in range(12):
        batch = batches(step)
        for row in range(4):
            text, first = words(batch, tokenizer, row), int(batch.latents[row, 0, 0, 0, 0])
            left = (4 if first < 5 else 5 + 9) - first
            assert text.count("go on") == 1 and f"{left} steps" in text, (text, first)
            found.add(left)
    assert len(found) > 3
    plain = make_batches(tokenizer, say_share=1.0, count_share=0.0)
    assert "steps" not in words(plain(0), tokenizer, 0)
