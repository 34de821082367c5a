"""`worldsim ask picture.png question="what is ahead"`: the model's words about a picture."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING

from worldsim.errors import WorldsimError
from worldsim.pictures import open_picture, open_sequence, square


@dataclass
class AskConfig:
    """Options of `worldsim ask`.

    Attributes:
        image: A picture of any size; its middle square is shown to the model.
        question: What to ask, such as "what is ahead"; empty: describe the picture. Unknown words
            are no error: they are spelled out, and the answer may be about nothing. Asked about a
            thing that is not there, it may say "none in sight" or make something up; how often
            each is measured by `worldsim eval`.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
        before: The picture a step earlier, of the same size, for "what did you just do".
    """

    image: str = MISSING
    question: str = ""
    checkpoint: str = ""
    device: str = "cpu"
    before: str = ""


def ask(cfg: AskConfig) -> None:
    """Print the model's answer to a question about a picture, or its description.

    Raises:
        WorldsimError: There is no such picture or checkpoint, or nothing can be asked of it.
    """
    from worldsim.reader import Reader

    if cfg.before and not cfg.question:
        raise WorldsimError(f"before={cfg.before}: add question=, a caption is of one picture")
    paths = [cfg.before, cfg.image] if cfg.before else [cfg.image]
    pictures = open_sequence(paths, least=2) if len(paths) > 1 else [open_picture(cfg.image)]
    reader = Reader.from_pretrained(cfg.checkpoint or None, cfg.device)
    *befores, frame = [square(picture, reader.size) for picture in pictures]
    if cfg.question:
        print(reader.ask([frame], [cfg.question], befores or None)[0])
    else:
        print(reader.describe([frame])[0])
