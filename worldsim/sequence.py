"""One sequence for everything: text, actions and frames in the order in which they happen.

A training example is a list of segments, `Text` and `Frame`; what a model can do is a template
over segments (`simulate`, `say`, `follow`, `talk`). `pack` lays examples into rows of fixed size
and derives from the order alone what may see what. It knows nothing of the network or of files.

Letters used throughout the package: B rows (batch), L text tokens in a row, F frames in a row,
N tokens of a frame, D width, c h w latent channels, height and width, C H W image, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from worldsim.text import END, TextTokenizer

IGNORE = -100  # no loss on this position
PADDING = -1  # document number of empty slots
FIRST_WORD = 2  # place of the first word within a step: the mark and the answer come before


@dataclass
class Window:
    """A stretch of recorded play, already in tokens and latents.

    Attributes:
        latents: ``(T + 1, c, h, w)`` clean codec latents.
        actions: T lists of action token ids.
        sentences: T lists of token ids of the sentence in force; empty where nothing was said.
        stretch: T numbers that change where a new stretch (and sentence) begins.
        answers: T + 1 answer ids; the first belongs to the frame the window starts with.
    """

    latents: np.ndarray
    actions: list[list[int]]
    sentences: list[list[int]]
    stretch: list[int]
    answers: list[int]


@dataclass
class Example:
    """Segments written one after the other; every frame or text token is one unit of order."""

    ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    text_order: list[int] = field(default_factory=list)
    text_time: list[int] = field(default_factory=list)
    text_index: list[int] = field(default_factory=list)
    text_branch: list[int] = field(default_factory=list)
    frames: list[np.ndarray] = field(default_factory=list)
    frame_order: list[int] = field(default_factory=list)
    frame_time: list[int] = field(default_factory=list)
    moves: dict[int, np.ndarray] = field(default_factory=dict)  # around a frame, by time: `Deed`
    order: int = 0
    in_step: int = 0
    branch: int = 0  # 0 is what happens; others are asides, seen by nothing but themselves

    def text(self, ids: Seq[int], time: int, learn: bool = True) -> None:
        """Append text tokens; each is the target of the text position before it.

        Without `learn` nothing has to expect them: what is asked is not for the model to guess.
        """
        for token in ids:
            if learn:
                self._aim(token)
            self.ids.append(token)
            self.targets.append(IGNORE)
            self.text_order.append(self.order)
            self.text_time.append(time)
            self.text_index.append(self.in_step)
            self.text_branch.append(self.branch)
            self.order += 1
            self.in_step += 1

    def frame(self, latents: np.ndarray, time: int, frame_mark: int) -> None:
        """Append a frame; the text position before it learns to say ``<frame>``."""
        self._aim(frame_mark)
        self.frames.append(latents)
        self.frame_order.append(self.order)
        self.frame_time.append(time)
        self.order += 1
        self.in_step = 0

    def aside(self, asked: Seq[int], said: Seq[int], end: int) -> None:
        """Write ·asked·said·end about the newest frame; what comes later does not see it."""
        in_step, time = self.in_step, self.frame_time[-1]
        self.in_step = FIRST_WORD
        self.branch = max(self.text_branch, default=0) + 1
        self.text(asked, time, learn=False)
        self.text([*said, end], time)
        self.branch, self.in_step = 0, in_step

    def parts(self, asked: int, said: Mapping[int, int]) -> None:
        """Ask after parts of the newest frame, by their places; none sees another's answer."""
        in_step, time = self.in_step, self.frame_time[-1]
        begun = max(self.text_branch, default=0)
        for self.branch, (place, word) in enumerate(said.items(), begun + 1):
            self.in_step = place
            self.text([asked], time, learn=False)
            self.targets[-1] = word
        self.branch, self.in_step = 0, in_step

    def _aim(self, target: int) -> None:
        """Let the last position of this branch expect what comes next."""
        for at in reversed(range(len(self.targets))):
            if self.text_branch[at] == self.branch:
                if self.targets[at] == IGNORE:
                    self.targets[at] = target
                return


def simulate(
    window: Window,
    tokenizer: TextTokenizer,
    max_text: int,
    keep_action: Seq[bool],
    prompt: Seq[int] = (),
) -> Example:
    """[prompt] F0 ·answer·action· F1 …; an action that is not kept is left out (unlabelled)."""
    words = [a if keep else [] for a, keep in zip(window.actions, keep_action, strict=True)]
    return _rollout(window, words, tokenizer, max_text, prompt)


def say(window: Window, tokenizer: TextTokenizer, max_text: int) -> Example:
    """F0 ·sentence· F1 F2 …: sentences steer, once at the beginning of each stretch."""
    previous = [None, *window.stretch[:-1]]
    words = [
        sentence if begun != before else []
        for sentence, begun, before in zip(window.sentences, window.stretch, previous, strict=True)
    ]
    return _rollout(window, words, tokenizer, max_text, ())


def follow(window: Window, tokenizer: TextTokenizer, max_text: int) -> Example:
    """[instruction] F0 ·action· F1 …: what to do for a sentence, as long as it holds.

    A window that begins without a sentence is a `simulate` without a prompt.
    """
    steps = next(
        (k for k, number in enumerate(window.stretch) if number != window.stretch[0]),
        len(window.actions),
    )
    held = Window(
        latents=window.latents[: steps + 1],
        actions=window.actions[:steps],
        sentences=window.sentences[:steps],
        stretch=window.stretch[:steps],
        answers=window.answers[: steps + 1],
    )
    return _rollout(held, held.actions, tokenizer, max_text, window.sentences[0])


class Talk(NamedTuple):
    """What is asked of a frame, and the right answer.

    Attributes:
        asked: Tokens: a mark of `text.TALK` and, after `ASK`, the question and `ANSWER`.
        said: Tokens of the answer.
        at: Step of the newest frame that is seen, from 0.
    """

    asked: list[int]
    said: list[int]
    at: int = 0


class Measure(NamedTuple):
    """What is asked of many parts of a frame at once, in a word each.

    Attributes:
        asked: The mark that asks.
        said: The right word by the part's place, see `attention.PARTS`.
        at: Step of the frame, from 0.
    """

    asked: int
    said: dict[int, int]
    at: int = 0


def talk(window: Window, tokenizer: TextTokenizer, talks: Seq[Talk | Measure]) -> Example:
    """F0 (·asked·said·end …) F1 (·asked·said·end …): frames without actions, and questions.

    No question sees another, and no frame sees any; what is said is all that is learnt.
    """
    example, end = Example(), tokenizer.mark(END)
    for step, latents in enumerate(window.latents):
        example.frame(latents, step, tokenizer.frame)
        example.text([tokenizer.frame_end, window.answers[step]], time=step, learn=False)
        for one in talks:
            if one.at != step:
                continue
            if isinstance(one, Measure):
                example.parts(one.asked, one.said)
            else:
                example.aside(one.asked, one.said, end)
    return example


def read(ids: Seq[int], tokenizer: TextTokenizer) -> Example:
    """Write plain text, about nothing in sight."""
    example = Example(branch=1)
    example.text([tokenizer.begin, *ids], time=0)
    return example


def _rollout(
    window: Window,
    words: list[list[int]],
    tokenizer: TextTokenizer,
    max_text: int,
    prompt: Seq[int],
) -> Example:
    """Write frames with the words between them, ending early where the text would overflow."""
    example = Example()
    if prompt:
        example.text([tokenizer.begin, *prompt], time=0)
    example.frame(window.latents[0], 0, tokenizer.frame)
    for step, said in enumerate(words):
        if len(example.ids) + len(said) + 4 > max_text:
            break
        example.text([tokenizer.frame_end, window.answers[step], *said], time=step)
        example.frame(window.latents[step + 1], step + 1, tokenizer.frame)
    last = len(example.frames) - 1
    example.text([tokenizer.frame_end, window.answers[last]], time=last)
    return example


class Rows(NamedTuple):
    """Packed examples. Shapes ``(B, L)`` for text, ``(B, F)`` for frames, see `pack`."""

    text_ids: np.ndarray
    text_targets: np.ndarray
    text_order: np.ndarray
    text_time: np.ndarray
    text_index: np.ndarray
    text_doc: np.ndarray
    text_branch: np.ndarray
    latents: np.ndarray  # (B, F, c, h, w)
    frame_order: np.ndarray
    frame_time: np.ndarray
    frame_doc: np.ndarray


def pack(
    examples: Seq[Example], num_rows: int, num_text: int, num_frames: int, pad: int
) -> tuple[Rows, int]:
    """Lay examples into rows, first come first served.

    Args:
        examples: Candidates; those that no longer fit are left over.
        num_rows: Rows of the batch.
        num_text: Text tokens a row holds.
        num_frames: Frames a row holds.
        pad: Token id of empty text slots.

    Returns:
        The rows and the number of examples placed.
    """
    shape = next(example.frames[0].shape for example in examples if example.frames)
    text = {
        name: np.full((num_rows, num_text), fill, np.int64)
        for name, fill in zip(Rows._fields[:7], (pad, IGNORE, 0, 0, 0, PADDING, 0), strict=True)
    }
    frame = {
        name: np.full((num_rows, num_frames), fill, np.int64)
        for name, fill in zip(Rows._fields[8:], (0, 0, PADDING), strict=True)
    }
    latents = np.zeros((num_rows, num_frames, *shape), np.float32)
    used = np.zeros((num_rows, 2), np.int64)
    placed = 0
    for doc, example in enumerate(examples):
        need = np.array([len(example.ids), len(example.frames)])
        room = np.flatnonzero((used + need <= (num_text, num_frames)).all(axis=1))
        if not len(room):
            continue
        row, (t, f) = room[0], used[room[0]]
        texts = (example.ids, example.targets, example.text_order, example.text_time,
                 example.text_index, [doc] * len(example.ids), example.text_branch)  # fmt: skip
        for name, values in zip(Rows._fields[:7], texts, strict=True):
            text[name][row, t : t + need[0]] = values
        marks = (example.frame_order, example.frame_time, [doc] * len(example.frames))
        for name, values in zip(Rows._fields[8:], marks, strict=True):
            frame[name][row, f : f + need[1]] = values
        if example.frames:
            latents[row, f : f + need[1]] = np.stack(example.frames)
        used[row] += need
        placed += 1
    return Rows(**text, latents=latents, **frame), placed
