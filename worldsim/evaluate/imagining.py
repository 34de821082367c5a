"""Whether what is imagined shows what the sentence said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from worldsim.data import Dataset
from worldsim.data.episode import Facts
from worldsim.evaluate.clips import Dreamer, resize
from worldsim.evaluate.reading import majority, share
from worldsim.grammar import describe, road, words
from worldsim.metrics import LPIPS, as_images

NEAR = 5.0  # metres within which a thing is large enough to be named
EVERY = 12  # frames of an episode between those that the judge learns from
RIDGE = 6.0  # against learning by heart; with 0.2 the judge of rooms is right in .29, not .34
FEWEST = 8  # frames that show a gist, for the judge to learn it from


@dataclass
class Shown:
    """A frame, what is to be seen in it before all, and a sentence that says so."""

    frame: np.ndarray
    gist: str
    prompt: str


class CaptionJudge:
    """Names the gist of pictures: ridge regression on what LPIPS' AlexNet sees.

    It learns from real frames and knows no model; how often it is right about other real frames
    is what an imagined one can reach at best.
    """

    def __init__(self, lpips: LPIPS, shown: Sequence[Shown]):
        """Learn from frames of every gist there is."""
        self._lpips, self.gists = lpips, sorted({one.gist for one in shown})
        x = self._see(np.stack([one.frame for one in shown]))
        self._mean, self._spread = x.mean(axis=0), x.std(axis=0) + 1e-6
        x = self._scaled(x)
        index = np.array([self.gists.index(one.gist) for one in shown])
        right = np.eye(len(self.gists))[index]
        # Each gist counts the same, however often it is seen.
        weight = (1 / np.bincount(index))[index, None]
        gram = x.T @ (x * weight) + RIDGE * np.eye(x.shape[1])
        self._head = np.linalg.solve(gram, x.T @ (right * weight))

    def name(self, frames: np.ndarray) -> list[str]:
        """Return the likeliest gist of each uint8 frame ``(N, H, W, 3)``."""
        scores = self._scaled(self._see(frames)) @ self._head
        return [self.gists[k] for k in scores.argmax(axis=1)]

    def _see(self, frames: np.ndarray) -> np.ndarray:
        """Return mean and peak of each channel of each layer, ``(N, 2304)``."""
        found = []
        with torch.inference_mode():
            for images in as_images(frames).split(64):
                layers = self._lpips.features(images)
                seen = [x for f in layers for x in (f.mean((2, 3)), f.amax((2, 3)))]
                found.append(torch.cat(seen, dim=1).double().numpy())
        return np.concatenate(found)

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([(x - self._mean) / self._spread, np.ones((len(x), 1))], axis=1)


def gist(facts: Facts) -> tuple[str, Facts] | None:
    """Return what is to be seen before all, and the facts that say no more than that.

    The thing that is nearest, or that there is none; where a road goes. None where all there is
    is far away.
    """
    if "on_road" in facts:
        return (f"road: {road(facts)}" if facts["on_road"] else "off the road"), facts
    if "things" not in facts:
        return None
    if not facts["things"]:
        return "nothing", facts
    nearest = min(facts["things"], key=lambda thing: thing["distance"])
    return (words(nearest), {"things": [nearest]}) if nearest["distance"] <= NEAR else None


def find_shown(dataset: Dataset, size: int, seed: int) -> list[Shown]:
    """Return frames with a gist from all episodes of a dataset, in sentences of training."""
    rng, found = np.random.default_rng(seed), list[Shown]()
    for index in range(len(dataset)):
        facts = dataset.load_steps(index).facts
        if facts is None:
            return []
        known = {at: gist(facts[at]) for at in range(0, len(facts), EVERY)}
        places = {at: said for at, said in known.items() if said is not None}
        if places:
            frames = resize(dataset.load(index).frames[list(places)], size)
            for frame, (name, said) in zip(frames, places.values(), strict=True):
                prompt = describe(said, rng)
                assert prompt is not None
                found.append(Shown(frame, name, prompt))
    return found


def measure_imagining(
    simulator: Dreamer, learnt: Dataset, heldout: Dataset, lpips: LPIPS, count: int, seed: int = 0
) -> dict[str, Any] | None:
    """Imagine sentences about held-out frames and let the judge name what is to be seen.

    Args:
        simulator: The model.
        learnt: What the judge learns from.
        heldout: Where the sentences come from, every gist as often as the others.
        lpips: The judge's eye.
        count: Sentences.
        seed: Of the choice and of the dreams.

    Returns:
        Agreement of the judge with the sentence for ``imagined`` frames, for the ``real`` ones that
        the sentences are about, and for a judge that always says the same (``blind``); None where
        the data does not know what it shows.
    """
    size = simulator.image_size
    bank, wanted = find_shown(learnt, size, seed), find_shown(heldout, size, seed + 1)
    counts = Counter(one.gist for one in bank)
    common = {name for name, seen in counts.items() if seen >= FEWEST}
    chosen = _evenly([one for one in wanted if one.gist in common], count, seed)
    if not chosen:
        return None
    judge = CaptionJudge(lpips, [one for one in bank if one.gist in common])
    frames = []
    for first in range(0, len(chosen), simulator.num_envs):
        part = chosen[first : first + simulator.num_envs]
        prompts = [one.prompt for one in part] + [part[-1].prompt] * (
            simulator.num_envs - len(part)
        )
        seeds = [seed + first + k for k in range(len(prompts))]
        frames.append(simulator.imagine(prompts, seeds).cpu().numpy()[: len(part)])
    true = [one.gist for one in chosen]
    return {
        "imagined": share(judge.name(np.concatenate(frames)), true),
        "real": share(judge.name(np.stack([one.frame for one in chosen])), true),
        "blind": majority(true),
        "gists": len(set(true)),
        "count": len(true),
    }


def _evenly(shown: list[Shown], count: int, seed: int) -> list[Shown]:
    """Choose every gist in turn, as long as there is something left to choose."""
    rng, by_gist = np.random.default_rng(seed), dict[str, list[Shown]]()
    for k in rng.permutation(len(shown)).tolist():
        by_gist.setdefault(shown[k].gist, []).append(shown[k])
    turns = max(map(len, by_gist.values()), default=0)
    rows = [by_gist[name][turn : turn + 1] for turn in range(turns) for name in sorted(by_gist)]
    return [one for row in rows for one in row][:count]
