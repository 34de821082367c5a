from dataclasses import replace

import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.blend import BlendConfig, blend, read_shares
from worldsim.checkpoint import Checkpoint
from worldsim.errors import WorldsimError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two that began as the same one, and others that did not."""
    root = tmp_path_factory.mktemp("checkpoints")
    first = make_checkpoint(0)
    first.save(root / "a")
    replace(first, network=make_checkpoint(1).network).save(root / "b")
    replace(first, network=make_checkpoint(painter_width=48).network).save(root / "smaller")
    replace(first, codec=make_checkpoint(2).codec).save(root / "codec")
    replace(first, rollout=replace(first.rollout, window=5)).save(root / "memory")
    spec = replace(first.worlds["doom"], name="maze")
    replace(first, worlds={"maze": spec}, starts=[]).save(root / "worlds")
    spec = replace(first.worlds["doom"], steps_per_second=35.0)
    replace(first, worlds={"doom": spec}).save(root / "hurry")
    return root


def weights(folder):
    return Checkpoint.load(folder).network.state_dict()


@pytest.mark.parametrize("shares", ["", ".25,.75"])
def test_every_weight_is_the_mean(folders, tmp_path, capsys, shares):
    blend(BlendConfig(f"{folders / 'a'}, {folders / 'b'}", shares, str(tmp_path / "out")))
    a, b, out = weights(folders / "a"), weights(folders / "b"), weights(tmp_path / "out")
    share = 0.25 if shares else 0.5
    for name, value in out.items():
        expected = share * a[name] + (1 - share) * b[name]
        torch.testing.assert_close(value, expected, rtol=2e-3, atol=2e-3)  # kept in 16 bits
    made = Checkpoint.load(tmp_path / "out")
    assert [start.name for start in made.starts] == ["maze-0", "maze-1"]
    assert f"{share:g} of {folders / 'a'}" in capsys.readouterr().out


def test_all_of_one_is_that_one(folders, tmp_path):
    blend(BlendConfig(f"{folders / 'a'},{folders / 'b'}", "1,0", str(tmp_path / "out")))
    for one, other in zip(
        weights(folders / "a").values(), weights(tmp_path / "out").values(), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("smaller", "smaller has other weights than .*painter"),
        ("codec", "codec has another codec than"),
        ("memory", "memory has another memory than"),
        ("worlds", "worlds has another worlds than"),
        ("hurry", "the world 'doom' is not the same in both"),
    ],
)
def test_what_did_not_begin_as_the_same_is_refused_and_nothing_is_written(
    folders, tmp_path, other, message
):
    with pytest.raises(WorldsimError, match=message):
        blend(BlendConfig(f"{folders / 'a'},{folders / other}", "", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shares", ["1", ".5,.6", "-.5,1.5", "half,half", ".5,nan"])
def test_shares_that_make_no_whole_are_refused(shares):
    with pytest.raises(WorldsimError, match=f"shares={shares}: use"):
        read_shares(shares, 2)


def test_one_alone_is_no_blend(folders):
    with pytest.raises(WorldsimError, match="name two or more"):
        blend(BlendConfig(str(folders / "a"), "", "out"))


def test_shares_that_were_rounded_are_a_whole_again():
    assert sum(read_shares(".333,.333,.333", 3)) == pytest.approx(1, abs=1e-9)
