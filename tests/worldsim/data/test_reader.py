import json

import pytest

from tests.worldsim.data.episodes import SIZE, SPEC, make_episode, make_frames
from worldsim.data import Dataset, DatasetWriter
from worldsim.data.files import file_sha256
from worldsim.data.video import decode_video, encode_video
from worldsim.errors import WorldsimError

ROWS = "data/chunk-000/file-001.parquet"
VIDEO = "videos/observation.image/chunk-000/file-001.mp4"
ENTRY = "meta/episodes/chunk-000/file-001.parquet"


@pytest.fixture
def root(tmp_path):
    with DatasetWriter(tmp_path / "d", SPEC, SIZE) as writer:
        for seed in range(3):
            writer.append(make_episode(20, seed))
    return tmp_path / "d"


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite_middle(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)


DAMAGES = [
    lambda path: path.unlink(),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"not at all what it should be" * 50),
    halve,
    overwrite_middle,
]


@pytest.mark.parametrize("name", [ROWS, VIDEO])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_episode_is_named_and_never_skipped(root, name, damage):
    damage(root / name)
    dataset = Dataset(root)
    with pytest.raises(WorldsimError, match=f"episode 1: .*{name}.*restore it or collect again"):
        dataset.load(1)
    dataset.load(0)
    dataset.load(2)


@pytest.mark.parametrize("name", [ENTRY, "meta/tasks.parquet", "meta/info.json"])
@pytest.mark.parametrize("damage", DAMAGES[:4])
def test_damaged_bookkeeping_is_named_on_opening(root, name, damage):
    damage(root / name)
    with pytest.raises(WorldsimError, match=f"{name}.*(again|make one)"):
        Dataset(root)


def test_a_film_of_another_length_or_origin_is_refused(root):
    encode_video(root / VIDEO, make_frames(20), 17.5)
    with pytest.raises(WorldsimError, match="20 frames where its episode has 21"):
        Dataset(root).load(1)
    encode_video(root / VIDEO, make_frames(21, seed=7), 17.5)
    with pytest.raises(WorldsimError, match="not what was written"):
        Dataset(root).load(1)


def test_rows_of_another_episode_are_refused(root, tmp_path):
    with DatasetWriter(tmp_path / "e", SPEC, SIZE) as writer:
        writer.append(make_episode(20, 0))
        writer.append(make_episode(21, 1, texts=[f"say {t}" for t in range(21)]))
    (root / ROWS).write_bytes((tmp_path / "e" / ROWS).read_bytes())
    with pytest.raises(WorldsimError, match="22 rows where 21 are expected"):
        Dataset(root).load(1)


def test_a_dataset_of_another_program_is_recognised(root):
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    section = info.pop("worldsim")
    path.write_text(json.dumps(info))
    with pytest.raises(WorldsimError, match="another program made this dataset"):
        Dataset(root)
    path.write_text(json.dumps({**info, "worldsim": {**section, "format": 99}}))
    with pytest.raises(WorldsimError, match="format 99, this version reads 1"):
        Dataset(root)
    path.write_text(json.dumps({**info, "worldsim": {"format": 1}}))
    with pytest.raises(WorldsimError, match="damaged 'worldsim' section"):
        Dataset(root)


def test_no_dataset_says_how_to_make_one(tmp_path):
    with pytest.raises(WorldsimError, match="worldsim collect"):
        Dataset(tmp_path / "nothing")


def test_an_episode_that_is_not_there_is_refused(root):
    for index in (3, -1):
        with pytest.raises(WorldsimError, match=f"no episode {index} .*it has 3"):
            Dataset(root).load(index)


def test_a_dataset_can_be_read_while_it_is_written(root):
    writer = DatasetWriter(root, SPEC, SIZE)
    dataset = Dataset(root)
    writer.append(make_episode(20, 3))
    assert (len(dataset), len(Dataset(root))) == (3, 4)
    assert Dataset(root).load(3).texts[-1] == "walk to door 3"


def test_arrays_belong_to_the_caller(root):
    episode = Dataset(root).load(0)
    for array in (episode.frames, episode.actions, episode.rewards, episode.pose):
        array[0] = 0  # torch.from_numpy would warn of a read-only array


def test_the_digest_is_that_of_the_video(root):
    info = Dataset(root).episodes[1]
    assert info.video_sha256 == file_sha256(root / VIDEO)
    assert len(decode_video(root / VIDEO, info.length)) == 21
