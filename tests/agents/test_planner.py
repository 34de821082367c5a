from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

import envs  # noqa: F401
from agents.planner import Planner, PlannerConfig
from agents.scores import ByPicture, by_reward
from tests.worldsim.tiny import SPEC, make_checkpoint
from worldsim.errors import WorldsimError

SIZE, LENGTH = 8, 64
STRIP = np.random.default_rng(0).integers(0, 256, (SIZE, LENGTH + SIZE, 3), dtype=np.uint8)
STAY, LEFT, RIGHT = 0, 4, 7  # numbers of a world with more actions than these
WORDS = ("stay", "up", "down", "jump", "left", "duck", "kick", "right", "fly")
KNOWN = replace(SPEC, name="strip", actions=WORDS)


def view(at):
    return STRIP[:, int(at) : int(at) + SIZE]


class Strip(VectorEnv):
    """Dreams of a strip along which one moves; the right half pays, the left end is the end."""

    metadata = {"autoreset_mode": AutoresetMode.DISABLED}
    spec_world = KNOWN

    def __init__(self, num_envs=32):
        self.num_envs, self.resets = num_envs, []
        self.single_observation_space = spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.single_action_space = spaces.Discrete(9)

    def reset(self, *, seed=None, options=None):
        frames = options["frames"]
        assert len(options["actions"]) == len(frames) - 1
        at = next(k for k in range(LENGTH) if np.array_equal(view(k), frames[-1]))
        self.resets.append((len(frames), options["actions"].tolist()))
        self.at = np.full(self.num_envs, at)
        return None, {}

    def step(self, actions):
        move = (actions == RIGHT).astype(int) - (actions == LEFT)
        self.at = np.clip(self.at + move, 0, LENGTH - 1)
        rewards, ended = (self.at > LENGTH // 2).astype(float), self.at == 0
        return np.stack([view(k) for k in self.at]), rewards, ended, ended & False, {}


def drive(planner, at, steps):
    planner.reset()
    for _ in range(steps):
        action = planner.act(view(at), {})
        at = np.clip(at + (action == RIGHT) - (action == LEFT), 0, LENGTH - 1)
    return at


def make(score=by_reward, **changes):
    config = PlannerConfig(**{"horizon": 8, "repeat": 2, "context": 4} | changes)
    return Planner(Strip(), [STAY, LEFT, RIGHT], score, config)


@pytest.mark.parametrize("method", ["cem", "mppi", "shooting"])
def test_it_goes_where_it_pays(method):
    assert drive(make(method=method), LENGTH // 2 - 2, 12) > LENGTH // 2


@pytest.mark.parametrize("goal", [20, 44])
def test_it_goes_to_the_place_of_a_picture(goal):
    planner = make(ByPicture(view(goal)), horizon=12, rounds=4)
    assert abs(drive(planner, 32, 24) - goal) <= 2


def test_a_whole_way_leads_to_where_it_is_best():
    def near(frames, rewards, alive):
        return np.array([-abs(next(k for k in range(LENGTH) if np.array_equal(view(k), f)) - 38)
                         for f in frames])  # fmt: skip

    planner = make(near, horizon=8, rounds=4)
    way = planner.plan([view(31), view(32)], [RIGHT])
    assert way.shape == (8,) and set(way.tolist()) <= {STAY, LEFT, RIGHT}
    assert abs(32 + (way == RIGHT).sum() - (way == LEFT).sum() - 38) <= 2
    assert planner.dream.resets[-1] == (2, [RIGHT])


def test_it_stays_away_from_an_end():
    """Every step pays as long as one lives, and the left end is near."""
    planner = make(lambda frames, rewards, alive: alive.sum(axis=0))
    assert drive(planner, 2, 12) > 0


class Danger(Strip):
    """Ends nowhere, but says that it might, the likelier the farther to the left."""

    draw_ends = False

    def step(self, actions):
        frames, _, ended, cut, _ = super().step(actions)
        chance = np.where(self.at < 8, 0.3, 0.0)
        return frames, np.ones(self.num_envs), ended & False, cut, {"end_chance": chance}


def test_it_stays_away_from_where_an_end_is_likely():
    """Every step pays the same as far as it is likely to be lived."""
    config = PlannerConfig(horizon=6, repeat=2, context=4)
    seen = []
    planner = Planner(
        Danger(), [STAY, LEFT, RIGHT],
        lambda frames, rewards, alive: seen.append(alive) or by_reward(frames, rewards, alive),
        config,
    )  # fmt: skip
    assert drive(planner, 7, 12) >= 8
    assert ((seen[0] > 0) & (seen[0] <= 1)).all() and (seen[0][0] == 1).all()
    assert np.isclose(seen[0], 0.7).any() and (np.diff(seen[0], axis=0) <= 0).all()


def test_where_there_are_few_ways_each_is_tried():
    config = PlannerConfig(horizon=6, repeat=3, rounds=4, every=1)
    tried = []
    planner = Planner(Strip(), [STAY, LEFT, RIGHT], by_reward, config)
    original = planner._try
    planner._try = lambda ways: tried.append(ways) or original(ways)
    assert drive(planner, LENGTH // 2 - 1, 4) > LENGTH // 2
    assert len(tried) == 4, "it looks ahead at every step, once"
    assert len(np.unique(tried[0], axis=0)) == 9


def test_dreams_begin_with_what_was_seen_and_done():
    planner = make()
    drive(planner, 10, 7)
    lengths = [length for length, _ in planner.dream.resets[:: planner.config.rounds]]
    assert lengths == [1, 3, 4, 4]  # planned at every second step, four frames at most
    planner.reset()
    planner.act(view(5), {})
    assert planner.dream.resets[-1] == (1, [])


def test_the_same_seed_does_the_same():
    done = [[make().act(view(30), {}) for _ in range(3)] for _ in range(2)]
    assert done[0] == done[1]


def test_it_plans_in_a_real_dream(tmp_path):
    make_checkpoint().save(tmp_path / "model")
    dream = gym.make_vec("worldsim/DreamDoom-v0", num_envs=4, checkpoint=str(tmp_path / "model"),
                         autoreset_mode="Disabled", max_episode_steps=-1)  # fmt: skip
    keys = [SPEC.action_index(words) for words in ("forward", "turn left")]
    planner = Planner(dream, keys, config=PlannerConfig(horizon=4, repeat=2, rounds=2))
    frames = make_checkpoint().starts[0].frames
    assert {planner.act(frame, {}) for frame in frames} <= set(keys)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"method": "guess"}, "method=guess: use cem, mppi, shooting"), ({"horizon": 0}, "horizon=0"),
     ({"elites": 0}, "elites=0")],
)  # fmt: skip
def test_a_search_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(WorldsimError, match=message):
        make(**changes)


def test_a_goal_of_another_size_and_dreams_that_restart_are_refused():
    with pytest.raises(WorldsimError, match="the goal is a picture of"):
        make(ByPicture(np.zeros((4, 4, 3), np.uint8))).act(view(3), {})
    restarting = Strip()
    restarting.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    with pytest.raises(WorldsimError, match="must not begin anew"):
        Planner(restarting, [STAY])


def near(goal):
    """Score a way by how near to a place it leads."""

    def score(frames, rewards, alive):
        places = [next(k for k in range(LENGTH) if np.array_equal(view(k), f)) for f in frames]
        return -np.abs(np.array(places) - goal)

    return score


def test_to_go_straight_on_is_among_the_first_ways_tried():
    planner = make(near(32 + 24), horizon=24, repeat=1, rounds=1)  # 3 ^ 24 ways, one of them right
    assert (planner.plan([view(32)], []) == RIGHT).all()


def test_it_goes_the_best_way_that_it_tried():
    planner, tried = make(near(35), horizon=12, repeat=1, rounds=3), []
    original = planner._try
    planner._try = lambda ways: tried.append((ways, original(ways))) or tried[-1][1]
    way = planner.plan([view(32)], [])
    ways, scores = (np.concatenate(part) for part in zip(*tried, strict=True))
    assert np.array_equal(way, planner.actions[ways[scores.argmax()]])
    first = tried[0][0][tried[0][1].argmax()]
    assert np.array_equal(tried[1][0][0], first), "the best one is tried again"
