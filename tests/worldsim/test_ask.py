import numpy as np
import pytest
from PIL import Image

from tests.worldsim.tiny import make_checkpoint, without_marks
from worldsim import ask as program
from worldsim.ask import AskConfig, ask
from worldsim.errors import WorldsimError
from worldsim.reader import Reader


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ask") / "model"
    make_checkpoint().save(path)
    return str(path)


def test_it_prints_what_the_reader_says_of_the_middle_square(tmp_path, folder, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    reader = Reader.from_pretrained(folder)
    for question in ("", "what is ahead"):
        ask(AskConfig(str(tmp_path / "wide.png"), question, folder))
        frame = np.ascontiguousarray(pixels[:, 8:40])
        wanted = (reader.ask([frame], [question]) if question else reader.describe([frame]))[0]
        assert capsys.readouterr().out == wanted + "\n"


def test_a_large_picture_is_made_as_large_as_the_models_frames():
    picture = Image.fromarray(np.full((100, 300, 3), 77, np.uint8))
    assert (program._square(picture, 32) == np.full((32, 32, 3), 77)).all()


@pytest.mark.parametrize("content", [None, b"", b"no picture at all"])
def test_what_is_no_picture_is_one_error(tmp_path, folder, content):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WorldsimError, match="image=.*a.png cannot be read .*name a PNG"):
        ask(AskConfig(str(path), "", folder))


def test_the_bundled_checkpoint_answers_and_older_ones_say_why_they_cannot(tmp_path, capsys):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    ask(AskConfig(str(tmp_path / "a.png"), "how many things do you see"))
    assert capsys.readouterr().out.strip()
    checkpoint = make_checkpoint()
    checkpoint.tokenizer = without_marks(checkpoint.tokenizer)
    checkpoint.save(tmp_path / "old")
    with pytest.raises(WorldsimError, match="trained before frames could be asked"):
        ask(AskConfig(str(tmp_path / "a.png"), "", str(tmp_path / "old")))
