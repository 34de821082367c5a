import subprocess
import sys
from hashlib import sha256

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401
from envs.doom import DOOM, MAPS, MAZE_SEEDS, DoomEnv
from envs.doom_map import make_maze
from envs.doom_task import TASKS
from worldsim.errors import WorldsimError

pytest.importorskip("vizdoom")
MAZE = 4


@pytest.fixture(scope="module")
def env():
    env = gym.make("worldsim/Doom-v0", disable_env_checker=True, depth=True).unwrapped
    yield env
    env.close()


def walk(env, seed, options=None, steps=30):
    rng = np.random.default_rng(seed)
    frame, info = env.reset(seed=seed, options=options)
    trace = [frame.tobytes(), info["pose"].tobytes()]
    for _ in range(steps):
        frame, *_, info = env.step(int(rng.integers(27)))
        trace += [frame.tobytes(), info["pose"].tobytes()]
    return sha256(b"".join(trace)).hexdigest()


def face(env, degrees):
    """Turn until the yaw is within half a step of `degrees`; return the last info."""
    for _ in range(60):
        *_, info = env.step(DOOM.action_index("turn left"))
        if abs((float(info["pose"][2]) - degrees + 180) % 360 - 180) <= 3.05:
            return info
    raise AssertionError("never faced it")


def test_importing_envs_loads_neither_torch_nor_a_simulator():
    code = "import sys, envs; sys.exit(any(m in sys.modules for m in ('torch', 'vizdoom')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_there_are_27_actions_and_the_first_is_to_stay():
    assert len(DOOM.actions) == 27 and DOOM.actions[0] == "stay"
    assert "forward turn left strafe right" in DOOM.actions


def test_train_and_heldout_share_nothing():
    assert not set(MAPS["train"]) & set(MAPS["heldout"])
    assert MAZE_SEEDS["train"][1] < MAZE_SEEDS["heldout"][0]


@pytest.mark.parametrize("options", [None, {"maze": MAZE}, {"map": "map01", "start": 3}])
def test_the_same_seed_and_actions_give_the_same_frames(env, options):
    first = walk(env, 5, options)
    walk(env, 6, {"map": "map03"})  # what happened in between must not matter
    assert walk(env, 5, options) == first


def test_a_fresh_process_gives_the_same_frames(env):
    code = (
        "from envs.doom import DoomEnv; from tests.envs.test_doom import walk; "
        "env = DoomEnv(depth=True); print(walk(env, 11, {'maze': 4})); env.close()"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == walk(env, 11, {"maze": MAZE})


def test_gymnasium_accepts_it():
    env = gym.make("worldsim/Doom-v0", disable_env_checker=True)
    check_env(env.unwrapped)
    env.close()


def test_stable_baselines_accepts_it(env):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(env)


def test_a_turn_is_six_degrees_and_leaves_one_in_place(env):
    _, info = env.reset(seed=1, options={"maze": MAZE})
    for words, degrees in (("turn left", 6), ("turn right", -6), ("stay", 0), ("turn left", 6)):
        before = info["pose"]
        *_, info = env.step(DOOM.action_index(words))
        turned = (float(info["pose"][2] - before[2]) + 180) % 360 - 180
        assert turned == pytest.approx(degrees, abs=0.05)
        assert info["pose"][:2] == pytest.approx(before[:2])
        assert info["action_text"] == words


@pytest.mark.parametrize(
    ("words", "degrees"),
    [("forward", 0), ("back", 180), ("strafe left", 90), ("strafe right", 270)],
)
def test_keys_move_the_way_they_say(env, words, degrees):
    _, info = env.reset(seed=1, options={"maze": MAZE})
    before = info["pose"]
    for _ in range(3):
        *_, info = env.step(DOOM.action_index(words))
    dx, dy = info["pose"][:2] - before[:2]
    angle = np.degrees(np.arctan2(dy, dx)) - before[2]
    assert abs((angle - degrees + 180) % 360 - 180) < 3
    assert np.hypot(dx, dy) > 3


def test_depth_is_in_map_units_along_the_view(env):
    maze = make_maze(MAZE)
    cell = next(c for c in maze.cells if (c[0] - 1, c[1]) not in maze.links[c])
    env.reset(seed=2, options={"maze": MAZE, "start": maze.cells.index(cell)})
    info = face(env, 180)
    middle = info["depth"][30:34, 31:33].mean()
    assert middle == pytest.approx(maze.cell_size / 2, abs=4)
    assert info["depth"].shape == (64, 64) and info["depth"].dtype == np.float32


def test_a_thing_in_view_is_named_and_boxed_where_it_stands(env):
    found = 0
    for seed in range(8):
        _, info = env.reset(seed=seed)
        things = {(t.kind.name, t.kind.colour, t.x, t.y) for t in env.maze.things}
        for item in info["objects"]:
            x, y = item["position"]
            assert (item["name"], item["colour"], x, y) in things
            px, py, yaw = info["pose"]
            bearing = (np.degrees(np.arctan2(y - py, x - px)) - yaw + 180) % 360 - 180
            x0, y0, x1, y1 = item["bbox"]
            assert 0 <= x0 < x1 <= 64 and 0 <= y0 < y1 <= 64
            if x0 > 1 and x1 < 63 and item["distance"] > 150:
                column = 32 - 32 * np.tan(np.radians(bearing))
                assert x0 - 5 < column < x1 + 5
                found += 1
    assert found > 3


def test_picking_up_gives_one_and_the_sphere_ends_the_episode(env):
    env.reset(seed=0, options={"maze": MAZE})
    key = next(thing for thing in env.maze.things if thing.kind.name == "key")
    rewards, ended = _touch(env, key)
    assert (sum(rewards), ended) == (1.0, False)
    rewards, ended = _touch(env, env.maze.things[0])
    assert (sum(rewards), ended) == (1.0, True)


def _touch(env, thing):
    """Warp beside a thing, where there is room, and walk onto it."""
    cell = env.maze.cell_at(thing.x, thing.y)
    x, y = env.maze.centre(cell)
    if (x, y) == (thing.x, thing.y):
        x, y = env.maze.centre(env.maze.links[cell][0])
    angle = np.arctan2(y - thing.y, x - thing.x)
    env.engine.command(f"warp {thing.x + 70 * np.cos(angle)} {thing.y + 70 * np.sin(angle)}")
    env.step(0)
    face(env, np.degrees(angle) + 180)
    rewards = []
    for _ in range(12):
        _, reward, terminated, _, _ = env.step(DOOM.action_index("forward"))
        rewards.append(reward)
        if terminated:
            return rewards, True
    return rewards, False


def test_an_episode_is_cut_after_max_steps():
    env = DoomEnv(max_steps=3, image_size=32)
    frame, _ = env.reset(seed=0)
    assert frame.shape == (32, 32, 3)
    assert [env.step(0)[3] for _ in range(3)] == [False, False, True]
    env.close()


def test_image_size_128_shows_the_same_picture():
    small, large = DoomEnv(image_size=64), DoomEnv(image_size=128)
    a, _ = small.reset(seed=3, options={"maze": MAZE})
    b, _ = large.reset(seed=3, options={"maze": MAZE})
    halved = b.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(halved - a).mean() < 8
    small.close()
    large.close()


def test_heldout_and_maps_come_from_their_own_lists():
    env = DoomEnv(split="heldout", source="map")
    _, info = env.reset(seed=0)
    assert info["source"].removeprefix("freedoom2-") in MAPS["heldout"]
    env.source = "maze"
    _, info = env.reset(seed=0)
    assert int(info["source"].removeprefix("maze-")) >= 1_000_000
    env.close()


def test_nothing_is_left_behind_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = DoomEnv()
    env.reset(seed=0)
    env.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [{"split": "test"}, {"source": "moon"}, {"image_size": 4}, {"max_steps": 0}],
)
def test_a_wrong_argument_is_named(arguments):
    with pytest.raises(WorldsimError, match=str(next(iter(arguments.values())))):
        DoomEnv(**arguments)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"map": "map99"}, "map99"),
        ({"maze": 1, "map": "map01"}, "one of them"),
        ({"maze": 1, "start": 9999}, "9999"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_options_are_named(env, options, says):
    with pytest.raises(WorldsimError, match=says):
        env.reset(seed=0, options=options)


@pytest.mark.parametrize("action", [27, -1])
def test_an_action_that_does_not_exist_is_refused(env, action):
    env.reset(seed=0)
    with pytest.raises(WorldsimError, match="out of range"):
        env.step(action)


def test_without_vizdoom_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(ImportError, match=r'pip install "worldsim\[doom\]"'):
        DoomEnv()


@pytest.mark.parametrize("task", TASKS)
def test_a_task_repeats_and_is_registered_under_its_name(task):
    name = "".join(word.title() for word in task.split("_"))
    env = gym.make(f"worldsim/Doom{name}-v0", disable_env_checker=True).unwrapped
    assert env.max_steps == 1050
    first = walk(env, 5)
    walk(env, 6, {"maze": MAZE})  # what happened in between must not matter
    assert walk(env, 5) == first and env._info(0)["source"] == task
    env.split = "heldout"
    assert walk(env, 5) != first
    env.close()
