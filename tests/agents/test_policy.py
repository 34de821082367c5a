import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecFrameStack, VecTransposeImage

from agents.batched import BatchedEnv
from agents.policy import ABOUT, WEIGHTS, About, PolicyAgent, make_policy
from tests.agents.test_batched import make
from tests.agents.toy import KEYS, SIZE, SPEC
from worldsim.errors import WorldsimError

ACTIONS = [SPEC.action_index(words) for words in KEYS]
TOY = About("toy", list(KEYS), stack=3, image_size=SIZE, inside="real", steps=7)


@pytest.fixture
def agent():
    torch.manual_seed(0)
    policy = make_policy(TOY)
    for parameter in policy.action_net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # as good as undecided otherwise
    return PolicyAgent(policy.eval(), TOY, ACTIONS)


def frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def drive(agent, seen):
    agent.reset()
    return [agent.act(frame, {}) for frame in seen]


def test_what_is_saved_acts_the_same_after_loading(agent, tmp_path):
    agent.save(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {ABOUT, WEIGHTS}
    one, other = (PolicyAgent.load(tmp_path, SPEC, greedy=True) for _ in range(2))
    agent.greedy = True
    done = drive(agent, frames(20))
    assert done == drive(one, frames(20)) == drive(other, frames(20))
    assert set(done) <= set(ACTIONS) and one.about == TOY


def test_luck_is_an_argument(agent, tmp_path):
    agent.save(tmp_path)
    runs = [drive(PolicyAgent.load(tmp_path, SPEC, seed=s), frames(30)) for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_it_holds_an_action_and_does_not_look_in_between(agent):
    held = PolicyAgent(agent.policy, replace(TOY, repeat=3), ACTIONS)
    again = PolicyAgent(agent.policy, TOY, ACTIONS)
    assert drive(held, frames(12)) == np.repeat(drive(again, frames(12)[::3]), 3).tolist()
    held.reset()
    held.act(frames(1)[0], {})
    assert len(held._seen) == 1


def test_in_a_world_of_long_steps_it_holds_an_action_for_as_many_fewer(agent, tmp_path):
    PolicyAgent(agent.policy, replace(TOY, repeat=6), ACTIONS).save(tmp_path)
    long = replace(SPEC, skip=3)
    there = PolicyAgent.load(tmp_path, long, seed=4)
    here = PolicyAgent.load(tmp_path, SPEC, seed=4)
    seen = frames(6)
    assert np.repeat(drive(there, seen), 3).tolist() == drive(here, seen.repeat(3, axis=0))
    with pytest.raises(WorldsimError, match="for 6 steps .* is 4: it cannot act here"):
        PolicyAgent.load(tmp_path, replace(SPEC, skip=4))


def test_it_sees_frames_as_the_learner_did(agent):
    """The newest frames, black before the first: what `VecFrameStack` shows while training."""
    seen, policy = [], agent.policy
    get = policy.get_distribution
    policy.get_distribution = lambda pixels: seen.append(pixels) or get(pixels)
    worlds = VecTransposeImage(VecFrameStack(BatchedEnv(make(1, steps=9), ACTIONS), 3))
    worlds.seed(3)
    shown, agent_frames = [worlds.reset()], []
    for _ in range(5):
        shown.append(worlds.step(np.zeros(1, int))[0])
    for stacked in shown:
        agent_frames.append(stacked[0, -3:].transpose(1, 2, 0))
    drive(agent, agent_frames)
    for stacked, pixels in zip(shown, seen, strict=True):
        assert np.array_equal(stacked, pixels.numpy())


def test_frames_of_another_size_are_refused(agent):
    with pytest.raises(WorldsimError, match="36 x 36, not \\(64, 64, 3\\)"):
        agent.act(np.zeros((64, 64, 3), np.uint8), {})


def test_a_damaged_or_missing_agent_is_named(agent, tmp_path):
    with pytest.raises(WorldsimError, match="holds no agent"):
        PolicyAgent.load(tmp_path, SPEC)
    agent.save(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"not weights")
    with pytest.raises(WorldsimError, match=WEIGHTS):
        PolicyAgent.load(tmp_path, SPEC)
    agent.save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text()) | {"keys": ["fly"]}
    (tmp_path / ABOUT).write_text(json.dumps(about))
    with pytest.raises(WorldsimError):
        PolicyAgent.load(tmp_path, SPEC)
