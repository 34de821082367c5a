import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.answers import Answers


@pytest.fixture(scope="module")
def tokenizer():
    return make_checkpoint().tokenizer


def likely(tokenizer, *answers):
    """Logits of three lanes, in which `(reward, end, chance)` are said."""
    logits = torch.full((3, len(tokenizer)), -60.0)
    logits[:, 0] = 60.0  # of words that are no answer nobody takes notice
    for reward, end, chance in answers:
        logits[:, tokenizer.reward_id(reward, end)] = float(np.log(chance))
    return logits


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("reward", [-1.0, 0.0, 5.0])
def test_reward_and_end_are_what_is_answered(tokenizer, reward, end):
    said = Answers.of(likely(tokenizer, (reward, end, 1.0)), tokenizer, 0.5)
    assert said.rewards.tolist() == pytest.approx([reward] * 3)
    assert said.terminated.tolist() == [end] * 3
    assert said.tokens.tolist() == [tokenizer.reward_id(reward, end)] * 3


def test_an_end_comes_as_often_as_its_chance_says(tokenizer):
    logits = likely(tokenizer, (0.0, False, 0.9), (0.0, True, 0.1))
    said = Answers.of(logits, tokenizer, torch.tensor([0.05, 0.15, 0.95]))
    assert said.terminated.tolist() == [True, False, False]
    assert said.end_chances.tolist() == pytest.approx([0.1] * 3, abs=1e-5)


def test_what_pays_seldom_counts_as_often_as_it_pays_and_the_likeliest_is_remembered(tokenizer):
    said = Answers.of(likely(tokenizer, (0.0, False, 0.75), (5.0, False, 0.25)), tokenizer, 0.5)
    assert said.rewards.tolist() == pytest.approx([1.25] * 3)
    assert said.tokens.tolist() == [tokenizer.reward_id(0.0)] * 3
