import math

import numpy as np
import pytest

from envs.collect import play_episode
from envs.doom import DOOM
from envs.doom_map import make_maze
from envs.doom_style import SPHERE
from envs.grid import Grid, Thing
from envs.walk_sight import best_bearing, room_ahead
from envs.walk_words import PHRASES
from envs.worlds import make_explorer, make_world


class OpenField:
    """A fake world without walls: as much of an env as an explorer needs."""

    def __init__(self, depth=500.0):
        self.pose = np.zeros(3, np.float32)
        self.depth = np.full((64, 64), depth, np.float32)

    @property
    def info(self):
        return {"pose": self.pose.copy(), "depth": self.depth, "objects": []}

    def step(self, action):
        words = DOOM.action_text(action)
        turn = 6 * ("turn left" in words) - 6 * ("turn right" in words)
        self.pose[2] = (self.pose[2] + turn) % 360
        speed = 14 * ("forward" in words) - 14 * ("back" in words)
        side = 14 * ("strafe left" in words) - 14 * ("strafe right" in words)
        yaw = math.radians(self.pose[2])
        self.pose[0] += speed * math.cos(yaw) - side * math.sin(yaw)
        self.pose[1] += speed * math.sin(yaw) + side * math.cos(yaw)


def wander(world, seed, steps):
    explorer = make_explorer("doom", np.random.default_rng(seed))
    explorer.reset(world.info, None)
    taken = []
    for _ in range(steps):
        action, text = explorer.act(world.info)
        world.step(action)
        taken.append((action, text))
    return taken


@pytest.fixture(scope="module")
def episodes():
    pytest.importorskip("vizdoom")
    env = make_world("doom", source="mixed", depth=True, max_steps=150)
    yield [play_episode(env, make_explorer("doom", np.random.default_rng(n)), n) for n in range(8)]
    env.close()


def test_every_combination_of_keys_occurs():
    assert {action for action, _ in wander(OpenField(), 0, 6000)} == set(range(27))


def test_the_same_randomness_gives_the_same_walk():
    assert wander(OpenField(), 3, 300) == wander(OpenField(), 3, 300)
    assert wander(OpenField(), 3, 300) != wander(OpenField(), 4, 300)


def test_where_there_is_no_other_cell_it_roams():
    grid = Grid(2, 1, 160.0, 16.0, links={(0, 0): [(1, 0)], (1, 0): [(0, 0)]})
    grid.things = [Thing(SPHERE, *grid.centre((1, 0)))]
    world, explorer = OpenField(), make_explorer("doom", np.random.default_rng(0))
    explorer.reset(world.info, grid)
    for _ in range(300):
        world.step(explorer.act(world.info)[0])


def test_in_front_of_a_wall_it_does_not_stare():
    actions = [action for action, _ in wander(OpenField(depth=30.0), 0, 400)]
    turning = np.array(["turn" in DOOM.action_text(action) for action in actions])
    still = np.lib.stride_tricks.sliding_window_view(~turning, 25).all(axis=1)
    assert not still.any()


def test_it_walks_to_where_one_can_see_far():
    depth = np.full((64, 64), 60.0, np.float32)
    depth[:, 8:20] = 500.0
    bearing, far = best_bearing(depth, (0.0, 0.0, 0.0), {}, np.random.default_rng(0))
    assert 20 < bearing < 40 and far > 500
    assert room_ahead(depth) == 60.0


def test_where_the_engine_runs_most_frames_move(episodes):
    for episode in episodes:
        change = np.abs(np.diff(episode.frames.astype(int), axis=0)).mean((1, 2, 3))
        assert (change > 0.5).mean() > 0.8


def test_it_gets_about(episodes):
    places = [len({tuple(xy // 128) for xy in episode.pose[:, :2]}) for episode in episodes]
    assert np.mean(places) > 5


def test_a_sentence_of_one_action_is_said_only_while_that_action_is_taken(episodes):
    meaning = {phrase: kind for kind, p in PHRASES.items() for phrase in p.seen}
    checked = 0
    for episode in episodes:
        for action, text in zip(episode.actions, episode.texts, strict=True):
            kind = meaning.get(text)
            if kind in DOOM.actions:
                assert DOOM.action_text(action) == kind
                checked += 1
    assert checked > 50


def test_a_walk_to_a_thing_gets_nearer_to_one_of_that_name():
    pytest.importorskip("vizdoom")
    env = make_world("doom", source="maze", depth=True, max_steps=200)
    nearer = []
    for seed in range(8):
        episode = play_episode(env, make_explorer("doom", np.random.default_rng(seed)), seed)
        things = make_maze(int(episode.source.removeprefix("maze-"))).things
        for first, last, text in stretches(episode.texts):
            for words in {t.kind.words for t in things if text.endswith(f" {t.kind.words}")}:
                same = [(t.x, t.y) for t in things if t.kind.words == words]
                before, after = (
                    np.hypot(*(episode.pose[k, :2] - np.array(same)).T) for k in (first, last)
                )
                nearer.append(bool((after < before + 10).any()))
    env.close()
    assert len(nearer) >= 3 and np.mean(nearer) > 0.9


def test_no_unseen_phrase_is_ever_written(episodes):
    unseen = {phrase for p in PHRASES.values() for phrase in p.unseen}
    for episode in episodes:
        assert not unseen & set(episode.texts)


def stretches(texts):
    """Yield (first frame, last frame, sentence) of every run of one sentence."""
    first = 0
    for step in range(1, len(texts) + 1):
        if step == len(texts) or texts[step] != texts[first]:
            yield first, step, texts[first]
            first = step


def test_in_rooms_it_walks_in_metres_and_gets_about_there_too():
    pytest.importorskip("envs.rooms_engine", exc_type=ImportError)
    env = make_world("rooms", image_size=32, max_steps=150)
    walks = [
        play_episode(env, make_explorer("rooms", np.random.default_rng(n)), n) for n in range(6)
    ]
    env.close()
    assert np.median([np.ptp(walk.pose[:, :2], axis=0).max() for walk in walks]) > 3
    assert any(text.endswith(("ball", "box", "key", "duck")) for w in walks for text in w.texts)
    moving = [np.abs(np.diff(w.frames.astype(int), axis=0)).mean((1, 2, 3)) > 0.3 for w in walks]
    assert np.mean(np.concatenate(moving)) > 0.8
