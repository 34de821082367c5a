import numpy as np
import pytest
import torch

from worldsim.i3d import I3D, _same, frechet, video_features


def test_the_distance_of_equal_sets_is_0_and_of_known_gaussians_what_the_formula_says():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(20000, 3))
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    moved = a @ np.diag([1.0, 2.0, 3.0]) + [1.0, 0.0, -2.0]
    # means apart by 1 and 4, roots of variances by 1 and 2
    assert frechet(a, moved) == pytest.approx(5 + 1 + 4, rel=0.05)
    assert frechet(a[:50], a[50:100]) > 0


def test_fewer_examples_than_features_are_no_error():
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=(2, 6, 40))
    assert 0 < frechet(near, near + 0.1) < frechet(near, far + 3)


@pytest.mark.parametrize(
    ("length", "kernel", "stride"), [(16, 7, 2), (7, 3, 2), (4, 2, 2), (5, 3, 1)]
)
def test_padding_gives_as_many_places_as_strides_fit(length, kernel, stride):
    x = _same(torch.zeros(1, 1, length, length, length), (kernel,) * 3, (stride,) * 3)
    assert (x.shape[2] - kernel) // stride + 1 == -(-length // stride)


@pytest.mark.slow
def test_videos_of_any_size_get_400_scores_and_motion_matters():
    torch.manual_seed(0)
    network = I3D()
    for conv in network.convs.values():
        torch.nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    still = np.random.default_rng(0).integers(0, 256, (1, 1, 16, 16, 3), dtype=np.uint8)
    still = still.repeat(16, axis=1)
    moving = np.stack([np.roll(frame, k, axis=1) for k, frame in enumerate(still[0])])[None]
    scores = video_features(network, np.concatenate([still, moving, still]))
    assert scores.shape == (3, 400)
    np.testing.assert_allclose(scores[0], scores[2], rtol=1e-3, atol=1e-4)
    assert np.abs(scores[0] - scores[1]).max() > 0.01
