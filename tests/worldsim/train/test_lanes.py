import pytest
import torch

from tests.worldsim.train.played import make_batches, make_tokenizer
from worldsim.errors import WorldsimError
from worldsim.train.lanes import CONTEXT, at_rest


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


def at_rest_alone(tokenizer, **changes):
    """All rows follow dreams of rest but for those that follow play."""
    given = {
        "dream_from": 0,
        "dream_share": 1.0,
        "dream_lanes": 1,
        "rest_lanes": 7,
        "rest_depth": 9,
    }
    return make_batches(tokenizer, **(given | {"say_share": 0.0, "watch_share": 0.0} | changes))


def test_at_rest_one_frame_stays_and_nobody_acts(tokenizer):
    batches = make_batches(tokenizer)
    track = batches.tracks[1]
    lane = at_rest(track, 3, 12, tokenizer)
    window = lane.track.window(batches.latents, 2, 6)
    assert (window.latents == track.start + 3).all() and len(window.latents) == 7
    assert window.actions == [tokenizer.encode("stay")] * 6
    assert lane.frames == 12 == len(lane.track.answers)


def test_at_rest_the_least_is_paid_and_nothing_ends(tokenizer):
    track = make_batches(tokenizer).tracks[0]
    track.answers = [tokenizer.reward_id(r) for r in (0.0, 5.0, -0.5)]
    track.answers = [*track.answers[1:], tokenizer.reward_id(0.0, end=True)]
    track.ended = True
    rest = at_rest(track, 0, 4, tokenizer).track
    assert set(rest.answers) == {tokenizer.reward_id(-0.5)} and not rest.ended


def test_rows_stay_as_long_as_dreams_of_rest_do(tokenizer):
    batches, deepest = at_rest_alone(tokenizer), 0
    for step in range(24):
        batch, lanes = batches(step), batches.lanes(step)
        for row in torch.nonzero(batch.lane[:, -1] >= len(lanes)).flatten().tolist():
            assert (batch.latents[row] == batch.latents[row, :1]).all()
            deepest = max(deepest, int(batch.depth[row].max()))
    assert 6 < deepest <= 9


def test_dreams_of_rest_begin_where_the_step_says(tokenizer):
    one, two = (at_rest_alone(tokenizer, dream_every=4) for _ in range(2))
    places = [[lane.track.start for lane in batches.rests(step)] for batches in (one, two)
              for step in (0, 3, 4)]  # fmt: skip
    assert places[0] == places[1] == places[3] and places[2] == places[5] != places[0]
    assert all(lane.frames == CONTEXT + 9 for lane in one.rests(0))


def test_of_episodes_without_labels_none_is_at_rest(tokenizer):
    assert not at_rest_alone(tokenizer, labelled_share=0.0).rests(0)


def test_rests_shorter_than_a_row_are_refused(tokenizer):
    make_batches(tokenizer, rest_depth=0)  # there are none
    with pytest.raises(WorldsimError, match="rest_depth=0 is less than.*window=5.*use 1 or more"):
        make_batches(tokenizer, rest_lanes=1, rest_depth=0)
