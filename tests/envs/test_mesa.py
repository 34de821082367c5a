import os
import subprocess
import sys

import pytest

from envs.mesa import OVERRIDE, SLOW_FILTER, without_slow_filter

ASKS = """
import os
before = dict(os.environ)
import envs.rooms_engine
from pyglet.gl import gl_info
assert dict(os.environ) == before
print(gl_info.get_renderer())
print([name for name in gl_info.get_extensions() if "anisotropic" in name])
"""


def test_what_was_asked_of_mesa_stays_and_is_all_there_is_afterwards(monkeypatch):
    monkeypatch.setenv(OVERRIDE, "-GL_ARB_shadow")
    with without_slow_filter():
        assert os.environ[OVERRIDE] == f"-GL_ARB_shadow {SLOW_FILTER}"
    assert os.environ[OVERRIDE] == "-GL_ARB_shadow"
    monkeypatch.delenv(OVERRIDE)
    with pytest.raises(ZeroDivisionError), without_slow_filter():
        assert os.environ[OVERRIDE] == SLOW_FILTER
        _ = 1 / 0
    assert OVERRIDE not in os.environ


def test_rooms_start_opengl_without_the_filter_that_makes_karts_crawl_in_the_same_process():
    pytest.importorskip("envs.rooms_engine", exc_type=ImportError)
    run = subprocess.run([sys.executable, "-c", ASKS], capture_output=True, text=True, check=True)
    renderer, names = run.stdout.splitlines()
    if "llvmpipe" not in renderer:
        pytest.skip(f"drawn by {renderer}, not by Mesa's software rasteriser")
    assert names == "[]"
