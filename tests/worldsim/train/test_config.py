"""The keys of a run: recipes, names, and that none of them is idle."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import worldsim.conf
from worldsim import program
from worldsim.codec import make_codec
from worldsim.model import WorldTransformer
from worldsim.objective import ObjectiveConfig
from worldsim.train.batch_config import BatchConfig
from worldsim.train.codec_stage import CodecConfig
from worldsim.train.program import ModelConfig, TrainConfig
from worldsim.train.world_stage import WorldStageConfig

PACKAGE = Path(program.__file__).parent
RECIPES = sorted((PACKAGE / "conf" / "recipe").glob("*.yaml"))


@pytest.fixture
def compose(capsys):
    """Return the exit status, the config and what was printed for some arguments."""

    def run(*arguments: str):
        seen: list[TrainConfig] = []
        status = program.run("train", TrainConfig, seen.append, list(arguments))
        return status, seen[0] if seen else None, capsys.readouterr().err

    return run


def flat(values, prefix=""):
    """Return dotted names and values of a recipe."""
    for name, value in values.items():
        if hasattr(value, "items"):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def at(config, path):
    for name in path.split("."):
        config = config[name] if isinstance(config, dict) else getattr(config, name)
    return config


def read(path):
    """Return a recipe's values, those of the recipes it starts from among them."""
    own = OmegaConf.load(path)
    bases = [read(path.with_stem(name)) for name in own.pop("defaults", [])]
    return OmegaConf.merge(*bases, own)


def test_there_are_recipes_for_tests_laptops_gpus_and_experiments():
    experiments = ["emerge", "emerge_joint", "emerge_talk"]
    assert [path.stem for path in RECIPES] == ["base", *experiments, "nano", "nano_worlds", "tiny"]
    assert worldsim.conf.__name__


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_sets_what_it_names_and_leaves_the_rest(compose, path):
    status, config, _ = compose(f"recipe={path.stem}", "data=here", "seed=7")
    assert status == 0 and (config.data, config.seed) == ("here", 7)
    recipe = dict(flat(read(path)))
    for name, value in recipe.items():
        assert at(config, name) == value, name
    defaults = TrainConfig()
    touched = {name.split(".")[1] for name in recipe if name.startswith("batch.")}
    untouched = [f.name for f in fields(BatchConfig) if f.name not in touched]
    assert all(getattr(config.batch, n) == getattr(defaults.batch, n) for n in untouched)


def test_what_is_said_on_the_command_line_goes_before_the_recipe(compose):
    _, config, _ = compose("recipe=tiny", "stage.steps=3", "model.width=128")
    assert (config.stage.steps, config.model.width, config.model.depth) == (3, 128, 2)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("recipe=huge", "unknown recipe 'huge': choose one of base, emerge, emerge_joint"),
        ("stage.step=3", "unknown key 'stage.step', did you mean 'stage.steps'?"),
        ("colour=red", "unknown key 'colour'"),
        ("stage.steps=many", "stage.steps"),
        ("model.width=1.5", "model.width"),
    ],
)
def test_a_wrong_key_recipe_or_value_is_one_line(compose, argument, message):
    status, config, printed = compose(argument)
    assert status == 2 and config is None
    assert message in printed and printed.count("\n") == 1


def test_options_of_the_codec_can_be_given_one_by_one_or_together(compose):
    for arguments in (
        ["codec_options={keep: 12, whiten: 0.3}"],
        ["codec_options.keep=12", "codec_options.whiten=0.3"],
    ):
        _, config, _ = compose(*arguments)
        assert config.codec_options == {"keep": 12.0, "whiten": 0.3}


def test_shares_of_worlds_can_be_given_one_by_one_or_together(compose):
    for arguments in (
        ["batch.shares={doom: 1, rooms: 3}"],
        ["batch.shares.doom=1", "batch.shares.rooms=3"],
    ):
        assert compose(*arguments)[1].batch.shares == {"doom": 1.0, "rooms": 3.0}


def attributes(*folders):
    """Return every name that is read as an attribute somewhere."""
    files = [path for folder in folders for path in PACKAGE.glob(folder)]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize(
    "config", [TrainConfig, CodecConfig, ObjectiveConfig, BatchConfig, WorldStageConfig]
)
def test_every_key_is_read_by_the_program(config):
    idle = {f.name for f in fields(config)} - attributes("train/*.py", "objective.py")
    assert not idle


def test_every_key_of_the_model_is_an_argument_of_it():
    arguments = inspect.signature(WorldTransformer.__init__).parameters
    assert {f.name for f in fields(ModelConfig)} <= set(arguments)


def test_every_key_is_documented():
    configs = [TrainConfig, *(f.default_factory for f in fields(TrainConfig))]
    for config in filter(is_dataclass, configs):
        if config is not ModelConfig:  # says where to look
            missing = [f.name for f in fields(config) if f" {f.name}: " not in config.__doc__]
            assert set(missing) <= {
                "codec_stage", "model", "objective", "batch", "stage",
            }, config  # fmt: skip


def build(config: TrainConfig, image_size: int):
    """Return codec and transformer of a config, without memory for their weights."""
    with torch.device("meta"):
        options = {name: int(value) for name, value in config.codec_options.items()}
        codec = make_codec(config.codec, image_size, **options)
        channels, side, _ = codec.latent_shape
        sizes = {f.name: getattr(config.model, f.name) for f in fields(ModelConfig)}
        sizes |= {"latent_channels": channels, "latent_size": side, "cell": codec.cell}
        return codec, WorldTransformer(**sizes)


@pytest.mark.parametrize(("recipe", "pixels", "limit"), [("base", 128, 41), ("nano", 64, 24)])
def test_the_weights_of_a_recipe_are_small_enough_to_be_bundled(compose, recipe, pixels, limit):
    _, config, _ = compose(f"recipe={recipe}")
    codec, network = build(config, pixels)
    # The transformer ships in 16 bits, the codec in 32; 48 MiB are to hold start clips as well.
    size = 2 * sum(x.numel() for x in network.state_dict().values())
    size += 4 * sum(x.numel() for x in codec.state_dict().values())
    print(f"{recipe}: {size / 2**20:.1f} MiB, {network.num_tokens} tokens a frame")
    assert size <= limit * 2**20


def test_a_sweep_over_kinds_of_questions_names_its_folders_after_them():
    seen = []
    arguments = ["-m", "recipe=emerge_talk", "batch.talk_shares={infer:1},{ask:2,pose:1}", "data=x",
                 "out=runs/only-${names:${batch.talk_shares}}"]  # fmt: skip
    assert program.run("train", TrainConfig, seen.append, arguments) == 0
    assert [cfg.out for cfg in seen] == ["runs/only-infer", "runs/only-ask-pose"]
    assert [cfg.batch.talk_shares for cfg in seen] == [{"infer": 1.0}, {"ask": 2.0, "pose": 1.0}]
