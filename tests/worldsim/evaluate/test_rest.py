import numpy as np
import pytest

from tests.worldsim.sliding import SPEC, SlidingDream, write_dataset
from worldsim.evaluate.clips import Clips
from worldsim.evaluate.rest import measure_rest


def pixels(one, other):
    return (one - other).abs().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("rest") / "d", range(4))


@pytest.fixture(scope="module")
def clips(dataset):
    loaded = [dataset.load(k) for k in range(4)]
    frames = np.stack([episode.frames[:6] for episode in loaded])
    return Clips(SPEC, frames, np.stack([episode.actions[:5] for episode in loaded]), context=4)


class Drifting(SlidingDream):
    """Walks on by itself after a while."""

    count = 0

    def step(self, actions):
        assert set(actions) == {"stay"}
        self.count += 1
        return super().step(["forward" if self.count > 40 else "stay"] * len(actions))


def test_who_stays_is_where_he_was_and_who_drifts_is_not(dataset, clips):
    found = measure_rest(SlidingDream(dataset), clips, pixels)
    # recorded frames have the grain of video
    assert max(found[name] for name in ("1", "4", "10")) < 0.02 < 0.2 < found["elsewhere"]
    assert found["codec"] == 0 and found["starts"] == 4
    lost = measure_rest(Drifting(dataset), clips, pixels)
    assert lost["4"] < 0.02 < 0.1 < lost["10"]


def test_what_was_done_before_is_not_shown(dataset, clips):
    """The model sees one frame at rest, whatever the recorded clip did up to there."""
    shown = []

    class Watching(SlidingDream):
        def reset(self, starts, prompts, seeds):
            shown.extend(starts)
            return super().reset(starts, prompts, seeds)

    measure_rest(Watching(dataset), clips, pixels)
    for start in shown:
        assert (start.frames == start.frames[:1]).all() and set(start.actions) == {"stay"}
        assert any((start.frames[0] == frame).all() for frame in clips.frames[:, 3])
