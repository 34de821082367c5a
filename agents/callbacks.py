"""What goes on beside learning: progress, saving, measuring in the real simulator."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from tqdm.auto import tqdm

from agents.film import REAL
from agents.measure import measure, note
from agents.options import AgentTrainConfig
from agents.policy import About, save_policy
from worldsim.errors import WorldsimError

STATE = "training.pt"


def now(about: About, steps: int) -> About:
    """Return what an agent is after so many steps; in the real world they are real, too."""
    real = about.real_frames + (steps if about.inside == "real" else 0)
    return replace(about, steps=steps, real_frames=real)


def diverged(cfg: AgentTrainConfig, steps: int) -> WorldsimError:
    """Return what to say of a policy that is no more made of numbers."""
    return WorldsimError(
        f"the policy diverged at step {steps}: lower ppo.learning_rate (now "
        f"{cfg.ppo.learning_rate}); the agent of before is in {Path(cfg.out) / 'agent'}"
    )


class WeighedEnds(BaseCallback):
    """Takes off every reward what a chance of an end takes away: that share of what comes after.

    A dream that says how likely an end is need not be ended to learn from it, and what is dangerous
    is felt at every step instead of once in hundreds: chances to go on as weights, as in DreamerV2
    (Hafner et al. 2021, arXiv 2010.02193). Where worlds say no chance, nothing is changed.
    """

    def _on_rollout_start(self) -> None:
        self._met = list[float]()

    def _on_rollout_end(self) -> None:
        if self._met:
            self.logger.record("dream/end_chance", float(np.mean(self._met)))

    def _on_step(self) -> bool:
        model: Any = self.model
        infos, rewards = self.locals["infos"], self.locals["rewards"]
        chances = np.array([info.get("end_chance", 0.0) for info in infos], np.float32)
        if any("end_chance" in info for info in infos):
            self._met.append(float(chances.mean()))
        # Of a world that has ended nothing comes after.
        ended = self.locals["dones"] & [
            not info.get("TimeLimit.truncated", False) for info in infos
        ]
        chances[ended] = 0
        if chances.any():
            after = np.array(self.locals["new_obs"])
            for lane in np.flatnonzero(self.locals["dones"]):
                after[lane] = infos[lane]["terminal_observation"]  # not the next beginning
            with torch.no_grad():
                values = model.policy.predict_values(model.policy.obs_to_tensor(after)[0])
            rewards -= model.gamma * chances * values[:, 0].cpu().numpy()  # read after this
        return True


class Saver(BaseCallback):
    """Shows progress and saves the run now and then, and at its end before anything else."""

    def __init__(self, cfg: AgentTrainConfig, about: About, done: int, judge: Judge) -> None:
        super().__init__()
        self.cfg, self.about, self.next = cfg, about, done + cfg.save_every
        self.judge, self.began = judge, time.monotonic()
        self.bar = tqdm(total=cfg.steps, initial=done, desc=cfg.inside, unit="step")

    def _on_step(self) -> bool:
        self.bar.update(self.training_env.num_envs * self.cfg.repeat)
        if self.num_timesteps * self.cfg.repeat >= self.next:
            self.next += self.cfg.save_every
            self.save()
        return True

    def _on_rollout_end(self) -> None:
        returns = [float(info["r"]) for info in self.model.ep_info_buffer or ()]
        shown = {"return": f"{np.mean(returns):.2f}"} if returns else {}
        # Where dreams go on whatever happens, a return says nothing of what one is good at.
        chance = self.logger.name_to_value.get("dream/end_chance")
        shown |= {} if chance is None else {"end chance": f"{chance:.2%}"}
        self.bar.set_postfix(shown, refresh=False)

    def _on_training_end(self) -> None:
        self.bar.close()
        self.save()

    def save(self) -> None:
        """Write the agent and what is needed to go on.

        Raises:
            WorldsimError: The policy diverged; what was saved before stays.
        """
        out = Path(self.cfg.out)
        policy: Any = self.model.policy
        steps = self.model.num_timesteps * self.cfg.repeat
        if not all(weights.isfinite().all() for weights in policy.parameters()):
            raise diverged(self.cfg, steps)
        spent = time.monotonic() - self.began - self.judge.seconds
        about = now(self.about, steps)
        about = replace(about, seconds=about.seconds + spent)
        save_policy(out / "agent", policy, about)
        state = {
            "policy": policy.state_dict(),
            "optimizer": policy.optimizer.state_dict(),
            "steps": about.steps,
            "seconds": about.seconds,
        }
        partial = out / f"{STATE}.tmp"
        torch.save(state, partial)
        partial.replace(out / STATE)


class Judge(BaseCallback):
    """Measures the agent in the real simulator, in held-out places, and films its best there."""

    def __init__(self, cfg: AgentTrainConfig, about: About) -> None:
        super().__init__()
        self.cfg, self.about = cfg, about
        self.measured, self.seconds = -cfg.eval_every, 0.0

    def _on_rollout_end(self) -> None:
        every = self.cfg.eval_every
        if every and self._steps // every > self.measured // every:
            self._measure()

    def _on_training_end(self) -> None:
        if self.cfg.eval_every and self._steps > self.measured:
            self._measure()

    @property
    def _steps(self) -> int:
        return self.num_timesteps * self.cfg.repeat

    def _on_step(self) -> bool:
        return True

    def _measure(self) -> None:
        began, self.measured = time.monotonic(), self._steps
        policy: Any = self.model.policy
        movie = Path(self.cfg.out) / REAL if self.cfg.film_steps else None
        found = measure(policy, self.about, self.cfg.eval_episodes, self.cfg.seed, movie)
        self.logger.record("real/return", found["mean"])
        self.logger.dump(self._steps)
        real = now(self.about, self._steps).real_frames
        note(Path(self.cfg.out), self._steps, real, found)
        self.seconds += time.monotonic() - began
