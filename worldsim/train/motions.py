"""How things moved in recorded play: looked up once for all frames, and cut out around some.

What is looked up lies in the run folder as one flat array beside that of the latents; it is read by
memory map.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from worldsim.deed import AFTER, BEFORE, STEPS
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID, Hindsight
from worldsim.sequence import PADDING, Example, Rows
from worldsim.train.latents import Track

CHUNK = 64  # frames looked up at a time
ALONE = 0.15  # of the steps are seen without those around them
NOT_YET = 0.1  # without those after them
NO_MORE = 0.05  # without those before them


def look_up(
    latents: np.ndarray, tracks: Sequence[Track], hindsight: Hindsight, path: Path
) -> np.ndarray:
    """Look up once how all frames moved, and keep it at `path`.

    Returns:
        float16 ``(frames, 3, GRID, GRID)``, see `Hindsight`, as a read-only memory map; 0 for first
        frames and for what is never learnt from.

    Raises:
        WorldsimError: What was kept there is damaged.
    """
    shape = (len(latents), 3, GRID, GRID)
    if not path.exists():
        partial = path.with_suffix(".tmp")
        moved = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
        for track in tqdm(tracks, desc="look up motion", unit="episode"):
            for first in range(0, len(track.actions), CHUNK):
                count = min(CHUNK, len(track.actions) - first) + 1
                frames = track.frames(latents, first, count)[None]
                at = track.start + first + 1
                moved[at : at + count - 1] = hindsight(frames, np.arange(count)[None] > 0)[0, 1:]
        moved.flush()
        partial.replace(path)
    try:
        kept = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise WorldsimError(f"{path} is damaged: delete it to look motion up anew") from error
    if kept.shape != shape:
        raise WorldsimError(f"{path} is of other frames: delete it to look motion up anew")
    return kept


def around(moved: np.ndarray, track: Track, at: int) -> np.ndarray:
    """Cut out how things moved around a frame, see `Deed`.

    Args:
        moved: As `look_up` returns it.
        track: Recorded play.
        at: Number of a frame in it.

    Returns:
        float32 ``(STEPS, 3, GRID, GRID)``, 0 for steps that are not in the recording.
    """
    steps = np.arange(at - BEFORE, at + AFTER + 1)
    there = (steps >= 1) & (steps <= len(track.actions))
    found = np.zeros((STEPS, *moved.shape[1:]), np.float32)
    found[there] = moved[track.start + steps[there]]
    return found


def hide(motions: np.ndarray, rng: np.random.Generator) -> None:
    """Forget, here and there, the steps around the one asked about: often two frames are all.

    Args:
        motions: ``(n, STEPS, 3, y, x)``, changed.
        rng: For the choice.
    """
    luck = rng.random(len(motions))
    alone, not_yet = luck < ALONE, (luck >= ALONE) & (luck < ALONE + NOT_YET)
    motions[alone | (luck > 1 - NO_MORE), :BEFORE] = 0
    motions[alone | not_yet, BEFORE + 1 :] = 0


def moves_of(rows: Rows, examples: Sequence[Example], rng: np.random.Generator) -> np.ndarray:
    """Return how things moved around the frames of rows, some steps of it hidden.

    Args:
        rows: Packed examples.
        examples: Those, by their document number.
        rng: For what is hidden.

    Returns:
        float32 ``(B, F, STEPS, 3, GRID, GRID)``, 0 where an example does not say.
    """
    moves = np.zeros((*rows.frame_doc.shape, STEPS, 3, GRID, GRID), np.float32)
    said = np.zeros(rows.frame_doc.shape, bool)
    for at in map(tuple, np.argwhere(rows.frame_doc != PADDING)):
        known = examples[rows.frame_doc[at]].moves.get(int(rows.frame_time[at]))
        if known is not None:
            moves[at], said[at] = known, True
    shown = moves[said]
    hide(shown, rng)
    moves[said] = shown
    return moves
