import numpy as np
import pytest
import torch

from tests.worldsim.train.runs import make_config, metrics, write_data
from worldsim.checkpoint import Checkpoint
from worldsim.deed import AFTER, BEFORE, STEPS, Deed
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID
from worldsim.train.deeds import Lesson, fit_deed
from worldsim.train.latents import Track
from worldsim.train.program import train
from worldsim.train.run import RunFolder

FASTER, SLOWER = [7], [8]
LENGTH = 50


def pushed(seed=0, episodes=6, world="sliding", **known):
    """Pictures that slide: a key makes them faster to the right, another to the left.

    Which way they go tells nothing, how that changes does.
    """
    rng = np.random.default_rng(seed)
    moved, tracks = np.zeros((episodes * (LENGTH + 1), 3, GRID, GRID), np.float16), []
    for episode in range(episodes):
        at, speed, actions = episode * (LENGTH + 1), 0.0, []
        for step in range(LENGTH):
            if step % 7 == 0:
                speed = rng.uniform(-0.2, 0.2)
            actions.append(FASTER if rng.random() < 0.5 else SLOWER)
            speed += 0.04 if actions[-1] == FASTER else -0.04
            moved[at + step + 1, 0], moved[at + step + 1, 2] = speed, 1
        tracks.append(Track(start=at, actions=actions, sentences=[[]] * LENGTH, world=world,
                            stretch=[0] * LENGTH, answers=[0] * (LENGTH + 1), **known))  # fmt: skip
    return moved, tracks


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


def make_deed():
    torch.manual_seed(0)
    return Deed(first=8, width=64)


def told(deed, seed=9):
    """Return how many actions a straight line over what is seen tells, not fitted to these."""
    shown = Lesson(*pushed(seed), {}, seed=3)(999, 400)
    whole = shown.motions.flatten(2).any(dim=2).all(dim=1)
    with torch.no_grad():
        x = deed(shown.motions[whole]).double()
    y, half = shown.action[whole].double() * 2 - 1, int(whole.sum()) // 2
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    line = torch.linalg.solve(x[:half].T @ x[:half] + torch.eye(x.shape[1]), x[:half].T @ y[:half])
    return float((torch.sign(x[half:] @ line) == y[half:]).double().mean())


def test_what_was_done_is_told_from_how_motion_changes_and_words_hear_nothing_yet(tmp_path):
    deed = make_deed()
    fit_deed(deed, Lesson(*pushed(), {}, seed=1), folder(tmp_path), 60, batch=32)
    assert told(deed) > 0.85, "one step alone tells no more than half"
    done = deed.see(torch.ones(1, 1, STEPS, 3, GRID, GRID))
    assert not deed.answer(torch.randn(1, 1, 64), done, torch.tensor([[0]])).any()


def test_what_was_learnt_is_kept_and_not_learnt_again(tmp_path):
    run, (one, two) = folder(tmp_path), (make_deed(), make_deed())
    luck = torch.random.get_rng_state()
    fit_deed(one, Lesson(*pushed(), {}), run, 3, batch=8)
    assert torch.equal(luck, torch.random.get_rng_state()), "who resumes has the same luck"
    fit_deed(two, Lesson(np.zeros_like(pushed()[0]), pushed()[1], {}), run, 3, batch=8)
    for mine, theirs in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_steps_are_shown_with_what_was_done_and_what_could_have_been():
    moved, tracks = pushed()
    other = Track(start=0, actions=[[9]] * LENGTH, sentences=[[]] * LENGTH, world="other",
                  stretch=[0] * LENGTH, answers=[0] * (LENGTH + 1))  # fmt: skip
    lesson = Lesson(moved, [*tracks, other], {"sliding": 0.5, "other": 0.5}, seed=2)
    shown = lesson(4, 64)
    assert all(torch.equal(a, b) for a, b in zip(shown, lesson(4, 64), strict=True))
    assert shown.motions.shape == (64, STEPS, 3, GRID, GRID)
    elsewhere = shown.action == lesson.actions.index(("other", (9,)))
    assert 15 < elsewhere.sum() < 50, "as often as shares say"
    worlds = np.array([world for world, _ in lesson.actions])
    for mine, possible in zip(elsewhere, shown.possible, strict=True):
        assert worlds[possible.numpy()].tolist() == (["other"] if mine else ["sliding"] * 2)
    speed = shown.motions[~elsewhere, :, 0, 0, 0]
    known = (speed[:, BEFORE - 1] != 0) & (speed[:, BEFORE] != 0)
    change = (speed[:, BEFORE] - speed[:, BEFORE - 1])[known]
    small = change.abs() < 0.05  # elsewhere a new speed began
    faster = shown.action[~elsewhere][known] == lesson.actions.index(("sliding", tuple(FASTER)))
    assert torch.equal((change > 0)[small], faster[small]) and small.sum() > 10
    assert AFTER == 1 and (speed[:, -1] == 0).any(), "what comes next is not always known"


def test_what_nobody_can_learn_is_an_error(tmp_path):
    with pytest.raises(WorldsimError, match="batch.labelled_share"):
        Lesson(*pushed(labelled=False), {})


def test_a_run_looks_motion_up_learns_to_tell_deeds_and_then_to_say_them(finished, tmp_path):
    config = make_config(write_data(tmp_path / "data"), tmp_path / "run", steps=3, only=["deed"])
    config.init_from = config.codec_from = str(finished / "model")
    config.deed_steps, config.model.deed_width, config.model.glance_width = 4, 8, 8
    config.batch.rows, config.batch.talk_rows, config.batch.talk_length = 0, 2, 80
    config.batch.talk_shares = {"infer": 1.0}
    train(config)
    for name in ("deed-4.safetensors", "motions.npy"):
        assert (tmp_path / "run" / name).exists()
    mine, theirs = (Checkpoint.load(x / "model").network for x in (tmp_path / "run", finished))
    before, changed = dict(theirs.state_dict()), set()
    for name, value in mine.state_dict().items():
        if name not in before or not torch.equal(value, before[name]):
            changed.add(name.split(".")[0])
    assert changed == {"deed", "glance"}, "the glance was not there before"
    assert mine.deed.said.weight.any() and not mine.glance.said.weight.any()
    assert "talk" in metrics(tmp_path / "run")[0]


def test_where_nobody_sees_deeds_there_is_nobody_to_teach_and_no_motion_is_looked_up(
    data, finished, tmp_path
):
    config = make_config(data, tmp_path / "run", steps=1)
    config.deed_steps = 2
    with pytest.raises(WorldsimError, match="deed_steps=2.*model.deed_width=48"):
        train(config)
    assert not (finished / "motions.npy").exists()
