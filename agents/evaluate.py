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
import numpy as np
from omegaconf import MISSING

from agents.bundled import find_agent
from agents.film import film, or_say_why
from agents.gap import compare
from agents.guided import NAME as GUIDE
from agents.guided import Guided
from agents.native import Follow
from agents.planner import METHODS, Planner, PlannerConfig
from agents.play import (
    Agent,
    Held,
    Played,
    in_steps_of,
    make_dream,
    make_real,
    missing,
    play,
    steps_for,
    summarize,
)
from agents.policy import PolicyAgent
from agents.report import draw_learning, table
from agents.scores import ByAnswer, ByLook, Score, by_reward, find_thing
from agents.scripted import RandomActions, Stay
from agents.tasks import Task, find_task
from worldsim import provenance
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS
from worldsim.pictures import open_picture, square
from worldsim.reader import Reader
from worldsim.unified import Model
from worldsim.world import WorldSpec

PLACES = ("real", "dream")
FOLLOW, IMAGINE, PICTURE, RANDOM = "follow:", "imagine ", "picture ", "random"


@dataclass
class AgentEvalConfig:
    """Options of `worldsim agent eval`.

    Attributes:
        task: What is played.
        agents: Who plays, with commas: ``random``, or ``random:4``, which holds each action for
            four of the simulator's steps, ``stay``, ``guide``, who knows the simulator's plan, a
            bundled agent by its task's name, the folder of a trained one, ``cem`` and ``mppi``,
            which plan for reward in the dream, or ``cem:walk to the red box``, to get near what
            the model says it sees, ``cem:picture goal.png``, to get to where it looks like the
            middle square of that, or ``cem:imagine you see a red box ahead``, like what the model
            imagines; ``shooting`` for planning without refinement; or ``follow:`` and an
            instruction, which the model itself follows.
        out: JSON to write; beside it a table as Markdown and a folder with films of the best
            episodes.
        places: Where: real, dream; empty: both, or the dream alone where the simulator is missing.
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
    places: list[str] = field(default_factory=list)
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
    places = _check(cfg, task, names)
    found: dict[str, Any] = {name: {} for name in names}
    lived: dict[str, dict[str, list[Played]]] = {name: {} for name in names}
    out, films = Path(cfg.out), Path(cfg.out).with_suffix("")
    about: dict[str, Any] = {}
    for place in places:
        env = make_env(cfg, task, place)
        world: Any = env.unwrapped
        try:
            about |= _model(env)
            for name in names:
                agent = make_agent(name, env, task, cfg)
                about |= _model(agent)
                seeds = range(cfg.seed, cfg.seed + cfg.episodes)
                played = play(env, agent, seeds, desc=f"{name}, {place}", keep=True)
                found[name][place] = _sum_up(played, place, task, world.spec_world, cfg.seed)
                lived[name][place] = played
                if len(lived[name]) == len(PLACES):
                    real, dream = (lived[name][other] for other in PLACES)
                    found[name]["gap"] = compare(real, dream, found[name]["dream"]["skip"])
                found[name] |= _history(agent)
                _write(out, cfg, task, found, about)
                path = films / f"{_label(name)}_{place}.mp4"
                with or_say_why(path):
                    film(path, played, world.spec_world)
                for episode in played:
                    episode.frames = []  # no more needed
        finally:
            env.close()
    drawn = draw_learning(out.with_suffix(".png"), found, task)
    print(table(found, task))
    print(f"wrote {out}, {out.with_suffix('.md')}{drawn} and films in {films}")


def _check(cfg: AgentEvalConfig, task: Task, names: list[str]) -> list[str]:
    """Refuse what makes no sense; return where to play."""
    provenance.check_writable(Path(cfg.out))
    places = cfg.places or list(PLACES)
    unknown = [place for place in places if place not in PLACES]
    if unknown:
        raise WorldsimError(f"places={unknown}: use {', '.join(PLACES)}")
    if GUIDE in names and "dream" in places:
        raise WorldsimError("a guide knows the simulator's plan, and a dream has none: "
                            "use places=[real]")  # fmt: skip
    if cfg.episodes < 2:
        raise WorldsimError(f"episodes={cfg.episodes} tell nothing: use 2 or more")
    lacks = "" if cfg.places else missing(task)
    if lacks:
        print(f"not measured in the real world: {lacks}")
    return ["dream"] if lacks else places


def make_env(cfg: AgentEvalConfig, task: Task, place: str) -> gym.Env[Any, Any]:
    """Return the held-out real world or the dream."""
    if place == "real":
        return make_real(task, "heldout")
    return make_dream(task, cfg.checkpoint, cfg.data, cfg.horizon)


def make_agent(name: str, env: gym.Env[Any, Any], task: Task, cfg: AgentEvalConfig) -> Agent:
    """Return the agent of a name or folder that is to act in an environment."""
    if name == GUIDE:
        return Guided(env, task)
    world: Any = env.get_wrapper_attr("spec_world")
    actions = [int(world.action_index(words)) for words in task.keys]
    if name == RANDOM:
        return RandomActions(world, cfg.seed, actions)
    if name.startswith(f"{RANDOM}:"):
        held = steps_for(_read_steps(name), world.skip)
        return Held(RandomActions(world, cfg.seed, actions), held)
    if name == "stay":
        return Stay(actions[0])
    if name.startswith(FOLLOW):
        reader = Reader.from_pretrained(cfg.checkpoint or None)
        said = name.removeprefix(FOLLOW).strip()
        follow = Follow(reader, said, world.name, list(task.keys), world)
        return in_steps_of(follow, reader.worlds[world.name], world)
    method, _, sentence = name.partition(":")
    if method in METHODS:
        dream = gym.make_vec(
            task.dream,
            num_envs=cfg.ways,
            checkpoint=cfg.checkpoint or None,
            dataset=cfg.data or None,
            max_episode_steps=-1,
            autoreset_mode="Disabled",
            draw_ends=False,
            begins_again=False,
        )
        dreamed: Any = dream.unwrapped
        size = int(dreamed.single_observation_space.shape[0])
        score, search = _score(sentence, world, size, cfg), replace(cfg.planner, method=method)
        planner = Planner(dream, actions, score, search, cfg.seed, world)
        return in_steps_of(planner, dreamed.spec_world, world)
    agent = PolicyAgent.load(find_agent(name), world, cfg.greedy, cfg.seed)
    if agent.about.task != cfg.task:
        raise WorldsimError(f"{name} was trained on {agent.about.task}, not on {cfg.task}")
    return agent


def _score(sentence: str, world: WorldSpec, size: int, cfg: AgentEvalConfig) -> Score:
    """Return what a planner is to look for: what a sentence says, or else reward.

    Pictures are of `size` pixels, as dreamed frames are.
    """
    if not sentence:
        return by_reward
    if sentence.startswith(IMAGINE):
        model = Model.from_pretrained(cfg.checkpoint or None)
        goal = model.imagine([sentence.removeprefix(IMAGINE).strip()], [cfg.seed])[0]
        return ByLook(goal, LPIPS.load())
    if sentence.startswith(PICTURE):
        picture = open_picture(sentence.removeprefix(PICTURE).strip(), "picture")
        return ByLook(square(picture, size), LPIPS.load())
    thing = find_thing(sentence, world.things)
    return ByAnswer(Reader.from_pretrained(cfg.checkpoint or None), thing)


def _read_steps(name: str) -> int:
    """Return for how many steps of the simulator ``random:4`` holds an action."""
    text = name.partition(":")[2].strip()
    if not text.isdecimal() or not int(text):
        raise WorldsimError(f"agents={name}: use a number of steps from 1 on, such as random:4")
    return int(text)


def _sum_up(
    played: list[Played], place: str, task: Task, spec: WorldSpec, seed: int
) -> dict[str, Any]:
    """Return what episodes came to, how long their steps are and what share of them is solved.

    Dreams are cut off, so that none of them says whether a task is solved.
    """
    found = summarize(played, seed) | {"skip": spec.skip}
    if place == "real" and task.solved is not None:
        found["solved"] = float(np.mean([episode.total >= task.solved for episode in played]))
    return found


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
