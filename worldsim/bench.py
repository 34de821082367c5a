"""`worldsim bench`: how fast a checkpoint dreams on this machine, as JSON.

Machines are noisy and their speed wanders by the minute: what is compared with each other (young
against old, few lanes against many) is measured in turns, a little of each at a time.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np
import torch
from tqdm.auto import tqdm

from worldsim import provenance
from worldsim.checkpoint import Start
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator
from worldsim.world import WorldSpec

try:
    import resource
except ImportError:  # Windows: memory is then not measured.
    resource = None  # type: ignore[assignment]

YOUNG = 100  # the frame an old rollout's cost is compared with
ROUND = 10  # steps of a turn


@dataclass
class BenchConfig:
    """Options of `worldsim bench`.

    Attributes:
        checkpoint: Checkpoint folder; empty: the bundled one.
        out: JSON file to write.
        seconds: Length of the sustained run.
        frames: Age of the rollout whose cost a step is compared with that of frame 100.
        batches: Numbers of worlds dreamed together.
        num_steps: Denoising steps a frame; 0: the checkpoint's own number.
        device: Where to compute, such as cpu or cuda; empty: the simulator's choice.
        seed: Seed of everything random.
    """

    checkpoint: str = ""
    out: str = "bench.json"
    seconds: float = 60.0
    frames: int = 5000
    batches: list[int] = field(default_factory=lambda: [1, 8, 32])
    num_steps: int = 0
    device: str = ""
    seed: int = 0


class Runner(Protocol):
    """The part of `Simulator` that is timed."""

    starts: list[Start]
    worlds: dict[str, WorldSpec]
    weights_id: str
    stage_ms: dict[str, float]

    def reset(
        self, starts: Sequence[Start], prompts: Sequence[str | None] | None, seeds: Sequence[int]
    ) -> torch.Tensor:
        """Show every lane its start."""

    def step(self, actions: Sequence[str | None]) -> Any:
        """Act in every lane."""

    def snapshot(self) -> Any:
        """Keep the state."""

    def restore(self, snapshot: Any) -> None:
        """Go back to a kept state."""


class Lanes:
    """A simulator being driven at random, keys held for a while as people do."""

    def __init__(self, simulator: Runner, count: int, seed: int) -> None:
        """Reset every lane to a bundled start."""
        self.simulator, self.count = simulator, count
        self._rng = np.random.default_rng(seed)
        starts = [simulator.starts[i % len(simulator.starts)] for i in range(count)]
        self._words = [simulator.worlds[start.world].actions for start in starts]
        self._held: list[str | None] = [None] * count
        simulator.reset(starts, None, [seed + i for i in range(count)])

    def step(self) -> float:
        """Take one step and return its milliseconds, up to the frames being in memory."""
        for lane, words in enumerate(self._words):
            if self._held[lane] is None or self._rng.random() < 0.15:
                self._held[lane] = str(self._rng.choice(words))
        began = time.perf_counter()
        self.simulator.step(self._held).frames.cpu().numpy()
        return 1000 * (time.perf_counter() - began)


def bench(cfg: BenchConfig) -> None:
    """Measure and write; every figure is printed too."""
    check(cfg)
    provenance.check_writable(Path(cfg.out))

    def make(num_envs: int) -> Runner:
        return Simulator.from_pretrained(
            cfg.checkpoint or None,
            num_envs=num_envs,
            num_steps=cfg.num_steps or None,
            device=cfg.device or None,
        )

    result = measure(cfg, make)
    provenance.write_json(Path(cfg.out), result)
    print(summary(result))
    print(f"wrote {cfg.out}")


def measure(cfg: BenchConfig, make: Callable[[int], Runner]) -> dict[str, Any]:
    """Time simulators made by `make(num_envs)`."""
    began = time.perf_counter()
    simulator = make(1)
    loaded = time.perf_counter()
    lane = Lanes(simulator, 1, cfg.seed)
    lane.step()
    first = time.perf_counter()
    result: dict[str, Any] = {"load_s": loaded - began, "first_frame_s": first - loaded}
    for _ in range(ROUND):  # compiling and warming up are not part of the sustained speed
        lane.step()
    result |= sustained(lane, cfg.seconds)
    result["peak_memory_mb"] = peak_memory_mb()
    result |= flat_cost(make_young(lane, cfg.seed), cfg.frames)
    about = provenance.meta(cfg.seed, "", simulator.weights_id)
    del lane, simulator
    gc.collect()
    result["batched_fps"] = batched(make, cfg.batches, cfg.seed, min(cfg.seconds, 60.0))
    result["meta"] = about | {"seconds": cfg.seconds, "frames": cfg.frames}
    return result


def make_young(lane: Lanes, seed: int) -> Lanes:
    """Begin a new rollout on the same simulator."""
    return Lanes(lane.simulator, lane.count, seed)


def sustained(lane: Lanes, seconds: float) -> dict[str, Any]:
    """Step as fast as possible for `seconds`.

    Returns:
        ``fps``; ``latency_ms`` p50, p95 and max of a step; ``stage_ms``, the median
        milliseconds of each stage; ``stage_share``.
    """
    times: list[float] = []
    stages: dict[str, list[float]] = {}
    began = now = time.perf_counter()
    with tqdm(total=round(seconds), desc="sustained", unit="s", leave=False) as bar:
        while now - began < seconds or not times:
            times.append(lane.step())
            for name, value in lane.simulator.stage_ms.items():
                stages.setdefault(name, []).append(value)
            now = time.perf_counter()
            bar.update(int(now - began) - bar.n)
    middle = {name: median(values) for name, values in stages.items()}
    total = sum(middle.values()) or 1.0
    p50, p95 = (float(value) for value in np.percentile(times, (50, 95)))
    return {
        "fps": len(times) / (now - began),
        "latency_ms": {"p50": p50, "p95": p95, "max": max(times)},
        "stage_ms": middle,
        "stage_share": {name: value / total for name, value in middle.items()},
        "steps": len(times),
    }


def flat_cost(lane: Lanes, frames: int, rounds: int = 12) -> dict[str, Any]:
    """Compare a step at frame 100 with one at frame `frames` of a rollout that really ran there.

    Both states are kept as snapshots and stepped in turns, so that a machine that slows down
    slows both.

    Returns:
        ``flat_cost_ratio`` of the median times, the two medians, and ``memory_growth_mb``: how
        much more memory the process holds at the old frame than at the young one.
    """
    simulator, ages = lane.simulator, sorted({min(YOUNG, frames), frames})
    kept, memory, taken = [], [], 0
    for age in ages:
        for _ in tqdm(range(age - taken), desc=f"to frame {age}", leave=False):
            lane.step()
        taken = age
        gc.collect()
        memory.append(memory_mb())
        kept.append(simulator.snapshot())
    times: list[list[float]] = [[] for _ in kept]
    for turn in range(rounds):
        # Whoever goes second may find a warmer or a hotter machine: change places.
        for which in (range(len(kept)), reversed(range(len(kept))))[turn % 2]:
            simulator.restore(kept[which])
            lane.step()
            times[which] += [lane.step() for _ in range(ROUND)]
    medians = [median(values) for values in times]
    return {
        "flat_cost_ratio": medians[-1] / medians[0],
        "flat_cost_ms": {str(age): value for age, value in zip(ages, medians, strict=True)},
        "memory_growth_mb": memory[-1] - memory[0],
    }


def batched(
    make: Callable[[int], Runner], batches: Iterable[int], seed: int, seconds: float
) -> dict[str, float]:
    """Return frames a second over all lanes for each number of lanes, measured in turns."""
    lanes = {count: Lanes(make(count), count, seed) for count in batches}
    for lane in lanes.values():
        for _ in range(3):
            lane.step()
    rounds = 4
    spent: dict[int, float] = dict.fromkeys(lanes, 0.0)
    steps: dict[int, int] = dict.fromkeys(lanes, 0)
    share = seconds / max(1, len(lanes)) / rounds
    for _ in tqdm(range(rounds), desc="batched", leave=False):
        for count, lane in lanes.items():
            turn = 0.0
            while turn < share or not turn:
                turn += lane.step() / 1000
                steps[count] += 1
            spent[count] += turn
    return {str(count): count * steps[count] / spent[count] for count in lanes}


def peak_memory_mb() -> float:
    """Return the most memory this process has held so far, and the accelerator with it, in MB."""
    if resource is None:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held = peak * (1 if sys.platform == "darwin" else 1024)  # Linux counts kibibytes
    if torch.cuda.is_available():
        held += torch.cuda.max_memory_allocated()
    return held / 1e6


def memory_mb() -> float:
    """Return the memory this process holds now, in MB (the peak where that is unknown)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak_memory_mb()
    return pages * resource.getpagesize() / 1e6


def summary(result: dict[str, Any]) -> str:
    """Return the figures as text."""
    late, flat = result["latency_ms"], result["flat_cost_ratio"]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in result["stage_share"].items())
    rates = ", ".join(f"{count} lanes {fps:.1f}" for count, fps in result["batched_fps"].items())
    return (
        f"{result['fps']:.1f} frames/s; a step takes {late['p50']:.0f} ms (p95 {late['p95']:.0f}, "
        f"max {late['max']:.0f}): {shares}\n"
        f"first frame after {result['first_frame_s']:.2f} s; peak memory "
        f"{result['peak_memory_mb']:.0f} MB\n"
        f"cost of an old rollout's step: {flat:.3f} x a young one's\n"
        f"frames/s over all lanes: {rates}"
    )


def check(cfg: BenchConfig) -> None:
    """Refuse values that make no sense."""
    if cfg.seconds <= 0:
        raise WorldsimError(f"seconds={cfg.seconds} is too short: use more than 0")
    if cfg.frames < 1 or not cfg.batches or min(cfg.batches) < 1:
        raise WorldsimError(f"frames={cfg.frames} and batches={cfg.batches} must be 1 or more each")
