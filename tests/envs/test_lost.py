import gymnasium
import numpy as np
import pytest

import envs  # noqa: F401
from envs.lost import Known
from tests.worldsim.tiny import make_checkpoint


def wall(seed, light=1.0, bricks=True):
    rng = np.random.default_rng(seed)
    picture = rng.uniform(60, 190, (8, 8, 3)).repeat(4, 0).repeat(4, 1)
    return (light * (picture if bricks else picture.mean())).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def known():
    return Known(np.stack([wall(seed, light) for seed in range(8) for light in (0.7, 0.9, 1.1)]))


def test_other_real_pictures_are_not_lost(known):
    assert not known.lost(np.stack([wall(seed, 0.8) for seed in range(20, 40)])).any()


def test_grey_dark_coloured_and_noisy_pictures_are(known):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    red = wall(30, 0.9) * np.array([1.0, 0.2, 0.2])
    odd = [np.full((32, 32, 3), 120), wall(30, 0.1), red, noise, wall(31, 0.9)]
    assert known.lost(np.stack(odd).astype(np.uint8)).tolist() == [True] * 4 + [False]


def test_a_lost_dream_is_cut_off_and_begins_anew(tmp_path, monkeypatch):
    make_checkpoint().save(tmp_path / "m")
    env = gymnasium.make_vec("worldsim/DreamDoom-v0", num_envs=3, checkpoint=str(tmp_path / "m"),
                             max_episode_steps=-1, cut_lost=True)  # fmt: skip
    env.reset(seed=0)
    core = env.unwrapped._core
    step = core.step
    lanes = np.array([False, True, False])

    def ends_nowhere(actions):
        words, rewards, terminated = step(actions)
        return words, rewards, terminated & False

    monkeypatch.setattr(core, "step", ends_nowhere)
    monkeypatch.setattr(env.unwrapped._known, "lost", lambda frames: lanes)
    _, _, terminated, truncated, info = env.step(np.zeros(3, int))
    assert truncated.tolist() == lanes.tolist() and not terminated.any()
    assert info["_final_obs"].tolist() == lanes.tolist()
