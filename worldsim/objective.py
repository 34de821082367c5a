"""The one loss: cross-entropy on text, flow matching on frames, and how well frames are expected.

Knows a network, a batch and a codec; knows nothing of files, optimisers or rollouts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.attention import TeacherForcing
from worldsim.distances import apart, style, tone
from worldsim.model import WorldTransformer
from worldsim.sequence import FIRST_WORD, IGNORE, PADDING

PACE = 0.01  # of the way that `surprise` goes each update to what it is in the batch
EVERY = 2  # of how many frames one is looked at
Encode = Callable[[Tensor], Tensor]
"""Pictures ``(n, 3, H, W)`` in [-1, 1] to clean latents ``(n, c, h, w)``."""


class Batch(NamedTuple):
    """Packed rows with their noise, all tensors; shapes as in `sequence.Rows`.

    Noise and levels come with the batch, so that a step is a function of its number alone.
    """

    text_ids: Tensor
    text_targets: Tensor
    text_order: Tensor
    text_time: Tensor
    text_index: Tensor
    text_doc: Tensor
    text_branch: Tensor
    latents: Tensor
    pictures: Tensor  # (B, F, H, W, 3) uint8, what the latents are of
    frame_order: Tensor
    frame_time: Tensor
    frame_doc: Tensor
    noise: Tensor  # (B, F, c, h, w) for the frames to be denoised
    history_noise: Tensor  # (B, F, c, h, w)
    levels: Tensor  # (B, F)
    history_levels: Tensor  # (B, F)
    seen: Tensor  # (B, F, c, h, w), frames as history shows them: as they were, or guessed
    seen_pictures: Tensor  # (B, F, H, W, 3) uint8, the same


@dataclass
class ObjectiveConfig:
    """Weights of the loss.

    Attributes:
        flow_weight: λ of DESIGN §2; 1·cross-entropy + λ·flow + the others.
        pixel_weight: Of the mean absolute error of guessed pictures, in [-1, 1].
        perceptual_weight: Of their LPIPS. Squared error alone is least for a blur, and a rollout
            shows the blur to itself.
        style_weight: Of their distance in style, see `distances.style`.
        tone_weight: Of the mean absolute error of each row's mean colour and contrast. Perceptual
            distance hardly sees either, and they drift.
        motion_weight: Of the mean absolute error of expected pictures, at four sizes: at the coarse
            ones a flow that is several pixels off still feels where to go.
        talk_weight: Of what is said when asked, in rows that are only looked at.
        first_weight: Weight of frames with none before them, beside 1 for the others. They are
            mostly unknowable, and would drown what a short training is after.
    """

    flow_weight: float = 0.05
    pixel_weight: float = 0.5
    perceptual_weight: float = 1.0
    style_weight: float = 0.05
    tone_weight: float = 1.0
    motion_weight: float = 1.0
    talk_weight: float = 1.0
    first_weight: float = 0.1


class Sight(Protocol):
    """What perceives pictures ``(n, 3, H, W)`` in [-1, 1]; `metrics.LPIPS` is one."""

    def features(self, images: Tensor) -> list[Tensor]:
        """Return layers of features, ``(n, C, y, x)`` each."""
        ...

    def between(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """Return the perceptual distance of features, (n,)."""
        ...


@dataclass
class Eye:
    """How guessed latents are looked at in training; what it is made of stays as it is.

    Attributes:
        draw: Latents ``(n, c, h, w)`` to pictures in [-1, 1].
        sight: What perceives them.
    """

    draw: Callable[[Tensor], Tensor]
    sight: Sight


class WorldObjective(nn.Module):
    """`forward(batch)` returns the loss, detached logs and guessed frames."""

    def __init__(
        self,
        network: WorldTransformer,
        config: ObjectiveConfig,
        encode: Encode,
        eye: Eye | None = None,
    ):
        """Keep the network, the owner of all weights.

        Without an eye the loss is that of text, flow and motion alone.
        """
        super().__init__()
        self.network = network
        self.config = config
        self.encode = encode
        self.eye = eye

    def forward(
        self, batch: Batch, asked: Batch | None = None
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Return loss, logs and what the frames were guessed to be.

        Args:
            batch: Play.
            asked: Clips that are only looked at.

        Returns:
            The loss, ``"loss"`` and each of its terms unweighted, and ``(B, F, c, h, w)``.
        """
        config = self.config
        past = self._past(batch)
        if self.training:
            self.network.measure_surprise(past.expected, batch.latents, past.follows, PACE)
        logits, velocity = self._predict(batch, past)
        error = (velocity.float() - (batch.noise - batch.latents)).square().mean(dim=(2, 3, 4))
        text = F.cross_entropy(
            logits.float().flatten(0, 1), batch.text_targets.flatten(), ignore_index=IGNORE
        )
        weight = (batch.frame_doc != PADDING) * (
            config.first_weight + (1 - config.first_weight) * past.follows
        )  # (B, F)
        motion = apart(past.moved.flatten(0, 1), past.pictures.flatten(0, 1)).view(error.shape)
        logs = {
            "text": text,
            "flow": _mean(error, weight),
            "motion": _mean(motion, past.follows),
        }
        guess = mix(batch.latents, batch.noise, batch.levels) - _wide(batch.levels) * velocity
        if self.eye:
            logs |= self._look(self.eye, guess.float(), past.pictures, weight)
        if asked is not None:
            logs["talk"] = self.answers(asked)
        weights = {
            "text": 1.0, "talk": config.talk_weight,
            "flow": config.flow_weight, "motion": config.motion_weight,
            "pixel": config.pixel_weight, "perceptual": config.perceptual_weight,
            "style": config.style_weight, "tone": config.tone_weight,
        }  # fmt: skip
        loss = sum((weights[name] * value for name, value in logs.items()), torch.zeros(()))
        logs = {"loss": loss} | logs
        return loss, {k: v.detach() for k, v in logs.items()}, guess.detach()

    def _look(self, eye: Eye, guess: Tensor, real: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Compare some of the guessed frames with real ones; all ``(B, F, ...)``."""
        guess, real, weight = (x[:, 1::EVERY] for x in (guess, real, weight))
        drawn, real = eye.draw(guess.flatten(0, 1)), real.flatten(0, 1)
        with torch.no_grad():
            there = eye.sight.features(real)
        seen = eye.sight.features(drawn)
        found = {
            "pixel": (drawn - real).abs().mean(dim=(1, 2, 3)),
            "perceptual": eye.sight.between(seen, there),
            "style": style(seen, there),
            "tone": tone(drawn, real),
        }
        return {name: _mean(x.view(weight.shape), weight) for name, x in found.items()}

    def answers(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of what is to be said; n words count as much as root n.

        Word by word, 64 of depth would drown two of an action; answer by answer it is nearly lost.
        """
        past = self._past(batch)
        logits, _ = self.network(
            batch.text_ids, batch.text_time, batch.text_index, past.history, past.noisy, past.said,
            batch.history_levels, past.levels, batch.frame_time, self._attend(batch), past.looked,
        )  # fmt: skip
        wrong = F.cross_entropy(
            logits.float().flatten(0, 1), batch.text_targets.flatten(),
            ignore_index=IGNORE, reduction="none",
        )  # fmt: skip
        learnt = ((batch.text_targets != IGNORE) & (batch.text_branch > 0)).flatten()
        names = torch.stack([batch.text_doc.flatten(), batch.text_branch.flatten()])[:, learnt]
        of, words = names.unique(dim=1, return_inverse=True, return_counts=True)[1:]
        return (wrong[learnt] / words[of].sqrt()).sum() / words.sqrt().sum().clamp(min=1)

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits ``(B, L, vocab)`` and velocities ``(B, F, c, h, w)``."""
        return self._predict(batch, self._past(batch))

    def _predict(self, batch: Batch, past: Past) -> tuple[Tensor, Tensor]:
        """Return logits ``(B, L, vocab)`` and velocities: history first, then noisy copies."""
        noisy = mix(batch.latents, batch.noise, batch.levels)
        return self.network(
            batch.text_ids,
            batch.text_time,
            batch.text_index,
            torch.cat([past.history, noisy], dim=1),
            torch.cat([past.noisy, past.noisy], dim=1),
            torch.cat([past.said, past.said], dim=1),
            torch.cat([batch.history_levels, batch.levels], dim=1),
            torch.cat([past.levels, past.levels], dim=1),
            torch.cat([batch.frame_time, batch.frame_time], dim=1),
            self._attend(batch),
            past.looked,
        )

    def _past(self, batch: Batch) -> Past:
        """Work out what leads to every frame."""
        follows = _follows(batch)
        pictures, seen = (
            x.movedim(-1, 2).to(batch.latents.dtype) / 127.5 - 1
            for x in (batch.pictures, batch.seen_pictures)
        )
        before = _shift(seen) * _wide(follows)
        two = torch.stack([before, _shift(before) * _wide(follows)], dim=2)
        said = self.network.hear(batch.text_ids, _heard(batch))
        moved = self.network.move(two, said)
        with torch.no_grad():
            expected = self.encode(moved.flatten(0, 1).float()).to(batch.latents.dtype)
            expected = expected.unflatten(0, follows.shape) * _wide(follows)
        # Noise falls on what is expected as on the history that it comes from, see `Rollout`.
        levels = F.pad(batch.history_levels[:, :-1], (1, 0))
        noisy = mix(expected, _shift(batch.history_noise), levels) * _wide(follows)
        return Past(
            follows=follows, pictures=pictures, moved=moved, expected=expected, noisy=noisy,
            levels=torch.where(follows > 0, levels, 1.0), said=said,
            history=mix(batch.seen, batch.history_noise, batch.history_levels),
            looked=self.network.look(torch.stack([seen, before], dim=2)),
        )  # fmt: skip

    def _attend(self, batch: Batch) -> TeacherForcing:
        return TeacherForcing(
            batch.text_order, batch.text_doc, batch.text_branch,
            batch.frame_order, batch.frame_doc, self.network.num_tokens,
        )  # fmt: skip


class Past(NamedTuple):
    """What leads to the frames of a batch, all ``(B, F, ...)``."""

    follows: Tensor  # 1 where a frame comes one step after its left neighbour
    pictures: Tensor  # the frames themselves, in [-1, 1]
    moved: Tensor  # pictures of the frames before, moved
    expected: Tensor  # their latents
    noisy: Tensor  # the same with noise
    levels: Tensor  # of that noise
    said: Tensor
    history: Tensor  # the frames' own latents with noise, as later ones see them
    looked: Tensor


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Average values by weight, both ``(B, F)``."""
    return (values * weight).sum() / weight.sum().clamp(min=1)


def mix(clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    """Return ``(1 - level) * clean + level * noise`` with one level a frame, (B, F)."""
    levels = _wide(levels).to(clean.dtype)
    return (1 - levels) * clean + levels * noise


def _wide(values: Tensor) -> Tensor:
    """(B, F) -> (B, F, 1, 1, 1)."""
    return values[:, :, None, None, None]


def _shift(frames: Tensor) -> Tensor:
    """Put the left neighbour in every frame's place, (B, F, c, h, w)."""
    return torch.cat([torch.zeros_like(frames[:, :1]), frames[:, :-1]], dim=1)


def _follows(batch: Batch) -> Tensor:
    """(B, F): whether a frame comes one step after its left neighbour in the same example."""
    doc, time = batch.frame_doc, batch.frame_time
    follows = (doc[:, 1:] == doc[:, :-1]) & (time[:, 1:] == time[:, :-1] + 1)
    return F.pad(follows, (1, 0)).to(batch.latents.dtype)


def _heard(batch: Batch) -> Tensor:
    """(B, F, L): whether a text token belongs to the last words said before a frame."""
    order = batch.frame_order[:, :, None]
    doc, text = batch.frame_doc[:, :, None], batch.text_order[:, None]
    same = (batch.text_doc[:, None] == doc) & (doc != PADDING) & (batch.text_branch == 0)[:, None]
    frames_before = (same & (order < text)).sum(dim=1, keepdim=True)
    word = same & (text < order) & (batch.text_index >= FIRST_WORD)[:, None]
    when = torch.where(word, frames_before, -1)
    return word & (when == when.amax(dim=-1, keepdim=True))
