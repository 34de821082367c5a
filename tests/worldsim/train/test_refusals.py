"""What a training refuses before it costs anybody time, and what it says."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from tests.worldsim.sliding import SPEC
from tests.worldsim.train.runs import make_config, write_data
from worldsim.errors import WorldsimError
from worldsim.train.program import train


def change(config, **changes):
    """Set values by dotted names, with __ for the dot."""
    for path, value in changes.items():
        *parents, name = path.split("__")
        target = config
        for parent in parents:
            target = getattr(target, parent)
        assert hasattr(target, name)
        setattr(target, name, value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": ""}, "name a dataset with data="),
        ({"data": "/no/such/data"}, "/no/such/data"),
        ({"heldout": "/no/such/data"}, "/no/such/data"),
        ({"device": "tpu"}, "unknown device=tpu: use auto, cpu or cuda"),
        ({"codec": "jpeg"}, "unknown codec 'jpeg'"),
        ({"codec_options": {"keep": 500}}, "codec_options=.*do not fit codec=patch"),
        ({"codec_options": {"colour": 1}}, "codec_options=.*colour"),
        ({"codec_from": "/no/such/model"}, "/no/such/model"),
        ({"init_from": "/no/such/model"}, "/no/such/model"),
        ({"model__width": 100}, "width is a multiple of 64"),
        ({"model__patch": 3}, "patch divides"),
        ({"model__vocab_size": 5}, "vocab_size=5"),
        ({"batch__window": 99}, "no episode has 99 frames.*batch.window"),
        ({"stage__precision": "fp8"}, "stage.precision=fp8: use auto, no or bf16"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_error(data, tmp_path, changes, message):
    config = make_config(data, tmp_path)
    change(config, **changes)
    with pytest.raises(WorldsimError, match=message) as error:
        train(config)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"actions": (*SPEC.actions, "jump")}, "action 9 'jump'"),
     ({"steps_per_second": 20.0}, "20.0 steps a second"),
     ({"metres_per_unit": 0.5}, "0.5 m a unit")],
)  # fmt: skip
def test_heldout_data_of_another_action_schema_is_refused(data, tmp_path, changes, says):
    config = make_config(data, tmp_path / "run")
    config.heldout = str(write_data(tmp_path / "held", 1, spec=replace(SPEC, **changes)))
    with pytest.raises(WorldsimError, match=f"heldout=.* has {says}, data=.*: collect both"):
        train(config)
    assert not (tmp_path / "run").exists()


def test_first_weights_of_another_action_schema_are_refused(tmp_path, finished):
    other = replace(SPEC, actions=(SPEC.actions[0], *SPEC.actions[:0:-1]))
    config = make_config(write_data(tmp_path / "data", 1, spec=other), tmp_path / "run")
    config.init_from = config.codec_from = str(finished / "model")
    with pytest.raises(WorldsimError, match="init_from=.* has action 1 .*or leave out init_from="):
        train(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes",
    [{"seed": 5}, {"model__width": 128}, {"batch__rows": 3}, {"objective__flow_weight": 1.0},
     {"codec_options": {"keep": 8, "retouch": 0}}],
)  # fmt: skip
def test_a_folder_that_holds_another_run_is_refused(data, finished, changes):
    config = make_config(data, finished)
    change(config, **changes)
    key = next(iter(changes)).split("__")[0]
    before = (finished / "state.pt").read_bytes()
    with pytest.raises(WorldsimError, match=f"holds a run with {key}.*choose another out="):
        train(config)
    assert (finished / "state.pt").read_bytes() == before


def test_a_dataset_that_grew_is_noticed(tmp_path):
    data = write_data(tmp_path / "data", 1)
    train(make_config(data, tmp_path / "run", steps=1))
    shutil.rmtree(data)
    write_data(data, 2)
    with pytest.raises(WorldsimError, match="the dataset now has .*changed.*another out="):
        train(make_config(data, tmp_path / "run", steps=1))


def test_an_output_that_cannot_be_written_is_refused(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "run" / "config.yaml").mkdir(parents=True)
    for out in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / "run"):
        with pytest.raises(WorldsimError, match=f"cannot write to out={out}"):
            train(make_config(data, out))
