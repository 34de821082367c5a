import json

import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.runs import make_config
from worldsim.errors import WorldsimError
from worldsim.text import ANSWER, INFER
from worldsim.train.askings import ASKED, UNNUMBERED, Lesson, fit_askings
from worldsim.train.batch_config import BatchConfig
from worldsim.train.batches import Batches
from worldsim.train.latents import Track
from worldsim.train.numbers import DID, Numbers
from worldsim.train.run import RunFolder

BOX = {"name": "torch", "colour": "green", "bearing": 2, "distance": 2.0}
KINDS = [DID, ("ahead", ""), ("left", ""), ("where", "green torch")]


@pytest.fixture
def checkpoint():
    return make_checkpoint()


def folder(path):
    return RunFolder(path, make_config("data", path), [], [])


def numbers():
    weight = torch.randn(len(KINDS), 64, generator=torch.Generator().manual_seed(0))
    return Numbers(weight, {one: k for k, one in enumerate(KINDS)})


def lesson_of(checkpoint, labelled=1.0, facts=True):
    rng, encode = np.random.default_rng(0), checkpoint.tokenizer.encode
    latents = rng.standard_normal((21, *checkpoint.codec.latent_shape)).astype(np.float16)
    track = Track(
        start=0,
        actions=[encode("turn left" if k % 2 else "forward") for k in range(20)],
        sentences=[[]] * 20,
        stretch=[0] * 20,
        answers=[checkpoint.tokenizer.reward_id(0.0)] * 21,
        world="doom",
        facts=[json.dumps({"things": [BOX] * (k % 2)}) for k in range(21)] if facts else None,
    )
    config = BatchConfig(window=6, labelled_share=labelled)
    batches = Batches(latents, [track], checkpoint.tokenizer, config, seed=0)
    return Lesson(batches, numbers(), {"doom": ["green torch"]}, {}, seed=1)


def test_questions_have_their_number_wherever_a_word_of_the_answer_is_to_be_said(checkpoint):
    lesson, mark = lesson_of(checkpoint), checkpoint.tokenizer.mark
    shown = lesson(0, 8)
    batch, number = shown
    assert torch.equal(number, lesson(0, 8).number)
    assert not torch.equal(batch.text_ids, lesson(1, 8).batch.text_ids)
    assert ((number != UNNUMBERED) == ((batch.text_targets >= 0) & (batch.text_branch > 0))).all()
    infers, answers = batch.text_ids == mark(INFER), batch.text_ids == mark(ANSWER)
    assert infers.any() and (number[infers] == 0).all(), "which action led here"
    assert answers.any() and (number[answers] > 0).all()
    assert set(number[answers].tolist()) == {1, 2, 3}
    assert (infers | answers).sum(dim=1).max() <= ASKED
    for row, column in answers.nonzero().tolist():
        branch = batch.text_branch[row] == batch.text_branch[row, column]
        asked = checkpoint.tokenizer.decode(batch.text_ids[row, branch].tolist())
        assert ("torch" in asked.split("green")[0]) or number[row, column] in (1, 2, 3)
        assert (number[row, column] == 2) == ("left" in asked)


def test_who_knows_no_facts_asks_for_actions_alone(checkpoint):
    number = lesson_of(checkpoint, facts=False)(0, 4).number
    assert set(number.unique().tolist()) == {UNNUMBERED, 0}


def test_words_come_to_ask_for_what_numbers_ask_for_and_nothing_else_changes(checkpoint, tmp_path):
    network, before = checkpoint.network, {}
    for name, value in network.state_dict().items():
        before[name] = value.clone()
    fit_askings(network, lesson_of(checkpoint), folder(tmp_path), 150, clips=4, rate=1e-2)
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed and all(name.startswith(("glance.thoughts", "glance.query")) for name in changed)
    caught, lesson = [], lesson_of(checkpoint)
    network.glance.query.register_forward_hook(lambda _, given, out: caught.append(out))
    fit_askings(network, lesson, folder(tmp_path / "again"), 1, clips=4, rate=0.0)
    number, asked = lesson(0, 4).number, caught[0].detach().float()
    known = number != UNNUMBERED
    nearest = torch.cdist(asked[known], lesson.numbers.weight).argmin(dim=1)
    assert (nearest == number[known]).float().mean() > 0.75


def test_numbers_are_kept_and_damage_is_named(tmp_path):
    run, mine = folder(tmp_path), numbers()
    mine.save(run, 5)
    kept = Numbers.load(run, 5)
    assert torch.equal(kept.weight, mine.weight) and kept.of == mine.of
    (run.path / "numbers-5.safetensors").write_bytes(b"nothing")
    for steps in (5, 6):
        with pytest.raises(WorldsimError, match=f"delete glance-{steps}.safetensors"):
            Numbers.load(run, steps)


def test_play_that_is_only_watched_is_not_asked_about(checkpoint):
    with pytest.raises(WorldsimError, match="labelled_share"):
        lesson_of(checkpoint, labelled=0.0)
