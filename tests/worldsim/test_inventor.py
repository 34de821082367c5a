import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.advection import WORN
from worldsim.inventor import MAX_WORDS, Hint, Inventor, asked, fit, heard, shown
from worldsim.model import WorldTransformer
from worldsim.tiles import EACH, NONE, NUM_WORDS


@pytest.fixture(scope="module")
def inventor():
    torch.manual_seed(0)
    made = Inventor(values=3, side=32, width=64, words=16).requires_grad_(False).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


def hint_of(worn=0.0, seed=0):
    return Hint(
        pictures(seed=seed), torch.full((2, 1, 32, 32), worn), pictures(seed=1),
        torch.ones(2, MAX_WORDS, 16),
    )  # fmt: skip


def words_of(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(NUM_WORDS, (2, EACH, 4, 4), generator=generator)


def test_everything_that_is_known_counts(inventor):
    hint, words = hint_of(), words_of()
    thought = inventor(words, hint)
    assert thought.shape == (2, 16, 64)
    for name, value in hint._asdict().items():
        other = inventor(words, hint._replace(**{name: 0.5 - value}))
        assert (thought - other).abs().amax(dim=(1, 2)).min() > 1e-3, name
    without = words.clone()
    without[:, :, 1, 1] = NONE
    assert (inventor(without, hint) - thought).abs().amax(dim=(1, 2)).min() > 1e-3


def test_no_likeness_is_not_a_black_one(inventor):
    hint = hint_of(2.0)
    none = inventor(words_of(), hint._replace(like=0 * hint.like))
    black = inventor(words_of(), hint._replace(like=0 * hint.like + 1e-6))
    assert (none - black).abs().max() > 1e-3


def test_second_words_follow_the_first_ones(inventor):
    thought = inventor(words_of(), hint_of(2.0))
    said = [inventor.say_second(thought, torch.full((2, 16), k)) for k in (3, 4)]
    assert said[0].shape == (2, 16, NUM_WORDS) and not torch.allclose(*said)


def test_pictures_of_a_batch_do_not_disturb_each_other(inventor):
    hint, words = hint_of(2.0), words_of()
    alone = inventor(words[1:], Hint(*(x[1:] for x in hint)))
    torch.testing.assert_close(inventor(words, hint)[1:], alone, rtol=1e-4, atol=1e-5)


def test_what_is_finer_than_it_is_known_is_not_shown():
    given = hint_of()
    torch.testing.assert_close(fit(given).picture, given.picture)
    assert not fit(hint_of(WORN)).picture.any()
    blocks = torch.nn.functional.avg_pool2d(given.picture, 4)
    found = torch.nn.functional.avg_pool2d(fit(hint_of(2.0)).picture, 4)
    assert (found - blocks).abs().mean() < 0.3 * blocks.abs().mean()
    worn = given.worn.clone()
    worn[..., 16:] = WORN
    half = fit(given._replace(worn=worn)).picture
    torch.testing.assert_close(half[..., :16], given.picture[..., :16])
    assert not half[..., 16:].any()


def test_what_is_a_little_worn_stays():
    assert shown(torch.tensor([0.0, 2.0, 2.5, 3.0, WORN])).tolist() == [0, 0, 0.5, 1, 1]


def test_a_cell_is_asked_for_where_any_of_it_is_to_be_replaced():
    worn = torch.full((1, 1, 32, 32), 2.0)
    assert not asked(worn).any()
    worn[..., 15, 16] = 2.1
    assert asked(worn).nonzero().tolist() == [[0, 0, 1, 2]]


def test_words_nobody_said_are_silent():
    table = torch.nn.Embedding(7, 16)
    tokens = torch.tensor([[1, 2, 0], [3, 0, 0]])
    found = heard(table, tokens, tokens > 0)
    assert found[0, :2].any(dim=1).all() and not found[0, 2].any() and not found[1, 1:].any()
    assert 0.8 < found[0, :2].std() < 1.2, "whatever the size of their table"


def test_a_model_invents_only_where_a_pixel_is_a_pixel():
    for wrong in ({"cell": 1}, {"cell": 8, "invent_width": 100}, {"cell": 8, "latent_size": 3}):
        with pytest.raises(ValueError, match="invent_width"):
            given = {"width": 64, "invent_width": 64, "latent_channels": 48, "patch": 1} | wrong
            WorldTransformer(**given)
