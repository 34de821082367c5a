import numpy as np
from PIL import Image

from tests.worldsim.sliding import SPEC, walk
from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.runs import write_data
from worldsim.data import Collection, DatasetWriter
from worldsim.train.samples import draw_sheet, pick_starts


def test_clips_are_cut_where_there_is_most_to_see_in_episodes_spread_over_the_data(data):
    dataset = Collection(data)
    starts = pick_starts(dataset, length=6, count=3)
    assert len(starts) == 3 and len({start.name for start in starts}) == 3
    for start, index in zip(starts, (0, 2, 3), strict=True):
        episode = dataset.load(index)
        contrast = [frame.std(axis=(0, 1)).mean() for frame in episode.frames]
        last = 5 + int(np.argmax(contrast[5:-1]))
        assert np.array_equal(start.frames, episode.frames[last - 5 : last + 1])
        assert start.actions == [SPEC.action_text(a) for a in episode.actions[last - 5 : last]]
        assert start.world == SPEC.name
    again = pick_starts(dataset, length=6, count=3)
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(starts, again, strict=True))


def test_no_two_clips_have_the_same_name(tmp_path):
    with DatasetWriter(tmp_path, SPEC, 32) as writer:
        for _ in range(3):
            writer.append(walk(7, 40)[0])
    starts = pick_starts(Collection(tmp_path), length=6, count=3)
    assert len({start.name for start in starts}) == 3


def test_data_with_too_short_episodes_gives_no_clips_and_no_sheet(data, tmp_path):
    assert pick_starts(Collection(data), length=30, count=3) == []
    short = Collection(write_data(tmp_path / "data", 1, steps=20))
    draw_sheet(make_checkpoint(), short, tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_a_sheet_begins_with_the_real_frame_and_leaves_the_network_learning(data, tmp_path):
    checkpoint, dataset = make_checkpoint(), Collection(data)
    checkpoint.network.requires_grad_(True).eval()
    draw_sheet(checkpoint, dataset, tmp_path / "deep" / "sheet.png", rows=2)
    assert all(p.requires_grad for p in checkpoint.network.parameters())
    pixels = np.asarray(Image.open(tmp_path / "deep" / "sheet.png"))
    assert pixels.shape == (4 * 64, 7 * 64, 3)
    small = pixels[::2, ::2]
    frames = dataset.load(0).frames
    last = checkpoint.rollout.window - 1
    assert np.array_equal(small[:32, :32], frames[last])
    assert np.array_equal(small[32:64, :32], frames[last])
    for column, step in enumerate((1, 2, 4, 8, 16, 32), start=1):
        assert np.array_equal(small[:32, 32 * column : 32 * (column + 1)], frames[last + step])
