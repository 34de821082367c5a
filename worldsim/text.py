"""Words to numbers: one byte-level BPE for prompts, sentences and actions alike.

Besides ordinary text it holds the few marks that punctuate an episode: the end of a frame, what
the world answered (a reward bin, with or without the end of the episode), what is asked of a
frame, and steps of distance. It knows nothing of sequences or of the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from worldsim.errors import WorldsimError

PAD, BEGIN, FRAME, FRAME_END = "<pad>", "<text>", "<frame>", "</frame>"
# What is wanted after a frame: the action that led to it, a caption, an answer, how the eye moved,
# how far away things are. What is said ends with `END`.
INFER, DESCRIBE, ASK, POSE, DEPTH = "<infer>", "<describe>", "<ask>", "<pose>", "<depth>"
ANSWER, END = "<answer>", "<end>"
TALK = (INFER, DESCRIBE, ASK, POSE, DEPTH, ANSWER, END)
# Distances along the view in metres, each a fifth more than the one before; farther is the sky.
DEPTHS = tuple(round(0.3 * 1.21**k, 3) for k in range(41))
REWARD_BINS = (-10.0, -5.0, -2.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
MAX_SENTENCE_TOKENS = 24
FILE_NAME = "tokenizer.json"


class TextTokenizer:
    """A trained tokenizer; build one with `train` or read one with `load`."""

    def __init__(self, tokenizer: Tokenizer):
        """Wrap a `tokenizers.Tokenizer` that was made by `train`."""
        self._tokenizer = tokenizer
        self.pad = self._special(PAD)
        self.begin = self._special(BEGIN)
        self.frame = self._special(FRAME)
        self.frame_end = self._special(FRAME_END)
        self._answers = [
            [self._special(_answer(value, end)) for value in REWARD_BINS] for end in (False, True)
        ]
        # A tokenizer of before has none of these, and its model was never asked anything.
        self._marks = {mark: tokenizer.token_to_id(mark) for mark in TALK}
        self._depths = [tokenizer.token_to_id(_depth(metres)) for metres in DEPTHS]

    @classmethod
    def train(cls, corpus: Iterable[str], vocab_size: int = 512) -> TextTokenizer:
        """Learn merges from sentences; every byte stays representable whatever the corpus.

        Args:
            corpus: Sentences and action words.
            vocab_size: At most 4096, marks and the 256 bytes included.
        """
        if not 384 <= vocab_size <= 4096:
            raise WorldsimError(f"vocab_size={vocab_size} is out of range: use 384 to 4096")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                # `_spaced` puts the space before the first word; here, every digit would get one.
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        marks = [PAD, BEGIN, FRAME, FRAME_END]
        marks += [_answer(value, end) for end in (False, True) for value in REWARD_BINS]
        marks += [*TALK, *map(_depth, DEPTHS)]
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=marks,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(map(_spaced, corpus), trainer)
        return cls(tokenizer)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of plain text; marks inside it are read as ordinary characters."""
        return self._tokenizer.encode(_spaced(_neutral(text)), add_special_tokens=False).ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids, marks left out."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True).strip()

    def encode_sentence(self, text: str) -> list[int]:
        """Encode what a person typed, refusing the empty and the over-long.

        Words that training never saw are no error: they are spelled out, byte by byte at worst,
        and cost as many tokens. What the model makes of them nobody promises.
        """
        text = " ".join(text.split())
        if not text:
            raise WorldsimError("the sentence is empty: type at least one word")
        ids = self.encode(text)
        if len(ids) > MAX_SENTENCE_TOKENS:
            raise WorldsimError(
                f"the sentence '{text[:60]}' is too long ({len(ids)} tokens): "
                f"use at most {MAX_SENTENCE_TOKENS}, about fifteen words"
            )
        return ids

    def reward_id(self, reward: float, end: bool = False) -> int:
        """Return the mark of the bin nearest to a reward, with or without the episode's end."""
        nearest = min(range(len(REWARD_BINS)), key=lambda i: abs(REWARD_BINS[i] - reward))
        return self._answers[int(end)][nearest]

    def mark(self, name: str) -> int:
        """Return the id of one of the marks `TALK`.

        Raises:
            WorldsimError: The tokenizer is older than that mark.
        """
        index = self._marks[name]
        if index is None:
            raise WorldsimError(
                f"this checkpoint knows no {name}: it was trained before frames could be asked "
                "about; train one on newly collected data"
            )
        return index

    @property
    def can_talk(self) -> bool:
        """Whether there are marks for questions; older tokenizers have none."""
        return None not in self._marks.values()

    @property
    def depth_ids(self) -> list[int]:
        """Ids of the distances `DEPTHS`."""
        self.mark(DEPTH)
        return [index for index in self._depths if index is not None]

    @property
    def answer_ids(self) -> list[int]:
        """Ids of all answers: reward bins without the end, then the same bins with it."""
        return self._answers[0] + self._answers[1]

    def __len__(self) -> int:
        """Return the number of entries."""
        return self._tokenizer.get_vocab_size()

    def save(self, folder: str | Path) -> None:
        """Write ``tokenizer.json`` into a folder."""
        self._tokenizer.save(str(Path(folder) / FILE_NAME))

    @classmethod
    def load(cls, folder: str | Path) -> TextTokenizer:
        """Read ``tokenizer.json`` from a folder."""
        path = Path(folder) / FILE_NAME
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception
            raise WorldsimError(
                f"cannot read {path}: {error}; the checkpoint is incomplete or damaged, "
                "download or copy it again"
            ) from error

    def _special(self, mark: str) -> int:
        index = self._tokenizer.token_to_id(mark)
        if index is None:
            raise WorldsimError(f"the tokenizer has no mark {mark}: it was not made by worldsim")
        return index


def _answer(value: float, end: bool) -> str:
    return f"<reward {value:+g}{' end' if end else ''}>"


def _depth(metres: float) -> str:
    return f"<{metres:g} m>"


def _spaced(text: str) -> str:
    """Let the first word begin with a space like every other: the same word, the same tokens."""
    return text if text[:1].isspace() or not text else f" {text}"


def _neutral(text: str) -> str:
    """Keep typed text from spelling a mark (tokenizers would turn it into the special id)."""
    return text.replace("<", "(").replace(">", ")")
