"""What goes into the rows of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from worldsim.errors import WorldsimError
from worldsim.train.lanes import CONTEXT


@dataclass
class BatchConfig:
    """What goes into a row.

    Attributes:
        rows: Rows of a batch; 0: nothing is drawn, and only what is asked in `talk_rows` is learnt.
        window: F, frames in a row; also how far the model looks back in a rollout.
        text_length: L, text tokens a row holds.
        say_share: Share of windows steered by sentences instead of actions.
        watch_share: Share of windows without any action (plain video).
        labelled_share: Share of episodes whose actions and sentences are known; the others are only
            watched, whatever the other shares are, and nothing is asked of them.
        plain_share: Share of windows that are of those others; empty: as often as there are.
        follow_share: Share of windows that begin with the sentence in force, as an instruction, and
            end with it.
        count_share: Share of these sentences that say for how many steps they hold.
        prompt_share: Share of the other windows that begin with a sentence about the place.
        action_drop: Share of single actions left out of the other windows.
        level_mean: Mean of the logit-normal noise level; above 0 leans to the noisy end.
        level_std: Its standard deviation.
        pure_share: Share of frames that start from (almost) nothing but noise; dreamed ones do,
            first ones do not.
        history_level: Most noise on history; half of the frames have none but the base level.
        base_level: The noise every history frame has, also in a rollout.
        balance: How much likelier windows with rare actions are: a step counts for the frequency
            of its action to the power of minus this; 0 makes every place equally likely.
        shares: How often windows are of each world, by its name; where it is left out, as often
            as the data has them.
        imagine_share: Share of rows with captions and the frames that they are of.
        talk_rows: Rows beside these that ask after short clips, see `talks.Talks`. Nothing is drawn
            for them, so they cost a fifth of the others.
        talk_length: Text tokens such a row holds.
        talk_shares: How often such a clip is asked each kind of thing, on average: 2 is twice, 0.25
            one clip in four; what is not named is not asked. Empty: as in `talks.SHARES`.
        prose_share: Share of what stands in such rows that is plain text, see `prose`; up to 0.5.
        dream_share: Share of rows whose history is dreamed, see `dreams.Dreams`.
        dream_depth: Steps that a dream goes on.
        dream_lanes: Dreams side by side, for rows to choose from.
        dream_every: Updates after which dreams are dreamed anew.
        dream_from: Step from which on there are such rows; dreams are worth nothing earlier.
        rest_lanes: Dreams beside these in which nothing moves and nobody acts, see `lanes.at_rest`.
        rest_depth: Steps that they go on.
    """

    rows: int = 16
    window: int = 16
    text_length: int = 88
    say_share: float = 0.15
    watch_share: float = 0.05
    labelled_share: float = 1.0
    plain_share: float | None = None
    follow_share: float = 0.0
    count_share: float = 0.25
    prompt_share: float = 0.1
    action_drop: float = 0.05
    level_mean: float = 1.0
    level_std: float = 1.4
    pure_share: float = 0.25
    history_level: float = 0.1
    base_level: float = 0.02
    balance: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)
    imagine_share: float = 0.0
    talk_rows: int = 0
    talk_length: int = 384
    talk_shares: dict[str, float] = field(default_factory=dict)
    prose_share: float = 0.0
    dream_share: float = 0.5
    dream_depth: int = 24
    dream_lanes: int = 24
    dream_every: int = 12
    dream_from: int = 500
    rest_lanes: int = 0
    rest_depth: int = 64

    @property
    def num_frames(self) -> int:
        """Frames of a batch: those that are drawn, or, where none are, those that are seen."""
        return (self.rows or self.talk_rows) * self.window


def check(config: BatchConfig) -> None:
    """Refuse values that make no sense."""
    if config.rows < 0 or config.talk_rows < 0 or not config.rows + config.talk_rows:
        raise WorldsimError(
            f"batch.rows={config.rows}, batch.talk_rows={config.talk_rows}: use 0 or more, and not "
            "0 of both"
        )
    if config.dream_every < 1:
        raise WorldsimError(f"batch.dream_every={config.dream_every}: use 1 or more updates")
    for name in ("dream_depth", *(["rest_depth"] if config.rest_lanes else [])):
        if (depth := getattr(config, name)) < config.window - CONTEXT:
            raise WorldsimError(
                f"batch.{name}={depth} is less than rows of batch.window={config.window} "
                f"frames show: use {config.window - CONTEXT} or more"
            )
    if not 0 <= config.prose_share <= 0.5:
        raise WorldsimError(f"batch.prose_share={config.prose_share}: use 0 to 0.5")
    if not 0 <= (config.plain_share or 0) <= 1 or not 0 <= config.labelled_share <= 1:
        raise WorldsimError(
            f"batch.plain_share={config.plain_share}, batch.labelled_share="
            f"{config.labelled_share}: use 0 to 1"
        )
