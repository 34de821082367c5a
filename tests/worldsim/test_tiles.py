import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.tiles import EACH, NONE, NUM_WORDS, Tiles

WORN = torch.full((2, 1, 32, 32), 6.0)
EVERYWHERE = torch.ones(2, 1, 4, 4)


@pytest.fixture(scope="module")
def tiles():
    torch.manual_seed(0)
    made = Tiles(values=3, width=16).requires_grad_(False)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def test_words_name_what_cells_are_without_loss(tiles):
    numbers = tiles.numbers(pictures())
    words = tiles.words(numbers)
    assert words.shape == (2, EACH, 4, 4) and words.min() >= 0 and words.max() < NUM_WORDS
    assert len(words.unique()) > 10
    torch.testing.assert_close(tiles.meant(words).float(), numbers)
    every = torch.arange(NUM_WORDS).expand(1, EACH, 1, -1)
    assert torch.equal(tiles.words(tiles.meant(every)), every)


def test_what_is_not_named_means_nothing(tiles):
    words = tiles.words(tiles.numbers(pictures()))
    words[:, :, 1] = NONE
    assert not tiles.meant(words)[:, :, 1].any() and tiles.meant(words)[:, :, 2].any()


def test_who_names_learns_from_what_is_drawn():
    """Rounding has no slope of its own."""
    tiles = Tiles(values=3, width=16)
    for parameter in tiles.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    drawn = tiles(tiles.numbers(pictures()), EVERYWHERE, torch.zeros(2, 3, 32, 32), WORN)
    (drawn - pictures()).abs().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in tiles.look.parameters())


def test_everything_that_is_known_counts(tiles):
    numbers, blank = tiles.numbers(pictures()), torch.zeros(2, 3, 32, 32)
    drawn = tiles(numbers, EVERYWHERE, blank, WORN)
    assert drawn.shape == blank.shape and drawn.dtype == torch.float32
    for other in (
        (-numbers, EVERYWHERE, blank, WORN),
        (numbers, 0 * EVERYWHERE, blank, WORN),
        (numbers, EVERYWHERE, pictures(seed=1), WORN),
        (numbers, EVERYWHERE, blank, 0 * WORN),
    ):
        assert (tiles(*other) - drawn).abs().mean() > 1e-3
    unasked = tiles(numbers, 0 * EVERYWHERE, blank, WORN)
    torch.testing.assert_close(unasked, tiles(-numbers, 0 * EVERYWHERE, blank, WORN))


def test_pictures_of_a_batch_do_not_disturb_each_other(tiles):
    numbers = tiles.numbers(pictures())
    both = tiles(numbers, EVERYWHERE, pictures(seed=1), WORN)
    alone = tiles(numbers[1:], EVERYWHERE[1:], pictures(seed=1)[1:], WORN[1:])
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-5)
