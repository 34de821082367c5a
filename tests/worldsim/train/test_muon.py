import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.critic import Critic
from worldsim.train.muon import Muon, make_optimizers, orthogonalise


@pytest.mark.parametrize("shape", [(8, 8), (32, 8), (8, 32)])
def test_an_update_is_nearly_orthogonal_and_keeps_directions(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    update = orthogonalise(matrix)
    assert update.shape == shape and update.dtype == matrix.dtype
    values = torch.linalg.svdvals(update)
    assert values.min() > 0.6 and values.max() < 1.3
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    assert (update * (u @ vh)).sum() / update.norm() / (u @ vh).norm() > 0.97


def test_an_update_does_not_depend_on_the_size_of_the_gradient():
    matrix = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    one, other = orthogonalise(matrix), orthogonalise(1000 * matrix)
    # Where products are of sixteen bits, up to their rounding.
    torch.testing.assert_close(one, other, rtol=0, atol=0.05)
    assert not orthogonalise(torch.zeros(4, 4)).any()


def test_it_finds_the_bottom_of_a_bowl_and_skips_what_has_no_gradient():
    goal = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    weight, idle = torch.nn.Parameter(torch.zeros(6, 4)), torch.nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([weight, idle], lr=0.5, weight_decay=0.0)
    for step in range(100):
        optimizer.param_groups[0]["lr"] = 0.5 * (1 - step / 100)
        optimizer.zero_grad()
        (weight - goal).square().sum().backward()
        optimizer.step()
    assert (weight - goal).abs().max() < 0.1
    assert torch.equal(idle, torch.ones(2, 2))


def test_matrices_of_the_blocks_go_to_muon_and_all_else_to_adam():
    network, judge = make_checkpoint().network, Critic((8, 16))
    muon, adam, critic = make_optimizers(network, judge, 1e-3, 0.01)
    chosen = [p for group in muon.param_groups for p in group["params"]]
    rest = [p for group in adam.param_groups for p in group["params"]]
    assert all(p.ndim == 2 for p in chosen)
    assert {id(p) for p in chosen} == {id(p) for p in network.blocks.parameters() if p.ndim == 2}
    assert len(chosen) + len(rest) == len(list(network.parameters()))
    assert not {id(p) for p in chosen} & {id(p) for p in rest}
    theirs = [id(p) for group in critic.param_groups for p in group["params"]]
    assert set(theirs) == {id(p) for p in judge.parameters()}
