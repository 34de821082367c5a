import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.runs import make_config, write_data
from worldsim.train.batch_config import BatchConfig
from worldsim.train.batches import Batches
from worldsim.train.ends import (
    SHRINKS,
    Seen,
    choose_shrink,
    describe,
    fit_ends,
    look,
    odds,
    regress,
)
from worldsim.train.latents import Track
from worldsim.train.program import train


def make_batches(checkpoint, ended, pays=0.0):
    """Play in which a bright frame is the end of every episode."""
    tokenizer, (c, h, w) = checkpoint.tokenizer, checkpoint.codec.latent_shape
    usual, end = tokenizer.reward_id(0.0), tokenizer.reward_id(pays, True)
    tracks, latents = [], []
    for start in range(0, 160, 16):
        latents.append(np.random.default_rng(start).normal(0, 0.3, (16, c, h, w)))
        latents[-1][-1] += 4.0 * ended
        answers = [usual] * 15 + [end if ended else usual]
        words = [tokenizer.encode("forward")] * 15
        tracks.append(Track(start, words, [[]] * 15, [0] * 15, answers, "doom", ended))
    config = BatchConfig(rows=4, window=6, text_length=40, dream_from=1, dream_every=2,
                         dream_lanes=2, dream_depth=4)  # fmt: skip
    return Batches(np.concatenate(latents).astype(np.float16), tracks, tokenizer, config, seed=0)


@pytest.fixture
def checkpoint():
    return make_checkpoint(painter_width=0)


def test_only_the_words_for_ends_change_and_doing_it_twice_changes_nothing(checkpoint):
    before = {name: value.clone() for name, value in checkpoint.network.state_dict().items()}
    batches = make_batches(checkpoint, ended=True)
    fitted = fit_ends(checkpoint, batches, dreams=40)
    assert fitted and fitted.ends >= 8 and fitted.now < 0.95 * fitted.blind
    after = checkpoint.network.state_dict()
    ids = torch.tensor(checkpoint.tokenizer.answer_ids).view(2, -1)
    others = torch.ones(len(checkpoint.tokenizer), dtype=torch.bool)
    others[ids[1]] = False
    for name, value in after.items():
        if name != "text_out.weight":
            assert torch.equal(value, before[name]), name
    words = after["text_out.weight"].clone()
    assert torch.equal(words[others], before["text_out.weight"][others])
    assert fit_ends(checkpoint, batches, dreams=40) == fitted
    assert torch.equal(checkpoint.network.text_out.weight, words)
    assert "better than by chance" in describe(fitted)


def test_ends_count_as_often_as_they_come_and_are_met_at_every_depth(checkpoint):
    batches = make_batches(checkpoint, ended=True)
    known, ended, weight, _ = look(checkpoint, batches, dreams=40)
    assert int(ended.sum()) == 10, "one of each episode"
    others = float(weight[ended == 0].sum())
    assert others == int((ended == 0).sum())
    assert float(weight[ended == 1].sum()) == pytest.approx(others / 15)  # one in 15 steps
    bright = known[ended == 1]
    assert len(bright.round(decimals=4).unique(dim=0)) > 5, "shown real and dreamed"


def test_ends_pay_what_they_paid_and_other_steps_what_they_did(checkpoint):
    tokenizer, network = checkpoint.tokenizer, checkpoint.network
    batches = make_batches(checkpoint, ended=True, pays=1.0)
    ids = torch.tensor(tokenizer.answer_ids).view(2, -1)
    with torch.no_grad():  # as trained: nothing ever pays
        network.text_out.weight[ids[0]] = 0.0
        network.text_out.weight[tokenizer.reward_id(0.0)] = 0.1
    assert fit_ends(checkpoint, batches, dreams=40)
    seen = look(checkpoint, batches, dreams=40)
    said = (seen.known @ network.text_out.weight.detach()[ids.flatten()].T).softmax(dim=1)
    said = said.view(-1, *ids.shape)[seen.ended > 0].mean(dim=0)
    one = tokenizer.answer_ids.index(tokenizer.reward_id(1.0))
    assert said[1, one] > 0.9 * said[1].sum(), "an end pays one"
    assert said[0, one] < 0.5 * said[0].sum(), "what is none does not"


def test_without_ends_nothing_changes(checkpoint):
    before = checkpoint.network.text_out.weight.clone()
    assert fit_ends(checkpoint, make_batches(checkpoint, ended=False), dreams=12) is None
    assert torch.equal(checkpoint.network.text_out.weight, before)
    assert "no dream will end" in describe(None)


def by_chance(count, size, strength):
    """Return steps that end the likelier the larger their second number; all others are noise."""
    luck = torch.Generator().manual_seed(0)
    known = torch.randn(count, size, generator=luck)
    known[:, 0] = 1.0
    ended = torch.bernoulli(torch.sigmoid(strength * known[:, 1] - 4.0), generator=luck)
    return Seen(known, ended, torch.ones(count), torch.zeros(count, dtype=torch.long))


def test_odds_are_right_on_average_and_higher_where_ends_are():
    seen, usual = by_chance(4000, 6, strength=2.0), torch.randn(3, 6)
    said = torch.sigmoid(odds(seen.known, usual, regress(seen, usual, shrink=1e-3)))
    assert float(said.mean()) == pytest.approx(float(seen.ended.mean()), rel=0.05)
    assert float(said[seen.ended > 0].mean()) > 3 * float(said[seen.ended == 0].mean())


def test_few_ends_among_much_that_is_known_are_not_learnt_by_heart():
    seen, usual = by_chance(3000, 150, strength=2.0), torch.zeros(2, 150)
    rest, later = Seen(*(x[:1000] for x in seen)), Seen(*(x[1000:] for x in seen))

    def surprise(shrink):
        found = odds(later.known, usual, regress(rest, usual, shrink))
        return float(F.binary_cross_entropy_with_logits(found, later.ended))

    shrink, now = choose_shrink(rest, usual)
    share = rest.ended.mean()
    blind = float(F.binary_cross_entropy(share.expand_as(later.ended), later.ended))
    assert surprise(min(SHRINKS)) > 2 * blind, "by heart it is worse than knowing nothing"
    assert surprise(shrink) < 1.05 * blind and now < 1.05 * blind


def test_a_finished_run_fits_them_and_its_other_weights_stay(tmp_path, capsys):
    config = make_config(write_data(tmp_path / "data", num=16), tmp_path / "run")
    train(config)
    before = load_file(tmp_path / "run/model/transformer/diffusion_pytorch_model.safetensors")
    config.end_dreams = 24
    train(config)
    assert "ends: " in capsys.readouterr().out
    after = load_file(tmp_path / "run/model/transformer/diffusion_pytorch_model.safetensors")
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["text_out.weight"]


def test_of_a_trained_model_they_can_be_fitted_and_nothing_else(tmp_path):
    data = write_data(tmp_path / "data", num=16)
    train(make_config(data, tmp_path / "run"))
    config = make_config(data, tmp_path / "again")
    config.init_from = config.codec_from = str(tmp_path / "run/model")
    config.stage.steps, config.end_dreams = 0, 24
    train(config)
    before, after = (
        load_file(tmp_path / run / "model/transformer/diffusion_pytorch_model.safetensors")
        for run in ("run", "again")
    )
    assert [n for n in before if not torch.equal(before[n], after[n])] == ["text_out.weight"]
