import numpy as np
import pytest
import torch

from tests.worldsim.small_batches import STEPS as LAST
from tests.worldsim.small_batches import make_batch, make_objective, make_window, to_batch
from tests.worldsim.tiny import make_checkpoint
from worldsim.batch import asks_about
from worldsim.checkpoint import Checkpoint
from worldsim.deed import BEFORE, STEPS, Deed
from worldsim.hindsight import GRID
from worldsim.model import WorldTransformer
from worldsim.reader import Reader
from worldsim.sequence import Talk, talk

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def make_deed(std=0.1):
    torch.manual_seed(0)
    deed = Deed(first=8, width=64)
    if std:
        for parameter in deed.parameters():
            torch.nn.init.normal_(parameter, std=std)
    return deed


def motions(*shape):
    found = torch.randn(*shape, STEPS, 3, GRID, GRID, generator=torch.Generator().manual_seed(1))
    return found * torch.tensor([0.05, 0.05, 1.0])[:, None, None]


@pytest.fixture(scope="module")
def checkpoint():
    return make_checkpoint(deed_width=8)


@pytest.fixture
def asked(checkpoint):
    """A clip with an action asked for after its second frame, and a caption of its first."""
    mark, said = checkpoint.tokenizer.mark, checkpoint.tokenizer.encode("turn left")
    talks = [Talk([mark("<infer>")], said, at=1), Talk([mark("<describe>")], said)]
    return to_batch([talk(make_window(checkpoint), checkpoint.tokenizer, talks)], checkpoint, 1)


def shown(batch, *frames):
    """Show how things moved around some frames of a batch's first row."""
    moves = torch.zeros(*batch.frame_doc.shape, STEPS, 3, GRID, GRID)
    moves[0, list(frames)] = motions(len(frames))
    return batch._replace(moves=moves)


def test_an_untrained_deed_adds_nothing():
    deed = make_deed(std=0)
    said = deed.answer(torch.randn(1, 2, 64), deed.see(motions(1, 2)), torch.tensor([[0, 1]]))
    assert said.shape == (1, 2, 64) and not said.any()


def test_who_asks_about_no_frame_or_of_one_nothing_is_known_of_is_told_nothing():
    deed, moves = make_deed(), motions(1, 2)
    moves[:, 1] = 0
    text, of = torch.ones(1, 3, 64), torch.tensor([[-1, 0, 1]])
    said = deed.answer(text, deed.see(moves), of)
    assert said[0, 1].all() and not said[0, 0].any() and not said[0, 2].any()


def test_every_step_and_the_way_it_went_is_seen_and_each_at_its_own_place():
    deed, moves = make_deed(), motions(1)
    seen = deed(moves)
    for step in range(STEPS):
        other = moves.clone()
        other[:, step, 0] *= -1
        assert (deed(other) - seen).abs().max() > 1e-3, step
    assert (deed(moves.flip(1)) - seen).abs().max() > 1e-3


def test_one_known_step_is_enough_to_be_told_something():
    deed, moves = make_deed(), torch.zeros(1, 1, STEPS, 3, GRID, GRID)
    moves[..., BEFORE, :, :, :] = motions(1)[:, :1, 0]
    done = deed.see(moves)
    assert done.known.all() and deed.answer(torch.ones(1, 1, 64), done, torch.tensor([[0]])).any()


def test_a_frame_of_which_no_motion_is_known_is_answered_bit_for_bit_as_without(checkpoint, asked):
    objective = make_objective(checkpoint)
    plain, blank = objective.read(asked), objective.read(shown(asked))
    assert torch.equal(plain, blank)


def test_nothing_but_what_asks_about_a_frame_hears_how_things_moved_around_it(checkpoint, asked):
    objective = make_objective(checkpoint)
    plain, told = objective.read(asked), objective.read(shown(asked, 1))
    changed = (plain != told).any(dim=-1)
    assert torch.equal(changed, asks_about(asked) == 1) and changed.any()


def test_what_happens_does_not_depend_on_it(checkpoint):
    """The very same pictures, bit for bit, and the same words of what happens."""
    other = make_checkpoint(deed_width=8)
    for parameter in other.network.deed.parameters():
        parameter.data += 0.1
    batch = make_batch(checkpoint)
    batch = shown(batch, *range(LAST))
    mine, theirs = (make_objective(x) for x in (checkpoint, other))
    for one, two in zip(mine.predict(batch)[:2], theirs.predict(batch)[:2], strict=True):
        assert torch.equal(one, two)


def test_a_rollout_forgets_how_things_moved_with_the_next_frame(checkpoint):
    reader = Reader(checkpoint)
    rollout, lanes = reader._rollout, reader._lanes
    latents = torch.zeros(1, *reader.codec.latent_shape)
    question = [[reader.tokenizer.mark("<infer>")]]
    rollout.forget(lanes)
    rollout.commit(lanes, latents)
    rollout.ask(lanes, question, motions(1))
    assert rollout.moves.any()
    rollout.commit(lanes, latents)
    assert not rollout.moves.any()
    rollout.ask(lanes, question, motions(1))
    rollout.forget(lanes)
    assert not rollout.moves.any()


def test_with_no_deed_a_rollout_keeps_no_motion_and_does_not_mind_being_told():
    reader = Reader(make_checkpoint())
    logits = [reader._see([list(FRAMES[:2])], [[5]], moves=m)[0] for m in (None, motions(1))]
    assert reader._rollout.moves.numel() == 0 and torch.equal(*logits)


def test_it_is_kept_with_the_checkpoint_and_one_without_it_is_read_as_before(tmp_path, checkpoint):
    checkpoint.save(tmp_path / "with")
    kept = Checkpoint.load(tmp_path / "with").network
    for one, two in zip(kept.deed.parameters(), checkpoint.network.deed.parameters(), strict=True):
        torch.testing.assert_close(one, two.half().float())
    make_checkpoint(momentum_width=32).save(tmp_path / "without")
    config = tmp_path / "without" / "transformer" / "config.json"
    config.write_text(config.read_text().replace('"deed_width": 0,', ""))
    assert Checkpoint.load(tmp_path / "without").network.deed is None


@pytest.mark.parametrize(
    "sizes", [{"deed_width": 12}, {"glance_width": 0}, {"cell": 1, "latent_channels": 4}]
)
def test_sizes_it_cannot_have_are_an_error(sizes):
    fine = {"width": 64, "latent_channels": 48, "latent_size": 4, "cell": 8}
    fine |= {"deed_width": 8, "glance_width": 8}
    assert WorldTransformer(**fine).deed is not None
    with pytest.raises(ValueError, match="deed_width=.*a glance, a linear codec and 8, 16"):
        WorldTransformer(**fine | sizes)
