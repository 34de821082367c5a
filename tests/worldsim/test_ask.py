import numpy as np
import pytest
from PIL import Image

from tests.worldsim.tiny import make_checkpoint, without_marks
from worldsim.ask import AskConfig, ask
from worldsim.errors import WorldsimError
from worldsim.pictures import square
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


def test_a_question_of_words_never_seen_is_read_and_answered(tmp_path, folder, monkeypatch, capsys):
    Image.new("RGB", (48, 32)).save(tmp_path / "a.png")
    see, heard = Reader._see, list[str]()

    def listen(reader, frames, asked, **more):
        heard.extend(reader.tokenizer.decode(ids) for ids in asked)
        return see(reader, frames, asked, **more)

    monkeypatch.setattr(Reader, "_see", listen)
    ask(AskConfig(str(tmp_path / "a.png"), "xylophone 日本 😀?", folder))
    assert heard == ["xylophone 日本 😀"]
    assert capsys.readouterr().out.endswith("\n")


def test_a_large_picture_is_made_as_large_as_the_models_frames():
    picture = Image.fromarray(np.full((100, 300, 3), 77, np.uint8))
    assert (square(picture, 32) == np.full((32, 32, 3), 77)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (31, 33)])
@pytest.mark.parametrize("kind", ["L", "RGBA", "P"])
def test_a_picture_of_any_size_and_kind_is_answered_about(tmp_path, folder, capsys, size, kind):
    Image.new(kind, size, 1).save(tmp_path / "a.png")
    ask(AskConfig(str(tmp_path / "a.png"), "what is ahead", folder))
    assert capsys.readouterr().out.endswith("\n")


def test_with_the_picture_before_it_is_asked_about_both(tmp_path, folder, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    before, after = (str(tmp_path / f"{k}.png") for k in "ab")
    for path, picture in zip((before, after), pixels, strict=True):
        Image.fromarray(picture).save(path)
    question = "what did you just do"
    ask(AskConfig(after, question, folder, before=before))
    wanted = Reader.from_pretrained(folder).ask(pixels[1:], [question], pixels[:1])[0]
    assert capsys.readouterr().out == wanted + "\n"
    with pytest.raises(WorldsimError, match="before=.*add question="):
        ask(AskConfig(after, "", folder, before=before))


@pytest.mark.parametrize("content", [None, b"", b"no picture at all", "cut off"])
def test_what_is_no_picture_is_one_error(tmp_path, folder, content):
    path = tmp_path / "a.png"
    if content == "cut off":
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        path.write_bytes(path.read_bytes()[:3000])
    elif content is not None:
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


@pytest.mark.parametrize("question", ["where is the red box", "how far is the green torch", "x?"])
def test_a_question_about_nothing_in_the_picture_has_one_short_answer(tmp_path, capsys, question):
    """Of the bundled checkpoint: no error, one line; that it is the right one nobody promises."""
    Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "wall.png")
    ask(AskConfig(str(tmp_path / "wall.png"), question))
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and 0 < len(said.strip()) < 100
