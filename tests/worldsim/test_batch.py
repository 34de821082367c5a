import pytest
import torch
import torch.nn.functional as F

from tests.worldsim.small_batches import make_batch, make_objective
from tests.worldsim.tiny import make_checkpoint
from worldsim.batch import follows_left
from worldsim.model import WorldTransformer

GRID = 4


@pytest.fixture(scope="module")
def checkpoint():
    return make_checkpoint()


def with_motion(objective, batch, pixels=0.0, trust=1.0):
    """Return the batch as if all had moved as the network says, and some pixels further."""
    flow = objective.predict(batch)[2].flow.detach()
    true = F.adaptive_avg_pool2d(flow.flatten(0, 1), GRID).unflatten(0, flow.shape[:2])
    true = (true + pixels) / objective.network.canvas.side
    sure = torch.full_like(true[:, :, :1], trust)
    return batch._replace(motion=torch.cat([true, sure], dim=2))


def test_a_frame_follows_its_left_neighbour_in_the_same_example_alone(checkpoint):
    assert follows_left(make_batch(checkpoint)).tolist() == [[0, 1, 1, 1, 0, 1, 1, 1, 0, 0]]


def test_what_is_not_there_stays_so_on_its_way(checkpoint):
    batch = make_batch(checkpoint)
    assert batch.to(torch.device("cpu")).motion is None
    moved = batch._replace(motion=torch.zeros(1, 10, 3, 2, 2)).to(torch.device("meta"))
    assert moved.motion is not None and moved.motion.is_meta and moved.latents.is_meta


def test_hindsight_says_how_many_pixels_the_flow_is_off(checkpoint):
    objective = make_objective(checkpoint)
    batch = make_batch(checkpoint)
    assert "hindsight" not in objective(batch)[1], "nobody looked"
    for pixels, trust in ((0.0, 1.0), (1.5, 1.0), (1.5, 0.5)):
        logs = objective(with_motion(objective, batch, pixels, trust))[1]
        expected = torch.tensor(2 * pixels * trust)  # right and down
        torch.testing.assert_close(logs["hindsight"], expected, rtol=1e-3, atol=1e-4)


def test_the_flow_goes_where_hindsight_says(checkpoint):
    torch.manual_seed(0)
    network = WorldTransformer(**{**checkpoint.network.config, "may_rest": False})
    weights = {
        "flow": 0.0,
        "pixel": 0.0,
        "perceptual": 0.0,
        "motion": 0.0,
        "pace": 0.0,
        "hindsight": 1.0,
    }
    off = {f"{name}_weight": weight for name, weight in weights.items()}
    objective = make_objective(checkpoint, network, **off)
    batch = with_motion(objective, make_batch(checkpoint), pixels=2.0)
    optimizer, found = torch.optim.AdamW(network.parameters(), lr=3e-3), []
    for _ in range(40):
        loss, logs = objective(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(logs["hindsight"]))
    assert found[0] > 3.5 and found[-1] < 1.0


def test_hindsight_counts_as_much_deep_in_a_dream(checkpoint):
    objective = make_objective(checkpoint, trust=1.0)
    batch = with_motion(objective, make_batch(checkpoint), pixels=1.0)
    motion = batch.motion.clone()
    motion[:, 2, 2] = 0.0  # of this frame alone nothing is known
    depth = torch.zeros_like(batch.depth)
    depth[:, 2:4] = 9
    shallow, deep = (
        objective(batch._replace(motion=motion, depth=d))[1]["hindsight"]
        for d in (torch.zeros_like(depth), depth)
    )
    torch.testing.assert_close(shallow, deep)
    assert 0 < deep < 2
