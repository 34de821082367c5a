import subprocess
import sys
from hashlib import sha256

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401
from envs.collect import play_episode
from envs.kart import ALL_TRACKS, KART, TRACKS, KartEnv
from envs.worlds import make_explorer
from worldsim.errors import WorldsimError
from worldsim.kart_assets import find_assets

pytest.importorskip("pystk2")
try:
    find_assets()
except WorldsimError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture
def env():
    env = KartEnv(render_mode="rgb_array", depth=True)
    yield env
    env.close()


def drive(env, seed, options=None, steps=25):
    """Return the hash of everything but the pictures."""
    rng = np.random.default_rng(seed)
    _, info = env.reset(seed=seed, options=options)
    trace = [info["pose"].tobytes()]
    for _ in range(steps):
        _, reward, *_, info = env.step(int(rng.integers(9)))
        trace += [info["pose"].tobytes(), np.float64(reward).tobytes()]
    return sha256(b"".join(trace)).hexdigest()


def hold(env, words, steps):
    total = 0.0
    for _ in range(steps):
        _, reward, *_, info = env.step(KART.action_index(words))
        total += reward
    return info, total


def test_train_and_heldout_share_no_track_and_the_dataset_is_told():
    assert not set(TRACKS["train"]) & set(TRACKS["heldout"])
    assert KART.heldout_sources == list(TRACKS["heldout"])
    heldout = KartEnv(split="heldout")
    assert heldout.reset(seed=0)[1]["source"] in TRACKS["heldout"]
    heldout.close()


def test_every_track_has_a_sentence_of_its_own():
    said = [KART.describe(track) for track in ALL_TRACKS]
    assert len(set(said)) == len(ALL_TRACKS) and KART.description not in said


def test_every_track_is_in_the_game():
    assert all((find_assets() / "tracks" / track).is_dir() for track in ALL_TRACKS)


@pytest.mark.slow
def test_the_same_seed_and_actions_give_the_same_poses_here_and_in_a_fresh_process(env):
    first = drive(env, 3)
    drive(env, 4)  # what happened in between must not matter
    assert drive(env, 3) == first
    code = (
        "from envs.kart import KartEnv; from tests.envs.test_kart import drive; "
        "print(drive(KartEnv(), 3))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == first


@pytest.mark.slow
def test_gymnasium_and_stable_baselines_accept_it():
    env = gym.make("worldsim/Kart-v0", disable_env_checker=True)
    env.reset(seed=0)
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(env.unwrapped)
    # Gymnasium's checker wants the same pictures of the same seed, which the game does not give.
    check_env(gym.wrappers.TransformObservation(env, lambda frame: 0 * frame, None))
    env.close()


def test_of_two_envs_in_a_process_the_one_reset_last_drives_and_the_other_is_told(env):
    env.reset(seed=0)
    second = KartEnv()
    second.reset(seed=0)
    with pytest.raises(WorldsimError, match="runs once in a process: reset"):
        env.step(0)
    env.close()  # ends nothing: it is the other's race
    second.step(0)
    env.reset(seed=0)
    env.step(0)
    second.close()
    env.step(0)


def test_keys_do_what_they_say(env):
    _, info = env.reset(seed=0, options={"track": "olivermath", "place": 0.0})
    hold(env, "brake", 20)
    info, back = hold(env, "brake", 6)
    assert back < -0.1  # the brake of a standing kart drives it backwards
    info, way = hold(env, "gas", 20)
    assert way > 0.3 and info["speed"] > 4 and info["on_road"]
    for side, sign in (("left", 1), ("right", -1)):
        before = info["pose"][2]
        info, _ = hold(env, f"gas steer {side}", 6)
        assert sign * ((info["pose"][2] - before + 180) % 360 - 180) > 3


def test_the_picture_shows_the_kart_and_no_instruments_and_depth_fits_it(env):
    frame, info = env.reset(seed=0, options={"track": "scotland", "place": 0.5})
    assert frame.shape == (64, 64, 3) and frame.std() > 10
    red = (frame[..., 0] > 110) & (frame[..., 1] < 80) & (frame[..., 2] < 90)
    where = np.argwhere(red)
    assert len(where) > 8 and np.abs(where.mean(axis=0) - [40, 32]).max() < 10
    depth = info["depth"]
    assert depth.shape == (64, 64) and np.isfinite(depth).all()
    assert 1 < depth[60, 5] < 6 < depth[34:38, :8].max()  # the road below, the way ahead
    assert (np.diff(depth[40:63:4, 5]) < 0).all()  # lower in the picture is nearer


def test_a_lap_ends_the_episode_and_crossing_the_line_is_no_jump(env):
    env.reset(seed=0, options={"track": "olivermath", "place": 0.97})
    rewards = [env.step(KART.action_index("gas"))[1] for _ in range(30)]
    assert max(np.abs(rewards)) <= 0.5
    env._progress = env._engine.length
    assert env.step(0)[2]


def test_its_driver_gets_along_uses_every_key_and_says_only_what_it_does():
    env = KartEnv(max_steps=256)
    episodes = [
        play_episode(env, make_explorer("kart", np.random.default_rng(n)), n) for n in range(3)
    ]
    env.close()
    assert sum(episode.rewards.sum() for episode in episodes) > 10
    taken = np.bincount(np.concatenate([episode.actions for episode in episodes]), minlength=9)
    assert (taken > 0).all()
    meaning = {p: words for words, said in KART.phrases.items() for p in said["seen"]}
    for episode in episodes:
        for action, text in zip(episode.actions, episode.texts, strict=True):
            assert meaning.get(text, KART.action_text(action)) == KART.action_text(action)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"split": "test"}, "split 'test'"),
        ({"image_size": 256}, "image_size 256"),
        ({"max_steps": 0}, "max_steps 0"),
        ({"depth": "yes"}, "depth 'yes'"),
        ({"render_mode": "human"}, "render_mode 'human'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, says):
    with pytest.raises(WorldsimError, match=says):
        KartEnv(**arguments)


def test_a_wrong_option_is_named_and_the_drive_goes_on(env):
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0, options={"track": "olivermath"})
    for options, says in (
        ({"map": 1}, "'map'.*track, place"),
        ({"track": "moon"}, "'moon'"),
        ({"place": 2}, "place 2"),
    ):
        with pytest.raises(WorldsimError, match=says):
            env.reset(options=options)
    with pytest.raises(WorldsimError, match="action 9 is out of range"):
        env.step(9)
    assert env.step(0)[0].shape == (64, 64, 3)
