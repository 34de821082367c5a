import subprocess
import sys
from hashlib import sha256

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401
from envs.carracing import CARRACING, TRACK_SEEDS, CarRacingEnv
from worldsim.errors import WorldsimError

pytest.importorskip("Box2D")


@pytest.fixture
def env():
    env = CarRacingEnv(render_mode="rgb_array")
    yield env
    env.close()


def drive(env, seed, options=None, steps=25):
    rng = np.random.default_rng(seed)
    frame, info = env.reset(seed=seed, options=options)
    trace = [frame.tobytes(), info["pose"].tobytes()]
    for _ in range(steps):
        frame, reward, *_, info = env.step(int(rng.integers(9)))
        trace += [frame.tobytes(), info["pose"].tobytes(), np.float64(reward).tobytes()]
    return sha256(b"".join(trace)).hexdigest()


def hold(env, words, steps):
    for _ in range(steps):
        *_, info = env.step(CARRACING.action_index(words))
    return info


def test_train_and_heldout_share_nothing(env):
    assert TRACK_SEEDS["train"][1] < TRACK_SEEDS["heldout"][0]
    heldout = CarRacingEnv(split="heldout")
    _, info = heldout.reset(seed=0)
    assert int(info["source"].split("-")[-1]) >= TRACK_SEEDS["heldout"][0]
    heldout.close()


def test_the_same_seed_and_actions_give_the_same_frames_here_and_in_a_fresh_process(env):
    first = drive(env, 3, {"colours": "painted"})
    drive(env, 4)  # what happened in between must not matter
    assert drive(env, 3, {"colours": "painted"}) == first
    code = (
        "from envs.carracing import CarRacingEnv; from tests.envs.test_carracing import drive; "
        "print(drive(CarRacingEnv(), 3, {'colours': 'painted'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == first


def test_gymnasium_and_stable_baselines_accept_it():
    env = gym.make("worldsim/CarRacing-v0", disable_env_checker=True)
    check_env(env.unwrapped)
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(env.unwrapped)
    env.close()


def test_keys_do_what_they_say(env):
    _, info = env.reset(seed=0, options={"track": 7})
    start = info["pose"]
    info = hold(env, "gas", 12)
    speed, ahead = info["speed"], info["pose"][:2] - start[:2]
    along = np.degrees(np.arctan2(ahead[1], ahead[0])) - start[2]
    assert speed > 10 and abs((along + 180) % 360 - 180) < 5
    for side, sign in (("left", 1), ("right", -1)):
        before = info["pose"][2]
        info = hold(env, f"gas steer {side}", 8)
        assert sign * ((info["pose"][2] - before + 180) % 360 - 180) > 5
    assert hold(env, "brake", 25)["speed"] < 0.3 * speed


def test_the_picture_shows_road_and_car_and_no_instruments(env):
    frame, info = env.reset(seed=0, options={"track": 7})
    assert info["on_road"] and frame.shape == (64, 64, 3)
    middle = frame[20:40, 28:36].reshape(-1, 3).astype(int)  # the road ahead is grey
    assert np.ptp(middle, axis=1).max() <= 2
    assert frame[:, :8, 1].min() > 150  # grass
    red = (frame[..., 0] > 120) & (frame[..., 1] < 90) & (frame[..., 2] < 90)
    assert red.sum() > 3  # the car
    assert (frame.sum(axis=2) > 0).all()  # the instruments are black


def test_a_painted_road_has_other_colours_and_the_same_bends(env):
    plain, a = env.reset(seed=0, options={"track": 7})
    painted, b = env.reset(seed=0, options={"track": 7, "colours": "painted"})
    assert (a["source"], b["source"]) == ("track-000007", "painted-000007")
    assert "grey road" in CARRACING.describe(a["source"])
    assert "any colours" in CARRACING.describe(b["source"])
    assert np.abs(plain.astype(int) - painted).mean() > 10


def test_driving_along_the_road_pays_and_standing_costs(env):
    env.reset(seed=0, options={"track": 7})
    standing = sum(env.step(0)[1] for _ in range(10))
    driving = sum(env.step(CARRACING.action_index("gas"))[1] for _ in range(15))
    assert standing == pytest.approx(-3.0) and driving > 5


def test_leaving_the_field_ends_the_episode_with_a_penalty():
    env = CarRacingEnv(max_steps=2000, image_size=16)
    env.reset(seed=0, options={"track": 7})
    env._engine.car.hull.position = (400.0, 0.0)
    _, reward, terminated, truncated, _ = env.step(0)
    assert terminated and not truncated and reward <= -100
    env.close()


def test_an_episode_is_cut_after_max_steps_and_must_be_begun():
    env = CarRacingEnv(max_steps=3, image_size=32)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    frame, _ = env.reset(seed=0)
    assert frame.shape == (32, 32, 3)
    assert [env.step(0)[3] for _ in range(3)] == [False, False, True]
    env.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"split": "test"}, "split 'test'"),
        ({"colours": "red"}, "colours 'red'"),
        ({"image_size": 8}, "image_size 8"),
        ({"max_steps": 0}, "max_steps 0"),
        ({"render_mode": "human"}, "render_mode 'human'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, says):
    with pytest.raises(WorldsimError, match=says):
        CarRacingEnv(**arguments)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"map": "map01"}, "'map'.*track"), ({"track": -1}, "track -1"), ({"track": "x"}, "'x'")],
)
def test_a_wrong_option_is_named_and_the_drive_goes_on(env, options, says):
    env.reset(seed=0)
    with pytest.raises(WorldsimError, match=says):
        env.reset(options=options)
    with pytest.raises(WorldsimError, match="action 9 is out of range"):
        env.step(9)
    assert env.step(0)[0].shape == (64, 64, 3)
