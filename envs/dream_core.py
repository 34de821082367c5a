"""What the single and the batched dream have in common: numbers and sentences in, frames out.

Knows a simulator, the words of its world and the clips it can begin from; knows nothing of
episodes, time limits or how environments are seeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from envs.dream_starts import load_starts
from envs.given import as_array, pictures, sequence, whole_number
from worldsim.checkpoint import Start
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator
from worldsim.world import WorldSpec

RENDER_MODES = ["rgb_array"]
OPTIONS = ("start", "frames", "actions", "prompt", "snapshot")
Info = dict[str, Any]


class DreamCore:
    """Lanes of one dreamed world.

    Args:
        world: Which of the checkpoint's worlds.
        checkpoint: A folder; None takes the bundled one.
        lanes: Dreams side by side.
        num_steps: Denoising passes a frame; None takes the checkpoint's own number.
        device: None takes a GPU where there is one.
        render_mode: Only checked here.
        place: Begin only in clips of places whose name begins so.
        dataset: Folder of recorded play to begin in, instead of the checkpoint's clips.
        begins_again: Whether dreams with too little left of what they saw go on from there.

    Raises:
        WorldsimError: There is no such checkpoint, world, device or place, or a number is too
            small.
    """

    def __init__(
        self,
        world: str,
        checkpoint: str | Path | None,
        lanes: int,
        num_steps: int | None,
        device: str | None,
        render_mode: str | None,
        place: str = "",
        dataset: str | Path | None = None,
        begins_again: bool = True,
    ):
        if render_mode not in (None, *RENDER_MODES):
            raise WorldsimError(f"render_mode '{render_mode}' is unknown: use rgb_array or None")
        if num_steps is not None and num_steps < 1:
            raise WorldsimError(f"num_steps={num_steps} makes no sense: use 1 or more, or None")
        _check_device(device)
        self.simulator = Simulator.from_pretrained(checkpoint, lanes, num_steps, device)
        if world not in self.simulator.worlds:
            known = ", ".join(self.simulator.worlds)
            raise WorldsimError(
                f"this checkpoint does not dream '{world}', it knows {known}: train one on data "
                f"from `worldsim collect world={world}`, or name it with checkpoint=…"
            )
        self.spec: WorldSpec = self.simulator.worlds[world]
        self.begins_again = begins_again
        size = self.simulator.image_size
        self.starts = self._clips(place, dataset, size)
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = spaces.Discrete(len(self.spec.actions))
        self.frames = np.zeros((lanes, size, size, 3), np.uint8)  # the newest of every lane
        self._said: list[str | None] = [None] * lanes  # sentences not heard yet
        self._led = [0] * lanes  # steps for which a sentence still leads

    def reset(
        self,
        lanes: Sequence[int],
        random: Sequence[np.random.Generator],
        options: Mapping[str, Any],
    ) -> list[Info]:
        """Begin some lanes anew, each with its own luck; a wrong option changes nothing.

        Returns:
            For each ``start``, the name of the clip, and ``prompt``.
        """
        self.snapshot_wanted(options)
        mine = [self._own(options, lane) for lane in lanes]
        starts = [self._start(luck, given) for luck, given in zip(random, mine, strict=True)]
        prompt = options.get("prompt")
        if prompt is not None:
            self._check_sentence(prompt)
        seeds = [int(luck.integers(1 << 62)) for luck in random]
        prompts = [prompt] * len(starts)
        self.frames[list(lanes)] = self.simulator.reset(starts, prompts, seeds, lanes).numpy()
        for lane in lanes:
            self._said[lane], self._led[lane] = None, 0
        return [{"start": start.name, "prompt": prompt} for start in starts]

    def step(self, actions: Sequence[Any]) -> tuple[list[Info], np.ndarray, np.ndarray]:
        """Take one action in every lane; 0 leaves the lead to a sentence said before.

        Returns:
            For each ``action_text``, its words; ``end_chance``, that with which it was drawn
            whether the world ends; ``worn``, by how many doublings what was seen is worn in the
            picture; ``again``, whether so little of it was left that this step went on from the
            newest frame that was really seen. Rewards float32 ``(lanes,)``, terminated bool
            ``(lanes,)``.
        """
        numbers = [whole_number(action) for action in actions]
        words = [self.spec.action_text(number) for number in numbers]
        for lane, number in enumerate(numbers):
            if number:
                self._said[lane], self._led[lane] = None, 0
        again = self.simulator.begin_again() if self.begins_again else []
        self.simulator.say(self._said)
        self._said = [None] * len(words)
        out = self.simulator.step(
            [None if led else word for led, word in zip(self._led, words, strict=True)]
        )
        self._led = [max(0, led - 1) for led in self._led]
        self.frames = out.frames.numpy()
        told = enumerate(zip(words, out.end_chances.tolist(), out.worn.tolist(), strict=True))
        infos: list[Info] = [
            {"action_text": text, "end_chance": chance, "worn": worn, "again": lane in again}
            for lane, (text, chance, worn) in told
        ]
        return infos, out.rewards.numpy().astype(np.float32), out.terminated.numpy()

    def say(self, texts: Sequence[str | None]) -> None:
        """Let a sentence lead each lane for which one is given, while action 0 is taken."""
        if isinstance(texts, str) or len(texts) != len(self._said):
            raise WorldsimError(f"{texts!r} are not {len(self._said)} sentences: give one a world")
        for text in texts:
            if text is not None:
                self._check_sentence(text)
        for lane, text in enumerate(texts):
            if text is not None:
                # A sentence lies at the far end of the window after so many steps.
                self._said[lane], self._led[lane] = text, self.simulator.config.window - 1

    def append(self, frames: Any) -> None:
        """Replace the newest frame of every lane, uint8 ``(lanes, H, W, 3)``, by one seen."""
        frames = pictures(frames)
        self.simulator.append(torch.from_numpy(frames))
        self.frames = frames.copy()

    def snapshot(self) -> Info:
        """Return the whole state, random numbers of the model included."""
        return {
            "model": self.simulator.weights_id,
            "simulator": self.simulator.snapshot(),
            "frames": self.frames.copy(),
            "said": list(self._said),
            "led": list(self._led),
        }

    def restore(self, snapshot: Info) -> None:
        """Go back to a `snapshot`; one of other weights or another number of lanes is refused."""
        if not isinstance(snapshot, dict) or "simulator" not in snapshot:
            raise WorldsimError(f"not a snapshot of a dream, but {type(snapshot).__name__}")
        if snapshot["model"] != self.simulator.weights_id:
            raise WorldsimError("the snapshot was taken with other weights: load those first")
        self.simulator.restore(snapshot["simulator"])
        self.frames = snapshot["frames"].copy()
        self._said, self._led = list(snapshot["said"]), list(snapshot["led"])

    @staticmethod
    def snapshot_wanted(options: Mapping[str, Any]) -> Info | None:
        """Check that reset options go together; return the snapshot among them, if any."""
        given = [name for name, value in options.items() if value is not None]
        unknown = [str(name) for name in options if name not in OPTIONS]
        if unknown:
            raise WorldsimError(
                f"unknown reset option {', '.join(unknown)}: use {', '.join(OPTIONS)}"
            )
        if "snapshot" in given and len(given) > 1:
            raise WorldsimError("a snapshot holds everything: give no other option beside it")
        if "start" in given and "frames" in given:
            raise WorldsimError("options name a start and frames: give one of them")
        if "actions" in given and "frames" not in given:
            raise WorldsimError("options name actions without frames: give both")
        return options.get("snapshot")

    def _clips(self, place: str, dataset: str | Path | None, size: int) -> list[Start]:
        if dataset is not None:
            return load_starts(dataset, self.spec, place, size, self.simulator.config.window)
        own = [start for start in self.simulator.starts if start.world == self.spec.name]
        starts = [start for start in own if start.name.startswith(place)]
        if place and not starts:
            raise WorldsimError(
                f"this checkpoint has no start clips of '{place}': name recorded play to begin in "
                "with dataset=… (data=… on the command line), from `worldsim collect "
                f"world={self.spec.name} options.source={place}`"
            )
        return starts

    def _own(self, options: Mapping[str, Any], lane: int) -> Mapping[str, Any]:
        """Return the options of a lane, where each is given frames and actions of its own."""
        frames, actions = (as_array(options.get(name)) for name in ("frames", "actions"))
        if frames.ndim != 5:
            return options
        told = options.get("actions") is not None
        if len(frames) != len(self._said) or (told and actions.shape[:1] != frames.shape[:1]):
            raise WorldsimError(
                f"frames of shape {frames.shape} and actions of shape {actions.shape} for "
                f"{len(self._said)} worlds: give each its own, or the same clip to all"
            )
        return {**options, "frames": frames[lane], "actions": actions[lane] if told else None}

    def _start(self, random: np.random.Generator, options: Mapping[str, Any]) -> Start:
        """Return the clip to begin from: given, named, or drawn."""
        if options.get("frames") is not None:
            frames = pictures(options["frames"])
            actions = options.get("actions")
            numbers = [0] * (len(frames) - 1) if actions is None else sequence(actions)
            words = [self.spec.action_text(whole_number(number)) for number in numbers]
            return Start("given", self.spec.name, frames, words)
        if not self.starts:
            raise WorldsimError("this checkpoint has no start clips: give options={'frames': …}")
        wanted, names = options.get("start"), [start.name for start in self.starts]
        if wanted is None:
            return self.starts[int(random.integers(len(names)))]
        if isinstance(wanted, str):
            if wanted in names:
                return self.starts[names.index(wanted)]
            if not wanted.isdecimal():
                raise WorldsimError(f"unknown start '{wanted}': use one of {', '.join(names)}")
            wanted = int(wanted)
        if not 0 <= whole_number(wanted, "start") < len(names):
            raise WorldsimError(f"start {wanted} is out of range: use 0 to {len(names) - 1}")
        return self.starts[int(wanted)]

    def _check_sentence(self, text: Any) -> None:
        if not isinstance(text, str):
            raise WorldsimError(f"{text!r} is not a sentence: give a string")
        self.simulator.tokenizer.encode_sentence(text)


class DreamExtras:
    """What every dreamed environment tells about itself beyond Gymnasium."""

    _core: DreamCore

    @property
    def start_names(self) -> list[str]:
        """Names of the clips a dream can begin from."""
        return [start.name for start in self._core.starts]

    @property
    def model_id(self) -> str:
        """Digest of the weights."""
        return self._core.simulator.weights_id

    @property
    def stage_ms(self) -> dict[str, float]:
        """Milliseconds of the parts of the last step; not in `info`, which is reproducible."""
        return dict(self._core.simulator.stage_ms)


def _check_device(device: str | None) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise WorldsimError(f"cannot use device '{device}' ({reason}): use 'cpu'") from error
