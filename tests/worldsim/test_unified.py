import inspect

import numpy as np
import pytest
import torch

import worldsim
from tests.worldsim.tiny import make_checkpoint, without_marks
from worldsim.checkpoint import Start
from worldsim.errors import WorldsimError
from worldsim.reader import Reader
from worldsim.simulator import Simulator
from worldsim.unified import Model

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
ABILITIES = ("simulate", "infer_action", "act", "describe", "ask", "imagine", "depth", "pose")
# What each of them is asked here.
ASKED = {
    "simulate": (FRAMES, ["forward"], ["turn left", None, "walk to the green torch"]),
    "infer_action": (FRAMES[:1], FRAMES[1:], "doom"),
    "act": ("walk to the green torch", FRAMES, ["turn left"], "doom"),
    "describe": (FRAMES,),
    "ask": (FRAMES, ["what is ahead", "what is on the left"]),
    "imagine": (["a red box", "walk"], [4, 7]),
    "depth": (FRAMES,),
    "pose": (FRAMES[:1], FRAMES[1:]),
}


@pytest.fixture(scope="module")
def model():
    return Model(make_checkpoint())


@pytest.fixture(scope="module")
def reader():
    return Reader(make_checkpoint())


def test_it_is_what_the_package_calls_model_and_there_is_no_other():
    assert worldsim.Model is Model
    with pytest.raises(AttributeError, match="no attribute 'Modell'"):
        worldsim.Modell  # noqa: B018


def test_it_can_do_eight_things():
    methods = {name for name, _ in inspect.getmembers(Model, inspect.isfunction) if name[0] != "_"}
    assert methods == set(ABILITIES) == set(ASKED)


@pytest.mark.parametrize("ability", [a for a in ABILITIES if a not in ("simulate", "imagine")])
def test_it_answers_what_the_reader_answers(model, reader, ability):
    got, wanted = (getattr(who, ability)(*ASKED[ability]) for who in (model, reader))
    assert np.array_equal(np.array(got, object), np.array(wanted, object))


def test_it_dreams_what_the_simulator_dreams_in_between_answers_too(model):
    alone = Simulator(make_checkpoint(), device="cpu", dtype=torch.float32)
    alone.reset([Start("given", "doom", FRAMES, ["forward"])], ["walk"], [5])
    wanted = [alone.step([words]).frames[0] for words in ASKED["simulate"][2]]
    model.depth(FRAMES)  # what is asked in between must not matter
    got = model.simulate(*ASKED["simulate"], prompt="walk", seed=5)
    assert np.array_equal(got, torch.stack(wanted)) and got.shape == (3, 32, 32, 3)
    assert not np.array_equal(got, model.simulate(*ASKED["simulate"], prompt="walk", seed=6))


def test_it_imagines_what_the_simulator_imagines(model):
    alone = Simulator(make_checkpoint(), 2, device="cpu", dtype=torch.float32)
    assert np.array_equal(model.imagine(*ASKED["imagine"]), alone.imagine(*ASKED["imagine"]))


def test_it_is_read_from_a_folder(model, tmp_path):
    make_checkpoint().save(tmp_path / "model")
    again = Model.from_pretrained(tmp_path / "model")  # whose weights were kept in sixteen bits
    np.testing.assert_allclose(again.depth(FRAMES), model.depth(FRAMES), rtol=1e-3)


@pytest.mark.parametrize("ability", ABILITIES)
def test_what_was_never_trained_to_answer_still_dreams_and_says_so_when_asked(ability):
    checkpoint = make_checkpoint()
    checkpoint.tokenizer = without_marks(checkpoint.tokenizer)
    old = Model(checkpoint)
    if ability in ("simulate", "imagine"):
        assert getattr(old, ability)(*ASKED[ability]).dtype == np.uint8
    else:
        with pytest.raises(WorldsimError, match="trained before frames could be asked"):
            getattr(old, ability)(*ASKED[ability])


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda m: m.simulate(FRAMES[:, :16], ["forward"], [None]), "do not fit this model"),
        (lambda m: m.simulate(FRAMES, [], [None]), "one action less than frames"),
        (lambda m: m.simulate(FRAMES, ["forward"], [""]), "empty"),
        (lambda m: m.simulate(FRAMES, ["forward"], [None], prompt=""), "empty"),
        (lambda m: m.imagine([]), "num_envs=0"),
        (lambda m: m.imagine([" "]), "empty"),
    ],
)
def test_what_cannot_be_dreamed_is_one_clear_error(model, ask, says):
    with pytest.raises(WorldsimError, match=says):
        ask(model)
