import numpy as np
import pytest

from envs.carracing import CARRACING, CarRacingEnv
from envs.collect import play_episode
from envs.drive_words import CARRACING as PHRASES
from envs.drive_words import RETURN
from envs.worlds import make_explorer

pytest.importorskip("Box2D")


@pytest.fixture(scope="module")
def episodes():
    env = CarRacingEnv(max_steps=256, image_size=16)
    yield [
        play_episode(env, make_explorer("carracing", np.random.default_rng(n)), n) for n in range(4)
    ]
    env.close()


def test_every_action_is_taken_and_the_road_is_driven(episodes):
    taken = np.bincount(np.concatenate([e.actions for e in episodes]), minlength=9)
    assert (taken > 5).all()
    assert np.mean([episode.rewards.sum() for episode in episodes]) > 50
    assert all(np.ptp(episode.pose[:, :2], axis=0).max() > 60 for episode in episodes)


def test_off_the_road_it_finds_back():
    env = CarRacingEnv(max_steps=300, image_size=16)
    driver = make_explorer("carracing", np.random.default_rng(0))
    _, info = env.reset(seed=0, options={"track": 7})
    for step in range(60):  # straight on over the grass
        *_, info = env.step(CARRACING.action_index("gas steer left" if step < 8 else "gas"))
    assert not info["on_road"]
    driver.reset(info, env.layout)
    driver._steps = iter(())
    said = []
    for _ in range(120):
        action, text = driver.act(info)
        said.append(text)
        *_, info = env.step(action)
        if info["on_road"]:
            break
    assert info["on_road"] and said[0] in PHRASES[RETURN].seen
    env.close()


def test_a_sentence_of_one_action_is_said_only_while_that_action_is_taken(episodes):
    meaning = {phrase: kind for kind, p in PHRASES.items() for phrase in p.seen}
    checked = 0
    for episode in episodes:
        for action, text in zip(episode.actions, episode.texts, strict=True):
            kind = meaning.get(text)
            assert text in meaning or not text
            if kind in CARRACING.actions:
                assert CARRACING.action_text(action) == kind
                checked += 1
    assert checked > 20


def test_it_races_a_lap_well():
    env = CarRacingEnv(max_steps=1000, image_size=16)
    driver = make_explorer("carracing", np.random.default_rng(1))
    _, info = env.reset(seed=0, options={"track": 7})
    driver.reset(info, env.layout)
    driver._top_speed, driver._grip, driver._shares = 80.0, 30.0, np.eye(5)[0]  # races only
    total, left, over = 0.0, 0, False
    while not over:
        action, _ = driver.act(info)
        _, reward, terminated, truncated, info = env.step(action)
        total, left, over = total + reward, left + (not info["on_road"]), terminated or truncated
    assert terminated and total > 700 and left < 50
    env.close()
