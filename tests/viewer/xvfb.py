"""A real X display for window tests: Xvfb on a free number, keys from xdotool."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
MISSING = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
PLAY = (
    "import sys, tests.fakes; from viewer.play import play, PlayConfig; "
    "sys.exit(play(PlayConfig(world='fake', record='drive.mp4', prompt='a tunnel')))"
)


class Display:
    """An X server of our own and the window of one program on it."""

    def __init__(self, name: str) -> None:
        self.environment = {**os.environ, "DISPLAY": name, "PYTHONPATH": str(ROOT)}
        self.environment.pop("SDL_VIDEODRIVER", None)
        self.environment.pop("WAYLAND_DISPLAY", None)

    @contextmanager
    def play(self, folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Run the window on the fake world in `folder` until the block ends."""
        program = subprocess.Popen(
            [sys.executable, "-c", PLAY],
            cwd=folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self._focus(program)
            _wait_for_world(folder / "drive.jsonl")
            yield program
        finally:
            program.kill()
            program.communicate()

    def xdotool(self, *arguments: str) -> str:
        """Send something to the window that has the focus; returns what xdotool prints."""
        done = subprocess.run(
            ["xdotool", *arguments], env=self.environment, capture_output=True, text=True
        )
        return done.stdout.strip()

    def hold(self, key: str, seconds: float) -> None:
        """Hold a key down for a while."""
        self.xdotool("keydown", key)
        time.sleep(seconds)
        self.xdotool("keyup", key)

    def _focus(self, program: subprocess.Popen[str], timeout: float = 60.0) -> None:
        """Wait for the window and give it the keyboard: there is no window manager to do it."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and program.poll() is None:
            windows = self.xdotool("search", "--onlyvisible", "--class", "worldsim").split()
            if windows:
                self.xdotool("windowfocus", "--sync", windows[-1])
                time.sleep(0.3)
                return
            time.sleep(0.2)
        program.kill()
        raise AssertionError(f"the window did not appear: {program.communicate()}")


def _wait_for_world(sidecar: Path, timeout: float = 60.0) -> None:
    """Wait until the world is open, which is when the recording has its first step."""
    end = time.monotonic() + timeout
    while not sidecar.exists() or sidecar.read_bytes().count(b"\n") < 3:
        assert time.monotonic() < end, "the world did not open"
        time.sleep(0.05)


@contextmanager
def open_display() -> Iterator[Display]:
    """Start an X server on a number that nobody uses."""
    read, write = os.pipe()
    server = subprocess.Popen(
        # noreset: else the server starts over whenever its last client leaves.
        ["Xvfb", "-displayfd", str(write), "-noreset", "-screen", "0", "1280x900x24"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            yield Display(f":{answer.readline().strip()}")
    finally:
        server.terminate()
        server.wait()
