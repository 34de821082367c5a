"""`worldsim play world=doom`: drive a world by hand in a window.

On a machine without a display it says so and films ten seconds instead.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from viewer.controls import HeldKeys
from viewer.record import RecordConfig, load_agent, record, world_of
from viewer.replay import REWIND_SECONDS
from viewer.session import Session
from viewer.worker import Worker
from viewer.worlds import find_env_id
from worldsim.errors import WorldsimError

FALLBACK_STEPS = 175  # ten seconds of doom


@dataclass
class PlayConfig:
    """Options of `worldsim play`.

    Attributes:
        world: Name of the world; with an agent, that of its task.
        agent: Who acts while no key is held: a bundled agent by its task (doom/take_cover) or the
            folder of a trained one.
        real: The real simulator rather than the dream of it.
        start: Name or number of a start clip.
        prompt: What the world is told about itself.
        scale: Screen pixels for one of the world; about 512 in all unless given.
        seed: Same seed, start and keys give the same frames.
        record: Film from the first frame into this mp4.
        checkpoint: Folder of the weights of a dream; the bundled ones unless given.
        data: Folder of recorded play that a dream begins in; the checkpoint's clips unless given.
    """

    world: str = "doom"
    agent: str | None = None
    real: bool = False
    start: str | None = None
    prompt: str | None = None
    scale: int | None = None
    seed: int = 0
    record: str | None = None
    checkpoint: str | None = None
    data: str | None = None


def play(cfg: PlayConfig) -> int:
    """Open the window and return when it closes; without a display, film instead."""
    if cfg.agent:
        cfg = replace(cfg, world=world_of(cfg.agent))
    env_id = find_env_id(cfg.world, cfg.real)
    problem = find_display_problem()
    if problem:
        out = cfg.record or str(_unused(f"worldsim-{cfg.world.replace('/', '-')}", ".mp4"))
        print(f"no window: {problem}. Filming ten seconds to {out} instead", flush=True)
        return record(_record_config(cfg, out))
    return _play_in_window(cfg, env_id)


def find_display_problem() -> str | None:
    """Return why no window can be opened, None when one can."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "worldsim")
    chosen = os.environ.get("SDL_VIDEODRIVER")
    on_linux = sys.platform.startswith("linux")
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if on_linux and not has_display and not chosen:
        return "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    try:
        import pygame

        pygame.display.init()
        # SDL may fall back to drawing into memory when the display does not answer.
        if not chosen and pygame.display.get_driver() in ("dummy", "offscreen"):
            return f"display '{os.environ.get('DISPLAY', '')}' does not answer"
    except ImportError:
        return "pygame is not installed (pip install pygame-ce)"
    except pygame.error as error:
        return f"the display cannot be used ({error})"
    return None


def _play_in_window(cfg: PlayConfig, env_id: str) -> int:
    import pygame

    from viewer.window import Window

    name, agent = f"worldsim-{cfg.world.replace('/', '-')}", cfg.agent
    worker = Worker(
        lambda: Session(
            env_id,
            seed=cfg.seed,
            start=cfg.start,
            prompt=cfg.prompt,
            rewind_seconds=REWIND_SECONDS,
            checkpoint=cfg.checkpoint,
            data=cfg.data,
        ),
        HeldKeys(),
        record=Path(cfg.record) if cfg.record else None,
        name_recording=lambda: _unused(name, ".mp4"),
        make_agent=(lambda spec: load_agent(agent, spec, cfg.seed)) if agent else None,
    )
    title = f"worldsim - {cfg.world}" + (" (real)" if cfg.real else "")
    window = Window(
        worker, title=title, scale=cfg.scale, name_screenshot=lambda: _unused(name, ".png")
    )
    worker.start()
    try:
        window.run()
    finally:
        worker.close()
        pygame.quit()
    if worker.last_recording:
        print(f"recorded {worker.last_recording}")
    if worker.view.error:
        raise WorldsimError(worker.view.error)
    return 0


def _record_config(cfg: PlayConfig, out: str) -> RecordConfig:
    return RecordConfig(
        world=cfg.world,
        real=cfg.real,
        policy=f"agent:{cfg.agent}" if cfg.agent else "keys",
        steps=FALLBACK_STEPS,
        out=out,
        seed=cfg.seed,
        start=cfg.start,
        prompt=cfg.prompt,
        checkpoint=cfg.checkpoint,
        data=cfg.data,
    )


def _unused(stem: str, suffix: str) -> Path:
    """Return a file name of this moment that is not taken."""
    stamp = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    path = Path(f"{stamp}{suffix}")
    number = 2
    while path.exists():
        path, number = Path(f"{stamp}-{number}{suffix}"), number + 1
    return path
