"""`worldsim replay file=run.jsonl out=again.mp4`: do a recording again and compare every frame.

On the machine and with the checkpoint that recorded it, every frame must come out the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from viewer.recorder import Event, frame_sha256
from viewer.session import Session
from viewer.sidecar import Recording, read_sidecar
from viewer.video import VideoFile
from worldsim.errors import WorldsimError

REWIND_SECONDS = 10.0  # what the window keeps; replaying must keep no less


@dataclass
class ReplayConfig:
    """Options of `worldsim replay`.

    Attributes:
        file: The `.jsonl` written beside a recording.
        out: An mp4 to write what is replayed to, if any.
        scale: Pixels of that film for one of the world.
        checkpoint: Folder of the weights that recorded it; the bundled ones unless given.
        data: Folder of recorded play that it began in, where there was one.
    """

    file: str = ""
    out: str | None = None
    scale: int = 4
    checkpoint: str | None = None
    data: str | None = None


def replay(cfg: ReplayConfig) -> int:
    """Replay a recording; returns 0 when all frames are identical, else 1."""
    if not cfg.file:
        raise WorldsimError("name a recording: worldsim replay file=run.jsonl")
    path = Path(cfg.file)
    recording = read_sidecar(path)
    out = _open_film(cfg, path, recording.header)
    session = _open_session(recording, cfg)
    try:
        _check_model(recording.header, session)
        if recording.cut:
            print("the last line was cut off by a kill or a crash; it is left out")
        return _replay_events(session, recording, out)
    finally:
        session.close()
        if out:
            out.close()


def _open_film(cfg: ReplayConfig, sidecar: Path, header: Event) -> VideoFile | None:
    if cfg.out is None:
        return None
    if Path(cfg.out).resolve() == sidecar.with_suffix(".mp4").resolve():
        raise WorldsimError(f"out='{cfg.out}' is the recording itself: choose another file")
    return VideoFile(Path(cfg.out), header["steps_per_second"], cfg.scale)


def _open_session(recording: Recording, cfg: ReplayConfig) -> Session:
    header, (_, first) = recording.header, recording.events[0]
    rewinds = any("restore_step" in event for _, event in recording.events)
    return Session(
        header["env_id"],
        seed=first["reset"]["seed"],
        start=first["reset"]["start"],
        prompt=first["reset"]["prompt"],
        rewind_seconds=REWIND_SECONDS if rewinds else 0.0,
        checkpoint=cfg.checkpoint,
        data=cfg.data,
    )


def _check_model(header: Event, session: Session) -> None:
    if header["model"] != session.model_id:
        raise WorldsimError(
            f"recorded with model {_short(header['model'])}, but this one is "
            f"{_short(session.model_id)}: replay with the checkpoint that recorded it"
        )


def _replay_events(session: Session, recording: Recording, out: VideoFile | None) -> int:
    num_same = 0
    for number, event in tqdm(recording.events, desc="replay", unit=" events", mininterval=0.5):
        _do(session, event, number)
        if "frame_sha256" not in event:
            continue
        if out and event.get("frame") is not None:
            out.append(session.now.frame)
        if frame_sha256(session.now.frame) != event["frame_sha256"]:
            print(
                f"step {session.now.step} differs (line {number}); "
                f"{num_same} frames before it are identical"
            )
            return 1
        num_same += 1
    print(f"{num_same} frames identical")
    return 0


def _do(session: Session, event: Event, number: int) -> None:
    """Do once more what happened; what cannot be done names the line."""
    try:
        if "step" in event:
            session.step(session.spec.action_index(event["action"]))
        elif "say" in event:
            session.say(event["say"])
        elif "reset" in event:
            session.reset(**{key: event["reset"][key] for key in ("start", "prompt", "seed")})
        elif not session.restore_step(event["restore_step"]):
            raise WorldsimError(f"step {event['restore_step']} is not kept, cannot go back to it")
    except WorldsimError as error:
        raise WorldsimError(f"line {number}: {error}") from error


def _short(model_id: str | None) -> str:
    return (model_id or "none")[:12]
