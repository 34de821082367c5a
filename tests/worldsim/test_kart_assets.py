import os

import pytest

from worldsim import kart_assets
from worldsim.errors import WorldsimError
from worldsim.kart_assets import assets_in_place, find_assets, read_credits


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    data = tmp_path / "usr" / "data"
    for folder in ("tracks/hill", "skins/peach", "karts"):
        (data / folder).mkdir(parents=True)
    monkeypatch.setattr(kart_assets, "PACKAGED", data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("WORLDSIM_CACHE", str(tmp_path / "ours"))
    return data


def test_without_tracks_one_error_says_how_to_get_them(packaged, monkeypatch, tmp_path):
    monkeypatch.setattr(kart_assets, "PACKAGED", tmp_path / "nowhere")
    with pytest.raises(WorldsimError, match="apt install supertuxkart-data"):
        find_assets()


def test_the_artists_are_those_whom_the_games_data_names(packaged):
    assert read_credits() == ""
    (packaged / "CREDITS").write_bytes("hill: Zoë".encode() + b" \xff")
    assert read_credits().startswith("hill: Zoë ")


def test_downloaded_tracks_come_before_packaged_ones(packaged, tmp_path):
    assert find_assets() == packaged
    own = tmp_path / "cache" / "PySuperTuxKart2" / kart_assets.VERSION / "data"
    (own / "tracks").mkdir(parents=True)
    assert find_assets() == own
    with assets_in_place() as assets:
        assert assets == own and os.environ["XDG_CACHE_HOME"] == str(tmp_path / "cache")


def test_packaged_tracks_are_linked_where_the_game_looks_and_the_cache_is_left_alone(
    packaged, tmp_path
):
    for _ in range(2):  # a second time finds everything done
        with assets_in_place() as assets:
            assert assets == packaged
            cache = tmp_path / "ours" / "kart"
            assert os.environ["XDG_CACHE_HOME"] == str(cache)
            seen = cache / "PySuperTuxKart2" / kart_assets.VERSION / "data"
            assert (seen / "tracks" / "hill").is_dir()
            assert (seen / "skins" / "classic").resolve() == packaged / "skins" / "peach"
        assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_link_cache_that_was_cut_short_is_finished(packaged, tmp_path):
    half = tmp_path / "ours" / "kart" / "PySuperTuxKart2" / kart_assets.VERSION / "data"
    half.mkdir(parents=True)
    (half / "tracks").symlink_to(packaged / "tracks")
    with assets_in_place():
        assert (half / "karts").is_dir() and (half.parent / "__downloaded__.txt").exists()
