import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.worldsim.tiny import SPEC, make_checkpoint
from worldsim.grammar import lasting
from worldsim.hearing import Hearing
from worldsim.text import TextTokenizer
from worldsim.train.latents import Track
from worldsim.train.meanings import describe_learnt, find_meanings, fit_meanings

GO, TURN, WAY = "please go on", "turn to the left", "walk to the green torch"
EPISODE = [(GO, "forward", 4), (TURN, "turn left", 3), (GO, "forward", 5), ("", "back", 2)]
SENTENCES = [*SPEC.actions, GO, TURN, WAY, "a walk through a maze", "you see a red box"]


@pytest.fixture
def checkpoint():
    checkpoint = make_checkpoint()
    rng = np.random.default_rng(0)
    texts = [lasting(text, k, rng) for text in SENTENCES for k in range(1, 10) for _ in range(3)]
    checkpoint.tokenizer = TextTokenizer.train([*SENTENCES, *texts], 460)
    checkpoint.network.words = nn.Embedding(len(checkpoint.tokenizer), 64).requires_grad_(False)
    checkpoint.network.hearing = Hearing(64).requires_grad_(False)
    return checkpoint


def make_tracks(tokenizer, count=4, labelled=True):
    """Short play in which two sentences mean an action, and one a way."""
    tracks = []
    for k in range(count):
        way = [(WAY, "forward", 2 + k % 2), (WAY, "turn left", 1)]
        play = [*EPISODE, *way] if k % 2 else [*way, *EPISODE]
        # A way is one stretch in which two things are done.
        numbers, number, before = [], -1, None
        for text, _, steps in play:
            number += text != before or text != WAY
            numbers += [number] * steps
            before = text
        steps = sum(n for _, _, n in play)
        tracks.append(
            Track(
                start=0,
                actions=[tokenizer.encode(a) for _, a, n in play for _ in range(n)],
                sentences=[tokenizer.encode(t) for t, _, n in play for _ in range(n)],
                stretch=numbers,
                answers=[tokenizer.reward_id(0.0)] * (steps + 1),
                world="doom",
                prompt=tokenizer.encode("a walk through a maze"),
                facts=[json.dumps({"things": []})] * (steps + 1),
                labelled=labelled,
            )
        )
    return tracks


def words_of(tokenizer, found):
    return {tokenizer.decode(list(w.ids)): tokenizer.decode(list(w.means)) for w in found}


def heard(checkpoint, text, age):
    ids = torch.tensor([checkpoint.tokenizer.encode(text)])
    network = checkpoint.network
    said = network.add_up(ids, torch.ones(1, 1, ids.shape[1]))
    return network.hear(said, torch.tensor([[age]]))[0, 0]


def nearest(checkpoint, text, age):
    keys = torch.stack([heard(checkpoint, action, 0) for action in SPEC.actions])
    return SPEC.actions[int(F.cosine_similarity(keys, heard(checkpoint, text, age)[None]).argmax())]


def test_a_sentence_means_what_was_done_while_it_was_in_force(checkpoint):
    tokenizer = checkpoint.tokenizer
    assert words_of(tokenizer, find_meanings(make_tracks(tokenizer))) == {
        GO: "forward",
        TURN: "turn left",
    }


def test_what_was_said_too_seldom_or_of_unknown_play_means_nothing(checkpoint):
    tokenizer = checkpoint.tokenizer
    assert words_of(tokenizer, find_meanings(make_tracks(tokenizer, count=2))) == {GO: "forward"}
    assert not find_meanings(make_tracks(tokenizer, labelled=False))


def test_sentences_are_heard_as_their_keys_and_as_none_when_their_steps_are_over(checkpoint):
    tracks = make_tracks(checkpoint.tokenizer)
    learnt = fit_meanings(checkpoint, tracks, steps=1500, batch=64)
    assert learnt is not None and learnt.sentences == 2
    assert learnt.now < 0.2 * learnt.before
    assert "2 sentences are heard" in describe_learnt(learnt)
    assert nearest(checkpoint, GO, 0) == nearest(checkpoint, GO, 9) == "forward"
    assert nearest(checkpoint, TURN, 0) == nearest(checkpoint, TURN, 9) == "turn left"
    rng = np.random.default_rng(3)
    for text, action in ((GO, "forward"), (TURN, "turn left")):
        counted = lasting(text, 5, rng)
        assert nearest(checkpoint, counted, 0) == nearest(checkpoint, counted, 3) == action
        assert nearest(checkpoint, counted, 11) == "stay"


def test_keys_places_and_ways_are_heard_as_before(checkpoint):
    texts = [*SPEC.actions, WAY, "a walk through a maze"]
    before = [heard(checkpoint, text, 0) for text in texts]
    assert fit_meanings(checkpoint, make_tracks(checkpoint.tokenizer), steps=600, batch=64)
    for text, was in zip(texts, before, strict=True):
        assert F.cosine_similarity(heard(checkpoint, text, 0), was, dim=0) > 0.97, text


def test_nothing_but_hearing_learns_and_luck_is_the_seeds(checkpoint):
    tracks, weights = make_tracks(checkpoint.tokenizer), []
    frozen = {k: v.clone() for k, v in checkpoint.network.state_dict().items()}
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        checkpoint.network.hearing = Hearing(64)
        fit_meanings(checkpoint, tracks, steps=3, seed=seed)
        weights.append(checkpoint.network.hearing.second.weight.clone())
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    for name, value in checkpoint.network.state_dict().items():
        assert name.startswith("hearing") or torch.equal(value, frozen[name]), name
    assert not any(p.requires_grad for p in checkpoint.network.parameters())


def test_without_sentences_or_ears_nothing_changes_and_it_is_said(checkpoint):
    silent = make_tracks(checkpoint.tokenizer, labelled=False)
    assert fit_meanings(checkpoint, silent, steps=3) is None
    checkpoint.network.hearing = None
    assert fit_meanings(checkpoint, make_tracks(checkpoint.tokenizer), steps=3) is None
    assert "left as it was" in describe_learnt(None)
