from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tests.fakes  # noqa: F401 (registers the fake world)
from viewer.session import Session
from viewer.sidecar import read_sidecar
from viewer.video import GROUP, RecordingError, VideoFile, read_frames
from worldsim.errors import WorldsimError

ROOT = Path(__file__).parents[2]
FAKE = "worldsim/DreamFake-v0"
RECORD = (
    "import sys, tests.fakes; from viewer.record import record, RecordConfig; "
    "record(RecordConfig(world='fake', steps=int(sys.argv[2]), out=sys.argv[1]))"
)


def run_recording(out: Path, steps: int, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + RECORD, str(out), str(steps)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FAKE_STEP_SECONDS": "0.003"},
    )


def noise(size: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_odd_sizes_are_padded_not_rescaled(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "odd.mp4", fps=17.5, scale=1)
    video.append(noise((63, 65), 0))
    video.close()
    video.close()
    assert next(read_frames(tmp_path / "odd.mp4")).shape == (64, 66, 3)


def test_the_film_runs_at_the_worlds_rate(tmp_path: Path) -> None:
    import av

    video = VideoFile(tmp_path / "rate.mp4", fps=17.5)
    for number in range(20):
        video.append(noise((8, 8), number))
    video.close()
    with av.open(str(tmp_path / "rate.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == 17.5


def test_a_killed_recording_loses_at_most_a_second(tmp_path: Path) -> None:
    program = run_recording(tmp_path / "run.mp4", 100_000)
    sidecar = tmp_path / "run.jsonl"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if sidecar.exists() and sidecar.read_bytes().count(b"\n") > 60:
            break
        time.sleep(0.05)
    program.send_signal(signal.SIGKILL)
    program.communicate()
    recording = read_sidecar(sidecar)
    num_said = 1 + max(event["frame"] for _, event in recording.events)
    num_shown = len(list(read_frames(tmp_path / "run.mp4")))
    assert num_said >= 60
    assert 0 <= num_said - num_shown <= GROUP + 1 < 17.5


def test_a_file_system_that_refuses_more_ends_the_film_in_one_clear_error(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); "
    program = run_recording(tmp_path / "run.mp4", 100_000, before=limit)
    _, errors = program.communicate(timeout=120)
    last = errors.strip().splitlines()[-1]
    assert "RecordingError: cannot write '" in last and "run.mp4" in last
    film = list(read_frames(tmp_path / "run.mp4"))
    recording = read_sidecar(tmp_path / "run.jsonl")
    assert len(film) >= 2 * GROUP
    assert not recording.cut
    assert abs(len(film) - len(recording.events)) <= GROUP + 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("full", ["film.mp4", "film.jsonl"])
def test_a_full_disk_names_the_file_and_the_world_goes_on(tmp_path: Path, full: str) -> None:
    (tmp_path / full).symlink_to("/dev/full")
    session = Session(FAKE)
    with pytest.raises(RecordingError, match=f"{full}.*No space left"):
        session.start_recording(tmp_path / "film.mp4")
        for _ in range(30):
            session.step(1)
    assert session.recording is None
    session.step(1)
    session.close()


def test_the_sidecar_failing_later_leaves_a_playable_film(tmp_path: Path) -> None:
    session = Session(FAKE)
    session.start_recording(tmp_path / "film.mp4")
    for _ in range(20):
        session.step(1)
    recorder = session.recording
    assert recorder
    recorder._sidecar._file.close()
    recorder._sidecar._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
    with pytest.raises(RecordingError, match="film.jsonl"):
        session.step(1)
    assert len(list(read_frames(tmp_path / "film.mp4"))) == 21


def test_an_unwritable_output_is_one_error(tmp_path: Path) -> None:
    session = Session(FAKE)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot write '.*film"):
        session.start_recording(tmp_path / "file" / "film.mp4")
    with pytest.raises(RecordingError, match="ends in .mp4"):
        session.start_recording(tmp_path / "film.avi")
    with pytest.raises(RecordingError, match="cannot write"):
        (tmp_path / "folder.mp4").mkdir()
        session.start_recording(tmp_path / "folder.mp4")


def test_a_corrupt_video_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a film" * 100)
    with pytest.raises(WorldsimError, match="cannot read video"):
        list(read_frames(tmp_path / "broken.mp4"))


def test_every_line_is_on_disk_at_once(tmp_path: Path) -> None:
    session = Session(FAKE)
    session.start_recording(tmp_path / "film.mp4")
    session.step(1)
    lines = (tmp_path / "film.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 1
    session.close()
