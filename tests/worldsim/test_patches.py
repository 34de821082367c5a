import torch

from worldsim.patches import from_patches, into_patches


def frames():
    return torch.randn(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_a_token_stands_for_a_square_of_cells():
    tokens = into_patches(frames(), 2)
    assert tokens.shape == (2, 2, 4, 12)
    assert torch.equal(tokens[1, 0, 1], frames()[1, 0, :, :2, 2:].flatten())


def test_patches_are_put_back_where_they_were_taken():
    tokens = into_patches(frames(), 2).flatten(1, 2)
    assert torch.equal(from_patches(tokens, 2, 2, 2), frames().flatten(0, 1))
