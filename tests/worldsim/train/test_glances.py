import json

import numpy as np
import pytest
import torch

from tests.worldsim.sliding import SPEC
from tests.worldsim.train.runs import make_config, metrics, write_data
from worldsim.canvas import Canvas
from worldsim.checkpoint import Checkpoint
from worldsim.data.episode import DEPTH_SIDE
from worldsim.errors import WorldsimError
from worldsim.glance import Glance
from worldsim.train.glances import EITHER_SIDE, UNKNOWN, Heads, School, drawn, fit_glance, wrong
from worldsim.train.latents import Track
from worldsim.train.program import train
from worldsim.train.run import RunFolder

LEFT, RIGHT = [7], [8]
THINGS = {"shifting": ["red box"]}


def shifting(seed=0, steps=200, labelled=True, **known):
    """A texture that is rolled by a pixel to the left or to the right at every step."""
    rng = np.random.default_rng(seed)
    picture, latents, actions = rng.standard_normal((3, 16, 16)), [], []
    for _ in range(steps + 1):
        latents.append(picture)
        actions.append(LEFT if rng.random() < 0.5 else RIGHT)
        picture = np.roll(picture, -1 if actions[-1] == LEFT else 1, axis=2)
    track = Track(start=0, actions=actions[:-1], sentences=[[]] * steps, stretch=[0] * steps,
                  answers=[0] * (steps + 1), world="shifting", labelled=labelled,
                  **known)  # fmt: skip
    return np.stack(latents).astype(np.float16), track


def make_glance():
    torch.manual_seed(0)
    canvas = Canvas(channels=3, size=16, cell=1)
    return Glance(canvas, first=8, width=16), canvas


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


def named(glance, canvas, school, count=300):
    """Return how many actions a straight line over the features tells, where it was not fitted."""
    seen = school(999, count)
    shown = seen.action != UNKNOWN
    with torch.no_grad():
        x = glance.features(drawn(canvas, seen)[shown])[0].double()
    y, half = seen.action[shown].double() * 2 - 1, int(shown.sum()) // 2
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    line = torch.linalg.solve(x[:half].T @ x[:half] + torch.eye(x.shape[1]), x[:half].T @ y[:half])
    return float((torch.sign(x[half:] @ line) == y[half:]).double().mean())


def test_who_glances_learns_what_led_from_frame_to_frame_and_words_are_told_nothing_yet(tmp_path):
    glance, canvas = make_glance()
    latents, track = shifting()
    school = School(latents, [track], {}, {}, seed=1)
    before = named(glance, canvas, school)
    fit_glance(glance, canvas, latents, [track], {}, folder(tmp_path), 80, {}, rate=3e-3)
    assert named(glance, canvas, school) > max(0.9, before)
    both = torch.randn(1, 1, 2, 3, 16, 16)
    assert not glance.tell(both, torch.tensor([[0]]), torch.tensor([[2]])).seen.any()


def test_what_was_learnt_is_kept_and_not_learnt_again(tmp_path):
    latents, track = shifting(steps=20)
    run = folder(tmp_path)
    (one, canvas), (two, _) = make_glance(), make_glance()
    luck = torch.random.get_rng_state()
    fit_glance(one, canvas, latents, [track], {}, run, 3, {})
    assert torch.equal(luck, torch.random.get_rng_state()), "who resumes has the same luck"
    fit_glance(two, canvas, np.zeros(0), [], {}, run, 3, {})
    for mine, theirs in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    (run.path / "glance-3.safetensors").write_bytes(b"no weights")
    with pytest.raises(WorldsimError, match="glance-3.safetensors is damaged"):
        fit_glance(two, canvas, latents, [track], {}, run, 3, {})


def test_frames_are_shown_with_what_is_known_of_them_and_nothing_else():
    latents, track = shifting(steps=40)
    school = School(latents, [track], {}, {}, seed=0)
    seen = school(4, 64)
    assert all(torch.equal(a, b) for a, b in zip(seen[:2], school(4, 64)[:2], strict=True))
    alone = ~seen.latents[:, 1].flatten(1).any(dim=1)
    assert 10 < alone.sum() < 45 and 5 < seen.turned.sum() < 40
    hidden = alone | seen.turned
    assert torch.equal(hidden, seen.action == UNKNOWN)
    for pair, action in zip(seen.latents[~hidden], seen.action[~hidden], strict=True):
        words = dict((number, ids) for (_, ids), number in school.actions.items())[int(action)]
        moved = torch.roll(pair[1], -1 if list(words) == LEFT else 1, dims=2)
        assert torch.equal(moved, pair[0])
    assert (seen.depth == UNKNOWN).all() and (seen.asked == UNKNOWN).all()
    assert seen.motion.isnan().all()


def test_what_facts_poses_and_depth_say_is_asked_in_the_right_place():
    thing = {"name": "box", "colour": "red", "bearing": 40, "distance": 2.0}
    facts = [json.dumps({"things": [thing] if k % 2 else []}) for k in range(41)]
    pose = np.stack([np.arange(41.0), np.zeros(41), np.zeros(41)], axis=1)
    depth = np.full((41, DEPTH_SIDE, DEPTH_SIDE), 100, np.uint16)
    depth[:, :, DEPTH_SIDE // 2 :] = 900
    latents, track = shifting(steps=40, facts=facts, pose=pose, depth=depth)
    school = School(latents, [track], THINGS, {}, seed=0)
    seen = school(0, 64)
    asked = {number: question for question, number in school.questions.items()}
    said = {number: answer for answer, number in school.answers.items()}
    found = {(asked[int(q)], said[int(a)]) for q, a in zip(seen.asked, seen.answer, strict=True)}
    assert (("is there", "red box"), "yes") in found and (("is there", "red box"), "no") in found
    assert (("colour", "box"), "red") in found
    shown = ~seen.motion.isnan().any(dim=1)
    assert (seen.motion[shown, 0] > 0).all(), "a metre ahead, in spreads of the world's"
    left, right = seen.depth.view(-1, 8, 8)[..., :4], seen.depth.view(-1, 8, 8)[..., 4:]
    assert left.unique().numel() == right.unique().numel() == 2
    assert torch.equal((left > right).all(dim=(1, 2)), seen.turned), "as in a mirror"
    assert {asked[int(q)][0] for q in seen.asked[seen.turned]} <= EITHER_SIDE


def test_in_a_mirror_the_picture_is_turned_with_what_is_true_of_it():
    latents, track = shifting(steps=40)
    pose = np.stack([np.zeros(41), np.arange(41.0), 3 * np.arange(41.0)], axis=1)
    track.pose, school = pose, School(latents, [track], {}, {}, seed=0)
    seen, (_, canvas) = school(0, 64), make_glance()
    pictures, as_it_was = drawn(canvas, seen), canvas.draw(seen.latents.flatten(0, 1))
    flipped = as_it_was.unflatten(0, (64, 2)).flip(-1)
    assert torch.equal(pictures[seen.turned], flipped[seen.turned])
    shown = ~seen.motion.isnan().any(dim=1)
    assert torch.equal(seen.motion[shown, 2] < 0, seen.turned[shown])


def test_worlds_are_shown_as_often_as_shares_say_and_unlabelled_play_never():
    latents, first = shifting(steps=30)
    _, second = shifting(steps=90)
    second.world = "other"
    _, hidden = shifting(steps=90, labelled=False)
    school = School(latents, [first, second, hidden], {}, {"shifting": 0.75, "other": 0.25}, 0)
    assert school._chances.tolist() == pytest.approx([0.75, 0.25])
    with pytest.raises(WorldsimError, match="labelled_share"):
        School(latents, [hidden], {}, {}, 0)


def test_what_nobody_knows_is_not_held_against_what_is_said():
    latents, track = shifting(steps=40)
    glance, _ = make_glance()
    school = School(latents, [track], {}, {}, seed=0)
    school.questions, school.answers = {("ahead", ""): 0}, {"box": 0}
    heads, seen = Heads(glance, school), school(0, 16)
    said = heads(torch.randn(16, 32), torch.randn(16, 64, glance.part.in_features), seen.asked)
    loss = wrong(said, seen)
    other = (said[0], said[1] + 5, said[2] + torch.randn_like(said[2]), said[3] + 5)
    assert torch.equal(wrong(other, seen), loss) and loss > 0
    assert wrong((said[0] + 9 * torch.eye(2)[seen.action.clamp(min=0)], *said[1:]), seen) < loss


def test_a_run_looks_first_and_then_learns_to_say_what_is_seen(finished, tmp_path):
    data = write_data(tmp_path / "data")
    config = make_config(data, tmp_path / "run", steps=3, only=["glance"])
    config.init_from = config.codec_from = str(finished / "model")
    config.glance_steps, config.model.glance_width = 4, 8
    config.batch.rows, config.batch.talk_rows, config.batch.talk_length = 0, 2, 80
    train(config)
    assert (tmp_path / "run" / "glance-4.safetensors").exists()
    mine, theirs = (Checkpoint.load(x / "model").network for x in (tmp_path / "run", finished))
    before, changed = dict(theirs.state_dict()), set()
    for name, value in mine.state_dict().items():
        if name not in before or not torch.equal(value, before[name]):
            changed.add(name.split(".")[0])
    assert changed == {"glance"} and SPEC.name in Checkpoint.load(tmp_path / "run" / "model").worlds
    logged = metrics(tmp_path / "run")[0].keys()
    assert "talk" in logged and not {"flow", "text"} & logged
    config.batch.talk_rows, config.out = 0, str(tmp_path / "nothing")
    with pytest.raises(WorldsimError, match="rows=0, batch.talk_rows=0"):
        train(config)


def test_where_nobody_glances_there_is_nobody_to_teach(data, tmp_path):
    config = make_config(data, tmp_path, steps=1)
    config.glance_steps = 2
    with pytest.raises(WorldsimError, match="glance_steps=2.*model.glance_width"):
        train(config)
