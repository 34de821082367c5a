"""Second stage: the transformer on latents, actions and sentences."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import nn
from tqdm import tqdm

from worldsim.batch import Batch
from worldsim.checkpoint import Checkpoint
from worldsim.data import Collection
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS
from worldsim.objective import Eye, ObjectiveConfig, WorldObjective
from worldsim.precision import multiplies_bf16, side_by_side
from worldsim.train.batches import Batches
from worldsim.train.dreams import Dreams
from worldsim.train.flops import count_flops, utilisation
from worldsim.train.loader import Both, load, make
from worldsim.train.muon import make_optimizers
from worldsim.train.run import RunFolder
from worldsim.train.samples import START_FRAMES, draw_sheet, pick_starts


@dataclass
class WorldStageConfig:
    """How the transformer is trained.

    Attributes:
        steps: Updates in all; the rate depends on the step and on this number.
        minutes: Stop after so many minutes, ready to be resumed; 0 is no limit.
        budget: Minutes of updates in all, however often the run is resumed. Where they are over
            before `steps`, the rate has fallen by then, and the run is done; two such runs differ
            as their machines do. 0 leaves everything to `steps`.
        rate: Peak rate, for Muon and AdamW alike.
        warmup: Steps of linear rise.
        cooldown: Share of the steps, at the end, in which the rate falls linearly.
        weight_decay: Decoupled.
        clip: Largest norm of the gradient.
        only: What the names of the parameters that learn begin with, such as ``[painter.rest]``;
            empty: all learn.
        ema: Decay of the averaged weights, which are what ships.
        count_flops: Log how much is computed: ``tflops`` and, on GPUs whose peak is known, ``mfu``.
        compile: Compile the objective (slow to start; worth it on a GPU).
        precision: ``auto``, ``no`` or ``bf16``.
        prefetch: Batches prepared ahead; a batch depends on its step's number alone.
        loaders: Threads that prepare them.
        save_minutes: Between checkpoints.
        sample_minutes: Between sample sheets.
    """

    steps: int = 3000
    minutes: float = 0.0
    budget: float = 0.0
    rate: float = 1.5e-3
    warmup: int = 50
    cooldown: float = 0.4
    weight_decay: float = 0.01
    clip: float = 1.0
    only: list[str] = field(default_factory=list)
    ema: float = 0.99
    count_flops: bool = False
    compile: bool = False
    precision: str = "auto"
    prefetch: int = 2
    loaders: int = 1
    save_minutes: float = 5.0
    sample_minutes: float = 10.0


class WorldStage:
    """The loop; a killed one continues at its last checkpoint with the same batches."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        batches: Batches,
        objective: ObjectiveConfig,
        config: WorldStageConfig,
        run: RunFolder,
        device: torch.device,
    ):
        """Prepare model, optimisers and averages, and load the run's state if there is one."""
        self.checkpoint, self.batches = checkpoint, batches
        self.config, self.run_folder = config, run
        precision = _precision(config.precision, device)
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=precision)
        self.network = checkpoint.network
        side_by_side(self.network)
        _keep_still(self.network, config.only)
        whole = WorldObjective(
            self.network, objective, self._eye() if self.network.painter else None
        )
        self.critic = whole.critic
        self.dreams = Dreams(self.network, checkpoint.tokenizer, checkpoint.rollout, batches)
        self.optimizers = make_optimizers(
            self.network, self.critic, config.rate, config.weight_decay
        )
        self.objective = self.accelerator.prepare(whole)
        self.optimizers = [self.accelerator.prepare(o) for o in self.optimizers]
        fixed = torch.compile(self.objective, dynamic=False) if config.compile else None
        self.forward = fixed or self.objective  # play and talk have a shape each, for good
        self.ema = EMAModel(self.network.parameters(), decay=config.ema, use_ema_warmup=True,
                            power=0.75)  # fmt: skip
        self.ema.to(self.accelerator.device)
        self.step, self.seconds = 0, 0.0
        self._resume()

    def run(self, sheet_data: Collection, num_starts: int) -> None:
        """Train to the last step, or until `minutes` are over, saving along the way."""
        config, begun = self.config, time.monotonic()
        saved = sampled = begun
        if num_starts:
            length = min(self.checkpoint.rollout.window, START_FRAMES)
            self.checkpoint.starts = pick_starts(sheet_data, length, num_starts)
        bar = tqdm(total=config.steps, initial=self.step, desc="train", unit="step")
        flops = 0.0
        if config.count_flops and not self.done:
            flops = self.flops(*make(self.batches, self.step))
        batches = self._batches()
        while not self.done:
            began = time.monotonic()
            batch = next(batches)
            wait = time.monotonic() - began
            logs = self.update(*batch) | {"wait": wait}
            now = time.monotonic()
            self.seconds += now - began
            logs["frames_per_second"] = self.batches.config.num_frames / (now - began)
            if flops:
                logs |= utilisation(flops, now - began, self.accelerator.device)
            self.run_folder.log(self.step, logs)
            bar.update()
            shown = ("flow", "text", "talk", "frames_per_second")
            bar.set_postfix({name: f"{logs[name]:.3f}" for name in shown if name in logs})
            over = config.minutes and now - begun > 60 * config.minutes
            over = over or self.done
            sheet = over or now - sampled > 60 * config.sample_minutes
            if sheet or now - saved > 60 * config.save_minutes:
                self.save()
                saved = now
            if sheet:
                self.sample(sheet_data)
                sampled = time.monotonic()
            if over:
                break
        batches.close()
        bar.close()
        if not self.step:  # nothing was to be learnt
            self.save()

    @property
    def done(self) -> bool:
        """Whether the last step was taken, or the budget is spent."""
        budget = 60 * self.config.budget
        return self.step >= self.config.steps or bool(budget and self.seconds >= budget)

    def _batches(self) -> Generator[Both, None, None]:
        """Prepare batches from the present step on."""
        config = self.config
        if config.prefetch < 1 or config.loaders < 1:
            raise WorldsimError(
                f"stage.prefetch={config.prefetch}, stage.loaders={config.loaders}: "
                "use 1 or more of each"
            )
        pin = self.accelerator.device.type == "cuda"
        return load(self.batches, self.step, config.prefetch, config.loaders, pin)

    def flops(self, batch: Batch | None, asked: Batch | None = None) -> float:
        """Count the operations of an update; nothing is learnt from it."""
        device = self.accelerator.device
        batch, asked = batch and batch.to(device), asked and asked.to(device)
        with self.accelerator.autocast():
            flops = count_flops(lambda: self.objective(batch, asked)[0])
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        return flops

    def update(self, batch: Batch | None, asked: Batch | None = None) -> dict[str, float]:
        """Take one step; a loss or gradient that is not finite stops the run."""
        rate = self.rate_at(self.step)
        if batch is not None:
            batch = batch.to(self.accelerator.device)
            if self.dreams.stale(batch, self.step):
                self._with_average(lambda: self.dreams.renew(self.step))
            batch = self.dreams.into(batch)
        with self.accelerator.autocast():
            loss, logs = self.forward(batch, asked and asked.to(self.accelerator.device))
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.network.parameters(), self.config.clip)
        if not torch.isfinite(loss + norm):
            raise WorldsimError(
                f"the loss is not finite at step {self.step} (loss {loss.item()}, gradient "
                f"{norm.item()}): the last good checkpoint in {self.run_folder.path} is intact; "
                "look for damaged data or lower stage.rate"
            )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.ema.step(self.network.parameters())
        self.step += 1
        return {k: float(v) for k, v in logs.items()} | {"rate": rate, "gradient": float(norm)}

    def rate_at(self, step: int) -> float:
        """Return the rate of a step: up, level, down; down by the clock where that is sooner."""
        config = self.config
        rise = min(1.0, (step + 1) / max(1, config.warmup))
        left = (config.steps - step) / max(1.0, config.cooldown * config.steps)
        if config.budget:
            left = min(left, (1 - self.seconds / 60 / config.budget) / max(0.01, config.cooldown))
        return config.rate * min(rise, max(0.02, min(1.0, left)))

    def save(self) -> None:
        """Write the state and, from the averaged weights, the checkpoint."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "critic": self.critic.state_dict() if self.critic else None,
            "optimizers": [o.state_dict() for o in self.optimizers],
            "ema": self.ema.state_dict(),
            "dreams": self.dreams.state(),
        }
        self.run_folder.save_state(state)
        self._with_average(lambda: self.checkpoint.save(self.run_folder.path / "model"))

    def sample(self, data: Collection) -> None:
        """Draw a sheet of real above dreamed frames from the averaged weights."""
        path = self.run_folder.path / "samples" / f"step-{self.step:06d}.png"
        self._with_average(lambda: draw_sheet(self.checkpoint, data, path))

    def _eye(self) -> Eye:
        """Look at latents through the codec; no part of it learns here."""
        device = self.accelerator.device
        codec = self.checkpoint.codec.to(device).eval().requires_grad_(False)
        sight = LPIPS.load(device)
        return Eye(codec.sketch, sight, tuple(head.shape[1] for head in sight.heads))

    def _with_average(self, action) -> None:  # type: ignore[no-untyped-def]
        parameters = list(self.network.parameters())
        self.ema.store(parameters)
        self.ema.copy_to(parameters)
        self.network.eval()
        try:
            action()
        finally:
            self.network.train()
            self.ema.restore(parameters)

    def _resume(self) -> None:
        state = self.run_folder.load_state()
        if state is None:
            self.run_folder.forget_after(0)
            return
        try:
            self.network.load_state_dict(state["network"])
            if self.critic:
                self.critic.load_state_dict(state["critic"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.ema.load_state_dict(state["ema"])
            self.dreams.load(state["dreams"])
            self.step, self.seconds = state["step"], state["seconds"]
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise WorldsimError(
                f"{self.run_folder.path / 'state.pt'} is not the state of this run "
                f"({' '.join(str(error).split())[:100]}): delete it to start over"
            ) from error
        self.run_folder.forget_after(self.step)


def _keep_still(network: nn.Module, only: list[str]) -> None:
    """Let nothing learn but what is named; of a layer below that, no gradient is computed."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not only or name.startswith(tuple(only)))
    if not any(parameter.requires_grad for parameter in network.parameters()):
        parts = ", ".join(name for name, _ in network.named_children())
        raise WorldsimError(f"stage.only={only} names no parameters: use names such as {parts}")


def _precision(wanted: str, device: torch.device) -> str:
    """Choose bf16 where the hardware multiplies it; elsewhere it is far slower than float32."""
    if wanted not in ("auto", "no", "bf16"):
        raise WorldsimError(f"unknown stage.precision={wanted}: use auto, no or bf16")
    if wanted != "auto":
        return wanted
    return "bf16" if multiplies_bf16(device) else "no"
