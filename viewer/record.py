"""`worldsim record world=doom policy=keys steps=500 out=run.mp4`: film a world without a window.

The same session code as the window's, so a film shows what a person would have seen. Beside the
mp4 lies a `.jsonl` from which `worldsim replay` reproduces every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from tqdm import tqdm

from agents.scripted import RandomActions, RandomHold, Script, Stay
from viewer.recorder import sidecar_path
from viewer.session import Session
from viewer.worker import Agent
from viewer.worlds import find_env_id
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

AGENT = "agent:"
POLICIES = "keys, forward, stay, random, script:forward*20 turn left*5 or agent:doom/take_cover"
DEFAULT_STEPS = 500


@dataclass
class RecordConfig:
    """Options of `worldsim record`.

    Attributes:
        world: Name of the world.
        real: Film the real simulator rather than the dream of it.
        policy: Who holds the keys: keys (keyboard-like bursts), forward, stay, random (a new
            action every step), script:forward*20 turn left*5 (also keys: script:w*20 a*5), or
            agent: and a folder or a task, of a trained agent, in the world of its task.
        steps: How many steps; as many as the script has, or 500.
        out: The mp4 to write; a file of that name is replaced.
        seed: Of the world and of the policy.
        start: Name or number of a start clip.
        prompt: What the world is told about itself.
        say: Sentences and when, such as "20: turn left | 60: go back".
        scale: Pixels of the film for one of the world.
        checkpoint: Folder of the weights of a dream; the bundled ones unless given.
        data: Folder of recorded play that a dream begins in; the checkpoint's clips unless given.
    """

    world: str = "doom"
    real: bool = False
    policy: str = "keys"
    steps: int | None = None
    out: str = "run.mp4"
    seed: int = 0
    start: str | None = None
    prompt: str | None = None
    say: str | None = None
    scale: int = 4
    checkpoint: str | None = None
    data: str | None = None


def record(cfg: RecordConfig) -> int:
    """Film the world as asked; returns 0, or 130 when interrupted (the film is kept)."""
    sentences = read_sentences(cfg.say)
    if cfg.steps is not None and cfg.steps < 1:
        raise WorldsimError(f"steps={cfg.steps} films nothing: ask for at least 1")
    agent_name = cfg.policy.removeprefix(AGENT) if cfg.policy.startswith(AGENT) else ""
    session = Session(
        find_env_id(world_of(agent_name) if agent_name else cfg.world, cfg.real),
        seed=cfg.seed,
        start=cfg.start,
        prompt=cfg.prompt,
        checkpoint=cfg.checkpoint,
        data=cfg.data,
    )
    try:
        agent = (
            load_agent(agent_name, session.spec, cfg.seed)
            if agent_name
            else make_policy(cfg.policy, session.spec, cfg.seed)
        )
        script_steps = len(agent.actions) if isinstance(agent, Script) else DEFAULT_STEPS
        path = session.start_recording(cfg.out, cfg.scale)
        complete = _film(session, agent, sentences, cfg.steps or script_steps)
        recorder = session.recording
        num_frames = recorder.num_frames if recorder else 0
    finally:
        session.close()
    print(f"wrote {path} ({num_frames} frames) and {sidecar_path(path)}")
    return 0 if complete else 130


def world_of(agent: str) -> str:
    """Return the task of a trained agent, a world to `find_env_id`."""
    try:
        from agents.bundled import find_agent  # loads torch
        from agents.policy import read_about
    except ImportError as error:
        raise WorldsimError(
            f'a trained agent cannot act here ({error}): pip install "worldsim[agents]"'
        ) from error
    return read_about(find_agent(agent)).task


def load_agent(agent: str, spec: WorldSpec, seed: int) -> Agent:
    """Return a trained agent."""
    from agents.bundled import find_agent
    from agents.policy import PolicyAgent

    return PolicyAgent.load(find_agent(agent), spec, seed=seed)


def make_policy(name: str, spec: WorldSpec, seed: int) -> Agent:
    """Return the policy of a name; WorldsimError lists the names."""
    if name.startswith("script:"):
        try:
            return Script(name.removeprefix("script:"), spec)
        except ValueError as error:
            raise WorldsimError(str(error)) from error
    if name == "keys":
        return RandomHold(spec, seed)
    if name == "random":
        return RandomActions(spec, seed)
    if name in ("forward", "stay"):
        return Stay(spec.action_index(name))
    raise WorldsimError(f"unknown policy '{name}': use {POLICIES}")


def read_sentences(text: str | None) -> dict[int, str]:
    """Read ``"20: turn left | 60: go back"`` into the sentence of each step."""
    sentences = {}
    for part in (text or "").replace(";", "|").split("|"):
        step, colon, sentence = part.partition(":")
        if not part.strip():
            continue
        if not colon or not step.strip().isdecimal() or not sentence.strip():
            raise WorldsimError(
                f"cannot read say='{part.strip()}': write a step, a colon and a sentence, such as "
                "'20: turn left | 60: go back'"
            )
        sentences[int(step)] = sentence.strip()
    return sentences


def _film(session: Session, agent: Agent, sentences: dict[int, str], steps: int) -> bool:
    """Drive for some steps, through as many episodes as it takes; False when interrupted."""
    agent.reset()
    try:
        for step in tqdm(range(steps), desc="record", unit=" frames", mininterval=0.5):
            if session.now.ended:
                session.next_start()
                agent.reset()
            if step in sentences:
                session.say(sentences[step])
            session.step(agent.act(session.now.frame, session.info))
    except KeyboardInterrupt:
        print("interrupted: what was filmed so far is kept")
        return False
    return True
