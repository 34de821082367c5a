"""Plain text to read: what installed packages under open licences say of themselves.

Nothing is downloaded, and what was read is kept beside the run with names and licences.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from worldsim.errors import WorldsimError

OPEN = re.compile(r"\b(Apache|BSD|MIT|ISC|PSF|Python Software Foundation)\b", re.IGNORECASE)
CLOSED = re.compile(r"proprietary|GPL", re.IGNORECASE)
SENTENCE = re.compile(r"^[A-Z][\w ,;:'\"()/.\-]{40,600}[.!?]$")  # no markup, no code, no links
FILE = "prose.json"


@dataclass(frozen=True)
class Prose:
    """What one package says of itself, with the licence that it names."""

    name: str
    licence: str
    sentences: list[str]


def find_prose() -> list[Prose]:
    """Return what the packages installed here say, by name."""
    found = {}
    for package in distributions():
        name, licence = package.metadata["Name"], _licence(package)
        if name and OPEN.search(licence) and not CLOSED.search(licence):
            sentences = _sentences(package.metadata["Description"] or "")
            if sentences:
                found[name] = Prose(name, licence, sentences)
    return [found[name] for name in sorted(found, key=str.lower)]


def keep_prose(folder: Path) -> list[Prose]:
    """Return what a run reads: the same when it goes on, also after packages changed.

    Raises:
        WorldsimError: Nothing installed here says anything, or what was kept is damaged.
    """
    path = folder / FILE
    if not path.exists():
        found = find_prose()
        if not found:
            raise WorldsimError(
                "batch.prose_share is above 0, but no installed package has a description under "
                "an open licence: set batch.prose_share=0"
            )
        partial = path.with_suffix(".tmp")
        partial.write_text(json.dumps([asdict(prose) for prose in found], indent=1), "utf-8")
        partial.rename(path)
    try:
        return [Prose(**row) for row in json.loads(path.read_text("utf-8"))]
    except (ValueError, TypeError) as error:
        raise WorldsimError(f"{path} is damaged ({error}): delete it to collect it anew") from error


def _licence(package: Distribution) -> str:
    """Return the licence a package names: its expression, else its classifiers, else its words."""
    about = package.metadata
    classified = [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    named = [about["License-Expression"], "; ".join(classified), about["License"]]
    return next((text.splitlines()[0] for text in named if text and text.strip()), "")


def _sentences(text: str) -> list[str]:
    """Keep whole sentences of plain words; paragraphs may be broken into lines."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    found = (s for p in paragraphs for s in re.split(r"(?<=[.!?]) (?=[A-Z])", p))
    return [sentence for sentence in found if SENTENCE.match(sentence)]
