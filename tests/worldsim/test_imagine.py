import numpy as np
import pytest
from PIL import Image

from tests.worldsim.tiny import make_checkpoint
from worldsim.errors import WorldsimError
from worldsim.imagine import SCALE, ImagineConfig, imagine
from worldsim.simulator import Simulator


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("imagine") / "model"
    make_checkpoint().save(path)
    return str(path)


def test_it_writes_the_pictures_that_the_simulator_imagines(tmp_path, folder, capsys):
    out = tmp_path / "a.png"
    imagine(ImagineConfig("a red box", str(out), 3, seed=5, checkpoint=folder))
    sheet = np.asarray(Image.open(out))[::SCALE, ::SCALE]
    wanted = Simulator.from_pretrained(folder, 3, device="cpu").imagine(
        ["a red box"] * 3, [5, 6, 7]
    )
    assert np.array_equal(sheet, np.concatenate(list(wanted.numpy()), axis=1))
    assert "3 pictures of 'a red box'" in capsys.readouterr().out


def test_a_prompt_of_words_never_seen_is_drawn(tmp_path, folder):
    sheets = []
    for prompt in ("xylophone 日本 😀", "qwzx"):
        imagine(ImagineConfig(prompt, str(tmp_path / "a.png"), 1, checkpoint=folder))
        sheets.append(np.asarray(Image.open(tmp_path / "a.png")))
    assert sheets[0].std() > 0 and not np.array_equal(*sheets)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"prompt": " "}, "empty"),
        ({"prompt": "word " * 60}, "too long"),
        ({"num_pictures": 0}, "num_pictures="),
        ({"num_steps": -1}, "num_steps="),
        ({"out": "/nowhere/at/all.png"}, "out=/nowhere/at/all.png cannot be written"),
        ({"checkpoint": "/nowhere"}, "/nowhere"),
    ],
)
def test_what_cannot_be_drawn_is_one_error(folder, changes, says):
    settings = {"prompt": "a red box", "out": "/dev/null", "checkpoint": folder} | changes
    with pytest.raises(WorldsimError, match=says):
        imagine(ImagineConfig(**settings))
