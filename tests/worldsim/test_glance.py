import numpy as np
import pytest
import torch

from tests.worldsim.pictures import pictures
from tests.worldsim.small_batches import make_batch, make_objective, make_window, to_batch
from tests.worldsim.tiny import make_checkpoint
from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.batch import asks_about
from worldsim.canvas import Canvas
from worldsim.glance import Glance
from worldsim.sequence import Measure, Talk, talk


def make_glance(width=64):
    torch.manual_seed(0)
    return Glance(Canvas(channels=192, size=4, cell=8), first=8, width=width, depth=1)


def filled(glance):
    for parameter in glance.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return glance


@pytest.fixture(scope="module")
def checkpoint():
    return make_checkpoint()


@pytest.fixture
def asked(checkpoint):
    """A clip with an action asked for after its second frame and two distances in its first."""
    mark, said = checkpoint.tokenizer.mark, checkpoint.tokenizer.encode("turn left")
    distances = {PARTS + 3: 5, PARTS + 9: 6}
    talks = [Talk([mark("<infer>")], said, at=1), Measure(mark("<depth>"), distances)]
    return to_batch([talk(make_window(checkpoint), checkpoint.tokenizer, talks)], checkpoint, 1)


def test_an_untrained_glance_thinks_and_answers_nothing():
    glance, both = make_glance(), torch.stack([pictures(), pictures()], dim=1)
    told = glance.tell(both[None], torch.tensor([[0, 1]]), torch.tensor([[2, PARTS]]))
    words = torch.randn(1, 2, 64)
    assert not glance.think(0, words, told).any() and not glance.answer(words, told).any()


def test_who_asks_about_no_frame_finds_nothing():
    glance, both = filled(make_glance()), torch.stack([pictures(), pictures()], dim=1)
    told = glance.tell(both[None], torch.tensor([[-1, 0]]), torch.tensor([[4, 4]]))
    for found in (glance.think(0, torch.ones(1, 2, 64), told),
                  glance.answer(torch.ones(1, 2, 64), told)):  # fmt: skip
        assert not found[0, 0].any() and found[0, 1].all()


def test_a_question_sees_its_own_frame_and_no_other():
    glance, pair = filled(make_glance()), torch.stack([pictures(), pictures()], dim=1)
    other = pair.clone()
    other[1] += torch.randn(other[1].shape, generator=torch.Generator().manual_seed(1))
    of, index = torch.tensor([[0, 1]]), torch.tensor([[2, 2]])
    one, two = (
        glance.answer(torch.ones(1, 2, 64), glance.tell(x[None], of, index)) for x in (pair, other)
    )
    torch.testing.assert_close(one[0, 0], two[0, 0])
    assert not torch.allclose(one[0, 1], two[0, 1])


def test_different_questions_find_different_things_in_a_frame():
    glance, pair = filled(make_glance()), torch.stack([pictures(), pictures()], dim=1)
    told = glance.tell(pair[None], torch.tensor([[0, 0]]), torch.tensor([[2, 2]]))
    found = glance.find(torch.randn(1, 2, 64), told) - told.whole[:, :1]
    assert not torch.allclose(found[0, 0], found[0, 1])


def test_who_asks_about_a_part_is_told_of_that_part():
    glance = filled(make_glance())
    places = torch.arange(PARTS_SIDE**2)[None] + PARTS
    told = glance.tell(torch.stack([pictures()[:1]] * 2, 1)[None], 0 * places, places)
    assert told.part.tolist() == [list(range(PARTS_SIDE**2))]
    for look in glance.looks:  # nobody looks about: what is left is what one is told
        torch.nn.init.zeros_(look.out.weight)
        torch.nn.init.zeros_(look.ffn.out.weight)
    found = glance.find(torch.zeros(1, PARTS_SIDE**2, 64), told)
    torch.testing.assert_close(found[0], told.whole[0] + told.parts[0, 0])


def test_asides_ask_about_the_frame_they_follow_and_other_text_about_none(checkpoint, asked):
    of, time = asks_about(asked)[0], asked.text_time[0]
    aside = asked.text_branch[0] > 0
    assert aside.sum() == 6, "a mark, two words and the end; two distances"
    assert (of[aside] == time[aside]).all() and set(of[aside].tolist()) == {0, 1}
    assert (of[~aside] == -1).all()
    assert (asks_about(make_batch(checkpoint)) == -1).all()


def test_in_a_row_of_two_clips_each_asks_about_its_own(checkpoint):
    said = [Talk([checkpoint.tokenizer.mark("<infer>")], [5], at=1)]
    clips = [talk(make_window(checkpoint, s), checkpoint.tokenizer, said) for s in (0, 1)]
    batch = to_batch(clips, checkpoint, 1)
    of = asks_about(batch)
    doc, time = batch.frame_doc[0, of[of >= 0]], batch.frame_time[0, of[of >= 0]]
    assert torch.equal(doc, batch.text_doc[of >= 0]) and (time == 1).all()


def test_what_happens_does_not_depend_on_who_glances(checkpoint, asked):
    """The very same pictures, bit for bit, and the same words of what happens."""
    other = make_checkpoint()
    for parameter in other.network.glance.parameters():
        parameter.data += 0.1
    mine, theirs = (make_objective(x) for x in (checkpoint, other))
    batch = make_batch(checkpoint)
    for one, two in zip(mine.predict(batch)[:2], theirs.predict(batch)[:2], strict=True):
        assert torch.equal(one, two)
    changed = (mine.read(asked) != theirs.read(asked)).any(dim=-1)
    assert torch.equal(changed, asked.text_branch > 0)


def shifted(generator, count=64):
    """Textures, a pixel to the left or to the right of where they were, and which."""
    before = torch.rand(count, 3, 32, 32, generator=generator) * 2 - 1
    shift = torch.randint(2, (count,), generator=generator) * 2 - 1
    now = torch.stack([x.roll(int(k), -1) for x, k in zip(before, shift, strict=True)])
    return torch.stack([now, before], dim=1), shift


def test_what_just_moved_can_be_told_after_a_few_updates():
    """What attention needs thousands of updates to find out is read at a glance."""
    generator, glance = torch.Generator().manual_seed(1), make_glance()
    head = torch.nn.Linear(64, 1)
    optimizer = torch.optim.Adam([*glance.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(120):
        both, shift = shifted(generator)
        said = head(glance(both)[0])[:, 0]
        loss = torch.nn.functional.softplus(-said * shift).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    both, shift = shifted(generator, 200)
    with torch.inference_mode():
        said = head(glance(both)[0])[:, 0]
    assert ((said > 0) == (shift > 0)).float().mean() > 0.9


def test_a_codec_that_is_not_linear_is_glanced_at_too(checkpoint, asked):
    assert checkpoint.network.canvas.cell == 1
    latents = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 2, 4, 4, 4)))
    told = checkpoint.network.tell(latents.float(), torch.tensor([[2]]), torch.tensor([[2]]))
    assert told is not None and told.parts.shape == (1, 3, PARTS_SIDE**2, 64)
    assert told.whole.shape == (1, 3, 64)
