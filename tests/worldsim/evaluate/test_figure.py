import numpy as np
import pytest
from PIL import Image

from worldsim.errors import WorldsimError
from worldsim.evaluate.figure import Panel, draw_panels


def panel(xs):
    return Panel("error", "share", {"one": (xs, [3.0, 2.0])}, {"blind": 4.0})


def test_panels_stand_side_by_side(tmp_path):
    draw_panels(tmp_path / "new" / "one.png", [panel([0.01, 1.0])], log=True)
    draw_panels(tmp_path / "two.png", [panel(["a", "b"])] * 2)
    one, two = Image.open(tmp_path / "new" / "one.png"), Image.open(tmp_path / "two.png")
    assert two.width == pytest.approx(2 * one.width, abs=2) and two.height == one.height
    assert len(np.unique(np.asarray(one.convert("L")))) > 20


def test_a_place_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorldsimError, match="cannot write the figure"):
        draw_panels(tmp_path / "file" / "x.png", [panel([1, 2])])
