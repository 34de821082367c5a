import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.advection import WORN
from worldsim.inventor import Hint, Inventor, fit, shown
from worldsim.model import WorldTransformer


@pytest.fixture(scope="module")
def inventor():
    torch.manual_seed(0)
    made = Inventor(values=3, width=96, words=16).requires_grad_(False)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return made


def hint_of(worn=0.0, seed=0):
    return Hint(
        pictures(seed=seed), torch.full((2, 1, 32, 32), worn), pictures(seed=1), torch.ones(2, 16)
    )


def test_one_that_learnt_nothing_guesses_what_noise_alone_tells():
    """The mean of what may be there: all of a picture without noise, nothing of pure noise."""
    untrained, levels = Inventor(values=3, width=96, words=16), torch.tensor([1e-6, 1.0])
    guess = untrained(pictures(), levels, hint_of())
    torch.testing.assert_close(guess[0], pictures()[0], rtol=0, atol=1e-4)
    assert not guess[1].any()


def test_everything_that_is_known_counts(inventor):
    noisy, levels, hint = pictures(seed=3), torch.tensor([0.5, 0.5]), hint_of()
    guess = inventor(noisy, levels, hint)
    for name, value in hint._asdict().items():
        other = inventor(noisy, levels, hint._replace(**{name: 0.5 - value}))
        assert (guess - other).abs().amax(dim=(1, 2, 3)).min() > 1e-4, name
    assert not torch.allclose(guess, inventor(noisy, levels / 2, hint))


def test_pictures_of_a_batch_do_not_disturb_each_other(inventor):
    noisy, levels, hint = pictures(seed=3), torch.tensor([0.2, 0.9]), hint_of(2.0)
    alone = inventor(noisy[1:], levels[1:], Hint(*(x[1:] for x in hint)))
    torch.testing.assert_close(inventor(noisy, levels, hint)[1:], alone, rtol=1e-4, atol=1e-5)


def test_words_count_by_what_they_say_and_not_by_how_many_they_are(inventor):
    noisy, levels, hint = pictures(seed=3), torch.tensor([0.5, 0.5]), hint_of()
    twice = inventor(noisy, levels, hint._replace(said=2 * hint.said))
    torch.testing.assert_close(inventor(noisy, levels, hint), twice, rtol=0, atol=1e-5)


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


def test_a_model_invents_only_where_a_pixel_is_a_pixel():
    for wrong in ({"cell": 1}, {"cell": 8, "invent_width": 100}):
        with pytest.raises(ValueError, match="invent_width"):
            WorldTransformer(**{"width": 64, "invent_width": 96, "latent_channels": 48} | wrong)
