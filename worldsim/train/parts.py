"""Parts of a model that learn by themselves, before everything together: what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from worldsim.errors import WorldsimError
from worldsim.train.latents import Track
from worldsim.train.run import RunFolder


def learn_once(part: nn.Module, run: RunFolder, file: str, learn: Callable[[], None]) -> None:
    """Let a part learn, or take what an earlier call has learnt in this run.

    Args:
        part: Its weights are changed.
        run: Its folder keeps what was learnt.
        file: Under this name; of another name it is learnt anew.
        learn: Changes the weights.
    """
    path = run.path / file
    if path.exists():
        try:
            part.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError, OSError) as error:
            raise WorldsimError(f"{path} is damaged: delete it to let it be learnt anew") from error
        return
    learn()
    partial = path.with_suffix(".tmp")
    save_file({name: x.contiguous() for name, x in part.state_dict().items()}, partial)
    partial.replace(path)


def chances_of(tracks: Sequence[Track], shares: Mapping[str, float], ahead: int = 0) -> np.ndarray:
    """Return how likely each track is to be drawn from, adding up to 1.

    Args:
        tracks: Long ones are the likelier.
        shares: How often each world is drawn, by its name; none for as often as there is of it.
        ahead: Steps at the end of a track at which nothing begins.
    """
    chances = np.array([len(track.actions) - ahead for track in tracks], float)
    worlds = np.array([track.world for track in tracks])
    for name in np.unique(worlds) if shares else ():
        mine = worlds == name
        chances[mine] *= shares.get(str(name), 0.0) / chances[mine].sum()
    return chances / chances.sum()
