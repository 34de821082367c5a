import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.runs import make_config
from worldsim.errors import WorldsimError
from worldsim.gait import SIDE
from worldsim.momentum import STEPS
from worldsim.train.gaits import AHEAD, Lesson, fit_gait, heard_of, strayed
from worldsim.train.latents import Track
from worldsim.train.run import RunFolder

FASTER, SLOWER = [7], [8]
LENGTH = 50


def speeding(seed=0, episodes=6, length=LENGTH, **known):
    """Pictures that slide, faster and faster while one key is held; another one brakes."""
    rng = np.random.default_rng(seed)
    moved, tracks = np.zeros((episodes * (length + 1), 3, SIDE, SIDE), np.float16), []
    for episode in range(episodes):
        at, speed, actions = episode * (length + 1), rng.uniform(-0.05, 0.05), []
        for step in range(length):
            if step % 6 == 0:
                key = FASTER if rng.random() < 0.5 else SLOWER
            actions.append(key)
            speed = 0.8 * speed + (0.02 if key == FASTER else -0.02)
            moved[at + step + 1, 0], moved[at + step + 1, 2] = speed, 1
        tracks.append(Track(start=at, actions=actions, sentences=[[]] * length, world="sliding",
                            stretch=[0] * length, answers=[0] * (length + 1), **known))  # fmt: skip
    return moved, tracks


def lesson_of(seed=0, **known):
    return Lesson(*speeding(seed, **known), {}, seed=1)


def make_network():
    network = make_checkpoint(momentum_width=32).network
    gait = network.momentum.gait
    torch.nn.init.zeros_(gait.change.weight)
    torch.nn.init.zeros_(gait.change.bias)
    return network.requires_grad_(True)


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


def off(network, lesson):
    shown = lesson(999, 64)
    with torch.no_grad():
        heard = heard_of(network, lesson.actions)[shown.did]
        return float(strayed(network.momentum.gait, shown.moved, heard))


def test_what_keys_do_to_speed_is_learnt_and_holds_to_the_end_of_a_stretch(tmp_path):
    network, lesson, other = make_network(), lesson_of(), lesson_of(seed=5)
    before, rest = off(network, other), network.momentum.look.weight.clone()
    fit_gait(network, lesson, folder(tmp_path), 250, stretches=32, rate=5e-3)
    assert off(network, other) < 0.4 * before
    assert torch.equal(rest, network.momentum.look.weight), "nothing else learns"


def test_stretches_hold_what_led_to_each_frame():
    lesson = lesson_of()
    shown = lesson(4, 64)
    assert all(torch.equal(a, b) for a, b in zip(shown, lesson(4, 64), strict=True))
    assert shown.moved.shape == (64, 1 + AHEAD, 3, SIDE, SIDE)
    assert shown.did.shape == (64, STEPS - 1 + AHEAD) and lesson.actions[-1] == []
    unheard = (shown.did == len(lesson.actions) - 1).all(dim=1)
    unseen = ~shown.moved[:, 0].flatten(1).any(dim=1)
    assert 0 < unheard.sum() < 20 and 0 < unseen.sum() < 32
    speed, gas = shown.moved[:, :, 0, 0, 0], lesson.actions.index(FASTER)
    for k in range(1, AHEAD):
        pushed = speed[~unheard, k + 1] > 0.8 * speed[~unheard, k]
        assert torch.equal(pushed, shown.did[~unheard, STEPS - 1 + k] == gas), k


def test_what_is_seen_around_a_place_is_taken_together():
    moved, tracks = speeding()
    fine = np.repeat(np.repeat(moved, 4, axis=2), 4, axis=3)
    fine[..., ::4, :] += 0.25  # evens out
    fine[..., 1::4, :] -= 0.25
    one, two = (Lesson(each, tracks, {}, seed=1)(3, 32) for each in (moved, fine))
    torch.testing.assert_close(two.moved, one.moved, atol=1e-3, rtol=1e-3)
    assert torch.equal(one.did, two.did)


def test_what_nobody_can_learn_is_an_error(tmp_path):
    with pytest.raises(WorldsimError, match="batch.labelled_share"):
        lesson_of(labelled=False)
    with pytest.raises(WorldsimError, match="collect longer episodes"):
        lesson_of(length=AHEAD)
    with pytest.raises(WorldsimError, match="model.gait_width=384"):
        fit_gait(make_checkpoint().network, lesson_of(), folder(tmp_path), 2)
