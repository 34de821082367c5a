"""`worldsim agent eval task=… agents=random,runs/agent/agent`: what agents are worth.

Each plays in the real simulator, in places that nothing was trained on, and in the dream. The gap
between the two is written down: an agent that only knows how to please the dream is found out.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
from omegaconf import MISSING

from agents.bundled import find_agent
from agents.guided import NAME as GUIDE
from agents.guided import Guided
from agents.native import Follow
from agents.planner import METHODS, Planner, PlannerConfig
from agents.play import Agent, Held, Played, in_steps_of, make_real, play, summarize
from agents.policy import PolicyAgent
from agents.report import draw_learning, table
from agents.scores import ByAnswer, ByLook, Score, by_reward, find_thing
from agents.scripted import RandomActions, Stay
from agents.tasks import Task, find_task
from worldsim import provenance
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS
from worldsim.reader import Reader
from worldsim.unified import Model

PLACES = ("real", "dream")
FOLLOW, IMAGINE = "follow:", "imagine "


@dataclass
class AgentEvalConfig:
    """Options of `worldsim agent eval`.

    Attributes:
        task: What is played.
        agents: Who plays, with commas: ``random``, ``stay``, ``guide``, who knows the simulator's
            plan, a bundled agent by its task's name, the folder of a trained one, ``cem`` and
            ``mppi``, which plan for reward in the dream, or ``cem:walk to the red box``, to get
            near what the model says it sees, or ``cem:imagine you see a red box ahead``, to get to
            where it looks like what the model imagines; or ``follow:`` and an instruction, which
            the model itself follows.
        out: JSON to write; beside it a table as Markdown and a folder with films of the best
            episodes.
        places: Where: real, dream.
        episodes: For each agent in each place.
        greedy: Whether trained agents take the likeliest action; else they draw one.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        data: Dataset, not trained on, whose moments dreams begin in; empty: the checkpoint's clips.
        horizon: Steps after which a dream is cut off.
        ways: Tried by a planner side by side.
        planner: How it searches.
        seed: Of the first episode; the others follow.
    """

    task: str = MISSING
    agents: str = "random"
    out: str = "agents.json"
    places: list[str] = field(default_factory=lambda: list(PLACES))
    episodes: int = 100
    greedy: bool = False
    checkpoint: str = ""
    data: str = ""
    horizon: int = 512
    ways: int = 32
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    seed: int = 0


def evaluate(cfg: AgentEvalConfig) -> None:
    """Let every agent play everywhere and write down what it got."""
    task, names = find_task(cfg.task), [name.strip() for name in cfg.agents.split(",")]
    unknown = [place for place in cfg.places if place not in PLACES]
    if unknown or not cfg.places:
        raise WorldsimError(f"places={unknown or '[]'}: use {', '.join(PLACES)}")
    if GUIDE in names and "dream" in cfg.places:
        raise WorldsimError("a guide knows the simulator's plan, and a dream has none: "
                            "use places=[real]")  # fmt: skip
    if cfg.episodes < 2:
        raise WorldsimError(f"episodes={cfg.episodes} tell nothing: use 2 or more")
    found: dict[str, Any] = {name: {} for name in names}
    out, films = Path(cfg.out), Path(cfg.out).with_suffix("")
    about: dict[str, Any] = {}
    for place in cfg.places:
        env = make_env(cfg, task, place)
        world: Any = env.unwrapped
        try:
            about |= _model(env)
            for name in names:
                agent = make_agent(name, env, task, cfg)
                about |= _model(agent)
                seeds = range(cfg.seed, cfg.seed + cfg.episodes)
                played = play(env, agent, seeds, desc=f"{name}, {place}", keep=True)
                found[name][place] = summarize(played, cfg.seed)
                found[name] |= _history(agent)
                film(films / f"{_label(name)}_{place}.mp4", played, world.spec_world)
                _write(out, cfg, task, found, about)
        finally:
            env.close()
    drawn = draw_learning(out.with_suffix(".png"), found, task)
    print(table(found, task))
    print(f"wrote {out}, {out.with_suffix('.md')}{drawn} and films in {films}")


def make_env(cfg: AgentEvalConfig, task: Task, place: str) -> gym.Env[Any, Any]:
    """Return the held-out real world or the dream."""
    if place == "real":
        return make_real(task, "heldout")
    return gym.make(
        task.dream,
        checkpoint=cfg.checkpoint or None,
        dataset=cfg.data or None,
        max_episode_steps=cfg.horizon,
    )


def make_agent(name: str, env: gym.Env[Any, Any], task: Task, cfg: AgentEvalConfig) -> Agent:
    """Return the agent of a name or folder that is to act in an environment."""
    if name == GUIDE:
        return Guided(env, task)
    world: Any = env.get_wrapper_attr("spec_world")
    actions = [int(world.action_index(words)) for words in task.keys]
    if name == "random":
        return RandomActions(world, cfg.seed, actions)
    if name == "stay":
        return Stay(actions[0])
    if name.startswith(FOLLOW):
        reader = Reader.from_pretrained(cfg.checkpoint or None)
        follow = Follow(reader, name.removeprefix(FOLLOW).strip(), world.name, list(task.keys))
        return in_steps_of(follow, reader.worlds[world.name], world)
    method, _, sentence = name.partition(":")
    if method in METHODS:
        score: Score = by_reward
        if sentence.startswith(IMAGINE):
            model = Model.from_pretrained(cfg.checkpoint or None)
            goal = model.imagine([sentence.removeprefix(IMAGINE).strip()], [cfg.seed])[0]
            score = ByLook(goal, LPIPS.load())
        elif sentence:
            thing = find_thing(sentence, world.things)
            score = ByAnswer(Reader.from_pretrained(cfg.checkpoint or None), thing)
        dream = gym.make_vec(
            task.dream,
            num_envs=cfg.ways,
            checkpoint=cfg.checkpoint or None,
            dataset=cfg.data or None,
            max_episode_steps=-1,
            autoreset_mode="Disabled",
            draw_ends=False,
        )
        planner = Planner(dream, actions, score, replace(cfg.planner, method=method), cfg.seed)
        dreamed: Any = dream.unwrapped
        return in_steps_of(planner, dreamed.spec_world, world)
    agent = PolicyAgent.load(find_agent(name), world, cfg.greedy, cfg.seed)
    if agent.about.task != cfg.task:
        raise WorldsimError(f"{name} was trained on {agent.about.task}, not on {cfg.task}")
    return agent


def film(path: Path, played: list[Played], world: Any) -> None:
    """Write the best episode as a film."""
    best = max(played, key=lambda episode: episode.total)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.stack(best.frames).repeat(4, axis=1).repeat(4, axis=2)
    iio.imwrite(
        path,
        frames,
        plugin="pyav",
        codec="libx264",
        fps=float(world.steps_per_second),
        out_pixel_format="yuv420p",
    )


def _label(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name.strip("/"))


def _history(agent: Agent) -> dict[str, Any]:
    """Return what an agent learnt from, where it did."""
    return {"learnt": asdict(agent.about)} if isinstance(agent, PolicyAgent) else {}


def _model(dreams: object) -> dict[str, Any]:
    """Return the digest of the model that dreams for an agent or a world, where one does."""
    dreams = dreams.agent if isinstance(dreams, Held) else dreams
    dreams = getattr(dreams, "dream", dreams)
    model = getattr(getattr(dreams, "unwrapped", None), "model_id", "")
    return {"checkpoint_sha256": model} if model else {}


def _write(
    out: Path, cfg: AgentEvalConfig, task: Task, found: dict[str, Any], about: dict[str, Any]
) -> None:
    meta = provenance.meta(cfg.seed, cfg.data) | about
    provenance.write_json(out, {"task": cfg.task, "agents": found, "meta": meta})
    out.with_suffix(".md").write_text(table(found, task) + "\n", encoding="utf-8")
