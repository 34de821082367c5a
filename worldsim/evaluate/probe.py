"""`worldsim probe`: how far things are, read off frozen features by a straight line.

If a model that was only ever trained to draw what comes next can be read for depth, and the same
network with random weights cannot, then space has emerged from pictures and actions. Method: linear
probes (Alain and Bengio 2016, 1610.01644).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import MISSING
from torch import Tensor, nn
from tqdm.auto import tqdm

from worldsim import provenance
from worldsim.attention import TeacherForcing
from worldsim.checkpoint import Checkpoint, weights_id
from worldsim.codec import Codec, to_float
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.evaluate.clips import resize
from worldsim.evaluate.figure import Panel, draw_panels
from worldsim.evaluate.reading import depth_errors
from worldsim.model import WorldTransformer

FRAMES = 4  # seen one after the other; depth is that of the last
RIDGE = 1e-3  # of the number of examples, on features of unit variance
BATCH = 32


@dataclass
class ProbeConfig:
    """Options of `worldsim probe`.

    Attributes:
        data: Held-out dataset with depth.
        train_data: Dataset that the probe learns from.
        checkpoint: Checkpoint folder; empty: the bundled one.
        out: JSON file to write; the figure lies beside it as PNG.
        num_frames: Frames that the probe learns from, and a third as many it is measured on.
        seed: Of which frames, and of the random weights.
    """

    data: str = MISSING
    train_data: str = MISSING
    checkpoint: str = ""
    out: str = "probe.json"
    num_frames: int = 1500
    seed: int = 0


class Scenes(NamedTuple):
    """Clips ``(n, FRAMES, c, h, w)`` and, for each token of the last frame, metres ``(n, N)``."""

    latents: Tensor
    metres: np.ndarray


def probe(cfg: ProbeConfig) -> None:
    """Measure what a linear map finds of depth in every layer, beside the same in random weights.

    Raises:
        WorldsimError: A dataset or checkpoint is missing, or there is no depth in the data.
    """
    if cfg.num_frames < 30:
        raise WorldsimError(f"num_frames={cfg.num_frames} is too few: use 30 or more")
    provenance.check_writable(Path(cfg.out))
    checkpoint = Checkpoint.load(cfg.checkpoint or None)
    trained, codec = checkpoint.network.float().eval(), checkpoint.codec.float().eval()
    learnt = load_scenes(cfg.train_data, codec, trained.grid, cfg.num_frames, cfg.seed)
    asked = load_scenes(cfg.data, codec, trained.grid, cfg.num_frames // 3, cfg.seed)
    found = measure_probe(trained, learnt, asked, cfg.seed)
    about = provenance.meta(cfg.seed, cfg.data, weights_id(cfg.checkpoint or None))
    provenance.write_json(Path(cfg.out), {"probe": found, "meta": about})
    figure = Path(cfg.out).with_suffix(".png")
    draw_panels(figure, [_panel(found, name) for name in ("r2", "abs_rel", "delta_1.25")])
    for name in ("trained", "random"):
        best = max(found[name], key=lambda row: row["r2"])
        print(
            f"{name} weights: R² {best['r2']:.3f}, AbsRel {best['abs_rel']:.3f}, "
            f"δ<1.25 {best['delta_1.25']:.3f}"
        )
    print(f"the usual depth of each place: AbsRel {found['blind']['abs_rel']:.3f}")
    print(f"wrote {cfg.out} and {figure}")


def load_scenes(path: str, codec: Codec, grid: int, count: int, seed: int) -> Scenes:
    """Draw clips from all over a dataset and pool their depth to the tokens of a frame."""
    dataset, rng = Dataset(path), np.random.default_rng(seed)
    episodes, counts = np.unique(rng.integers(len(dataset), size=count), return_counts=True)
    latents, metres = [], []
    bar = tqdm(zip(episodes, counts, strict=True), "frames", len(episodes), unit="episode")
    for index, times in bar:
        episode = dataset.load(int(index))
        if episode.depth is None:
            raise WorldsimError(f"{path} has no depth: collect it again, or take another world")
        lasts = rng.integers(FRAMES - 1, len(episode.frames), size=times)
        clips = np.stack([episode.frames[at - FRAMES + 1 : at + 1] for at in lasts])
        frames = resize(clips.reshape(-1, *clips.shape[2:]), codec.config.image_size)
        with torch.inference_mode():
            encoded = codec.encode(to_float(torch.from_numpy(frames)))
        latents.append(encoded.unflatten(0, (-1, FRAMES)))
        metres.append(_pooled(episode.depth[lasts], grid))
    return Scenes(torch.cat(latents).float(), np.concatenate(metres))


def measure_probe(
    network: WorldTransformer, learnt: Scenes, asked: Scenes, seed: int
) -> dict[str, Any]:
    """Return depth errors for each layer of a network and of its random twin, and of no looking."""
    found, usual = dict[str, Any](), np.log(learnt.metres).mean(axis=0)
    for name, one in (("trained", network), ("random", random_twin(network, seed))):
        known, new = see(one, learnt.latents), see(one, asked.latents)
        found[name] = [
            _errors(_predict(x, np.log(learnt.metres), y), asked.metres, usual)
            for x, y in zip(known, new, strict=True)
        ]
    found["blind"] = _errors(np.broadcast_to(usual, asked.metres.shape), asked.metres, usual)
    return found | {"learnt": len(learnt.metres), "asked": len(asked.metres)}


def random_twin(network: WorldTransformer, seed: int) -> WorldTransformer:
    """Return the same network before any training, with nothing left at zero.

    Ways out of layers begin at zero, and a network of such would only embed its pixels.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = {k: v for k, v in network.config.items() if not k.startswith("_")}
        twin = WorldTransformer(**sizes)
        for parameter in twin.parameters():
            if parameter.ndim > 1 and not parameter.any():
                nn.init.kaiming_uniform_(parameter, a=5**0.5)
    twin.canvas.load_state_dict(network.canvas.state_dict())
    twin.surprise.copy_(network.surprise)
    return twin.eval()


@torch.inference_mode()
def see(network: WorldTransformer, clips: Tensor) -> list[np.ndarray]:
    """Return the tokens of the last frames after the embedding and each block, (n, N, D) each."""
    found: list[list[Tensor]] = [[] for _ in range(len(network.blocks) + 1)]
    for part in clips.split(BATCH):
        with _overheard(network) as heard:
            _look(network, part)
        for layer, tokens in zip(found, heard, strict=True):
            layer.append(tokens[:, -network.num_tokens :])
    return [torch.cat(layer).numpy() for layer in found]


@contextmanager
def _overheard(network: WorldTransformer) -> Iterator[list[Tensor]]:
    """Collect what goes into the first block and comes out of each."""
    heard: list[Tensor] = []
    hooks = [
        network.blocks[0].register_forward_pre_hook(lambda _, given: heard.append(given[1])),
        *(block.register_forward_hook(lambda *all: heard.append(all[2][1]))
          for block in network.blocks),
    ]  # fmt: skip
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _look(network: WorldTransformer, latents: Tensor) -> None:
    """Run frames as history, with no word between them."""
    b, f = latents.shape[:2]
    none = torch.zeros(b, 0, dtype=torch.long)
    time = torch.arange(f).expand(b, f)
    before = torch.cat([torch.zeros_like(latents[:, :1]), latents[:, :-1]], dim=1)
    attend = TeacherForcing(none, none, none, time, torch.zeros_like(time), network.num_tokens)
    network(
        none, none, none, latents, torch.stack([before, torch.zeros_like(before)], dim=2),
        torch.zeros(b, f, network.config.width), torch.zeros(b, f), time, attend, num_history=f,
    )  # fmt: skip


def _predict(known: np.ndarray, right: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Fit ridge regression on tokens ``(n, N, D)`` and their values ``(n, N)``; apply it."""
    mean, spread = known.mean(axis=(0, 1)), known.std(axis=(0, 1)) + 1e-6
    x, y = (_with_place((tokens - mean) / spread) for tokens in (known, new))
    gram = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
    return (y @ np.linalg.solve(gram, x.T @ right.reshape(-1))).reshape(new.shape[:2])


def _errors(said: np.ndarray, metres: np.ndarray, usual: np.ndarray) -> dict[str, float]:
    """Compare logarithms of metres ``(n, N)``; R² is against the usual ones ``(N,)``."""
    off, spread = said - np.log(metres), usual - np.log(metres)
    r2 = 1 - float((off**2).sum() / (spread**2).sum())
    return {"r2": r2} | depth_errors(np.exp(said), metres)


def _with_place(tokens: np.ndarray) -> np.ndarray:
    """(n, N, D) -> (n * N, D + N), which token it is being told."""
    n, count, _ = tokens.shape
    place = np.broadcast_to(np.eye(count), (n, count, count))
    return np.concatenate([tokens, place], axis=2).reshape(n * count, -1).astype(np.float64)


def _pooled(depth: np.ndarray, grid: int) -> np.ndarray:
    """Return metres ``(n, grid²)`` of uint16 centimetres ``(n, side, side)``."""
    part = depth.shape[1] // grid
    mean = depth.reshape(len(depth), grid, part, grid, part).mean(axis=(2, 4))
    return np.maximum(mean, 1.0).reshape(len(depth), -1) / 100


def _panel(found: dict[str, Any], measure: str) -> Panel:
    """Draw an error by layer."""
    lines = {
        f"{name} weights": (list(range(len(found[name]))), [row[measure] for row in found[name]])
        for name in ("trained", "random")
    }
    return Panel(measure, "blocks", lines, {"usual depth of each place": found["blind"][measure]})
