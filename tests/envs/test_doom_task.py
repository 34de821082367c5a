import numpy as np
import pytest

from envs.doom import DOOM, DoomEnv
from envs.doom_task import TASKS
from worldsim.errors import WorldsimError

pytest.importorskip("vizdoom")


def test_staying_alive_pays_a_point_a_tic_and_death_ends_the_task():
    env = DoomEnv(source="take_cover", max_steps=1050)
    env.reset(seed=1)
    rewards, terminated = [], False
    while not terminated:
        _, reward, terminated, truncated, _ = env.step(0)
        rewards.append(reward)
        assert not truncated
    assert set(rewards[:-1]) == {2.0} and 0 <= rewards[-1] <= 2
    env.close()


def test_pain_is_taken_off_for_the_health_that_is_lost_and_changes_nothing_else():
    played = []
    for pain in (0.0, 0.1):
        env = DoomEnv(source="take_cover", max_steps=1050, image_size=16, pain=pain)
        env.reset(seed=1)
        rewards, health, terminated = [], [100.0], False
        while not terminated:
            _, reward, terminated, _, _ = env.step(0)
            rewards.append(reward)
            health.append(max(0.0, env.engine.health()))
        played.append((rewards, health))
        env.close()
    (without, health), (felt, same) = played
    assert health == same and health[-1] == 0
    assert np.allclose(np.array(without) - felt, 0.1 * -np.diff(health))
    with pytest.raises(WorldsimError, match="pain -1"):
        DoomEnv(pain=-1)


def test_the_armour_at_the_end_of_the_corridor_is_seen_and_getting_nearer_pays():
    env = DoomEnv(source="deadly_corridor")
    _, info = env.reset(seed=0)
    things = {thing["name"] for thing in info["objects"]}
    assert {"armour", "zombie"} <= things
    forward = sum(env.step(DOOM.action_index("forward"))[1] for _ in range(10))
    assert forward > 20
    env.close()


def test_mixed_takes_tasks_as_often_as_told():
    env = DoomEnv(source="mixed", task_share=0.5, image_size=16)
    where = [env.reset(seed=n)[1]["source"] for n in range(24)]
    assert 5 < sum(source in TASKS for source in where) < 19
    assert any(source.startswith("maze") for source in where)
    env.close()
