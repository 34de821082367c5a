"""A trained policy as an agent: frames in, one of the world's actions out.

It is kept as safetensors and JSON, so that somebody else's agent can be loaded without running
somebody else's code.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from stable_baselines3.common.policies import ActorCriticCnnPolicy, ActorCriticPolicy

from agents.play import steps_for
from worldsim.errors import WorldsimError
from worldsim.json_files import damaged, read_json, write_json

if TYPE_CHECKING:
    from worldsim.data import Dataset

ABOUT, WEIGHTS = "agent.json", "policy.safetensors"


@dataclass(frozen=True)
class About:
    """What an agent has to know of itself.

    Attributes:
        task: Name of what it was trained on.
        keys: Words of the actions it chooses from.
        stack: Newest frames that it sees.
        image_size: Side of the frames.
        inside: Where it learnt: "dream", "real"; of a clone "play", by a guide "taught".
        steps: Steps it learnt from.
        model: Digest of the dream's weights; "" for the real world.
        real_frames: Steps of the real world that went into it, in the simulator's own; of an agent
            of a dream, those of the data its dreams begin in and of what else was named
            (``model_data=``), each dataset once. What its model learnt from and nobody named is not
            counted: a model does not say.
        seconds: It took to learn, measuring left out.
        repeat: Steps of the simulator for which it holds an action; it sees no frames in between.
        data: Of each dataset among these real frames, by a digest of its first episode, how many.
    """

    task: str
    keys: list[str]
    stack: int
    image_size: int
    inside: str
    steps: int = 0
    model: str = ""
    real_frames: int = 0
    seconds: float = 0.0
    repeat: int = 1
    data: dict[str, int] = field(default_factory=dict)

    def knowing(self, *datasets: Dataset) -> About:
        """Return what an agent is whose dream knows recorded play; twice named counts once."""
        data = dict(self.data)
        for dataset in datasets:
            steps = sum(e.length - 1 for e in dataset.episodes) * dataset.spec.skip
            name = dataset.episodes[0].video_sha256[:16] if dataset.episodes else ""
            data[name] = max(steps, data.get(name, 0))
        new = sum(data.values()) - sum(self.data.values())
        return replace(self, real_frames=self.real_frames + new, data=data)

    def after(self, other: About) -> About:
        """Return what an agent is that began as another; data that both know counts once."""
        twice = sum(min(n, other.data.get(name, 0)) for name, n in self.data.items())
        data = {k: max(self.data.get(k, 0), other.data.get(k, 0)) for k in other.data | self.data}
        return replace(self, real_frames=self.real_frames + other.real_frames - twice, data=data)


def make_policy(about: About, rate: float = 0.0) -> ActorCriticPolicy:
    """Return untrained networks, those that stable-baselines3's `CnnPolicy` has."""
    size = about.image_size
    return ActorCriticCnnPolicy(
        spaces.Box(0, 255, (3 * about.stack, size, size), np.uint8),
        spaces.Discrete(len(about.keys)),
        lambda _: rate,
    )


class PolicyAgent:
    """Acts by a policy network.

    Args:
        policy: The network.
        about: What it was trained on.
        actions: The world's number of each of `about.keys`.
        greedy: Whether it takes the likeliest action; else it draws one.
        seed: Of what is drawn.
        skip: Of the simulator's steps that one step here is, see `WorldSpec`.

    Raises:
        WorldsimError: Its actions are no whole number of such steps.
    """

    def __init__(
        self,
        policy: ActorCriticPolicy,
        about: About,
        actions: list[int],
        greedy: bool = False,
        seed: int = 0,
        skip: int = 1,
    ) -> None:
        self._hold = steps_for(about.repeat, skip)
        self.policy, self.about, self.actions, self.greedy = policy, about, actions, greedy
        self._random = np.random.default_rng(seed)
        self._seen: deque[np.ndarray] = deque(maxlen=about.stack)
        self._action, self._held = 0, 0

    @classmethod
    def load(
        cls, folder: str | Path, world: Any, greedy: bool = False, seed: int = 0
    ) -> PolicyAgent:
        """Read an agent; `world` has the `action_index` of its words and `skip`: a `WorldSpec`."""
        about, policy = load_policy(Path(folder))
        actions = [int(world.action_index(words)) for words in about.keys]
        return cls(policy, about, actions, greedy, seed, world.skip)

    def save(self, folder: str | Path) -> None:
        """Write the agent."""
        save_policy(Path(folder), self.policy, self.about)

    def reset(self) -> None:
        """Begin an episode: what was seen before is forgotten."""
        self._seen.clear()
        self._held = 0

    @torch.inference_mode()
    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the world's number of an action for a frame uint8 ``(H, W, 3)``."""
        size = self.about.image_size
        if observation.shape != (size, size, 3):
            raise WorldsimError(
                f"this agent sees frames of {size} x {size}, not {observation.shape}: make the "
                f"world with image_size={size}"
            )
        if not self._held:
            self._action, self._held = self._choose(observation), self._hold
        self._held -= 1
        return self._action

    def _choose(self, observation: np.ndarray) -> int:
        # As `VecFrameStack` does: before the first frame there is nothing, which is black.
        black = [np.zeros_like(observation)] * (self.about.stack - 1 - len(self._seen))
        self._seen.append(observation)
        stacked = np.concatenate([*black, *self._seen], axis=2)[:, :, -3 * self.about.stack :]
        pixels = torch.from_numpy(stacked.transpose(2, 0, 1)[None].copy())  # (1, 3 K, H, W)
        chances: Any = self.policy.get_distribution(pixels.to(self.policy.device)).distribution
        weights = chances.probs[0].double().cpu().numpy()
        if self.greedy:
            return self.actions[int(weights.argmax())]
        return self.actions[int(self._random.choice(len(weights), p=weights / weights.sum()))]


def save_policy(folder: Path, policy: ActorCriticPolicy, about: About) -> None:
    """Write weights and description; a killed writer leaves what was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{WEIGHTS}.tmp"
    save_model(policy, str(partial))
    partial.replace(folder / WEIGHTS)
    write_json(folder / ABOUT, asdict(about))


def read_about(folder: Path) -> About:
    """Read what an agent knows of itself."""
    if not (folder / ABOUT).exists():
        raise WorldsimError(
            f"{folder} holds no agent ({ABOUT}): train one with `worldsim agent train`"
        )
    return read_json(folder / ABOUT, lambda found: About(**found))


def load_policy(folder: Path) -> tuple[About, ActorCriticPolicy]:
    """Read what `save_policy` wrote."""
    about = read_about(folder)
    policy = make_policy(about)
    try:
        load_model(policy, folder / WEIGHTS)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise damaged(folder / WEIGHTS, error) from error
    return about, policy.eval()
