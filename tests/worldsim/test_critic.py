import torch

from tests.worldsim.pictures import pictures
from worldsim.critic import Critic


def features(images):
    """Slopes and pixels, unit vectors at every place like those of LPIPS."""
    slopes = torch.cat([images.diff(dim=-1)[..., :-1, :], images.diff(dim=-2)[..., :-1]], dim=1)
    return [torch.nn.functional.normalize(x, dim=1) for x in (images, slopes)]


def test_it_learns_to_tell_reddish_from_bluish_pictures():
    torch.manual_seed(0)
    critic, given = Critic((3, 6)), pictures(8)
    tint = torch.tensor([0.5, 0.0, -0.5]).view(3, 1, 1)
    optimizer, wrong = torch.optim.Adam(critic.parameters(), lr=1e-2), []
    for _ in range(30):
        error = critic(features(given + tint), features(given - tint))[1].mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        wrong.append(error.item())
    assert wrong[-1] < 0.8 * wrong[0]


def test_each_learns_from_its_own_side_only():
    """What draws is not led by the critic's errors, nor the critic by its own success."""
    torch.manual_seed(0)
    critic, drawn = Critic((3, 6)), pictures().requires_grad_(True)
    fake, wrong = critic(features(pictures(seed=1)), features(drawn))
    assert fake.shape == wrong.shape == (2,)
    fake.sum().backward(retain_graph=True)
    assert drawn.grad.abs().sum() > 0
    assert all(p.grad is None for p in critic.parameters())
    drawn.grad = None
    wrong.sum().backward()
    assert drawn.grad is None
    assert all(p.grad is not None for p in critic.parameters())
