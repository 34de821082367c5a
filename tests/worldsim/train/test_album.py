import json

import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.albums import album_of
from worldsim.advection import FAR, WORN
from worldsim.train.album import NOTHING, draw_worn, hint_of

BALL = {"things": [{"name": "ball", "colour": "red", "distance": 2.0, "bearing": 0.0}]}


@pytest.fixture(scope="module")
def checkpoint():
    return make_checkpoint(invent_width=64)


def test_an_album_shows_the_same_at_the_same_step_and_likens_what_is_of_one_place(checkpoint):
    album = album_of(checkpoint)
    shown, again, other = album(3, 200), album(3, 200), album(4, 200)
    assert all(torch.equal(a, b) for a, b in zip(shown, again, strict=True))
    assert not torch.equal(shown.luck, other.luck)
    assert shown.luck.min() >= 0 and shown.luck.max() <= 1
    draw = checkpoint.network.canvas.draw
    first, second = (draw(x).mean(dim=(1, 2, 3)) for x in (shown.latents, shown.like))
    assert (first.sign() == second.sign()).all() and not torch.equal(first, second)
    heard = (shown.words != NOTHING).any(dim=1)
    assert 0.4 < heard.float().mean() < 0.7
    assert set(shown.words[heard].flatten().tolist()) == {5, 6, NOTHING}


def test_of_some_pictures_nothing_is_known_but_words(checkpoint):
    shown = album_of(checkpoint)(0, 400)
    blank = (shown.worn == WORN).flatten(1).all(dim=1)
    told = blank & shown.alone & (shown.words != NOTHING).any(dim=1)
    assert 0.28 < told.float().mean() < 0.42
    assert (blank & ~shown.alone).any(), "of others, what the place looks like"


def test_captions_are_heard(checkpoint):
    album = album_of(checkpoint, facts=[json.dumps(BALL)] * 12)
    prompt = torch.tensor([5, 6, NOTHING])
    captions = ~torch.isin(album(0, 400).words, prompt).all(dim=1)
    assert 0.25 < captions.float().mean() < 0.5
    begun = checkpoint.tokenizer.encode("a red ball")[0]
    assert (album(0, 400).words == begun).any()


def test_pictures_are_worn_in_all_the_ways_that_dreams_wear_them():
    worn, source = draw_worn(400, 32, np.random.default_rng(0))
    assert worn.shape == (400, 1, 32, 32) and worn.min() == 0 and worn.max() == WORN
    line = np.arange(32)
    straight = (source == line).all(axis=2)
    assert straight.any(axis=1).all(), "at most one side is out of sight"
    assert 0.4 < (~straight.all(axis=1)).mean() < 0.6
    blank = (worn == WORN).all(axis=(1, 2, 3))
    assert 0.05 < blank.mean() < 0.2
    for k in np.flatnonzero(~straight.all(axis=1) & ~blank)[:20]:
        axis = int(np.flatnonzero(~straight[k])[0])
        beyond = source[k, axis] != line
        deep = np.log2(1 + np.abs(line - source[k, axis]) / 16)[beyond] - 1
        seen = worn[k, 0].min(axis=1 - axis)[beyond]
        assert (seen >= deep.clip(max=FAR)).all(), "and the less is known the farther off"


def test_what_lies_beyond_an_edge_is_a_mirror(checkpoint):
    network, album = checkpoint.network, album_of(checkpoint)
    shown = album(0, 2)
    source = torch.arange(32).repeat(2, 2, 1)
    source[:, 1, 24:] = torch.arange(23, 15, -1)
    nothing = torch.zeros_like(shown.worn)
    shown = shown._replace(source=source, worn=nothing, luck=0 * shown.luck)
    picture, hint = hint_of(network, shown)
    torch.testing.assert_close(picture, network.canvas.draw(shown.latents))
    torch.testing.assert_close(hint.picture[..., :24], picture[..., :24])
    torch.testing.assert_close(hint.picture[..., 24:], picture[..., 16:24].flip(-1))


def test_pictures_may_be_vaguer_than_is_said(checkpoint):
    """Dreams blur what they think they know."""
    network, shown = checkpoint.network, album_of(checkpoint)(0, 2)
    shown = shown._replace(worn=torch.full_like(shown.worn, 2.0))
    plain, vague = (hint_of(network, shown._replace(luck=shown.luck * 0 + x))[1] for x in (0, 1))
    assert torch.equal(plain.worn, vague.worn)
    assert vague.picture.std() < plain.picture.std()
