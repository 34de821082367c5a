"""`worldsim agent train task=doom/take_cover in=dream algo=ppo`: PPO in a dream or a real world.

The same agent, the same task, the same program: where it learns is one word. How good it is, is
measured in the real simulator only, on places that neither it nor the model learnt from.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecMonitor, VecTransposeImage

from agents.batched import BatchedEnv, ScaledRewards
from agents.both import alternate, newest_dream
from agents.bundled import begin_as
from agents.callbacks import STATE, Judge, Saver, WeighedEnds, diverged
from agents.film import DREAM, film_dream, or_say_why
from agents.options import AgentTrainConfig, check
from agents.play import make_real, missing
from agents.policy import About
from agents.progress import open_log
from agents.tasks import Task, find_task
from worldsim.data import Dataset
from worldsim.errors import WorldsimError


def train(cfg: AgentTrainConfig) -> int:
    """Train an agent or go on training it; it is in ``<out>/agent``, with films of its best.

    Where the simulator is missing, one who learns in a dream is not measured in the real world.

    Returns:
        0, or 130 when interrupted; the same line typed again goes on.
    """
    check(cfg)
    task = find_task(cfg.task)
    lacks = missing(task) if cfg.inside == "dream" and cfg.eval_every else ""
    if lacks:
        print(f"not measured in the real world: {lacks}")
        cfg = replace(cfg, eval_every=0)
    Path(cfg.out).mkdir(parents=True, exist_ok=True)
    status = alternate(cfg, learn) if cfg.inside == "both" else learn(cfg)
    if not status:
        print(f"wrote {Path(cfg.out) / 'agent'}")
        _film(newest_dream(cfg) if cfg.inside == "both" else cfg)
    return status


def _film(cfg: AgentTrainConfig) -> None:
    out, task = Path(cfg.out), find_task(cfg.task)
    if cfg.film_steps:
        with or_say_why(out / DREAM):
            film_dream(out / DREAM, out / "agent", task, cfg.checkpoint, cfg.data,
                       cfg.film_steps, cfg.seed)  # fmt: skip


def learn(cfg: AgentTrainConfig) -> int:
    """Learn in one kind of world up to ``cfg.steps`` steps; return the exit status."""
    task, out = find_task(cfg.task), Path(cfg.out)
    worlds = make_worlds(cfg, task)
    try:
        about = _about(cfg, task, worlds)
        learner = make_learner(cfg, worlds)
        if cfg.init_from:
            about = begin_as(learner.policy, cfg.init_from, about)
        done, seconds = _resume(learner, out / STATE, cfg.repeat)
        about = replace(about, seconds=seconds)
        learner.set_logger(open_log(out))
        judge = Judge(cfg, about)
        saver = Saver(cfg, about, done, judge)
        try:
            learner.learn(
                max(0, cfg.steps - done) // cfg.repeat,
                CallbackList([WeighedEnds(), saver, judge]),
                reset_num_timesteps=done == 0,
            )
        except KeyboardInterrupt:
            saver.save()
            print(
                f"interrupted at step {learner.num_timesteps * cfg.repeat}: "
                "the same line goes on from there"
            )
            return 130
        except (ValueError, RuntimeError) as error:  # the latter where torch checks no arguments
            if "nan" not in str(error).lower():
                raise
            raise diverged(cfg, learner.num_timesteps * cfg.repeat) from error
        finally:
            learner.logger.close()
    finally:
        worlds.close()
    return 0


def make_worlds(cfg: AgentTrainConfig, task: Task) -> VecEnv:
    """Return the worlds an agent learns in, with the frames stacked."""
    if cfg.inside == "dream":
        env = gym.make_vec(
            task.dream,
            num_envs=cfg.num_envs,
            checkpoint=cfg.checkpoint or None,
            dataset=cfg.data or None,
            max_episode_steps=cfg.horizon,
            draw_ends=cfg.ends == "drawn",
            cut_lost=cfg.cut_lost,
        )
        world: Any = env.unwrapped
        spec = world.spec_world
    else:
        makes = [lambda: make_real(task, "train", cfg.pain)] * cfg.num_envs
        same = gym.vector.AutoresetMode.SAME_STEP
        if task.alone:  # not forked: what OpenGL holds here would be held there, too
            env = gym.vector.AsyncVectorEnv(makes, context="spawn", autoreset_mode=same)
        else:
            env = gym.vector.SyncVectorEnv(makes, autoreset_mode=same)
        spec = env.get_attr("spec_world")[0]
    actions = [spec.action_index(words) for words in task.keys]
    watched = VecMonitor(BatchedEnv(env, actions, cfg.repeat))
    worlds = VecFrameStack(ScaledRewards(watched, task.scale), cfg.stack)
    worlds.seed(cfg.seed)
    return worlds


def _about(cfg: AgentTrainConfig, task: Task, worlds: VecEnv) -> About:
    size = (worlds.observation_space.shape or (0,))[0]
    dreams = cfg.inside == "dream"
    model = worlds.get_attr("model_id")[0] if dreams else ""
    skip = worlds.get_attr("spec_world")[0].skip if dreams else 1
    about = About(cfg.task, list(task.keys), cfg.stack, int(size), cfg.inside, model=model,
                  repeat=cfg.repeat * skip)  # fmt: skip
    names = [cfg.data, *cfg.model_data.split(",")] if dreams else []
    return about.knowing(*(Dataset(name.strip()) for name in names if name.strip()))


def make_learner(cfg: AgentTrainConfig, worlds: VecEnv) -> PPO:
    """Return an untrained agent."""
    settings = {name: getattr(cfg.ppo, name) for name in cfg.ppo.__dataclass_fields__}
    return PPO("CnnPolicy", VecTransposeImage(worlds), seed=cfg.seed, device=cfg.device, **settings)


def _resume(learner: PPO, path: Path, repeat: int) -> tuple[int, float]:
    """Take up a run where it was saved; return its steps and seconds.

    Which worlds come next is new luck.
    """
    if not path.exists():
        return 0, 0.0
    try:
        state = torch.load(path, weights_only=True, map_location=learner.device)
        learner.policy.load_state_dict(state["policy"])
        learner.policy.optimizer.load_state_dict(state["optimizer"])
        steps, seconds = int(state["steps"]), float(state["seconds"])
        learner.num_timesteps = steps // repeat
    except Exception as error:  # whatever a damaged file makes of torch
        raise WorldsimError(
            f"{path} is damaged ({' '.join(str(error).split())[:120]}): delete it to begin anew, "
            "or give another out="
        ) from error
    print(f"going on from step {steps}")
    return steps, seconds
