import json
import os

import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim import checkpoint as module
from worldsim.checkpoint import Checkpoint, weights_id
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator


@pytest.fixture(scope="module")
def original():
    return make_checkpoint()


@pytest.fixture
def folder(original, tmp_path):
    original.save(tmp_path / "model")
    return tmp_path / "model"


def content(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_everything_comes_back_the_transformer_in_16_bits(original, folder):
    again = Checkpoint.load(folder)
    for mine, theirs in zip(again.network.parameters(), original.network.parameters(), strict=True):
        assert mine.dtype == torch.float32 and not mine.requires_grad
        assert torch.equal(mine, theirs.half().float())
    for name, value in original.codec.state_dict().items():
        assert torch.equal(again.codec.state_dict()[name], value)
    assert again.tokenizer.encode("turn left") == original.tokenizer.encode("turn left")
    assert (again.worlds, again.rollout) == (original.worlds, original.rollout)
    for mine, theirs in zip(again.starts, original.starts, strict=True):
        assert (mine.name, mine.world, mine.actions) == (theirs.name, theirs.world, theirs.actions)
        assert np.array_equal(mine.frames, theirs.frames)


def test_saving_what_was_loaded_changes_no_byte_of_the_weights(folder, tmp_path):
    Checkpoint.load(folder).save(tmp_path / "again")
    assert weights_id(tmp_path / "again") == weights_id(folder)
    again = content(tmp_path / "again")
    assert {k for k, v in content(folder).items() if again[k] != v} <= {
        p
        for p in again
        if p.name == "config.json"  # diffusers notes where it was loaded from
    }


def test_a_loaded_checkpoint_dreams_the_same_every_time(folder):
    films = []
    for _ in range(2):
        dream = Simulator.from_pretrained(folder, device="cpu")
        dream.reset([dream.starts[0]], seeds=[0])
        films.append(torch.stack([dream.step(["forward"]).frames for _ in range(2)]))
        assert dream.weights_id == weights_id(folder)
    assert torch.equal(*films)


def test_saving_leaves_the_network_in_training_as_it_was(original, tmp_path):
    before = [p.clone() for p in original.network.parameters()]
    original.save(tmp_path / "model")
    for mine, was in zip(original.network.parameters(), before, strict=True):
        assert mine.dtype == torch.float32 and torch.equal(mine, was)


def test_the_id_is_that_of_the_weights_and_of_nothing_else(original, folder, tmp_path):
    first = weights_id(folder)
    assert len(first) == 64
    (folder / "README.md").write_text("a model card")
    (folder / "rollout.json").write_text('{"num_steps": 8}')
    assert weights_id(folder) == first
    make_checkpoint(seed=1).save(tmp_path / "other")
    assert weights_id(tmp_path / "other") != first
    weights = next((folder / "codec").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert weights_id(folder) != first


def test_only_data_is_in_a_checkpoint(folder):
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".json", ".safetensors"}


def test_no_start_clips_is_no_mistake(original, tmp_path):
    bare = make_checkpoint()
    bare.starts = []
    bare.save(tmp_path / "model")
    assert Checkpoint.load(tmp_path / "model").starts == []


class Killed(BaseException):
    """The process was killed here."""


@pytest.mark.parametrize("moment", range(5))
def test_a_kill_while_saving_leaves_one_whole_checkpoint(folder, monkeypatch, moment):
    """Stop before each of the steps that change the disk, then load."""
    ids = {weights_id(folder)}
    new = make_checkpoint(seed=1)
    new.save(folder.with_name("new"))
    ids.add(weights_id(folder.with_name("new")))
    count = 0

    def mortal(function):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count > moment:
                raise Killed
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", mortal(os.replace))
        patch.setattr(module.shutil, "rmtree", mortal(module.shutil.rmtree))
        with pytest.raises(Killed):
            new.save(folder)
    assert weights_id(folder) in ids
    assert len(Checkpoint.load(folder).starts) == 2
    new.save(folder)
    assert weights_id(folder) == weights_id(folder.with_name("new"))
    names = {p.name for p in folder.parent.iterdir()}
    assert names == {"model", "new"}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribble(path):
    path.write_bytes(b"\x00\xff not what it should be {" * 20)


DAMAGES = [cut, scribble, lambda path: path.write_bytes(b""), lambda path: path.unlink()]
FILES = [
    "transformer/diffusion_pytorch_model.safetensors", "codec/diffusion_pytorch_model.safetensors",
    "transformer/config.json", "codec/config.json", "codec/kind.json", "tokenizer.json",
    "worlds.json", "rollout.json", "starts.safetensors", "starts.json",
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=["cut", "scribbled", "empty", "missing"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_one_clear_error_that_names_it(folder, name, damage):
    damage(folder / name)
    if name == "starts.json" and not (folder / name).exists():
        return  # no clips
    with pytest.raises(WorldsimError) as error:
        Checkpoint.load(folder)
    message = str(error.value)
    part = name.removesuffix("/diffusion_pytorch_model.safetensors").removesuffix("/config.json")
    assert part in message
    assert "\n" not in message and "again" in message


MEANINGLESS = [
    ("worlds.json", []),
    ("worlds.json", {"doom": {"name": "doom"}}),
    ("worlds.json", {"doom": 3}),
    ("rollout.json", {"windows": 3}),
    ("rollout.json", [4]),
    ("rollout.json", {"num_steps": 0}),
    ("rollout.json", {"window": 16.5}),
    ("rollout.json", {"base_level": "low"}),
    ("rollout.json", {"shift": float("nan")}),
    ("codec/kind.json", "jpeg"),
    ("codec/kind.json", ["conv"]),
    ("starts.json", {"name": "maze-0"}),
    ("starts.json", [{"name": "nowhere", "world": "doom", "actions": []}]),
    ("starts.json", [{"name": "maze-0"}]),
    ("starts.json", [{"name": "maze-0", "world": "doom", "actions": [], "frames": 7}]),
    ("starts.json", [{"name": "maze-0", "world": "doom", "actions": [], "frames": "all"}]),
    ("transformer/config.json", []),
    ("transformer/config.json", {"width": 100}),
    ("transformer/config.json", {"width": "wide"}),
    ("codec/config.json", {"image_size": 32}),
]


@pytest.mark.parametrize(("name", "data"), MEANINGLESS)
def test_a_file_of_another_meaning_is_one_clear_error_too(folder, name, data):
    (folder / name).write_text(json.dumps(data))
    with pytest.raises(WorldsimError) as error:
        Checkpoint.load(folder)
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_weights_of_another_size_and_missing_ones_are_refused(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    for change in (lambda w: w.pop("cells"), lambda w: w.update(cells=torch.zeros(9, 9)),
                   lambda w: w.update(extra=torch.zeros(1))):  # fmt: skip
        changed = dict(weights)
        change(changed)
        save_file(changed, path, metadata={"format": "pt"})
        with pytest.raises(WorldsimError, match="transformer"):
            Checkpoint.load(folder)


def test_a_folder_that_is_not_there_says_how_to_get_one(tmp_path):
    with pytest.raises(WorldsimError, match="no checkpoint at .*nowhere.*worldsim train"):
        Checkpoint.load(tmp_path / "nowhere")


def test_a_saved_checkpoint_names_no_folder_of_the_machine_it_came_from(tmp_path):
    make_checkpoint().save(tmp_path / "first")
    Checkpoint.load(tmp_path / "first").save(tmp_path / "second")
    for config in (tmp_path / "second").glob("*/config.json"):
        assert str(tmp_path) not in config.read_text()


def test_weights_laid_out_for_speed_are_stored_all_the_same(tmp_path):
    checkpoint, plain = make_checkpoint(), make_checkpoint()
    for parameter in checkpoint.network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    checkpoint.save(tmp_path / "fast")
    plain.save(tmp_path / "plain")
    assert weights_id(tmp_path / "fast") == weights_id(tmp_path / "plain")
    assert not all(p.is_contiguous() for p in checkpoint.network.parameters())
