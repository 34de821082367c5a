import numpy as np
import pytest
import torch
from torch import nn

from tests.worldsim.train.runs import make_config
from worldsim.errors import WorldsimError
from worldsim.train.latents import Track
from worldsim.train.parts import Lessons, chances_of, learn_apart, learn_once
from worldsim.train.run import RunFolder


def track(world, steps):
    return Track(start=0, actions=[[1]] * steps, sentences=[], stretch=[], answers=[], world=world)


def test_tracks_are_drawn_by_their_length_and_worlds_by_their_shares():
    tracks = [track("a", 30), track("a", 10), track("b", 160)]
    np.testing.assert_allclose(chances_of(tracks, {}), [0.15, 0.05, 0.8])
    np.testing.assert_allclose(chances_of(tracks, {"a": 0.5, "b": 0.5}), [0.375, 0.125, 0.5])
    np.testing.assert_allclose(chances_of(tracks, {"a": 1.0}), [0.75, 0.25, 0.0])
    np.testing.assert_allclose(chances_of(tracks[:2], {}, ahead=5), [25 / 30, 5 / 30])


def folder(path):
    return RunFolder(path, make_config("data", path), [], [])


def make_parts():
    """A part and a helper that together are to say twice what they are shown."""
    torch.manual_seed(0)
    return nn.Linear(3, 3), nn.Linear(3, 3)


def show(step):
    return torch.randn(16, 3, generator=torch.Generator().manual_seed(step))


def learnt(run, parts, steps, shown=show, rate=0.03):
    part, helper = parts

    def wrong(x):
        yield (helper(part(x)) - 2 * x).square().mean()
        yield 0.1 * part(x).square().mean()  # losses add up

    learn_apart(part, run, Lessons("part", steps, rate), shown, wrong, helper)
    return parts


def test_a_part_and_its_helper_learn_from_all_losses_and_then_keep_still(tmp_path):
    part, helper = learnt(folder(tmp_path), make_parts(), 300)
    assert (helper(part(show(999))) - 2 * show(999)).square().mean() < 0.5
    small, large = part.weight.norm(), helper.weight.norm()
    assert small < 0.5 * large, "the second loss wants the part itself to say little"
    assert not any(x.requires_grad for x in part.parameters())


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    """It is killed when it saves what four updates have learnt."""
    whole = learnt(folder(tmp_path / "whole"), make_parts(), 6)
    monkeypatch.setattr("worldsim.train.parts.SAVE_MINUTES", 0.0)
    run, save = folder(tmp_path / "halves"), RunFolder.save_state

    def killed(self, state, file):
        save(self, state, file)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        learnt(run, make_parts(), 6)
    seen = []
    again = learnt(run, make_parts(), 6, lambda step: seen.append(step) or show(step))
    assert seen[0] == 4
    for mine, theirs in zip(again, whole, strict=True):
        assert torch.equal(mine.weight, theirs.weight)


def test_a_loss_that_is_not_a_number_stops_it_before_anything_is_lost(tmp_path):
    parts = make_parts()
    before = parts[0].weight.clone()
    with pytest.raises(WorldsimError, match="part: the loss is not a number at update 0"):
        learnt(folder(tmp_path), parts, 6, lambda step: show(step) * torch.nan)
    assert torch.equal(parts[0].weight, before)


def test_a_part_learns_once_in_a_run_and_anew_under_another_name(tmp_path):
    run = folder(tmp_path / "run")
    part, learnt = nn.Linear(2, 2), []

    def learn():
        learnt.append(1)
        nn.init.constant_(part.weight, len(learnt))

    for file in ("part-5.safetensors", "part-5.safetensors", "part-6.safetensors"):
        learn_once(part, run, file, learn)
    assert len(learnt) == 2 and not list(run.path.glob("*.tmp"))
    learn_once(part, run, "part-5.safetensors", learn)
    assert torch.equal(part.weight, torch.ones(2, 2)), "as it was learnt first"
    (run.path / "part-5.safetensors").write_bytes(b"")
    with pytest.raises(WorldsimError, match="part-5.safetensors is damaged: delete it"):
        learn_once(part, run, "part-5.safetensors", learn)
