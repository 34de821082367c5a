import torch

from worldsim.distances import apart


def test_an_edge_is_the_worse_the_farther_it_is_off():
    edge = torch.zeros(1, 3, 8, 16)
    edge[..., 8:] = 1
    near, far = (apart(edge.roll(k, dims=-1)[..., 4:12], edge[..., 4:12]) for k in (1, 3))
    assert 0 < near < far
    assert apart(edge, edge) == 0
