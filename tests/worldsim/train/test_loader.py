import threading
import time
from itertools import islice

import pytest
import torch

from tests.worldsim.train.played import make_batches, make_tokenizer, same
from worldsim.batch import Batch
from worldsim.train import loader
from worldsim.train.loader import load


@pytest.fixture(scope="module")
def batches():
    return make_batches(make_tokenizer(), talk_rows=2)


@pytest.mark.parametrize(("ahead", "threads"), [(1, 1), (4, 1), (4, 3)])
def test_a_resumed_run_sees_the_batches_it_would_have_seen(batches, ahead, threads):
    found = islice(load(batches, 5, ahead, threads), 4)
    for step, (play, talk) in zip(range(5, 9), found, strict=True):
        assert same(play, batches(step)) and same(talk, batches.talk(step))


def test_while_one_is_in_use_so_many_are_made_and_no_more(batches, monkeypatch):
    made, enough = [], threading.Event()

    def note(_, step, pin):
        made.append(step)
        if len(made) == 4:
            enough.set()
        return step, None

    monkeypatch.setattr(loader, "make", note)
    coming = load(batches, 7, ahead=3)
    assert next(coming) == (7, None)
    assert enough.wait(10)
    time.sleep(0.05)
    assert made == [7, 8, 9, 10]
    coming.close()


def test_what_goes_wrong_while_a_batch_is_made_reaches_who_waits_for_it(batches, monkeypatch):
    def fail(*_):
        raise ValueError("spoilt")

    monkeypatch.setattr(loader, "make", fail)
    with pytest.raises(ValueError, match="spoilt"):
        next(load(batches, 0))


def test_every_part_of_play_and_talk_is_pinned_for_a_gpu(batches, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: pinned.append(x.shape) or x)
    play, talk = loader.make(batches, 3, pin=True)
    assert same(play, batches(3)) and len(pinned) == 2 * (len(Batch._fields) - 5), (
        "but motion and what is near"
    )
    assert same(talk, batches.talk(3))
