"""Where the game's tracks are. Looks for them; never downloads the 650 MB itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worldsim.assets import cache_dir
from worldsim.environ import variable
from worldsim.errors import WorldsimError

VERSION = "1.5"  # of the game that pystk2 is built from
PACKAGED = Path("/usr/share/games/supertuxkart/data")  # Debian and Ubuntu; of 1.4, which works
REMEDY = (
    'the world "kart" needs the tracks of SuperTuxKart: on Debian or Ubuntu run '
    "apt install supertuxkart-data, elsewhere let pystk2 fetch them (650 MB, once) with "
    'python -c "import pystk2; pystk2.init(pystk2.GraphicsConfig.none())"'
)


def find_assets() -> Path:
    """Return the folder of the game's data.

    Raises:
        WorldsimError: It is neither downloaded nor packaged; says how to get it.
    """
    for folder in (_downloaded(_user_cache()) / "data", PACKAGED):
        if (folder / "tracks").is_dir():
            return folder
    raise WorldsimError(REMEDY)


def read_credits() -> str:
    """Return the game's own list of artists and licences; "" where its data has none.

    Raises:
        WorldsimError: There is no data of the game.
    """
    path = find_assets() / "CREDITS"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


@contextmanager
def assets_in_place() -> Iterator[Path]:
    """Make pystk2 find the data while it starts; gives the folder of the data.

    pystk2 looks in the user's cache and downloads what is not there. Packaged data is shown to it
    as a cache of links, so that neither the cache nor the package is touched.
    """
    assets = find_assets()
    if assets != PACKAGED:
        yield assets
        return
    base = cache_dir() / "kart"
    _link(assets, _downloaded(base))
    with variable("XDG_CACHE_HOME", str(base)):
        yield assets


def _link(assets: Path, version: Path) -> None:
    """Fill a cache with links to packaged data, and with what 1.5 has and 1.4 has not."""
    data, done = version / "data", version / "__downloaded__.txt"
    if done.exists():
        return
    (data / "skins").mkdir(parents=True, exist_ok=True)
    for entry in (*assets.iterdir(), *(assets / "skins").iterdir()):
        _point(data / entry.relative_to(assets), entry)
    _point(data / "skins" / "classic", assets / "skins" / "peach")
    (data / f"supertuxkart.{VERSION}").touch()
    done.write_text(f"links to {assets}\n", encoding="utf-8")


def _point(link: Path, to: Path) -> None:
    if not link.exists() and not link.is_symlink():
        link.symlink_to(to)


def _downloaded(base: Path) -> Path:
    return base / "PySuperTuxKart2" / VERSION


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
