"""What can be told to an agent that is to learn."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from worldsim.errors import WorldsimError
from worldsim.objective import ObjectiveConfig
from worldsim.train.batch_config import BatchConfig
from worldsim.train.program import TrainConfig
from worldsim.train.world_stage import WorldStageConfig

PLACES = ("dream", "real", "both")
ENDS = ("weighed", "drawn")
ALGOS = ("ppo",)


@dataclass
class PPOConfig:
    """How PPO learns (Schulman et al. 2017); the names are stable-baselines3's.

    Attributes:
        learning_rate: Of Adam.
        n_steps: Choices in each world between updates.
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


def _world_update() -> TrainConfig:
    """Return how a model goes on learning: as `recipe=nano`, of play alone, minutes not hours."""
    return TrainConfig(
        batch=BatchConfig(rows=14, window=10, balance=0.7, pure_share=0.5, dream_from=1),
        objective=ObjectiveConfig(critic_weight=0.03),
        stage=WorldStageConfig(rate=5e-4, cooldown=0.9, budget=5.0),
        end_dreams=240,
    )


@dataclass
class BothConfig:
    """How an agent lives in both worlds by turns (Sutton 1991, "Dyna").

    Attributes:
        rounds: Of: act in the real world, let the model learn from all that was lived, learn in its
            dream.
        real_steps: Acted in each round; the first is at random.
        world: How the model learns in a round, as for `worldsim train`; ``data``, ``out``, ``seed``
            and ``init_from`` are filled in, ``stage.budget`` is its minutes.
        skip: Steps of the simulator to one that is recorded and dreamed, see `agents.skip`.
    """

    rounds: int = 4
    real_steps: int = 2500
    world: TrainConfig = field(default_factory=_world_update)
    skip: int = 1


@dataclass
class AgentTrainConfig:
    """Options of `worldsim agent train`.

    Attributes:
        task: What to learn, such as doom/take_cover, rooms/duck or carracing.
        inside: Where: dream, real, or both in turns; ``in=`` for short.
        out: Folder of the run; an interrupted run continues there.
        algo: How it learns; there is ``ppo`` and no other.
        init_from: Agent to begin as, such as a clone; empty: one that knows nothing.
        steps: Steps to learn from, in all worlds together; in a dream, its own steps.
        num_envs: Worlds side by side.
        stack: Newest frames that the agent sees.
        repeat: Of these steps, for how many it holds an action, seeing no frames in between: who
            chooses anew at every step gets nowhere by chance.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        data: Dataset whose moments dreams begin in; empty: the checkpoint's clips.
        model_data: Other datasets, with commas, that the model learnt from: they are counted among
            the real frames, and nothing else is done with them.
        pain: Taken off the reward of the real world for every point of health lost, where there is
            any; what is measured is without. In dreams it hurts if it did in the data (`agent
            collect`).
        horizon: Steps after which a dream is cut off and the value of what follows is guessed.
        ends: What dreams do about ends: ``weighed`` go on, and what is worth nothing after an end
            is taken off by its chance, see `callbacks.WeighedEnds`; ``drawn`` end by chance.
        cut_lost: Cut off dreams, too, with too little left of what they saw.
        eval_every: Steps between measurements in the real simulator; 0: none. The best episode of
            the newest one is filmed, ``<out>/best_real.mp4``.
        eval_episodes: Of each measurement, in held-out places.
        film_steps: Of a dream that is filmed at the end, ``<out>/best_dream.mp4``, the best of
            three; 0: no films of either world.
        save_every: Steps between checkpoints of the run.
        ppo: How it learns.
        both: How real and dreamed life take turns.
        device: Of the policy, such as cpu or cuda.
        seed: Of everything random.
    """

    task: str = MISSING
    inside: str = "dream"
    out: str = "runs/agent"
    algo: str = "ppo"
    init_from: str = ""
    steps: int = 200_000
    num_envs: int = 16
    stack: int = 3
    repeat: int = 1
    checkpoint: str = ""
    data: str = ""
    model_data: str = ""
    pain: float = 0.0
    horizon: int = 32
    ends: str = "weighed"
    cut_lost: bool = True
    eval_every: int = 50_000
    eval_episodes: int = 10
    film_steps: int = 256
    save_every: int = 10_000
    ppo: PPOConfig = field(default_factory=PPOConfig)
    both: BothConfig = field(default_factory=BothConfig)
    device: str = "cpu"
    seed: int = 0


@dataclass
class DistilConfig:
    """Options of `worldsim agent distil`.

    Attributes:
        task: What to learn.
        data: Recorded play, whose moments dreams begin in.
        model_data: Other datasets, with commas, that the model learnt from: they are counted among
            the real frames, and nothing else is done with them.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        out: Folder; the agent is in ``<out>/agent``. The same line typed again goes on.
        init_from: Agent to begin as; empty: one that knows nothing. Of its own play (`agent
            collect`) it learns what to do where it gets to.
        hold: Steps that each action is held for; then `init_from` acts, so that an action is worth
            what that agent makes of it. 0: it is held to the end, and nobody else acts.
        moments: How many are looked ahead from.
        lanes: Moments side by side.
        horizon: Steps dreamed.
        context: Real frames that a dream begins with.
        near_ends: Share of the moments that are within a horizon of the end of an episode that the
            world ended: elsewhere it often does not matter what one does.
        temperature: Of the choice among actions, in usual differences between what they pay.
        mirror: Learn from every moment as in a mirror, too: left and right are alike in the task.
        steps: Updates.
        batch_size: Moments of an update.
        rate: Of Adam, falling to nothing.
        stack: Newest frames that the agent sees.
        repeat: Steps for which it holds an action.
        device: Of the policy and the dream.
        seed: Of everything random.
    """

    task: str = MISSING
    data: str = MISSING
    checkpoint: str = ""
    out: str = "runs/distil"
    model_data: str = ""
    init_from: str = ""
    hold: int = 0
    moments: int = 4000
    lanes: int = 8
    horizon: int = 12
    context: int = 4
    near_ends: float = 0.5
    temperature: float = 0.25
    mirror: bool = False
    steps: int = 2000
    batch_size: int = 128
    rate: float = 5e-4
    stack: int = 3
    repeat: int = 1
    device: str = "cpu"
    seed: int = 0


def check(cfg: AgentTrainConfig) -> None:
    """Refuse what makes no sense."""
    if cfg.inside not in PLACES:
        raise WorldsimError(f"in={cfg.inside}: use {', '.join(PLACES)}")
    if cfg.algo not in ALGOS:
        raise WorldsimError(f"algo={cfg.algo}: use {', '.join(ALGOS)}")
    if cfg.ends not in ENDS:
        raise WorldsimError(f"ends={cfg.ends}: use {' or '.join(ENDS)}")
    for name in ("steps", "num_envs", "stack", "repeat", "horizon", "save_every", "eval_episodes"):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    for name in ("eval_every", "film_steps"):
        if getattr(cfg, name) < 0:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 0 (none) or more")
    if cfg.both.rounds < 1 or cfg.both.real_steps < 1:
        raise WorldsimError(
            f"both.rounds={cfg.both.rounds}, both.real_steps={cfg.both.real_steps}: use 1 or more"
        )
    if cfg.ppo.n_steps * cfg.num_envs < 2:
        raise WorldsimError("ppo.n_steps x num_envs is 1: PPO wants 2 steps or more")
