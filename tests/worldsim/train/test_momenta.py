import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.runs import make_config
from worldsim.errors import WorldsimError
from worldsim.hindsight import Hindsight
from worldsim.momentum import STEPS
from worldsim.train.latents import Track
from worldsim.train.momenta import NOTHING, Lesson, fit_momentum, unrolled
from worldsim.train.run import RunFolder

LEFT, RIGHT, SHIFT = [7], [8], 2


def make_network():
    network = make_checkpoint(momentum_width=32).network
    momentum = network.momentum
    for layer in (momentum.change, momentum.keep, momentum.sweep, momentum.gait.change):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return network.requires_grad_(True)


def sliding(network, seed=0, steps=60, **known):
    """A picture that slides by two pixels to the left or to the right at every step."""
    rng = np.random.default_rng(seed)
    rough = torch.from_numpy(rng.uniform(-1, 1, (1, 3, 8, 8))).float()
    picture = F.interpolate(rough, (32, 32), mode="bicubic").clamp(-1, 1)
    pictures, actions = [picture], []
    for _ in range(steps):
        actions.append(LEFT if rng.random() < 0.5 else RIGHT)
        pictures.append(torch.roll(pictures[-1], -SHIFT if actions[-1] == LEFT else SHIFT, -1))
    latents = network.canvas.read(torch.cat(pictures))
    track = Track(start=0, actions=actions, sentences=[[]] * steps, stretch=[0] * steps,
                  answers=[0] * (steps + 1), world="sliding", **known)  # fmt: skip
    return latents.numpy().astype(np.float16), track


def lesson_of(network, seed=0, **known):
    latents, track = sliding(network, seed, **known)
    return Lesson(latents, [track], Hindsight.of(network.canvas), {}, seed=1)


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


def wrong(network, lesson):
    with torch.no_grad():
        clips = lesson(999, 32)
        steps = [float(x) for x in unrolled(network, network.momentum, clips)]
    return np.array(steps)


def test_what_keys_do_to_motion_is_learnt_and_holds_for_steps_on_end(tmp_path):
    network = make_network()
    lesson, other = lesson_of(network), lesson_of(network, seed=5)
    before, rest = wrong(network, other), network.words.weight.clone()
    fit_momentum(network, lesson, folder(tmp_path), 60, clips=16, rate=3e-3)
    after = wrong(network, other)
    assert len(after) == lesson.ahead and (after < 0.6 * before).all(), (before, after)
    assert torch.equal(rest, network.words.weight), "nothing else learns"


def test_what_was_learnt_is_kept_and_not_learnt_again(tmp_path):
    run, one, two = folder(tmp_path), make_network(), make_network()
    fit_momentum(one, lesson_of(one), run, 2, clips=2)
    fit_momentum(two, lesson_of(two), run, 2, clips=2, rate=99.0)
    for mine, theirs in zip(one.momentum.parameters(), two.momentum.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    (run.path / "momentum-2.safetensors").write_bytes(b"no weights")
    with pytest.raises(WorldsimError, match="momentum-2.safetensors is damaged"):
        fit_momentum(two, lesson_of(two), run, 2)


def test_clips_hold_what_led_to_each_frame():
    network = make_network()
    lesson = lesson_of(network)
    clips = lesson(4, 64)
    assert all(torch.equal(a, b) for a, b in zip(clips, lesson(4, 64), strict=True))
    assert clips.words.shape == (64, STEPS - 1 + lesson.ahead, 1)
    assert clips.latents.shape[:2] == (64, 2 + lesson.ahead)
    unheard = (clips.words == NOTHING).all(dim=1)[:, 0]
    assert 0 < unheard.sum() < 20
    unseen = ~clips.motion[:, 0].flatten(1).any(dim=1)
    assert 0 < unseen.sum() < 32 and clips.motion[:, 1:].flatten(2).any(dim=2).all()
    pictures = network.canvas.draw(clips.latents.flatten(0, 1)).unflatten(0, (64, -1))
    for step in range(lesson.ahead + 1):  # of the step that led to the second frame on
        word = clips.words[~unheard, step + STEPS - 2, 0]
        slid = torch.where(word == LEFT[0], -SHIFT, SHIFT)
        for clip, by in zip(pictures[~unheard], slid.tolist(), strict=True):
            torch.testing.assert_close(
                clip[step + 1], torch.roll(clip[step], by, -1), rtol=0, atol=0.02
            )
        along = clips.motion[~unheard, step, 0, 4:-4, 4:-4].mean(dim=(1, 2)) * 32
        known = along != 0
        right = along[known].sign() == -slid[known].sign()
        assert right.float().mean() > 0.9, "where it was, not where to"


def test_play_that_is_only_watched_says_nothing_of_keys():
    network = make_network()
    with pytest.raises(WorldsimError, match="no labelled play"):
        lesson_of(network, labelled=False)


def test_motion_that_nobody_can_learn_is_an_error(tmp_path):
    lesson, still = lesson_of(make_network()), make_checkpoint().network
    with pytest.raises(WorldsimError, match="model.momentum_width=96"):
        fit_momentum(still, lesson, folder(tmp_path), 2)


def test_damaged_data_stops_at_once(tmp_path):
    network = make_network()
    lesson = lesson_of(network)
    lesson.latents = np.full_like(lesson.latents, np.nan)
    lesson.hindsight = lambda latents, follows: np.zeros((*follows.shape, 3, 16, 16), np.float32)
    with pytest.raises(WorldsimError, match="not a number at update 0"):
        fit_momentum(network, lesson, folder(tmp_path), 3, clips=2)
