import torch

from tests.worldsim.pictures import pictures
from tests.worldsim.tiny import make_checkpoint
from worldsim.canvas import Canvas
from worldsim.stem import Stem


def make_stem(grid=4, width=10):
    torch.manual_seed(0)
    return Stem(Canvas(channels=192, size=4, cell=8), grid=grid, first=8, width=width)


def test_an_untrained_stem_changes_nothing():
    both = torch.stack([pictures(), pictures()], dim=1)
    assert not make_stem()(both).any()


def test_tokens_stand_row_by_row_where_their_part_of_the_picture_is():
    stem, both = make_stem(), torch.stack([pictures(), pictures()], dim=1)
    torch.nn.init.normal_(stem.out.weight)
    other = both.clone()
    other[:, :, :, 24:, :8] += 0.5  # the lowest row's first cell
    changed = (stem(other) - stem(both)).abs().amax(dim=(0, 2))
    assert stem(both).shape == (2, 16, 10)
    assert changed.argmax() == 12


def test_a_motion_of_one_pixel_can_be_read_by_a_straight_line():
    """What a matrix over patches cannot do: whose texture moved which way."""
    generator = torch.Generator().manual_seed(1)
    before = torch.rand(512, 3, 32, 32, generator=generator) * 2 - 1
    shift = torch.arange(512) % 2 * 2 - 1
    now = torch.stack([x.roll(int(s), -1) for x, s in zip(before, shift, strict=True)])
    both, stem = torch.stack([now, before], dim=1), make_stem(width=16)
    head = torch.nn.Linear(16, 1)
    torch.nn.init.normal_(stem.out.weight, std=0.1)
    optimizer = torch.optim.Adam([*stem.parameters(), *head.parameters()], lr=3e-3)
    for step in range(60):
        part = torch.arange(step % 6 * 64, step % 6 * 64 + 64)
        said = head(stem(both[part]).mean(dim=1))[:, 0]
        loss = torch.nn.functional.softplus(-said * shift[part]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        said = head(stem(both[384:]).mean(dim=1))[:, 0]
    assert ((said > 0) == (shift[384:] > 0)).float().mean() > 0.9


def test_a_codec_that_is_not_linear_has_a_stem_too():
    network = make_checkpoint().network
    assert network.canvas.cell == 1 and network.stem is not None
    assert network.stem(torch.randn(3, 2, 4, 4, 4)).shape == (3, network.num_tokens, 64)
