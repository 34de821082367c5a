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
from worldsim.grammar_words import ABSENT
from worldsim.text import DEPTHS
from worldsim.train.glances import ASKED, UNKNOWN, Heads, School, drawn, fit_glance, wrong
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
    return Glance(canvas, first=8, width=64), canvas


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


def did(seen):
    """Return the number of the action that led to each frame, `UNKNOWN` where it is not asked."""
    asked = (seen.asked == 0) & (seen.answer != UNKNOWN)
    return torch.where(asked, seen.answer, UNKNOWN).amax(dim=1)


def named(glance, canvas, school, count=300):
    """Return how many actions a straight line over the features tells, where it was not fitted."""
    seen = school(999, count)
    action = did(seen)
    shown = action != UNKNOWN
    with torch.no_grad():
        x = glance.features(drawn(canvas, seen)[shown])[0].double()
    y, half = action[shown].double() * 2 - 1, int(shown.sum()) // 2
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    line = torch.linalg.solve(x[:half].T @ x[:half] + torch.eye(x.shape[1]), x[:half].T @ y[:half])
    return float((torch.sign(x[half:] @ line) == y[half:]).double().mean())


def test_who_glances_learns_what_led_from_frame_to_frame_and_words_find_nothing_yet(tmp_path):
    glance, canvas = make_glance()
    latents, track = shifting()
    school = School(latents, [track], {}, {}, seed=1)
    before = named(glance, canvas, school)
    fit_glance(glance, canvas, latents, [track], {}, folder(tmp_path), 120, {}, rate=1e-3)
    assert named(glance, canvas, school) > max(0.9, before)
    told = glance.tell(torch.randn(1, 1, 2, 3, 16, 16), torch.tensor([[0]]), torch.tensor([[2]]))
    assert not glance.answer(torch.randn(1, 1, 64), told).any()


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
    assert all(torch.equal(a, b) for a, b in zip(seen[:1], school(4, 64)[:1], strict=True))
    alone = ~seen.latents[:, 1].flatten(1).any(dim=1)
    assert 5 < alone.sum() < 40 and 5 < seen.turned.sum() < 40
    hidden = alone | seen.turned
    assert torch.equal(hidden, did(seen) == UNKNOWN)
    for pair, action in zip(seen.latents[~hidden], did(seen)[~hidden], strict=True):
        words = {number: said for said, number in school.answers.items()}[int(action)]
        moved = torch.roll(pair[1], -1 if words == f"shifting: {LEFT}" else 1, dims=2)
        assert torch.equal(moved, pair[0])
    assert (seen.depth == UNKNOWN).all() and not seen.asked.any()
    assert ((seen.answer != UNKNOWN).sum(dim=1) == (~hidden).long()).all()
    assert seen.motion.isnan().all()


def test_all_that_facts_poses_and_depth_say_is_asked_at_once():
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
    for row in range(64):
        known = [k for k in range(ASKED) if seen.answer[row, k] != UNKNOWN]
        found = {(asked[int(seen.asked[row, k])], said[int(seen.answer[row, k])]) for k in known}
        found = {(kind, thing, answer) for (kind, thing), answer in found if kind != "did"}
        here, there = ("right", "left") if seen.turned[row] else ("left", "right")
        if ("is there", "red box", "yes") in found:
            assert found == {
                ("ahead", "", "nothing"), (here, "", "red box"), (there, "", "nothing"),
                ("is there", "red box", "yes"), ("where", "red box", here),
                ("how far", "red box", "2 metres"), ("colour", "box", "red"), ("how many", "", "1"),
            }  # fmt: skip
        else:
            assert ("is there", "red box", "no") in found and ("how many", "", "0") in found
    in_vain = {asked[int(q)][0] for q in seen.asked[seen.answer == school.answers[ABSENT]]}
    assert in_vain <= {"where", "how far", "colour"} and len(in_vain) > 1
    shown = ~seen.motion.isnan().any(dim=1)
    assert (seen.motion[shown, 0] > 0).all(), "a metre ahead, in spreads of the world's"
    left, right = seen.depth.view(-1, 8, 8)[..., :4], seen.depth.view(-1, 8, 8)[..., 4:]
    assert left.unique().numel() == right.unique().numel() == 2
    assert torch.equal((left > right).all(dim=(1, 2)), seen.turned), "as in a mirror"


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
    school = School(latents, [track], {}, {}, seed=0)
    seen, count = school(0, 16), len(school.answers)
    said = (torch.randn(16, ASKED, count), torch.randn(16, 3), torch.randn(16, 64, len(DEPTHS)))
    loss, unknown = wrong(said, seen), (seen.answer == UNKNOWN)[..., None]
    elsewhere = said[0] + unknown * torch.randn(16, ASKED, count)
    assert torch.equal(wrong((elsewhere, said[1] + 5, 2 * said[2]), seen), loss) and loss > 0
    right = said[0] + 9 * torch.eye(count)[seen.answer.clamp(min=0)]
    assert wrong((right, *said[1:]), seen) < loss


def test_a_question_by_number_is_answered_from_what_it_looks_at():
    """Where a bright spot is, of two to be asked after: found in some updates, unlike the mean."""
    (glance, _), (latents, track) = make_glance(), shifting(steps=40)
    generator = torch.Generator().manual_seed(0)
    school = School(latents, [track], {}, {}, seed=0)
    school.questions, school.answers = (
        {("where", "red"): 0, ("where", "blue"): 1},
        dict.fromkeys(range(4)),
    )
    heads = Heads(glance, school)
    optimizer = torch.optim.Adam([*glance.parameters(), *heads.parameters()], lr=1e-3)
    for _ in range(160):
        corner = torch.randint(4, (32, 2), generator=generator)
        picture = torch.zeros(32, 2, 3, 16, 16)
        for channel in (0, 1):
            row, column = 8 * (corner[:, channel] // 2) + 3, 8 * (corner[:, channel] % 2) + 3
            picture[torch.arange(32), 0, 2 * channel, row, column] = 3.0
        asked = torch.tensor([[0, 1]]).expand(32, 2)
        logits = heads(glance, picture, asked)[0]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), corner.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (logits.argmax(dim=-1) == corner).float().mean() > 0.9


def test_a_run_looks_first_and_then_learns_to_say_what_is_seen(finished, tmp_path):
    data = write_data(tmp_path / "data")
    config = make_config(data, tmp_path / "run", steps=3, only=["glance"])
    config.init_from = config.codec_from = str(finished / "model")
    config.glance_steps, config.asking_steps, config.model.glance_width = 4, 2, 8
    config.batch.rows, config.batch.talk_rows, config.batch.talk_length = 0, 2, 80
    train(config)
    for name in ("glance-4", "numbers-4", "askings-2"):
        assert (tmp_path / "run" / f"{name}.safetensors").exists()
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
    config.glance_steps, config.asking_steps, config.out = 0, 3, str(tmp_path / "other")
    with pytest.raises(WorldsimError, match="asking_steps=3.*glance_steps=8000"):
        train(config)
