import numpy as np
import pytest

from tests.worldsim.data.episodes import make_episode, make_frames
from worldsim.errors import WorldsimError


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"frames": make_frames(12)}, "12 actions need 13 frames, got 12"),
        ({"frames": make_frames(13).astype(np.float32)}, "uint8"),
        ({"frames": make_frames(13)[..., 0]}, r"\(T\+1, H, W, 3\)"),
        ({"actions": []}, "T >= 1"),
        ({"rewards": np.zeros(3)}, "12 rewards"),
        ({"texts": ["go"]}, "12 texts"),
        ({"pose": np.zeros((12, 3))}, r"\(13, 3\)"),
        ({"facts": [{}] * 12}, "13 facts, got 12"),
        ({"depth": np.zeros((13, 8, 8), np.uint16)}, r"uint16 \(13, 16, 16\), not uint16 \(13, 8"),
        ({"depth": np.zeros((13, 16, 16))}, "uint16 .* not float64"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, words):
    with pytest.raises(WorldsimError, match=words):
        make_episode(12, **changes)


def test_numbers_take_their_types():
    episode = make_episode(3, actions=[1, 2, 3], rewards=[0, 1, 0])
    assert (episode.actions.dtype, episode.rewards.dtype) == (np.int64, np.float32)
    assert len(episode) == 3
