"""The one loss: cross-entropy on text, flow matching and how it looks on frames.

Knows a network, a batch and an eye; knows nothing of files, optimisers or rollouts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.attention import TeacherForcing
from worldsim.batch import Batch, age_of, asks_about, follows_left, heard_by
from worldsim.critic import Critic
from worldsim.distances import apart, astray, emphasis, off, style, tone
from worldsim.model import WorldTransformer
from worldsim.momentum import STEPS, Gone
from worldsim.painter import Moved, Nearby
from worldsim.sequence import IGNORE, PADDING

DREAMS_ALONE = ("fake", "critic", "style", "tone")  # terms of frames that follow dreamed ones


@dataclass
class ObjectiveConfig:
    """Weights of the loss.

    Attributes:
        flow_weight: λ of DESIGN §2; 1·cross-entropy + λ·flow + the picture's weights.
        pixel_weight: Of the mean absolute error of the guessed picture, in [-1, 1].
        change_weight: How much more this error and that of `motion_weight` count where pictures
            change, see `distances.emphasis`: a ball in flight is a hundredth of a picture.
        perceptual_weight: Of its LPIPS. Squared error alone is least for a blur, and a rollout
            shows the blur to itself.
        motion_weight: Of the mean absolute error of the moved picture alone, at four sizes: at
            the coarse ones a flow that is several pixels off still feels where to go.
        hindsight_weight: Of how many pixels the flow is off from how things really moved, see
            `distances.astray`. With this and `pace_weight` 0 nobody looks.
        pace_weight: Of how much less or more than really was all moves that way, see there. What
            moves more is the farther off where it is wrong (`docs/decisions.md` §51).
        critic_weight: Of looking real to a critic that learns beside the model.
        style_weight: Of the distance in style, see `distances.style`; for frames that follow
            dreamed ones.
        tone_weight: Of the mean absolute error of each row's mean colour and contrast; for the same
            frames. Perceptual distance hardly sees either, and they drift.
        talk_weight: Of what is said when asked, in rows that are only looked at.
        invented_weight: How much it counts what exactly is drawn where nothing real was ever in
            sight, beside 1 elsewhere. It cannot be known, and the mean of all that may be is mud.
        trust: Steps into a dream after which the real frame counts half as what to aim at: the
            dream may by then be right in its own way.
        first_weight: Weight of frames with none before them, beside 1 for the others. They are
            mostly unknowable, and would drown what a short training is after.
    """

    flow_weight: float = 0.03
    pixel_weight: float = 0.5
    change_weight: float = 0.0
    perceptual_weight: float = 1.0
    motion_weight: float = 0.3
    hindsight_weight: float = 0.15
    pace_weight: float = 0.0
    critic_weight: float = 0.05
    style_weight: float = 0.05
    tone_weight: float = 1.0
    talk_weight: float = 1.0
    invented_weight: float = 1.0
    trust: float = 16.0
    first_weight: float = 0.1


class Sight(Protocol):
    """What perceives pictures ``(n, 3, H, W)`` in [-1, 1]; `metrics.LPIPS` is one."""

    def features(self, images: Tensor) -> list[Tensor]:
        """Return layers of features, ``(n, C, y, x)`` each."""
        ...

    def between(self, a: list[Tensor], b: list[Tensor], weight: Tensor) -> Tensor:
        """Return the perceptual distance of features, spots weighed by ``(n, 1, H, W)``, (n,)."""
        ...


@dataclass
class Eye:
    """How latents are looked at in training; what it is made of stays as it is.

    Attributes:
        draw: Latents ``(n, c, h, w)`` to pictures in [-1, 1].
        sight: What perceives them.
        channels: Of each layer of its features.
    """

    draw: Callable[[Tensor], Tensor]
    sight: Sight
    channels: tuple[int, ...]


class WorldObjective(nn.Module):
    """`forward(batch)` returns the loss and detached logs."""

    def __init__(self, network: WorldTransformer, config: ObjectiveConfig, eye: Eye | None = None):
        """Keep the network, the owner of all weights that last.

        A network with a painter is trained with an eye on the pictures, one without needs none:
        its loss is that of text and flow alone.
        """
        super().__init__()
        self.network = network
        self.critic = Critic(eye.channels) if eye else None
        self.config = config
        self.eye = eye

    def forward(
        self, batch: Batch | None, asked: Batch | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return loss and logs, ``"loss"`` and each of its terms unweighted.

        Args:
            batch: Play, if anything is to be drawn.
            asked: Clips that are only looked at.
        """
        config, logs = self.config, dict[str, Tensor]()
        if batch is not None:
            logs |= self._drawn(batch)
        if asked is not None:
            logs["talk"] = self.answers(asked)
        weights = {
            "text": 1.0, "talk": config.talk_weight,
            "flow": config.flow_weight, "pixel": config.pixel_weight,
            "perceptual": config.perceptual_weight, "motion": config.motion_weight,
            "hindsight": config.hindsight_weight, "pace": config.pace_weight,
            "style": config.style_weight, "tone": config.tone_weight,
            "fake": config.critic_weight, "critic": 1.0,
        }  # fmt: skip
        loss = sum((weights[name] * value for name, value in logs.items()), torch.zeros(()))
        return loss, {"loss": loss.detach()} | {k: v.detach() for k, v in logs.items()}

    def _drawn(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of what happens: words, and frames that are drawn."""
        config = self.config
        logits, velocity, moved = self.predict(batch)
        error = (velocity.float() - (batch.noise - batch.latents)).square().mean(dim=(2, 3, 4))
        text = F.cross_entropy(
            logits.float().flatten(0, 1), batch.text_targets.flatten(), ignore_index=IGNORE
        )
        logs = {"flow": error}
        if moved is not None:
            guess = mix(batch.latents, batch.noise, batch.levels) - _wide(batch.levels) * velocity
            follows = _wide(follows_left(batch))
            before = _shift(batch.latents) * follows + batch.latents * (1 - follows)
            logs |= self._look(batch.latents, before, guess.float(), moved)
            if batch.motion is not None:
                logs["hindsight"], logs["pace"] = self._astray(moved.flow, batch.motion)
        weight = (batch.frame_doc != PADDING) * (
            config.first_weight + (1 - config.first_weight) * follows_left(batch)
        )  # (B, F)
        depth = F.pad(batch.depth[:, :-1], (1, 0)) * follows_left(batch)  # of the frame before
        # These are for dreams of dreams alone: one step from real frames all looks real.
        dreamed, agreed = (depth > 0).float(), weight * 0.5 ** (depth / config.trust)
        share = {name: dreamed if name in DREAMS_ALONE else agreed for name in logs}
        # What is done moves a dream as it moved what was recorded.
        share["hindsight"] = share["pace"] = weight
        return {"text": text} | {
            name: (value * share[name]).sum() / share[name].sum().clamp(min=1)
            for name, value in logs.items()
        }

    def _look(
        self, clean: Tensor, before: Tensor, guess: Tensor, moved: Moved
    ) -> dict[str, Tensor]:
        """Compare pictures; latents and moved ones ``(B, F, ...)`` to ``(B, F)`` each."""
        assert self.eye and self.critic, "an objective that trains needs an eye"
        shape, sight = clean.shape[:2], self.eye.sight
        with torch.no_grad():
            real = self.eye.draw(clean.flatten(0, 1))
            canvas, canvas_before = (
                self.network.canvas.draw(x.flatten(0, 1)) for x in (clean, before)
            )
            more, least = self.config.change_weight, self.config.invented_weight
            known = least + (1 - least) * moved.known.flatten(0, 1).float()
            weight = emphasis(real, self.eye.draw(before.flatten(0, 1)), more)
            weight = weight * F.interpolate(known, real.shape[-2:], mode="area")
            canvas_weight = emphasis(canvas, canvas_before, more) * known
            real_seen = sight.features(real)
        drawn = self.eye.draw(guess.flatten(0, 1))
        drawn_seen = sight.features(drawn)
        fake, wrong = self.critic(real_seen, drawn_seen)
        return {
            "fake": fake.view(shape),
            "critic": wrong.view(shape),
            "style": style(drawn_seen, real_seen).view(shape),
            "tone": tone(drawn, real).view(shape),
            "pixel": off(drawn, real, weight).view(shape),
            "perceptual": sight.between(drawn_seen, real_seen, known).view(shape),
            "motion": apart(moved.picture.flatten(0, 1).float(), canvas, canvas_weight).view(shape),
        }

    def _astray(self, flow: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Compare a flow of any size with motion in widths of a picture."""
        (rows, columns), shape = motion.shape[-2:], flow.shape[:2]
        said = F.adaptive_avg_pool2d(flow.float().flatten(0, 1), (rows, columns))
        pixels = motion.new_tensor([self.network.canvas.side] * 2 + [1])
        return astray(said.unflatten(0, shape), motion * pixels[:, None, None])

    def answers(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of what is to be said; n words count as much as root n.

        Word by word a caption would drown an action; answer by answer it is nearly lost.
        """
        wrong = F.cross_entropy(
            self.read(batch).float().flatten(0, 1), batch.text_targets.flatten(),
            ignore_index=IGNORE, reduction="none",
        )  # fmt: skip
        learnt = ((batch.text_targets != IGNORE) & (batch.text_branch > 0)).flatten()
        names = torch.stack([batch.text_doc.flatten(), batch.text_branch.flatten()])[:, learnt]
        of, words = names.unique(dim=1, return_inverse=True, return_counts=True)[1:]
        return (wrong[learnt] / words[of].sqrt()).sum() / words.sqrt().sum().clamp(min=1)

    def read(self, batch: Batch) -> Tensor:
        """Return logits ``(B, L, vocab)``; frames are only looked at, none is drawn."""
        history, past, said, attend = self._seen(batch)
        seen = torch.stack([batch.seen, past[:, :, 0]], dim=2)
        told = self.network.tell(seen, asks_about(batch), batch.text_index, batch.moves)
        return self.network(
            batch.text_ids, batch.text_time, batch.text_index, history, past, said,
            batch.history_levels, batch.frame_time, attend, history.shape[1], told,
        )[0]  # fmt: skip

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor, Moved | None]:
        """Return logits ``(B, L, vocab)`` and, ``(B, F, ...)``, velocities and what is moved."""
        history, past, said, attend = self._seen(batch)
        noisy = mix(batch.latents, batch.noise, batch.levels)
        return self.network(
            batch.text_ids,
            batch.text_time,
            batch.text_index,
            torch.cat([history, noisy], dim=1),
            torch.cat([past, past], dim=1),
            torch.cat([said, said], dim=1),
            torch.cat([batch.history_levels, batch.levels], dim=1),
            torch.cat([batch.frame_time, batch.frame_time], dim=1),
            attend,
            num_history=noisy.shape[1],
            gone=_gone(batch, said),
            near=_near(batch),
        )

    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, TeacherForcing]:
        """Return history, the frames before each, the words before each, and what sees what."""
        follows, seen = _wide(follows_left(batch)), batch.seen
        history = mix(seen, batch.history_noise, batch.history_levels)
        before = _shift(seen) * follows
        past = torch.stack([before, _shift(before) * follows], dim=2)
        heard = heard_by(batch)
        said = self.network.add_up(batch.text_ids, heard)
        said = self.network.hear(said, age_of(batch, heard))
        attend = TeacherForcing(
            batch.text_order, batch.text_doc, batch.text_branch,
            batch.frame_order, batch.frame_doc, self.network.num_tokens,
        )  # fmt: skip
        return history, past, said, attend


def _gone(batch: Batch, said: Tensor) -> Gone | None:
    """Return how history moved, and what was heard before each frame, as far as that is known."""
    if batch.went is None:
        return None
    follows, heard = follows_left(batch), [said]
    for _ in range(STEPS - 1):
        heard.append(_shift(heard[-1]) * follows[..., None].to(said.dtype))
    drift = _shift(batch.went) * follows[:, :, None, None, None]
    return Gone(drift.to(said.dtype), torch.stack(heard, dim=2))


def _near(batch: Batch) -> Nearby | None:
    """Return what else is known of the frame before each."""
    if batch.around is None or batch.fine is None:
        return None
    return Nearby(_shift(batch.around), _shift(batch.fine))


def mix(clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    """Return ``(1 - level) * clean + level * noise`` with one level a frame, (B, F)."""
    levels = _wide(levels).to(clean.dtype)
    return (1 - levels) * clean + levels * noise


def _wide(values: Tensor) -> Tensor:
    """(B, F) -> (B, F, 1, 1, 1)."""
    return values[:, :, None, None, None]


def _shift(frames: Tensor) -> Tensor:
    """Put the left neighbour in every frame's place, (B, F, ...)."""
    return torch.cat([torch.zeros_like(frames[:, :1]), frames[:, :-1]], dim=1)
