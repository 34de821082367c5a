"""What the worlds drawn with OpenGL ask of Mesa, which draws without a graphics card."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from worldsim.environ import variable

OVERRIDE = "MESA_EXTENSION_OVERRIDE"
# Mesa's software rasteriser takes up to ten seconds for one picture of karts with this filter;
# without it a picture takes 5 to 20 ms.
SLOW_FILTER = "-GL_EXT_texture_filter_anisotropic -GL_ARB_texture_filter_anisotropic"


@contextmanager
def without_slow_filter() -> Iterator[None]:
    """Hide anisotropic filtering from what starts OpenGL meanwhile.

    Mesa reads the variable once in a process, when the first of its contexts is made, so every
    world that draws with OpenGL starts inside of this: karts beside rooms would crawl otherwise.
    It cannot help when another program's code made a context in this process before.
    """
    asked = os.environ.get(OVERRIDE, "")
    with variable(OVERRIDE, f"{asked} {SLOW_FILTER}".strip()):
        yield
