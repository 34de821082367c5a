import numpy as np
import pytest

from tests.worldsim.tiny import make_checkpoint
from worldsim.deed import AFTER, BEFORE, STEPS
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID
from worldsim.witness import Stretch, Witness, stretches

SHIFT = 2  # pixels to the right in a step


@pytest.fixture(scope="module")
def witness():
    checkpoint = make_checkpoint(deed_width=8)
    return Witness(checkpoint.codec, checkpoint.network.canvas)


def sliding(count=6):
    """A smooth texture that slides to the right."""
    rng = np.random.default_rng(0)
    wide = np.repeat(np.repeat(rng.uniform(0, 255, (8, 24, 3)), 4, axis=0), 4, axis=1)
    for _ in range(3):
        wide = (wide + np.roll(wide, 1, 0) + np.roll(wide, 1, 1)) / 3
    return [wide[:, 40 - SHIFT * k : 72 - SHIFT * k].astype(np.uint8) for k in range(count)]


def test_the_nearest_frames_are_put_beside_each_pair_and_no_more():
    frames = sliding()
    pairs = [frames[3:5], frames[:2]]
    one, two = stretches(pairs, [frames[:3], []], [frames[5:], frames[2:]])
    assert one.before == frames[3 - BEFORE : 3] and one.after == frames[5 : 5 + AFTER]
    assert two.before == [] and two.after == frames[2 : 2 + AFTER] and two.pair == pairs[1]
    assert stretches(pairs) == [Stretch([], pair, []) for pair in pairs]


def test_frames_beside_other_pairs_than_there_are_are_an_error():
    frames = sliding()
    with pytest.raises(WorldsimError, match="earlier: 1 pairs .* 2 lists.*one each, empty where"):
        stretches([frames[:2]], earlier=[[], []])
    with pytest.raises(WorldsimError, match="later: 1 pairs of frames have 0 lists"):
        stretches([frames[:2]], later=[])


def test_it_sees_each_step_at_its_place_and_nothing_where_a_frame_is_missing(witness):
    frames = sliding()
    pair = frames[2:4]
    whole, alone, first = witness(
        [
            Stretch(frames[:2], pair, frames[4:5]),
            Stretch([], pair, []),
            Stretch(frames[1:2], pair, []),
        ]
    )
    assert whole.shape == (STEPS, 3, GRID, GRID) and whole.flatten(1).any(dim=1).all()
    assert alone.flatten(1).any(dim=1).tolist() == [False, False, True, False]
    assert first.flatten(1).any(dim=1).tolist() == [False, True, True, False]
    np.testing.assert_allclose(alone[BEFORE], whole[BEFORE], atol=1e-5)
    np.testing.assert_allclose(first[BEFORE - 1], whole[BEFORE - 1], atol=1e-5)
    middle = whole[BEFORE, 0, 4:-4, 4:-4].mean() * 32
    assert middle == pytest.approx(-SHIFT, abs=0.5), "what is seen came from the left"
