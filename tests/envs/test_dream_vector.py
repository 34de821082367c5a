"""Many dreams in one batch, on a tiny model with random weights."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

import envs  # noqa: F401
from envs.dream import DreamEnv
from envs.dream_vector import DreamVectorEnv
from tests.worldsim.tiny import SPEC, make_checkpoint
from worldsim.errors import WorldsimError

ID = "worldsim/DreamDoom-v0"
FORWARD, LEFT = SPEC.action_index("forward"), SPEC.action_index("turn left")
FRAMES = make_checkpoint().starts[0].frames
KEYS = np.array([FORWARD, 0, LEFT])
TOLD = "action_text", "end_chance", "worn", "again"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("dream") / "model"
    make_checkpoint().save(path)
    return str(path)


@pytest.fixture(scope="module")
def make(folder):
    def made(**options):
        env = gymnasium.make_vec(ID, num_envs=3, checkpoint=folder, **options)
        immortal(env)
        return env

    return made


@pytest.fixture(scope="module")
def shared(make):
    return make()


@pytest.fixture
def env(shared):
    shared.reset(seed=0)
    return shared


def immortal(env):
    """Random weights end episodes at random; here only `ends` does."""
    step = env._core.step
    env._core.step = lambda actions: (*step(actions)[:2], np.zeros(len(actions), bool))


def ends(env, monkeypatch, *which):
    """Let the world end in some lanes at the next steps."""
    step = env._core.step
    monkeypatch.setattr(
        env._core, "step", lambda actions: (*step(actions)[:2], np.isin(np.arange(3), which))
    )


def film(env, steps=3):
    return np.stack([np.asarray(env.step(KEYS)[0]) for _ in range(steps)])


def test_make_vec_gives_one_native_batch_with_the_single_world_s_spaces(env, folder):
    single = DreamEnv(checkpoint=folder)
    assert type(env) is DreamVectorEnv and env.num_envs == 3
    assert env.single_observation_space == single.observation_space
    assert env.single_action_space == single.action_space
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP and env.limit == 512
    assert (env.start_names, env.model_id) == (single.start_names, single.model_id)
    frames, info = env.reset(seed=0)
    assert frames in env.observation_space and info["_start"].all()
    frames, rewards, terminated, truncated, info = env.step(env.action_space.sample())
    assert frames in env.observation_space
    for value, kind in ((rewards, np.float32), (terminated, np.bool_), (truncated, np.bool_)):
        assert value.shape == (3,) and value.dtype == kind
    told = {f"{mark}{name}" for name in TOLD for mark in ("", "_")}
    assert info["_action_text"].all() and set(info) == told


def test_an_episode_is_cut_in_the_step_it_ends_and_begins_anew(make):
    env = make(max_episode_steps=2)
    env.reset(seed=0)
    assert not env.step(KEYS)[3].any()
    frames, _, terminated, truncated, info = env.step(KEYS)
    assert truncated.all() and not terminated.any()
    assert info["_final_obs"].all() and info["_final_info"].all()
    assert list(info["final_info"]["action_text"]) == ["forward", "stay", "turn left"]
    first = {start.name: start.frames[-1] for start in make_checkpoint().starts}
    for lane in range(3):
        assert np.array_equal(frames[lane], first[info["start"][lane]])
        assert info["final_obs"][lane].shape == (32, 32, 3)
        assert not np.array_equal(info["final_obs"][lane], frames[lane])
    assert not env.step(KEYS)[3].any()


@pytest.mark.parametrize("limit", [None, -1])
def test_without_a_limit_nothing_is_cut(make, limit):
    assert make(max_episode_steps=limit).limit is None


def test_the_end_of_one_world_does_not_disturb_the_others(env, monkeypatch):
    snapshot = env.snapshot()
    undisturbed = film(env)
    env.restore(snapshot)
    with monkeypatch.context() as patch:
        ends(env, patch, 1)
        frames, _, terminated, _, info = env.step(KEYS)
    assert terminated.tolist() == [False, True, False]
    assert info["_final_obs"].tolist() == info["_start"].tolist() == [False, True, False]
    assert info["final_obs"][0] is None
    assert np.array_equal(info["final_obs"][1], undisturbed[0][1])
    assert info["_action_text"].tolist() == [True, False, True]
    rest = film(env, 2)
    assert np.array_equal(rest[:, [0, 2]], undisturbed[1:, [0, 2]])
    assert not np.array_equal(rest[:, 1], undisturbed[1:, 1])


def test_a_world_that_ends_at_the_limit_is_terminated_not_cut(make, monkeypatch):
    env = make(max_episode_steps=1)
    env.reset(seed=0)
    ends(env, monkeypatch, 2)
    _, _, terminated, truncated, _ = env.step(KEYS)
    assert terminated.tolist() == [False, False, True]
    assert truncated.tolist() == [True, True, False]


@pytest.mark.parametrize("mode", [AutoresetMode.DISABLED, "Disabled"])
def test_with_autoreset_disabled_the_caller_resets_by_mask(make, mode):
    env = make(autoreset_mode=mode, max_episode_steps=2)
    assert env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    env.reset(seed=0)
    env.step(KEYS)
    frames, _, _, truncated, info = env.step(KEYS)
    assert truncated.all() and "final_obs" not in info
    mask, options = np.array([True, False, True]), {"start": "maze-1"}
    begun, info = env.reset(options=options | {"reset_mask": mask})
    first = make_checkpoint().starts[1].frames[-1]
    assert np.array_equal(begun, np.stack([first, frames[1], first]))
    assert info["_start"].tolist() == mask.tolist()
    assert env.step(KEYS)[3].tolist() == [False, True, False]


def test_the_same_seed_dreams_the_same(env):
    films = []
    for seed in (4, [4, 5, 6], 9):
        frames, _ = env.reset(seed=seed)
        films.append(np.concatenate([frames[None], film(env)]))
    assert np.array_equal(films[0], films[1])
    assert not np.array_equal(films[0], films[2])
    env.reset()
    assert not np.array_equal(film(env), films[2][1:])


def test_each_world_dreams_what_a_single_one_of_its_seed_would(env, folder):
    frames, info = env.reset(seed=4)
    many = np.concatenate([frames[None], film(env)])
    single = DreamEnv(checkpoint=folder)
    for lane in range(3):
        frame, alone = single.reset(seed=4 + lane)
        assert alone["start"] == info["start"][lane]
        frames = [frame] + [single.step(KEYS[lane])[0] for _ in range(3)]
        # Matrices of another size are summed in another order.
        assert np.abs(np.stack(frames).astype(int) - many[:, lane]).max() <= 1


def test_a_masked_reset_seeds_no_other_world(env):
    def after(seed):
        env.reset(seed=0)
        env.reset(seed=seed, options={"reset_mask": np.array([True, False, False])})
        rest = film(env)
        env.reset()
        return rest[:, 0], rest[:, 1:], film(env)[:, 1:]

    one, other = after(50), after(60)
    assert not np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    assert np.array_equal(one[2], other[2])


@pytest.mark.parametrize("by_option", [False, True])
def test_restored_dreams_repeat_bit_for_bit_through_the_next_episode(make, by_option):
    env = make(max_episode_steps=3)
    env.reset(seed=0)
    env.step(KEYS)
    env.say(["turn left", None, "walk to the green torch"])
    snapshot, runs = env.snapshot(), []
    for _ in range(3):
        steps = [env.step([0, FORWARD, 0]) for _ in range(4)]
        runs.append([np.stack([np.asarray(s[k]) for s in steps]) for k in range(4)])
        if by_option:
            frames, info = env.reset(options={"snapshot": snapshot})
            assert list(info["start"]) == ["snapshot"] * 3
        else:
            env.restore(snapshot)
    assert runs[0][3].any()
    for run in runs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(run, runs[0], strict=True))


def test_a_sentence_steers_only_the_world_it_is_said_to(env):
    snapshot = env.snapshot()
    silent = env.step([0, 0, 0])[0]
    env.restore(snapshot)
    env.say([None, "walk to the green torch", "turn left"])
    said = env.step([0, 0, FORWARD])[0]
    # The words of one world make the tensors of all longer: a last digit may differ.
    assert apart(said[0], silent[0]) <= 1 < apart(said[1], silent[1])
    env.restore(snapshot)
    assert apart(env.step([0, 0, FORWARD])[0][2], said[2]) <= 1


def apart(one, other):
    return np.abs(one.astype(int) - other).max()


def test_torch_output_stays_torch(make):
    env = make(output="torch", max_episode_steps=2)
    frames, _ = env.reset(seed=0)
    assert isinstance(frames, torch.Tensor) and frames.dtype == torch.uint8
    env.step(torch.tensor([FORWARD, 0, LEFT]))
    frames, rewards, terminated, truncated, info = env.step(torch.from_numpy(KEYS))
    kinds = [x.dtype for x in (frames, rewards, terminated, truncated)]
    assert kinds == [torch.uint8, torch.float32, torch.bool, torch.bool]
    assert frames.device == env._core.simulator.device
    assert isinstance(info["final_obs"][0], torch.Tensor)


def test_real_frames_take_the_place_of_the_dreamed_ones(make):
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    env.step(KEYS)
    env.append(FRAMES)
    assert np.array_equal(np.stack(env.render()), FRAMES)


def test_statistics_of_episodes_can_be_recorded(make):
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(make(max_episode_steps=2))
    env.reset(seed=0)
    env.step(KEYS)
    info = env.step(KEYS)[4]
    assert info["episode"]["l"].tolist() == [2, 2, 2]


MISTAKES = [
    *(
        lambda env, actions=actions: env.step(actions)
        for actions in (
            0, [0], [0, 0, 27], [FORWARD, 0, -1], [0.0, 1.0, 2.0], [0, 0, np.nan], ["a", "b", "c"],
            [[0], [0], [0]], [0, 0, None], [True, False, True], None, torch.zeros(3),
        )
    ),
    *(
        lambda env, mask=mask: env.reset(options={"reset_mask": mask})
        for mask in ([True], np.zeros(3, bool), [1, 0, 1], "all")
    ),
    lambda env: env.reset(options={"maze": 1}),
    lambda env: env.reset(options={"start": 9}),
    lambda env: env.reset(options={"frames": FRAMES[:, :8]}),
    lambda env: env.reset(options={"snapshot": {}}),
    lambda env: env.reset(seed=[1, 2]),
    lambda env: env.say(["turn left"]),
    lambda env: env.say("abc"),
    lambda env: env.say(["", None, None]),
    lambda env: env.say(["turn left", "word " * 40, None]),
    lambda env: env.say([1, 2, 3]),
    lambda env: env.append(FRAMES[:2]),
    lambda env: env.append(FRAMES / 255),
]  # fmt: skip


def test_every_mistake_is_one_clear_error_and_the_dreams_go_on(env):
    snapshot = env.snapshot()
    untroubled = film(env)
    env.restore(snapshot)
    for number, mistake in enumerate(MISTAKES):
        with pytest.raises(WorldsimError) as error:
            mistake(env)
        assert "\n" not in str(error.value), number
    assert np.array_equal(film(env), untroubled)


def test_what_is_not_offered_is_refused(folder):
    for arguments in ({"autoreset_mode": AutoresetMode.NEXT_STEP}, {"output": "jax"}):
        with pytest.raises(WorldsimError, match="not offered"):
            DreamVectorEnv(2, checkpoint=folder, **arguments)
    with pytest.raises(WorldsimError, match="num_envs=0"):
        DreamVectorEnv(0, checkpoint=folder)
    env = DreamVectorEnv(2, checkpoint=folder)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step([0, 0])
    other = DreamVectorEnv(3, checkpoint=folder)
    other.reset(seed=0)
    env.reset(seed=0)
    with pytest.raises(WorldsimError, match="number of lanes"):
        env.restore(other.snapshot())
