from dataclasses import replace

import pytest
import torch

from tests.worldsim.train.played import CONFIG, make_batches, make_tokenizer, same, words
from worldsim.errors import WorldsimError
from worldsim.sequence import PADDING
from worldsim.train.batches import Batches
from worldsim.train.lanes import CONTEXT


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


def test_a_batch_depends_on_the_seed_and_the_step_alone(tokenizer):
    one, two = make_batches(tokenizer), make_batches(tokenizer)
    two(7)
    assert same(one(3), two(3))
    assert not same(one(3), one(4))
    assert not same(one(3), make_batches(tokenizer, seed=1)(3))


def test_windows_come_from_everywhere_and_never_cross_an_episode(tokenizer):
    batches, seen = make_batches(tokenizer), set()
    for step in range(30):
        batch = batches(step)
        assert not (batch.frame_doc == PADDING).any()
        for row in batch.latents[:, :, 0, 0, 0].tolist():
            assert row == [row[0] + k for k in range(5)]
            seen.add(int(row[0]))
    assert seen == {0, *range(5, 11)}


def test_noise_has_a_level_for_every_frame_and_history_never_none(tokenizer):
    batches = make_batches(tokenizer, history_level=0.3, base_level=0.02)
    drawn = [batches(step) for step in range(50)]
    levels = torch.stack([batch.levels for batch in drawn])
    history = torch.stack([batch.history_levels for batch in drawn])
    assert levels.min() > 0 and levels.max() <= 1 and levels.std() > 0.1
    assert history.min() == torch.tensor(0.02) and 0.2 < history.max() <= 0.3
    assert 0.4 < (history == torch.tensor(0.02)).float().mean() < 0.7
    noise = torch.stack([batch.noise for batch in drawn])
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05


def test_a_share_of_the_rows_follows_dreams_from_a_step_on(tokenizer):
    batches = make_batches(tokenizer, dream_share=0.5, dream_from=10, say_share=0.0)
    assert not batches(9).depth.any()
    for step in range(10, 40):
        depth = batches(step).depth
        assert not depth[2:].any() and depth[:2, -1].all()
        assert ((depth[:2, 1:] - depth[:2, :-1]) == (depth[:2, 1:] > 0)).all(), "a step at a time"


def test_a_row_shows_the_frames_that_its_dream_stands_for(tokenizer):
    """Frame by frame what is aimed at is what was recorded as deep in the lane."""
    batches = make_batches(tokenizer, dream_from=0, dream_depth=5, dream_every=4, say_share=0.0)
    seen = set()
    for step in range(12):
        batch, lanes = batches(step), batches.lanes(step)
        for row, slot in torch.nonzero(batch.depth).tolist():
            lane, depth = lanes[batch.lane[row, slot]], int(batch.depth[row, slot])
            assert depth <= 5 and CONTEXT + depth <= lane.frames
            at = lane.track.start + lane.first + CONTEXT + depth - 1
            assert batch.latents[row, slot, 0, 0, 0] == at
            seen.add(depth)
    assert seen == {1, 2, 3, 4, 5}


def test_dreams_begin_at_the_same_places_for_as_many_steps_as_they_last(tokenizer):
    batches = make_batches(tokenizer, dream_every=4)
    places = [[(x.track.start, x.first) for x in batches.lanes(step)] for step in range(12)]
    assert places[0] == places[3] != places[4] == places[7] != places[8]


def test_windows_with_rare_actions_are_drawn_more_often(tokenizer):
    """One of seven places sees the only left turn; weighed by rarity it has half of the draws."""
    plain = make_batches(tokenizer)
    plain.tracks[1].actions[-1] = tokenizer.encode("turn left")

    def share(balance):
        config = replace(CONFIG, balance=balance)
        batches = Batches(plain.latents, plain.tracks, tokenizer, config, 0)
        firsts = torch.stack([batches(step).latents[:, 0, 0, 0, 0] for step in range(200)])
        return float((firsts == 10).float().mean())

    assert share(0.0) == pytest.approx(1 / 7, abs=0.04)
    weight = 3 * 13 / 12 + 13  # three steps forward, twelve of thirteen, and the turn
    assert share(1.0) == pytest.approx(weight / (weight + 6 * 4 * 13 / 12), abs=0.05)


def of_two_worlds(tokenizer, **changes):
    plain = make_batches(tokenizer)
    plain.tracks[0].world, plain.tracks[0].prompt = "there", tokenizer.encode("go on")
    config = replace(CONFIG, **changes)
    return Batches(plain.latents, plain.tracks, tokenizer, config, 0)


def test_worlds_are_drawn_as_often_as_there_is_of_them_or_as_is_asked(tokenizer):
    """One of seven places is in the world `there`."""

    def share(**changes):
        batches = of_two_worlds(tokenizer, **changes)
        firsts = torch.stack([batches(step).latents[:, 0, 0, 0, 0] for step in range(200)])
        return float((firsts == 0).float().mean())

    assert share() == pytest.approx(1 / 7, abs=0.04)
    assert share(shares={"": 1.0, "there": 3.0}) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("shares", [{"there": 1.0}, {"": 1.0, "there": 0.0}, {"": 1.0, "moon": 1}])
def test_shares_name_every_world_of_the_data_and_no_other(tokenizer, shares):
    with pytest.raises(WorldsimError, match="batch.shares=.*one share above 0 for each.*there"):
        of_two_worlds(tokenizer, shares=shares)


def test_a_window_is_prompted_with_the_sentence_about_its_own_place(tokenizer):
    batches = of_two_worlds(
        tokenizer, prompt_share=1.0, say_share=0.0, watch_share=0.0, text_length=80
    )
    for step in range(10):
        batch = batches(step)
        for row in range(4):
            prompt = "go on" if batch.latents[row, 0, 0, 0, 0] == 0 else "a small maze"
            assert words(batch, tokenizer, row).startswith(prompt)


def test_what_nothing_leads_to_starts_from_every_level_of_noise(tokenizer):
    batches = make_batches(tokenizer, pure_share=1.0, dream_share=0.0)
    levels, times = [], []
    for step in range(10):
        batch = batches(step)
        levels.append(batch.levels[batch.frame_doc >= 0])
        times.append(batch.frame_time[batch.frame_doc >= 0])
    level, first = torch.cat(levels), torch.cat(times) == 0
    assert (level[~first] >= 0.96).all() and (level[first] < 0.96).float().mean() > 0.5


def test_latents_can_be_looked_at_before_training(tokenizer):
    latents = make_batches(tokenizer).sample_latents(num=6)
    assert latents.shape == (6, 5, 2, 2, 2) and latents.dtype == torch.float32


def test_episodes_that_are_all_too_short_are_refused(tokenizer):
    with pytest.raises(WorldsimError, match="no episode has 12 frames.*lower batch.window"):
        make_batches(tokenizer, window=12)


def test_dreams_shorter_than_a_row_are_refused(tokenizer):
    make_batches(tokenizer, window=5, dream_depth=1)
    with pytest.raises(WorldsimError, match="dream_depth=0 is less than.*window=5.*use 1 or more"):
        make_batches(tokenizer, window=5, dream_depth=0)


def test_dreams_that_never_last_are_refused(tokenizer):
    with pytest.raises(WorldsimError, match="dream_every=0: use 1 or more"):
        make_batches(tokenizer, dream_every=0)
