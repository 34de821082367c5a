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


def test_matrices_of_one_shape_are_updated_together_as_each_would_be_alone():
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 8), (12, 4), (8, 8), (4, 12), (12, 4), (8, 8)]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    together = [torch.nn.Parameter(x.clone()) for x in start]
    alone = [torch.nn.Parameter(x.clone()) for x in start]
    optimizers = [Muon(together, lr=0.1)], [Muon([p], lr=0.1) for p in alone]
    for _ in range(3):
        for one, other in zip(together, alone, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        for optimizer in (*optimizers[0], *optimizers[1]):
            optimizer.step()
    for one, other, before in zip(together, alone, start, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-3)
        assert not torch.allclose(one, before, rtol=0, atol=1e-2)


def test_a_stack_is_made_orthogonal_matrix_by_matrix():
    generator = torch.Generator().manual_seed(0)
    stack = torch.randn(3, 16, 8, generator=generator) * torch.tensor([1.0, 9, 0.1])[:, None, None]
    each = torch.stack([orthogonalise(matrix) for matrix in stack])
    torch.testing.assert_close(orthogonalise(stack), each, rtol=0, atol=0.02)


def test_adam_is_one_kernel_and_does_what_it_did_as_a_loop():
    """Also for pictures' weights, whose channels lie side by side."""
    network = make_checkpoint().network
    fused = make_optimizers(network, Critic((8, 16)), 1e-3, 0.01)[1:]
    assert all(group["fused"] for optimizer in fused for group in optimizer.param_groups)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 3, 3, generator=generator).to(memory_format=torch.channels_last)
    ends = []
    for kind in (True, False):
        p = torch.nn.Parameter(weight.clone())
        adam = torch.optim.AdamW([p], lr=0.01, betas=(0.9, 0.95), fused=kind)
        steps = torch.Generator().manual_seed(1)
        for _ in range(4):
            p.grad = torch.randn(p.shape, generator=steps).to(memory_format=torch.channels_last)
            adam.step()
        ends.append(p.detach())
    torch.testing.assert_close(*ends)
