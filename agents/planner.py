"""Plans in a dream before every step: tries many ways ahead and takes the first step of a good one.

The dream begins anew from what was really seen each time, so its errors do not add up over an
episode. What is good is another object: rewards, or how near the last frame is to a picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from agents.schema import check_schema
from agents.scores import Score, by_reward
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

METHODS = ("cem", "mppi", "shooting")


@dataclass
class PlannerConfig:
    """How a way is searched.

    Attributes:
        method: "cem" keeps the best ways, forgets the others (Rubinstein 1999) and goes the best
            one it tried (iCEM, Pinneri et al. 2020, arXiv 2008.06389); "mppi" weighs all by how
            good they are (Williams et al. 2017); "shooting" tries ways at random, once, learns
            nothing from them and goes the best one.
        horizon: Steps looked ahead.
        repeat: Steps for which an action is held in a way.
        every: Steps acted before it looks ahead again; 0: as many as `repeat`.
        rounds: Times that better ways are drawn near the good ones.
        elites: Share of the ways that count as good, for cem.
        temperature: Of the weights, in deviations of the scores, for mppi.
        keep: How much of the last round's guess stays.
        context: Frames that a dream begins with, at most.
        allow: Words of the actions that ways are made of; empty: of all that may be taken.
    """

    method: str = "cem"
    horizon: int = 12
    repeat: int = 3
    every: int = 0
    rounds: int = 3
    elites: float = 0.125
    temperature: float = 0.5
    keep: float = 0.2
    context: int = 10
    allow: list[str] = field(default_factory=list)


class Planner:
    """An agent that looks ahead.

    Args:
        dream: As many worlds side by side as ways are tried; told ``frames`` and ``actions`` when
            it is reset, and not beginning anew by itself (``autoreset_mode`` DISABLED). Of one made
            with ``draw_ends=False`` ways count as far as it is likely that they have not ended.
        actions: The world's numbers of the actions that may be taken.
        score: What is good.
        config: How a way is searched.
        seed: Of the ways drawn.
        acts_in: The world it acts in, whose numbers must be the dream's; None: taken for granted.

    Raises:
        WorldsimError: The search makes no sense, or the dream is of another world.
    """

    def __init__(
        self,
        dream: VectorEnv[Any, Any, Any],
        actions: Sequence[int],
        score: Score = by_reward,
        config: PlannerConfig | None = None,
        seed: int = 0,
        acts_in: WorldSpec | None = None,
    ) -> None:
        self.config = config or PlannerConfig()
        check_search(self.config)
        if dream.metadata.get("autoreset_mode") not in (
            AutoresetMode.DISABLED, AutoresetMode.DISABLED.value
        ):  # fmt: skip
            raise WorldsimError("a planner's dream must not begin anew by itself: make it with "
                                "autoreset_mode='Disabled'")  # fmt: skip
        world: Any = dream.unwrapped
        if acts_in:
            check_schema(world.spec_world, acts_in)
        allow = self.config.allow
        offered = _allowed(actions, allow, world.spec_world) if allow else actions
        self.dream, self.actions, self.score = dream, np.array(offered, np.int64), score
        self._seed, self._random = seed, np.random.default_rng(seed)
        self._weigh_ends = not getattr(dream.unwrapped, "draw_ends", True)
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing was seen, nothing is planned."""
        self._frames: deque[np.ndarray] = deque(maxlen=self.config.context)
        self._done: deque[int] = deque(maxlen=self.config.context - 1)
        self._chances, self._best = self._uniform(), np.zeros(0, np.int64)
        self._coming: list[int] = []  # of the way chosen, what is done before the next look

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the world's number of the next action, for a frame uint8 ``(H, W, 3)``."""
        self._frames.append(observation)
        if not self._coming:
            self._coming = self._plan()
        action = self._coming.pop(0)
        self._done.append(action)
        return action

    def remember(self, frames: Sequence[np.ndarray], done: Sequence[int]) -> None:
        """Take in what was seen and done before; the next frame comes with `act`."""
        self._frames.extend(frames)
        self._done.extend(int(action) for action in done)

    def plan(self, frames: Sequence[np.ndarray], done: Sequence[int]) -> np.ndarray:
        """Return a whole way, the world's numbers ``(horizon,)``.

        Args:
            frames: What was seen up to now, the newest last.
            done: The actions between them, one less.
        """
        self.reset()
        self.remember(frames, done)
        return np.repeat(self.actions[self._search()], self.config.repeat)[: self.config.horizon]

    def _plan(self) -> list[int]:
        """Search, and return what to do until the next look, which begins with the rest."""
        way, repeat = self._search(), self.config.repeat
        steps = self.config.every or repeat
        gone = steps // repeat  # holds acted
        self._chances = np.concatenate([self._chances[gone:], self._uniform()[:gone]])
        self._best = np.concatenate([way[gone:], np.repeat(way[-1:], min(gone, len(way)))])
        return [int(action) for action in np.repeat(self.actions[way], repeat)[:steps]]

    def _search(self) -> np.ndarray:
        """Return the way to go, which action to hold at each hold, ``(K,)``.

        Leaves in `_chances` how good each action is at each hold, ``(K, actions)``.
        """
        config, every_way = self.config, self._all_ways()
        best, record = self._best, -np.inf
        once = every_way is not None or config.method == "shooting"
        for number in range(1 if once else config.rounds):
            ways = every_way if every_way is not None else self._draw(number == 0, best)  # (N, K)
            scores = self._try(ways)
            weights = self._weigh(scores)  # (N,)
            if scores.max() > record:
                best, record = ways[scores.argmax()], scores.max()
            if config.method == "shooting":
                continue  # nothing is learnt from them
            taken = ways[:, :, None] == np.arange(len(self.actions))
            found = (weights[:, None, None] * taken).sum(axis=0)  # (K, actions)
            self._chances = config.keep * self._chances + (1 - config.keep) * found
        return self._chances.argmax(axis=1) if config.method == "mppi" else best

    def _all_ways(self) -> np.ndarray | None:
        """Return every way, ``(N, K)``, where there are no more than are tried side by side."""
        count, holds = len(self.actions), len(self._uniform())
        if count**holds > self.dream.num_envs:
            return None
        numbers = np.arange(self.dream.num_envs) % count**holds  # what is left over tries again
        return numbers[:, None] // count ** np.arange(holds) % count

    def _draw(self, first: bool, best: np.ndarray) -> np.ndarray:
        """Draw ways, ``(N, K)``, among them the best so far; at first each action held all along.

        Nobody walks straight on by drawing eight actions in a row.
        """
        chances, count = self._chances, self.dream.num_envs
        luck = self._random.random((count, len(chances), 1))
        ways = (luck > chances.cumsum(axis=1)[None, :, :-1]).sum(axis=2)
        known = [best] if len(best) and self.config.method != "shooting" else []
        if first and self.config.method == "cem":
            known += [np.full(len(chances), k) for k in range(len(self.actions))]
        for k, way in enumerate(known[: count // 2]):
            ways[k] = way
        return ways

    def _try(self, ways: np.ndarray) -> np.ndarray:
        """Dream every way from what was seen; return the scores, ``(N,)``."""
        frames, done = list(self._frames), list(self._done)
        self.dream.reset(
            seed=self._seed,
            options={
                "frames": np.stack(frames),
                "actions": np.array(done[len(done) - len(frames) + 1 :], np.int64),
            },
        )
        now = np.ones(len(ways))  # how likely it is that the way has not ended
        rewards, alive = list[np.ndarray](), list[np.ndarray]()
        last = np.repeat(frames[-1][None], len(ways), axis=0)
        for step in range(self.config.horizon):
            seen, paid, ended, _, info = self.dream.step(
                self.actions[ways[:, step // self.config.repeat]]
            )
            alive.append(now)
            rewards.append(np.where(now > 0, now * paid, 0.0))
            last = np.where(now[:, None, None, None] > 0, seen, last)
            chance = info.get("end_chance", 0.0) if self._weigh_ends else 0.0
            now = now * np.where(ended, 0.0, 1.0 - chance)
        return self.score(last, np.stack(rewards), np.stack(alive))

    def _weigh(self, scores: np.ndarray) -> np.ndarray:
        if not np.isfinite(scores).all():
            raise WorldsimError("a way has a score that is no number: the dream is damaged")
        if self.config.method == "mppi":
            spread = max(float(scores.std()), 1e-9) * self.config.temperature
            weights = np.exp((scores - scores.max()) / spread)
        else:
            count = max(1, round(self.config.elites * len(scores)))
            # All that are as good as the last of the best count; with nothing to choose, all.
            weights = (scores >= np.sort(scores)[-count]).astype(float)
        return weights / weights.sum()

    def _uniform(self) -> np.ndarray:
        holds = -(-self.config.horizon // self.config.repeat)
        return np.full((holds, len(self.actions)), 1 / len(self.actions))


def check_search(config: PlannerConfig) -> None:
    """Refuse a search that makes no sense; what the actions are called is not known here."""
    if config.method not in METHODS:
        raise WorldsimError(f"method={config.method}: use {', '.join(METHODS)}")
    for name in ("horizon", "repeat", "rounds", "context"):
        if getattr(config, name) < 1:
            raise WorldsimError(f"{name}={getattr(config, name)}: use 1 or more")
    if not 0 <= config.every <= config.horizon:
        raise WorldsimError(f"every={config.every}: use 0 to horizon={config.horizon}")
    if not 0 < config.elites <= 1 or not 0 <= config.keep < 1 or config.temperature <= 0:
        raise WorldsimError(
            f"elites={config.elites}, keep={config.keep}, temperature={config.temperature}: use "
            "shares of 0 to 1 and a temperature above 0"
        )


def _allowed(actions: Sequence[int], words: list[str], world: WorldSpec) -> list[int]:
    """Return those of the actions whose words are given."""
    known = {world.action_text(action): action for action in actions}
    for said in words:
        if said not in known:
            raise WorldsimError(
                f"planner.allow={words}: '{said}' is no action that may be taken in "
                f"'{world.name}': use some of {', '.join(known)}"
            )
    return [action for said, action in known.items() if said in words]
