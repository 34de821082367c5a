import torch

from tests.worldsim.pictures import pictures
from worldsim.critic import Critic


def test_it_learns_to_tell_sharp_from_blurred_pictures():
    torch.manual_seed(0)
    critic, sharp = Critic((8, 16)), pictures(8)
    noise = 0.3 * torch.randn(8, 3, 32, 32)
    optimizer, wrong = torch.optim.Adam(critic.parameters(), lr=1e-2), []
    for _ in range(30):
        error = critic(sharp + noise, sharp)[1].mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        wrong.append(error.item())
    assert wrong[-1] < 0.7 * wrong[0]


def test_each_learns_from_its_own_side_only():
    """What draws is not led by the critic's errors, nor the critic by its own success."""
    torch.manual_seed(0)
    critic, drawn = Critic((8, 16)), pictures().requires_grad_(True)
    fake, wrong = critic(pictures(seed=1), drawn)
    assert fake.shape == wrong.shape == (2,)
    fake.sum().backward(retain_graph=True)
    assert drawn.grad.abs().sum() > 0
    assert all(p.grad is None for p in critic.parameters())
    drawn.grad = None
    wrong.sum().backward()
    assert drawn.grad is None
    assert all(p.grad is not None for p in critic.parameters())
