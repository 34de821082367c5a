import pytest
import torch

from tests.worldsim.small_batches import STEPS, make_batch, make_objective, make_window, to_batch
from tests.worldsim.tiny import make_checkpoint
from worldsim.batch import Batch, heard_by
from worldsim.model import WorldTransformer
from worldsim.objective import mix
from worldsim.painter import Moved
from worldsim.sequence import IGNORE, PADDING, Talk, pack, simulate, talk


@pytest.fixture(scope="module")
def checkpoint():
    return make_checkpoint()


@pytest.fixture(scope="module")
def objective(checkpoint):
    return make_objective(checkpoint)


def moved(objective, batch, **changes):
    """Return which logits (by order) and which velocities change, of document 0."""
    before, after = objective.predict(batch), objective.predict(batch._replace(**changes))
    text, frame = batch.text_doc[0] == 0, batch.frame_doc[0] == 0
    logits = (before[0] != after[0]).any(-1)[0] & text
    frames = (before[1] != after[1]).flatten(2).any(-1)[0] & frame
    return set(batch.text_order[0][logits].tolist()), set(torch.nonzero(frames).flatten().tolist())


def bumped(tensor, frame):
    tensor = tensor.clone()
    tensor[0, frame] += 1.0
    return tensor


@pytest.mark.parametrize("frame", range(1, STEPS + 1))
def test_a_frame_changes_nothing_that_came_before_it(checkpoint, objective, frame):
    batch = make_batch(checkpoint)
    after = bumped(batch.latents, frame)
    logits, frames = moved(objective, batch, latents=after, seen=after)
    order = int(batch.frame_order[0, frame])
    assert logits == {o for o in batch.text_order[0, batch.text_doc[0] == 0].tolist() if o > order}
    assert frames == set(range(frame, STEPS + 1))


@pytest.mark.parametrize("frame", range(STEPS + 1))
def test_the_noisy_copy_of_a_frame_is_seen_by_nobody_else(checkpoint, objective, frame):
    batch = make_batch(checkpoint)
    for changes in ({"noise": bumped(batch.noise, frame)}, {"levels": bumped(batch.levels, frame)}):
        assert moved(objective, batch, **changes) == (set(), {frame})


@pytest.mark.parametrize("frame", range(STEPS + 1))
def test_a_noisy_frame_does_not_see_its_own_clean_copy(checkpoint, objective, frame):
    batch = make_batch(checkpoint)
    _, frames = moved(objective, batch, seen=bumped(batch.latents, frame))
    assert frames == set(range(frame + 1, STEPS + 1))
    _, frames = moved(objective, batch, history_noise=bumped(batch.history_noise, frame))
    assert frames == set(range(frame + 1, STEPS + 1))


def test_an_action_changes_only_what_comes_after_it(checkpoint, objective):
    batch = make_batch(checkpoint)
    ids = batch.text_ids.clone()
    word = 2  # after the frame's end and the answer: the first word of the first action
    ids[0, word] = checkpoint.tokenizer.encode("back")[0]
    logits, frames = moved(objective, batch, text_ids=ids)
    assert min(logits) == int(batch.text_order[0, word])
    assert frames == {1, 2, 3}


def test_examples_in_one_row_do_not_see_each_other(checkpoint, objective):
    together, apart = make_batch(checkpoint), make_batch(checkpoint, rows=2)
    size = STEPS + 1
    noise = [x.view(2, 5, *x.shape[2:]) for x in (together.noise, together.history_noise)]
    noise = [torch.stack([x[0, :4], x.flatten(0, 1)[4:8]]) for x in noise]
    levels = [
        torch.stack([x[0, :4], x[0, 4:8]]) for x in (together.levels, together.history_levels)
    ]
    pads = [torch.nn.functional.pad(x, (0, 0) * (x.ndim - 2) + (0, 1)) for x in noise + levels]
    apart = apart._replace(noise=pads[0], history_noise=pads[1], levels=pads[2],
                           history_levels=pads[3])  # fmt: skip
    one, two = objective.predict(together)[1][0], objective.predict(apart)[1]
    torch.testing.assert_close(one[:size], two[0, :size], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one[size : 2 * size], two[1, :size], rtol=1e-4, atol=1e-5)


def test_empty_slots_do_not_count(checkpoint, objective):
    batch = make_batch(checkpoint)
    loss, logs = objective(batch)
    terms = {"flow", "text", "pixel", "perceptual", "motion", "fake", "critic", "style", "tone"}
    assert set(logs) == {"loss", *terms} and torch.isfinite(loss)
    empty = (batch.frame_doc == PADDING)[:, :, None, None, None]
    assert empty.any()
    again, _ = objective(batch._replace(noise=batch.noise + 5.0 * empty))
    assert torch.equal(loss, again)


def test_the_loss_is_cross_entropy_plus_weighted_terms(checkpoint):
    batch = make_batch(checkpoint)
    batch = batch._replace(depth=torch.ones_like(batch.depth))
    for weight in (0.0, 3.0):
        names = ("flow", "pixel", "perceptual", "motion", "style", "tone")
        config = {f"{name}_weight": weight * k for k, name in enumerate(names, start=1)}
        loss, logs = make_objective(checkpoint, critic_weight=2 * weight, **config)(batch)
        expected = logs["text"] + logs["critic"] + 2 * weight * logs["fake"]
        expected = expected + sum(weight * k * logs[name] for k, name in enumerate(names, start=1))
        torch.testing.assert_close(loss, expected)


def test_a_perfect_guess_looks_perfect(checkpoint, objective):
    clean = make_batch(checkpoint).latents
    picture = checkpoint.network.canvas.draw(clean.flatten(0, 1)).unflatten(0, clean.shape[:2])
    known = torch.ones(*picture.shape[:2], 1, *picture.shape[3:])
    moved = Moved(picture, picture[:, :, :2], 1 - known, known, picture, *[0 * known] * 2)
    looks = objective._look(clean, clean, clean, moved)
    assert not any(looks[name].any() for name in ("pixel", "perceptual", "motion", "style", "tone"))
    worse = objective._look(clean, clean, clean + 0.1, moved._replace(picture=picture + 0.1))
    assert all((worse[name] > 0).all() for name in ("pixel", "motion"))


def test_what_exactly_is_drawn_counts_less_where_nothing_real_was_ever_in_sight(checkpoint):
    clean = make_batch(checkpoint).latents
    picture = checkpoint.network.canvas.draw(clean.flatten(0, 1)).unflatten(0, clean.shape[:2])
    known = torch.zeros(*picture.shape[:2], 1, *picture.shape[3:])
    moved = Moved(picture + 0.1, picture[:, :, :2], 1 - known, known, picture, *[0 * known] * 2)
    looks = [
        make_objective(checkpoint, invented_weight=weight)._look(clean, clean, 2 * clean, moved)
        for weight in (1.0, 0.25)
    ]
    for name, counts in (("pixel", 0.25), ("perceptual", 0.25), ("motion", 0.25), ("tone", 1.0)):
        torch.testing.assert_close(looks[1][name], counts * looks[0][name])


def test_noise_is_mixed_in_by_level():
    clean, noise = torch.full((1, 3, 1, 1, 1), 2.0), torch.full((1, 3, 1, 1, 1), 10.0)
    mixed = mix(clean, noise, torch.tensor([[0.0, 0.25, 1.0]]))
    assert mixed.flatten().tolist() == [2.0, 4.0, 10.0]


def test_one_batch_can_be_learnt_by_heart(checkpoint):
    torch.manual_seed(0)
    network = WorldTransformer(**checkpoint.network.config)
    objective = make_objective(checkpoint, network, flow_weight=3.0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    batch, losses = make_batch(checkpoint), []
    for _ in range(30):
        loss, logs = objective(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(logs)
    assert all(torch.isfinite(x["loss"]) for x in losses)
    assert losses[-1]["text"] < 0.2 * losses[0]["text"]
    assert losses[-1]["flow"] < 0.7 * losses[0]["flow"]


def test_a_frame_hears_the_last_words_before_it_and_no_marks(checkpoint):
    """Marks and answers are not words; frames after the last words still hear them."""
    tokenizer = checkpoint.tokenizer
    window = make_window(checkpoint)
    window.actions[1] = tokenizer.encode("forward turn left")
    example = simulate(window, tokenizer, 40, [True, True, False])
    rows, _ = pack([example], 1, 40, 5, tokenizer.pad)
    arrays = [torch.from_numpy(x) for x in rows]
    heard = heard_by(Batch(*arrays, *[arrays[0]] * 7))
    said = [arrays[0][0][mask].tolist() for mask in heard[0]]
    assert said == [[], window.actions[0], window.actions[1], window.actions[1], []]


def test_words_of_one_example_are_not_heard_in_another(checkpoint):
    batch = make_batch(checkpoint)
    heard, doc = heard_by(batch), batch.frame_doc[0]
    for frame in range(heard.shape[1]):
        assert set(batch.text_doc[0][heard[0, frame]].tolist()) <= {int(doc[frame])}


def test_what_history_shows_is_not_what_is_aimed_at(checkpoint, objective):
    batch = make_batch(checkpoint, rows=2)
    real = objective(batch)[1]["flow"]
    assert objective(batch._replace(seen=batch.latents + 1.0))[1]["flow"] != real
    # Nothing is drawn after the last frame, so how history shows it is no matter.
    last = objective(batch._replace(seen=bumped(batch.latents, STEPS)))[1]["flow"]
    torch.testing.assert_close(last, real, rtol=1e-4, atol=1e-5)


def test_the_deeper_a_dream_the_less_the_real_frame_counts(checkpoint):
    """Half at the depth of `trust`; frames that follow real ones count in full."""
    objective = make_objective(checkpoint, trust=8.0)
    batch = make_batch(checkpoint, rows=2)
    depth = torch.zeros_like(batch.depth)
    depth[0, :STEPS] = torch.tensor([0, 8, 16])
    error = (objective.predict(batch)[1] - (batch.noise - batch.latents)).square()
    weight = torch.tensor([[0.1, 1.0, 0.5, 0.25, 0.0], [0.1, 1.0, 1.0, 1.0, 0.0]])
    expected = (error.mean(dim=(2, 3, 4)) * weight).sum() / weight.sum()
    torch.testing.assert_close(objective(batch._replace(depth=depth))[1]["flow"], expected)


def make_talk(checkpoint):
    """Return a batch in which a long and a short answer are asked for."""
    tokenizer, window = checkpoint.tokenizer, make_window(checkpoint)
    talks = [
        Talk([tokenizer.mark("<infer>")], tokenizer.encode("turn left"), at=1),
        Talk([tokenizer.mark("<describe>")], tokenizer.encode("forward stay stay stay"), at=0),
    ]
    return to_batch([talk(window, tokenizer, talks)], checkpoint, rows=1)


def test_answers_count_as_the_root_of_their_length_and_frames_are_only_looked_at(
    checkpoint, objective
):
    batch = make_talk(checkpoint)
    logits, means, counts = objective.read(batch), [], []
    for branch in (1, 2):
        mine = (batch.text_branch == branch) & (batch.text_targets != IGNORE)
        assert mine.sum() > 1
        means.append(torch.nn.functional.cross_entropy(logits[mine], batch.text_targets[mine]))
        counts.append(mine.sum().sqrt())
    weights = torch.stack(counts) / sum(counts)
    assert torch.allclose(objective.answers(batch), weights @ torch.stack(means), atol=1e-5)
    other = batch._replace(noise=batch.noise + 1, levels=batch.levels * 0.5)
    assert objective.answers(other) == objective.answers(batch)


def test_an_aside_changes_nothing_but_itself(checkpoint, objective):
    batch = make_talk(checkpoint)
    asked = (batch.text_branch == 2) & (batch.text_index == 3)
    assert asked.any()
    other = batch._replace(text_ids=torch.where(asked, batch.text_ids + 1, batch.text_ids))
    before, after = objective.predict(batch), objective.predict(other)
    changed = (before[0] != after[0]).any(-1)
    assert changed.any() and (batch.text_branch[changed] == 2).all()
    assert torch.equal(before[1], after[1])


def test_talk_adds_its_weighted_loss_to_that_of_play(checkpoint, objective):
    batch = make_batch(checkpoint)
    loss, logs = objective(batch, make_talk(checkpoint))
    alone, _ = objective(batch)
    assert torch.allclose(loss - alone, objective.config.talk_weight * logs["talk"], atol=1e-4)
    assert logs["talk"] > 0


def test_style_and_critic_look_at_dreams_of_dreams_alone(checkpoint, objective):
    batch = make_batch(checkpoint, rows=2)
    logs = objective(batch)[1]
    assert not any(logs[name] for name in ("style", "tone", "fake", "critic"))
    logs = objective(batch._replace(depth=torch.ones_like(batch.depth)))[1]
    assert all(logs[name] for name in ("style", "tone", "fake", "critic"))


def test_a_frame_with_nothing_before_it_counts_a_tenth(checkpoint, objective):
    batch = make_batch(checkpoint, rows=2)
    velocity = objective.predict(batch)[1]
    error = (velocity - (batch.noise - batch.latents)).square().mean(dim=(2, 3, 4))
    weight = torch.tensor([0.1, 1.0, 1.0, 1.0, 0.0]).expand_as(error)
    expected = (error * weight).sum() / weight.sum()
    torch.testing.assert_close(objective(batch)[1]["flow"], expected)
