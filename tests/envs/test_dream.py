"""The single dreamed environment, on a tiny model with random weights."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest

import envs  # noqa: F401
from envs.dream import DreamEnv
from tests.worldsim.tiny import SPEC, make_checkpoint
from worldsim.errors import WorldsimError

ID = "worldsim/DreamDoom-v0"
FORWARD, LEFT = SPEC.action_index("forward"), SPEC.action_index("turn left")
START = make_checkpoint().starts[0]
FRAMES = START.frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("dream") / "model"
    make_checkpoint().save(path)
    return str(path)


@pytest.fixture(scope="module")
def shared(folder):
    return gymnasium.make(ID, checkpoint=folder, render_mode="rgb_array")


@pytest.fixture
def env(shared):
    shared.reset(seed=0)
    return shared


def film(env, actions=(FORWARD, 0, LEFT)):
    return np.stack([env.step(action)[0] for action in actions])


def heard(env, monkeypatch):
    """Return the list that what the model hears will be appended to."""
    simulator, words = env.unwrapped._core.simulator, []
    step = simulator.step
    monkeypatch.setattr(simulator, "step", lambda w: (words.append(w[0]), step(w))[1])
    return words


def test_an_episode_is_cut_after_512_steps_unless_told_otherwise(env, folder):
    assert env.spec.max_episode_steps == 512
    endless = gymnasium.make(ID, checkpoint=folder, max_episode_steps=-1)
    assert "TimeLimit" in str(env) and "TimeLimit" not in str(endless)
    short = gymnasium.make(ID, checkpoint=folder, max_episode_steps=1)
    short.reset(seed=0)
    assert short.step(0)[3]


def test_the_spaces_are_those_of_the_real_world(env):
    pytest.importorskip("vizdoom")
    real = gymnasium.make("worldsim/Doom-v0", image_size=32).unwrapped
    assert env.observation_space == real.observation_space
    assert env.action_space == real.action_space
    assert env.unwrapped.spec_world.actions == real.spec_world.actions
    assert env.metadata["render_fps"] == real.metadata["render_fps"]


def test_the_same_seed_dreams_the_same_and_another_seed_does_not(env):
    films, names = [], set()
    for seed in (7, 7, 8):
        first, info = env.reset(seed=seed)
        films.append(np.concatenate([first[None], film(env)]))
    assert np.array_equal(films[0], films[1])
    assert not np.array_equal(films[0], films[2])
    for seed in range(8):
        names.add(env.reset(seed=seed)[1]["start"])
    assert names == {"maze-0", "maze-1"}


def test_without_a_seed_the_next_dream_is_another_one(env):
    films = []
    for _ in range(2):
        env.reset(options={"start": 0})
        films.append(film(env))
    assert not np.array_equal(*films)


@pytest.mark.parametrize("start", ["maze-1", 1, "1", np.int64(1)])
def test_a_start_is_chosen_by_name_or_number(env, start):
    frame, info = env.reset(options={"start": start})
    assert info == {"start": "maze-1", "prompt": None}
    assert np.array_equal(frame, make_checkpoint().starts[1].frames[-1])
    assert env.unwrapped.start_names == ["maze-0", "maze-1"]


def test_given_frames_with_actions_begin_the_same_dream_as_the_same_clip_by_name(env):
    env.reset(seed=3, options={"start": "maze-0"})
    named = film(env)
    given = {"frames": FRAMES, "actions": [SPEC.action_index(a) for a in START.actions]}
    frame, info = env.reset(seed=3, options=given)
    assert np.array_equal(frame, FRAMES[-1]) and info["start"] == "given"
    assert np.array_equal(film(env), named)
    env.reset(seed=3, options={"frames": FRAMES})  # actions left out are "stay"
    assert not np.array_equal(film(env), named)
    env.reset(seed=3, options={"frames": FRAMES[:1]})
    assert film(env).shape == (3, 32, 32, 3)


def test_a_prompt_changes_the_dream(env):
    films = []
    for prompt in (None, "walk to the green torch"):
        assert env.reset(seed=3, options={"start": 0, "prompt": prompt})[1]["prompt"] == prompt
        films.append(film(env))
    assert not np.array_equal(*films)


@pytest.mark.parametrize("by_option", [False, True])
def test_a_restored_dream_repeats_bit_for_bit_as_often_as_wanted(env, by_option):
    env.unwrapped.say("turn left")
    env.step(0)
    snapshot = env.unwrapped.snapshot()
    seen, runs = env.render(), []
    for _ in range(3):
        steps = [env.step(a) for a in (0, 0, FORWARD)]
        runs.append([np.stack([s[0] for s in steps]), [s[1:] for s in steps]])
        runs[-1].append(env.reset()[0])  # an unseeded reset repeats as well
        if by_option:
            frame, info = env.reset(options={"snapshot": snapshot})
            assert info["start"] == "snapshot"
        else:
            env.unwrapped.restore(snapshot)
            frame = env.render()
        assert np.array_equal(frame, seen)
    for run in runs[1:]:
        assert np.array_equal(run[0], runs[0][0])
        assert run[1] == runs[0][1]
        assert np.array_equal(run[2], runs[0][2])


def test_a_sentence_steers_while_nothing_else_is_done(env, monkeypatch):
    snapshot = env.unwrapped.snapshot()
    silent = film(env, [0, 0])
    env.unwrapped.restore(snapshot)
    env.unwrapped.say("walk to the green torch")
    assert not np.array_equal(film(env, [0, 0]), silent)
    words = heard(env, monkeypatch)
    env.unwrapped.say("turn left")
    film(env, [0] * 7)  # the window of the tiny model has 6 frames
    assert words == [None] * 5 + ["stay"] * 2


def test_another_action_takes_over_from_a_sentence_at_once(env, monkeypatch):
    snapshot = env.unwrapped.snapshot()
    unsaid = film(env, [FORWARD, 0])
    env.unwrapped.restore(snapshot)
    env.unwrapped.say("walk to the green torch")
    assert np.array_equal(film(env, [FORWARD, 0]), unsaid)
    words = heard(env, monkeypatch)
    env.unwrapped.say("turn left")
    film(env, [0, 0, LEFT, 0])
    assert words == [None, None, "turn left", "stay"]


def test_a_real_frame_takes_the_place_of_the_dreamed_one(env):
    snapshot = env.unwrapped.snapshot()
    env.step(FORWARD)
    dreamed = film(env, [0])
    env.unwrapped.restore(snapshot)
    env.step(FORWARD)
    env.unwrapped.append(FRAMES[0])
    assert np.array_equal(env.render(), FRAMES[0])
    assert not np.array_equal(film(env, [0]), dreamed)


def test_what_is_returned_belongs_to_the_caller(env):
    frame = env.step(0)[0]
    kept = frame.copy()
    frame[:] = 0
    assert np.array_equal(env.render(), kept)


def test_a_step_says_what_was_done_and_how_long_it_took(env):
    info = env.step(LEFT)[4]
    assert info["action_text"] == "turn left" and 0 < info["end_chance"] < 1
    assert 0 <= info["worn"] <= 6 and info["again"] is False and len(info) == 4
    assert set(env.unwrapped.stage_ms) == {"denoise", "commit", "decode"}
    assert len(env.unwrapped.model_id) == 64


WRONG_ACTIONS = [
    -1, 27, 1.0, math.nan, None, "forward", True, [1], [1, 2], np.array([3]), [[1], [2, 3]], {},
]  # fmt: skip
WRONG_OPTIONS = [
    {"maze": 3},
    {"start": "nowhere"},
    {"start": 2},
    {"start": -1},
    {"start": 0.5},
    {"start": []},
    {"start": 0, "frames": FRAMES},
    {"actions": [1, 2]},
    {"frames": FRAMES, "actions": [1]},
    {"frames": FRAMES, "actions": [1, 99]},
    {"frames": FRAMES, "actions": [1, 0.5]},
    {"frames": FRAMES, "actions": 3},
    {"frames": FRAMES[:, :16]},
    {"frames": FRAMES[0]},
    {"frames": FRAMES[:0]},
    {"frames": FRAMES / 255},
    {"frames": "maze-0"},
    {"prompt": ""},
    {"prompt": "word " * 40},
    {"prompt": 5},
    {"snapshot": 3},
    {"snapshot": {}},
    {"snapshot": {}, "start": 0},
]


def mistakes(env):
    """Yield calls that a user may get wrong."""
    world = env.unwrapped
    for action in WRONG_ACTIONS:
        yield lambda action=action: world.step(action)
    for options in WRONG_OPTIONS:
        yield lambda options=options: world.reset(options=options)
    for text in ("", "  ", "word " * 40, 3, ["go"]):
        yield lambda text=text: world.say(text)
    for frame in (FRAMES, FRAMES[0, :16], FRAMES[0] / 255, None, [[1], [2, 3]]):
        yield lambda frame=frame: world.append(frame)
    yield lambda: world.restore({"frame": 1})


def test_every_mistake_is_one_clear_error_and_the_dream_goes_on(env):
    random = env.unwrapped.np_random.bit_generator.state
    snapshot = env.unwrapped.snapshot()
    untroubled = film(env, [FORWARD] * 3)
    env.unwrapped.restore(snapshot)
    for number, call in enumerate(mistakes(env)):
        with pytest.raises(WorldsimError) as error:
            call()
        assert "\n" not in str(error.value), number
    env.unwrapped.np_random.bit_generator.state = random
    assert np.array_equal(film(env, [FORWARD] * 3), untroubled)


def test_a_snapshot_of_other_weights_is_refused(env, tmp_path):
    make_checkpoint(seed=1).save(tmp_path / "other")
    other = DreamEnv(checkpoint=tmp_path / "other")
    other.reset(seed=0)
    with pytest.raises(WorldsimError, match="other weights"):
        env.unwrapped.restore(other.snapshot())
    assert other.model_id != env.unwrapped.model_id


def test_nothing_goes_before_the_first_reset(folder):
    world = DreamEnv(checkpoint=folder)
    calls = [
        lambda: world.step(0),
        lambda: world.say("turn left"),
        lambda: world.append(FRAMES[0]),
        world.snapshot,
    ]
    for call in calls:
        with pytest.raises(gymnasium.error.ResetNeeded):
            call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"world": "kart"}, "does not dream 'kart', it knows doom"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"device": "tpu9"}, "device 'tpu9'"),
        ({"render_mode": "human"}, "render_mode 'human'"),
        ({"checkpoint": "/no/such/folder"}, "/no/such/folder"),
    ],
)
def test_a_world_that_cannot_be_made_says_why(folder, arguments, message):
    with pytest.raises(WorldsimError, match=message):
        DreamEnv(**{"checkpoint": folder} | arguments)


def test_a_checkpoint_without_clips_asks_for_frames(tmp_path):
    checkpoint = make_checkpoint()
    checkpoint.starts = []
    checkpoint.save(tmp_path / "model")
    world = DreamEnv(checkpoint=tmp_path / "model")
    with pytest.raises(WorldsimError, match="no start clips.*frames"):
        world.reset()
    world.reset(options={"frames": FRAMES})
    assert film(world).any()
