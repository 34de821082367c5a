"""`worldsim blend`: one checkpoint from several that began as the same one.

Trainings that began as the same weights and did not go far end where a straight line between them
stays good, and what they got wrong each in its own way cancels. Source: model soups, Wortsman et
al. 2022 (2203.05482). It knows nothing of what is good: measure it with `worldsim eval`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import MISSING

from worldsim.checkpoint import Checkpoint
from worldsim.errors import WorldsimError

REMEDY = "only checkpoints that began as the same one (init_from=, codec_from=) can be blended"


@dataclass
class BlendConfig:
    """Options of `worldsim blend`.

    Attributes:
        checkpoints: Folders, separated by commas; ``default`` is the bundled one. Words, pictures,
            worlds and start clips are those of the first.
        shares: How much there is to be of each, separated by commas, 1 together; empty: as much of
            each.
        out: Folder to write; what is there is replaced.
    """

    checkpoints: str = MISSING
    shares: str = ""
    out: str = MISSING


def blend(cfg: BlendConfig) -> None:
    """Write the checkpoint whose weights are the mean of those of others.

    Raises:
        WorldsimError: They are fewer than two or do not fit together, or the shares are none.
    """
    folders = [name.strip() for name in cfg.checkpoints.split(",") if name.strip()]
    if len(folders) < 2:
        raise WorldsimError(f"checkpoints={cfg.checkpoints}: name two or more, with commas between")
    shares = read_shares(cfg.shares, len(folders))
    checkpoints = [Checkpoint.load(None if name == "default" else name) for name in folders]
    first = checkpoints[0]
    for name, other in zip(folders[1:], checkpoints[1:], strict=True):
        _check_same(first, other, folders[0], name)
    states = [checkpoint.network.state_dict() for checkpoint in checkpoints]
    first.network.load_state_dict(
        {
            name: torch.stack([w * s[name] for w, s in zip(shares, states, strict=True)]).sum(0)
            for name in states[0]
        }
    )
    first.save(Path(cfg.out))
    said = ", ".join(f"{share:g} of {name}" for share, name in zip(shares, folders, strict=True))
    print(f"wrote {cfg.out}: {said}")


def read_shares(text: str, count: int) -> list[float]:
    """Return one share for each of `count`, 1 together."""
    if not text:
        return [1 / count] * count
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise WorldsimError(f"shares={text}: use numbers with commas between") from error
    whole = abs(sum(shares) - 1) < 1e-3 and min(shares) >= 0  # of nan neither is true
    if len(shares) != count or not whole:
        raise WorldsimError(
            f"shares={text}: use one for each of {count} checkpoints, 0 or more, 1 together"
        )
    return [share / sum(shares) for share in shares]


def _check_same(one: Checkpoint, other: Checkpoint, mine: str, its: str) -> None:
    a, b = ({k: list(v.shape) for k, v in c.network.state_dict().items()} for c in (one, other))
    if a != b:
        odd = sorted(name for name in a | b if a.get(name) != b.get(name))[0]
        raise WorldsimError(
            f"{its} has other weights than {mine} ({odd}: {b.get(odd)}, not {a.get(odd)}): {REMEDY}"
        )
    words = [c.tokenizer.encode("".join(map(chr, range(32, 127)))) for c in (one, other)]
    sizes = [(len(c.tokenizer), c.rollout.window, sorted(c.worlds)) for c in (one, other)]
    codecs = [c.codec.state_dict() for c in (one, other)]
    seen = codecs[0].keys() == codecs[1].keys() and all(
        torch.equal(value, codecs[1][name]) for name, value in codecs[0].items()
    )
    for what, same in (
        ("words", words[0] == words[1] and sizes[0][0] == sizes[1][0]),
        ("memory", sizes[0][1] == sizes[1][1]),
        ("worlds", sizes[0][2] == sizes[1][2]),
        ("codec", seen),
    ):
        if not same:
            raise WorldsimError(f"{its} has another {what} than {mine}: {REMEDY}")
    for name, spec in one.worlds.items():
        spec.check_same(other.worlds[name], mine, its, REMEDY)
