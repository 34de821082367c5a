import subprocess
import sys
from hashlib import sha256

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401
from envs.grid import Thing
from envs.rooms import ROOMS, RoomsEnv
from envs.rooms_map import DUCK, SEEDS, WALL, coloured, make_layout
from worldsim.errors import WorldsimError

rooms_engine = pytest.importorskip("envs.rooms_engine", exc_type=ImportError)
MAZE = next(seed for seed in range(99) if not make_layout(seed).furnished)


@pytest.fixture(scope="module")
def env():
    env = RoomsEnv(render_mode="rgb_array")
    yield env
    env.close()


def walk(env, seed, options=None, steps=12):
    rng = np.random.default_rng(seed)
    frame, info = env.reset(seed=seed, options=options)
    trace = [frame.tobytes(), info["pose"].tobytes()]
    for _ in range(steps):
        frame, *_, info = env.step(int(rng.integers(27)))
        trace += [frame.tobytes(), info["pose"].tobytes(), info["depth"].tobytes()]
    return sha256(b"".join(trace)).hexdigest()


def begin(env, things, yaw=0.0, west=0.0):
    """Stand in a furnished room, some metres west of its middle, with only these things there."""
    layout = make_layout(next(s for s in range(99) if make_layout(s).furnished))
    x, y = layout.centre((0, 0))
    x -= west
    layout.things = [Thing(kind, x + dx, y + dy) for kind, dx, dy in things]
    env.reset(seed=0)
    env._view = env._engine.start(layout, (x, y, yaw), 0)
    return env._info(0)


def hold(env, words, steps):
    rewards = []
    for _ in range(steps):
        _, reward, terminated, _, info = env.step(ROOMS.action_index(words))
        rewards.append(reward)
        if terminated:
            break
    return info, rewards, terminated


@pytest.mark.parametrize("options", [None, {"place": MAZE, "cell": 2}])
def test_the_same_seed_and_actions_give_the_same_frames(env, options):
    first = walk(env, 5, options)
    walk(env, 6)  # what happened in between must not matter
    assert walk(env, 5, options) == first


def test_a_fresh_process_gives_the_same_frames(env):
    code = (
        "from envs.rooms import RoomsEnv; from tests.envs.test_rooms import walk; "
        f"print(walk(RoomsEnv(), 11, {{'place': {MAZE}}}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [walk(env, 11, {"place": MAZE})]


def test_two_worlds_of_one_process_do_not_draw_each_others_walls(env):
    alone = walk(env, 3)
    other = RoomsEnv()
    rng = np.random.default_rng(3)
    frame, info = env.reset(seed=3)
    trace = [frame.tobytes(), info["pose"].tobytes()]
    other.reset(seed=4)
    for _ in range(12):
        frame, *_, info = env.step(int(rng.integers(27)))
        trace += [frame.tobytes(), info["pose"].tobytes(), info["depth"].tobytes()]
        other.step(9)
    other.close()
    assert sha256(b"".join(trace)).hexdigest() == alone


def test_gymnasium_and_stable_baselines_accept_it():
    env = gym.make("worldsim/Rooms-v0", disable_env_checker=True)
    check_env(env.unwrapped)
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize(
    ("words", "degrees", "metres"),
    [
        *(("forward", 0, 0.15), ("back", 180, 0.15)),
        *(("strafe left", 90, 0.12), ("strafe right", 270, 0.12)),
    ],
)
def test_keys_move_the_way_they_say(env, words, degrees, metres):
    before = begin(env, [], yaw=30.0)["pose"]
    after = hold(env, words, 3)[0]["pose"]
    dx, dy = after[:2] - before[:2]
    assert np.hypot(dx, dy) == pytest.approx(3 * metres, rel=1e-3)
    off = float(np.degrees(np.arctan2(dy, dx))) - 30 - degrees
    assert (off + 180) % 360 - 180 == pytest.approx(0, abs=0.1)
    assert after[2] == pytest.approx(30)


def test_a_turn_is_five_degrees_and_leaves_one_in_place(env):
    before = begin(env, [])["pose"]
    assert hold(env, "turn left", 4)[0]["pose"] == pytest.approx(before + [0, 0, 20], abs=1e-4)
    assert hold(env, "turn right", 2)[0]["pose"] == pytest.approx(before + [0, 0, 10], abs=1e-4)


def test_depth_is_in_metres_along_the_view_and_a_wall_stops_one(env):
    layout = make_layout(MAZE)
    cell = next(c for c in layout.cells if (c[0] - 1, c[1]) not in layout.links[c])
    layout.things = layout.things[:1]
    x, y = layout.centre(cell)
    env._view = env._engine.start(layout, (x, y, 180.0), 0)
    depth = env._info(0)["depth"]
    assert depth[30:34, 31:33] == pytest.approx(layout.cell_size / 2, abs=0.15)
    assert depth.shape == (64, 64) and depth.dtype == np.float32
    info, _, _ = hold(env, "forward", 40)
    wall = WALL + cell[0] * (layout.cell_size + WALL)
    assert info["pose"][0] - wall == pytest.approx(0.4, abs=0.16)  # one's own radius
    before = info["pose"]
    after = hold(env, "forward strafe left", 4)[0]["pose"]  # along the wall, to the south
    assert abs(after[0] - before[0]) < 0.15 and before[1] - after[1] > 0.3


def test_a_thing_in_view_is_named_and_boxed_where_it_stands(env):
    ball = coloured("ball", "red")
    info = begin(env, [(ball, 1.6, 0.4), (coloured("box", "blue"), -1.6, 0.0)])
    (seen,) = info["objects"]
    assert (seen["name"], seen["colour"], seen["exit"]) == ("ball", "red", False)
    assert seen["distance"] == pytest.approx(np.hypot(1.6, 0.4), abs=0.15)
    x0, y0, x1, y1 = (round(value) for value in seen["bbox"])
    assert x0 < 32 - 32 * 0.25 < x1 and y0 > 32  # left of the middle, below the horizon
    patch = env.render()[y0 + 1 : y1 - 1, x0 + 2 : x1 - 2].reshape(-1, 3).astype(int)
    red = (patch[:, 0] > 1.5 * patch[:, 1]) & (patch[:, 0] > 1.5 * patch[:, 2])
    assert red.mean() > 0.5


def test_what_stands_behind_a_wall_is_not_seen(env):
    layout = make_layout(MAZE)
    cell = next(
        c
        for c in layout.cells
        if c[0] + 1 < layout.columns and (c[0] + 1, c[1]) not in layout.links[c]
    )
    x, y = layout.centre(cell)
    layout.things = [Thing(coloured("box", "red"), *layout.centre((cell[0] + 1, cell[1])))]
    env._view = env._engine.start(layout, (x, y, 0.0), 0)
    assert env._info(0)["objects"] == []


def test_what_is_taken_pays_and_is_gone_and_the_duck_ends_the_episode(env):
    key = coloured("key", "blue")
    info = begin(env, [(DUCK, 3.4, 0.0), (key, 1.8, 0.0)], west=1.6)
    assert {thing["name"] for thing in info["objects"]} == {"duck", "key"}
    info, rewards, terminated = hold(env, "forward", 9)
    assert (sum(rewards), terminated) == (1.0, False)
    assert [thing["name"] for thing in info["objects"]] == ["duck"]
    _, rewards, terminated = hold(env, "forward", 12)
    assert (sum(rewards), terminated) == (1.0, True)


def test_nobody_starts_on_top_of_a_thing(env):
    for seed in range(10):
        _, info = env.reset(seed=seed)
        x, y, _ = info["pose"]
        assert min(np.hypot(t.x - x, t.y - y) for t in env.layout.things) > 0.6


def test_every_place_is_described_by_what_it_is_and_what_its_walls_are_of(env):
    said = {ROOMS.describe(make_layout(seed).name) for seed in range(60)}
    assert len(said) > 15 and ROOMS.description not in said
    assert ROOMS.describe("maze-wood-planks-000001").endswith("a maze with walls of wood planks.")
    assert ROOMS.describe("furnished-brick-000001").endswith("rooms with walls of brick.")
    _, info = env.reset(seed=0)
    kind, walls = info["source"].split("-")[0], set(env.layout.wall_of.values())
    assert env.layout.furnished == (kind == "furnished")
    assert any(info["source"].split("-")[1] in name for name in walls)
    # Datasets made before places had names are described as the world is.
    assert ROOMS.describe("place-000123") == ROOMS.description


def test_heldout_places_and_sorts_of_places_are_as_asked():
    env = RoomsEnv(split="heldout", places="furnished", max_steps=2, image_size=32)
    frame, info = env.reset(seed=0)
    assert frame.shape == (32, 32, 3) and env.layout.furnished
    assert int(info["source"].split("-")[-1]) >= SEEDS["heldout"][0]
    assert [env.step(0)[3] for _ in range(2)] == [False, True]
    env.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"split": "test"}, "split 'test'"),
        ({"places": "castle"}, "places 'castle'"),
        ({"image_size": 8}, "image_size 8"),
        ({"max_steps": 0}, "max_steps 0"),
        ({"render_mode": "human"}, "render_mode 'human'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, says):
    with pytest.raises(WorldsimError, match=says):
        RoomsEnv(**arguments)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"map": 1}, "'map'.*place"), ({"place": -1}, "place -1"), ({"cell": 999}, "cell 999")],
)
def test_a_wrong_option_is_named_and_the_walk_goes_on(env, options, says):
    env.reset(seed=0)
    with pytest.raises(WorldsimError, match=says):
        env.reset(options=options)
    with pytest.raises(WorldsimError, match="action 27 is out of range"):
        env.step(27)
    assert env.step(0)[0].shape == (64, 64, 3)


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_room_of_the_duck_is_where_one_looks_at_it(split):
    env = gym.make("worldsim/RoomsDuck-v0", split=split)
    for seed in range(3):
        _, info = env.reset(seed=seed)
        x, y, yaw = info["pose"]
        duck = next(t for t in env.get_wrapper_attr("layout").things if t.kind is DUCK)
        aside = (np.degrees(np.arctan2(duck.y - y, duck.x - x)) - yaw + 180) % 360 - 180
        assert np.hypot(duck.x - x, duck.y - y) < 6 and abs(aside) < 60
    env.close()


def test_a_duck_that_is_walked_up_to_ends_the_task_with_a_reward():
    env = gym.make("worldsim/RoomsDuck-v0")
    _, info = env.reset(seed=1)
    duck = next(t for t in env.get_wrapper_attr("layout").things if t.kind is DUCK)
    total, ended, cut = 0.0, False, False
    while not (ended or cut):
        x, y, yaw = info["pose"]
        aside = (np.degrees(np.arctan2(duck.y - y, duck.x - x)) - yaw + 180) % 360 - 180
        side = "turn left" if aside > 0 else "turn right"
        words = "forward" if abs(aside) < 4 else f"forward {side}" if abs(aside) < 20 else side
        _, reward, ended, cut, info = env.step(ROOMS.action_index(words))
        total += reward
    assert ended and total >= 1
    env.close()


@pytest.mark.parametrize(("name", "shape"), [("Four", (2, 2)), ("Maze", None)])
def test_four_rooms_are_four_and_a_maze_is_a_maze(name, shape):
    env = gym.make(f"worldsim/Rooms{name}-v0", split="heldout")
    for seed in range(3):
        env.reset(seed=seed)
        layout = env.get_wrapper_attr("layout")
        assert layout.seed >= SEEDS["heldout"][0] and layout.furnished == bool(shape)
        assert not shape or (layout.columns, layout.rows) == shape
    env.close()
