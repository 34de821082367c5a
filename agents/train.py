"""`worldsim agent train task=doom/take_cover in=dream`: PPO in a dream or in the real world.

The same agent, the same task, the same program: where it learns is one word. How good it is, is
measured in the real simulator only, on places that neither it nor the model learnt from.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from omegaconf import MISSING
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecMonitor, VecTransposeImage
from tqdm.auto import tqdm

from agents.batched import BatchedEnv, ScaledRewards
from agents.play import make_real, play, summarize
from agents.policy import About, PolicyAgent, save_policy
from agents.tasks import Task, find_task
from worldsim.errors import WorldsimError

PLACES = ("dream", "real")
STATE = "training.pt"


@dataclass
class PPOConfig:
    """How PPO learns (Schulman et al. 2017); the names are stable-baselines3's.

    Attributes:
        learning_rate: Of Adam.
        n_steps: Steps of each world between updates.
        batch_size: Of an update.
        n_epochs: Times that what was lived is gone over.
        gamma: What the next step is worth.
        gae_lambda: Of the advantage.
        clip_range: How far an update may go.
        ent_coef: Weight of staying undecided.
        vf_coef: Weight of the value's error.
        max_grad_norm: Largest norm of the gradient.
    """

    learning_rate: float = 3e-4
    n_steps: int = 64
    batch_size: int = 256
    n_epochs: int = 4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5


@dataclass
class AgentTrainConfig:
    """Options of `worldsim agent train`.

    Attributes:
        task: What to learn: doom/take_cover, doom/my_way_home, doom/health_gathering, carracing.
        inside: Where: dream or real; ``in=`` for short.
        out: Folder of the run; an interrupted run continues there.
        steps: Steps to learn from, in all worlds together.
        num_envs: Worlds side by side.
        stack: Newest frames that the agent sees.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        data: Dataset whose moments dreams begin in; empty: the checkpoint's clips.
        horizon: Steps after which a dream is cut off and the value of what follows is guessed.
        eval_every: Steps between measurements in the real simulator; 0: none.
        eval_episodes: Of each measurement, in held-out places.
        save_every: Steps between checkpoints of the run.
        ppo: How it learns.
        device: Of the policy, such as cpu or cuda.
        seed: Of everything random.
    """

    task: str = MISSING
    inside: str = "dream"
    out: str = "runs/agent"
    steps: int = 200_000
    num_envs: int = 16
    stack: int = 3
    checkpoint: str = ""
    data: str = ""
    horizon: int = 32
    eval_every: int = 50_000
    eval_episodes: int = 10
    save_every: int = 10_000
    ppo: PPOConfig = field(default_factory=PPOConfig)
    device: str = "cpu"
    seed: int = 0


def train(cfg: AgentTrainConfig) -> int:
    """Train an agent or go on training it; it is in ``<out>/agent``.

    Returns:
        0, or 130 when interrupted; the same line typed again goes on.
    """
    task = find_task(cfg.task)
    _check(cfg)
    out = Path(cfg.out)
    out.mkdir(parents=True, exist_ok=True)
    worlds = make_worlds(cfg, task)
    try:
        about = _about(cfg, task, worlds)
        learner = make_learner(cfg, worlds)
        done = _resume(learner, out / STATE)
        learner.set_logger(configure(str(out), ["csv", "tensorboard"]))
        saver = Saver(cfg, about, done)
        try:
            learner.learn(
                max(0, cfg.steps - done),
                CallbackList([saver, Judge(cfg, task, about)]),
                reset_num_timesteps=done == 0,
            )
        except KeyboardInterrupt:
            saver.save()
            print(f"interrupted at step {learner.num_timesteps}: the same line goes on from there")
            return 130
        except ValueError as error:
            if "nan" not in str(error).lower():
                raise
            raise WorldsimError(
                f"the policy diverged at step {learner.num_timesteps}: lower ppo.learning_rate "
                f"(now {cfg.ppo.learning_rate}); the agent of before is in {out / 'agent'}"
            ) from error
        saver.save()
    finally:
        worlds.close()
    print(f"wrote {out / 'agent'}: {learner.num_timesteps} steps in the {cfg.inside}")
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
        )
        world: Any = env.unwrapped
    else:
        env = gym.vector.SyncVectorEnv(
            [lambda: make_real(task, "train")] * cfg.num_envs,
            autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
        )
        world = env.envs[0].unwrapped
    actions = [world.spec_world.action_index(words) for words in task.keys]
    watched = VecMonitor(BatchedEnv(env, actions))
    worlds = VecFrameStack(ScaledRewards(watched, task.scale), cfg.stack)
    worlds.seed(cfg.seed)
    return worlds


def _about(cfg: AgentTrainConfig, task: Task, worlds: VecEnv) -> About:
    size = (worlds.observation_space.shape or (0,))[0]
    model = worlds.get_attr("model_id")[0] if cfg.inside == "dream" else ""
    return About(cfg.task, list(task.keys), cfg.stack, int(size), cfg.inside, model=model)


def make_learner(cfg: AgentTrainConfig, worlds: VecEnv) -> PPO:
    """Return an untrained agent."""
    settings = {name: getattr(cfg.ppo, name) for name in cfg.ppo.__dataclass_fields__}
    return PPO("CnnPolicy", VecTransposeImage(worlds), seed=cfg.seed, device=cfg.device, **settings)


def _resume(learner: PPO, path: Path) -> int:
    """Take up a run where it was saved; return its steps. Which worlds come next is new luck."""
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location=learner.device)
        learner.policy.load_state_dict(state["policy"])
        learner.policy.optimizer.load_state_dict(state["optimizer"])
        learner.num_timesteps = int(state["steps"])
    except Exception as error:  # whatever a damaged file makes of torch
        raise WorldsimError(
            f"{path} is damaged ({' '.join(str(error).split())[:120]}): delete it to begin anew, "
            "or give another out="
        ) from error
    print(f"going on from step {learner.num_timesteps}")
    return learner.num_timesteps


class Saver(BaseCallback):
    """Shows progress and saves the run now and then."""

    def __init__(self, cfg: AgentTrainConfig, about: About, done: int) -> None:
        super().__init__()
        self.cfg, self.about, self.next = cfg, about, done + cfg.save_every
        self.bar = tqdm(total=cfg.steps, initial=done, desc=cfg.inside, unit="step")

    def _on_step(self) -> bool:
        self.bar.update(self.training_env.num_envs)
        if self.num_timesteps >= self.next:
            self.next += self.cfg.save_every
            self.save()
        return True

    def _on_rollout_end(self) -> None:
        returns = [float(info["r"]) for info in self.model.ep_info_buffer or ()]
        if returns:
            self.bar.set_postfix({"return": f"{sum(returns) / len(returns):.2f}"}, refresh=False)

    def _on_training_end(self) -> None:
        self.bar.close()

    def save(self) -> None:
        """Write the agent and what is needed to go on."""
        out = Path(self.cfg.out)
        policy: Any = self.model.policy
        save_policy(out / "agent", policy, replace(self.about, steps=self.model.num_timesteps))
        state = {
            "policy": policy.state_dict(),
            "optimizer": policy.optimizer.state_dict(),
            "steps": self.model.num_timesteps,
        }
        partial = out / f"{STATE}.tmp"
        torch.save(state, partial)
        partial.replace(out / STATE)


class Judge(BaseCallback):
    """Measures the agent in the real simulator, in held-out places."""

    def __init__(self, cfg: AgentTrainConfig, task: Task, about: About) -> None:
        super().__init__()
        self.cfg, self.task, self.about, self.last = cfg, task, about, -1

    def _on_rollout_end(self) -> None:
        every = self.cfg.eval_every
        if every and self.num_timesteps // every > self.last:
            self.last = self.num_timesteps // every
            self._measure()

    def _on_step(self) -> bool:
        return True

    def _measure(self) -> None:
        env = make_real(self.task, "heldout")
        try:
            world: Any = env.unwrapped
            actions = [world.spec_world.action_index(words) for words in self.about.keys]
            policy: Any = self.model.policy
            agent = PolicyAgent(policy, self.about, actions, seed=self.cfg.seed)
            found = summarize(play(env, agent, range(self.cfg.eval_episodes), desc="real world"))
        finally:
            env.close()
        self.logger.record("real/return", found["mean"])
        self.logger.dump(self.num_timesteps)
        path = Path(self.cfg.out) / "real.csv"
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if new:
                rows.writerow(["steps", "mean", "low", "high", "episodes"])
            rows.writerow([self.num_timesteps, *(found[k] for k in ("mean", "low", "high")),
                           found["episodes"]])  # fmt: skip


def _check(cfg: AgentTrainConfig) -> None:
    if cfg.inside not in PLACES:
        raise WorldsimError(f"in={cfg.inside}: use {' or '.join(PLACES)}")
    for name in ("steps", "num_envs", "stack", "horizon", "save_every", "eval_episodes"):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    if cfg.ppo.n_steps * cfg.num_envs < 2:
        raise WorldsimError("ppo.n_steps x num_envs is 1: PPO wants 2 steps or more")
