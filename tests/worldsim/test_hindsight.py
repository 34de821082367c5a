import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.worldsim.train.played import make_batches, make_tokenizer
from worldsim.advection import advect
from worldsim.hindsight import GRID, Hindsight, steady
from worldsim.train.batches import Batches

SHIFT = 3  # pixels


def plain(latents):
    """Draw latents that are the pictures."""
    return latents.expand(-1, 3, -1, -1) if latents.shape[1] == 1 else latents[:, :3]


def picture(seed=0, side=64):
    rough = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(rough, (side, side), mode="bicubic").clamp(-1, 1).numpy()[0]


def look(frames, follows):
    return Hindsight(plain)(np.stack(frames)[None].astype(np.float32), np.array([follows]))[0]


@pytest.mark.parametrize("axis", [-1, -2])
def test_what_went_right_or_down_was_further_left_or_up(axis):
    here = picture()
    seen = look([here, np.roll(here, SHIFT, axis)], [False, True])
    middle = seen[1, :, 4:-4, 4:-4]
    along, across = (middle[0], middle[1]) if axis == -1 else (middle[1], middle[0])
    np.testing.assert_allclose(along, -SHIFT / 64, atol=0.3 / 64)
    np.testing.assert_allclose(across, 0, atol=0.3 / 64)
    assert middle[2].min() > 0.6, "and it is sure"


def test_of_what_follows_nothing_nothing_is_known():
    seen = look([picture(0), picture(1), picture(1)], [False, False, True])
    assert seen.shape == (3, 3, GRID, GRID) and not seen[:2].any()
    assert not look([picture(0), picture(1)], [False, False]).any()


def test_what_stays_is_still_and_sure():
    seen = look([picture(), picture()], [False, True])
    assert np.abs(seen[1, :2]).max() < 1e-3 and seen[1, 2].min() > 0.99


def test_what_is_found_nowhere_is_not_trusted():
    assert look([picture(0), picture(5)], [False, True])[1, 2].mean() < 0.5


def test_a_road_that_turns_is_seen_to_turn_and_not_to_bend():
    before = np.full((3, 64, 64), -0.4, np.float32)
    before[:, :, 24:40] = 0.3
    before[:, [14, 15, 16, 44, 45, 46]] = 0.1
    angle, at = np.deg2rad(8), (np.arange(64) + 0.5) / 64 - 0.5  # widths
    true = np.sin(angle) * np.stack([-at[:, None] + 0 * at, at + 0 * at[:, None]])
    true += (np.cos(angle) - 1) * np.stack([at + 0 * at[:, None], at[:, None] + 0 * at])
    now = advect(torch.from_numpy(before)[None], 64 * torch.from_numpy(true)[None])[0].numpy()
    found = look([before, now], [False, True])[1, :2]
    true = true.reshape(2, GRID, 4, GRID, 4).mean(axis=(2, 4))
    share = (found * true).sum(axis=(1, 2)) / (true * true).sum(axis=(1, 2))
    np.testing.assert_allclose(share, 1, atol=0.1)


def bend(side=GRID):
    """A smooth motion of a whole picture, pixels, (1, 2, side, side)."""
    at = torch.linspace(-1, 1, side)
    return torch.stack([3 * at[:, None] ** 2 + at, 2 - at[:, None] * at])[None]


def test_a_smooth_motion_of_the_whole_picture_is_believed():
    assert (steady(bend()) - bend())[..., 1:-1, 1:-1].abs().max() < 0.2


def test_places_that_move_like_nothing_around_are_not_believed():
    flow = bend()
    flow[..., 3:7, 3:7] += 9
    flow[..., 12, 9] -= 5
    assert (steady(flow) - bend()).abs().max() < 1


def test_a_thing_that_moves_a_little_otherwise_is_believed():
    flow = bend()
    flow[0, 0, 3:9, 3:9] += 1.5
    inside = (steady(flow) - bend())[0, 0, 4:8, 4:8]
    assert inside.min() > 1 and inside.max() < 1.7


def test_each_picture_is_doubted_by_itself():
    flow = torch.cat([bend(), -2 * bend(), torch.zeros(1, 2, GRID, GRID)])
    torch.testing.assert_close(steady(flow), torch.cat([steady(one[None]) for one in flow]))


@pytest.mark.parametrize("side", [16, 32, 128])
def test_pictures_of_other_sizes_are_looked_at_too(side):
    here = picture(side=side)
    assert np.isfinite(look([here, here], [False, True])).all()


def test_rows_of_play_say_how_things_moved_and_talk_does_not():
    tokenizer = make_tokenizer()
    play = make_batches(tokenizer, talk_rows=0)
    latents = np.zeros((len(play.latents), 1, 32, 32), np.float16)
    for k in range(len(latents)):
        latents[k] = np.roll(picture(side=32)[:1], k, -1)
    batches = Batches(latents, play.tracks, tokenizer, play.config, 0, hindsight=Hindsight(plain))
    motion = batches(0).motion
    assert motion is not None and motion.shape == (4, 5, 3, GRID, GRID)
    assert not motion[:, 0].any(), "what a window begins with came from somewhere unknown"
    assert motion[:, 1:, 0, 4:-4, 4:-4].mean() == pytest.approx(-1 / 32, abs=0.01)
    went = batches(0).went
    assert went is not None and torch.equal(went, motion)
    assert play(0).motion is None and play(0).went is None
