import json
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from worldsim import doctor as doctor_module
from worldsim.doctor import DoctorConfig, as_text, doctor, examine


@pytest.fixture
def weights(tmp_path, monkeypatch):
    save_file({"a": np.zeros(1000, np.float32)}, tmp_path / "model.safetensors")
    monkeypatch.setattr(doctor_module, "CHECKPOINT", tmp_path)
    monkeypatch.setattr(doctor_module, "STARTS_OPENGL", "")  # takes seconds, and may be missing
    return tmp_path / "model.safetensors"


def test_all_well_is_status_0_and_json_is_json(weights, capsys):
    assert doctor(DoctorConfig(json=True)) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["checkpoint"]["state"] == "ok" and "1 tensors" in report["checkpoint"]["file"]
    assert report["torch"]["version"] and report["cpu"]["cores"] >= 1
    assert doctor(DoctorConfig()) == 0
    assert "checkpoint" in capsys.readouterr().out


@pytest.mark.parametrize("size", [0, 30, 2000])
def test_a_cut_off_checkpoint_is_found(weights, capsys, size):
    weights.write_bytes(weights.read_bytes()[:size])
    assert doctor(DoctorConfig()) == 1
    assert "reinstall worldsim" in capsys.readouterr().out


def test_no_checkpoint_is_found(weights):
    weights.unlink()
    assert "reinstall worldsim" in examine()["checkpoint"]["problem"]


def test_a_missing_simulator_comes_with_the_line_to_type(weights, monkeypatch):
    monkeypatch.setattr(doctor_module, "SIMULATORS", {"doom": ("no_such_simulator", "doom")})
    assert 'not installed: pip install "worldsim[doom]"' in as_text(examine())


def test_what_agents_learn_with_is_told(weights, monkeypatch):
    assert "agents            stable-baselines3 2" in as_text(examine())
    monkeypatch.setattr(doctor_module, "AGENTS", "no-such-library")
    assert 'not installed: pip install "worldsim[agents]"' in as_text(examine())


def test_no_display_says_what_happens_instead(weights, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "records an mp4 instead" in as_text(examine())


def test_missing_measure_weights_are_told(weights, monkeypatch, tmp_path):
    monkeypatch.setenv("WORLDSIM_CACHE", str(tmp_path / "empty"))
    assert examine()["lpips"]["state"] == "missing"
    assert examine()["i3d"]["state"] == "missing"


def test_a_simulator_without_its_tracks_says_how_to_get_them(weights, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_module, "SIMULATORS", {"kart": ("pystk2", "kart")})
    monkeypatch.setattr(doctor_module, "find_spec", lambda module: object())
    monkeypatch.setattr("worldsim.kart_assets.PACKAGED", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "apt install supertuxkart-data" in as_text(examine())


PYGLET = "options = {}\n"
WITHOUT_EGL = "raise ImportError('Library \"EGL\" not found.')"
CRASHES = "import os; os.kill(os.getpid(), 11)"


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (WITHOUT_EGL, 'ImportError: Library "EGL" not found.'),
        (CRASHES, "OpenGL ended with status -11"),
        ("import time; time.sleep(60)", "OpenGL did not start within 2 s"),
    ],
)
def test_rooms_whose_opengl_does_not_start_say_what_to_install(tmp_path, monkeypatch, window, says):
    package = tmp_path / "pyglet"
    package.mkdir()
    (package / "__init__.py").write_text(PYGLET)
    (package / "window.py").write_text(window)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor_module, "find_spec", lambda module: object())
    if "sleep" in window:
        monkeypatch.setattr(doctor_module, "OPENGL_SECONDS", 2)
    found = doctor_module._simulator("miniworld", "rooms")
    assert found["state"] == "missing" and found["version"] is None
    install = "apt-get install libegl1 libglu1-mesa libgl1-mesa-dri"
    assert install in found["remedy"] and f"({says})" in found["remedy"]


def test_rooms_whose_opengl_starts_without_a_window_are_well(tmp_path, monkeypatch):
    package = tmp_path / "pyglet"
    package.mkdir()
    (package / "__init__.py").write_text(PYGLET)
    (package / "window.py").write_text("import pyglet; assert pyglet.options['headless']")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(doctor_module, "find_spec", lambda module: object())
    assert doctor_module._simulator("miniworld", "rooms")["state"] == "ok"
