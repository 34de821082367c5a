import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.model import WorldTransformer

SIZES = {
    "vocab_size": 50, "width": 64, "depth": 2, "text_hidden": 32, "image_hidden": 48,
    "latent_channels": 3, "latent_size": 4, "patch": 2, "image_size": 32,
    "mover_width": 32, "match_width": 8, "stem_width": 8,
}  # fmt: skip


def everyone(_, q, k, v):
    """Attention in which all see all."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)


def inputs(num_text=3, num_frames=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(2, num_frames, 3, 4, 4, generator=generator)
    expected = torch.randn(2, num_frames, 3, 4, 4, generator=generator)
    ids = torch.randint(50, (2, num_text), generator=generator)
    place = torch.arange(num_text).expand(2, -1)
    levels, doubts = torch.rand(2, 2, num_frames, generator=generator) * 0.8
    time = torch.arange(num_frames).expand(2, -1)
    said = torch.randn(2, num_frames, 64, generator=generator)
    texts = ids, torch.zeros_like(place), place
    return *texts, frames, expected, said, levels, doubts, time, everyone


def awake(seed=0):
    """A network without zeros, in which everything matters."""
    torch.manual_seed(seed)
    network = WorldTransformer(**SIZES).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.mark.parametrize(("num_text", "num_frames"), [(3, 2), (0, 2), (3, 0)])
def test_logits_and_velocities_have_the_shapes_of_text_and_frames(num_text, num_frames):
    logits, velocity = awake()(*inputs(num_text, num_frames))
    assert logits.shape[:2] == (2, num_text) and (not num_text or logits.shape[2] == 50)
    assert velocity.shape == (2, num_frames, 3, 4, 4)


def test_everything_that_goes_in_matters():
    network, given = awake(), inputs()
    logits, velocity = network(*given)
    for place in range(9):
        changed = list(given)
        changed[place] = (
            given[place] + 1 if given[place].dtype == torch.long else given[place] + 0.1
        )
        other_logits, other_velocity = network(*changed)
        # A shift in time of all text or all frames is a change of distance between the two.
        assert not torch.allclose(logits, other_logits), place
        assert not torch.allclose(velocity, other_velocity), place


def test_text_and_frames_have_feed_forwards_of_their_own():
    network, given = awake(), inputs()
    logits, velocity = network(*given)
    last = network.blocks[-1]
    with torch.no_grad():
        last.text_ffn.out.weight.zero_()
    other_logits, other_velocity = network(*given)
    assert torch.equal(velocity, other_velocity) and not torch.allclose(logits, other_logits)


@pytest.mark.parametrize("doubt", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("level", [0.02, 0.3, 0.9, 1.0])
def test_an_untrained_network_says_the_best_guess_from_noisy_and_expected_frame(level, doubt):
    """The expected frame without its noise, then the clean one around it, of known variances."""
    network = WorldTransformer(**SIZES)
    network.surprise.fill_(0.25)
    network.variance.fill_(2.0)
    texts, (frames, expected, said, levels, doubts, *rest) = inputs()[:3], inputs()[3:]
    levels, doubts = torch.full_like(levels, level), torch.full_like(doubts, doubt)
    velocity = network(*texts, frames, expected, said, levels, doubts, *rest)[1]
    clear = 2 * (1 - doubt) ** 2 / (2 * (1 - doubt) ** 2 + doubt**2)
    mean = expected * clear / (1 - doubt) if doubt < 1 else 0 * expected
    prior = 2 * (0.25 * clear + 1 - clear)
    weight = prior * (1 - level) / (prior * (1 - level) ** 2 + level**2)
    best = mean + weight * (frames - (1 - level) * mean)
    torch.testing.assert_close(frames - level * velocity, best, rtol=1e-4, atol=1e-4)


def test_doubt_weighs_the_expected_frame_against_the_noisy_one():
    distance = []
    for doubt in (-7.0, 3.0):
        network, given = WorldTransformer(**SIZES), list(inputs())
        with torch.no_grad():
            network.image_out.bias.unflatten(0, (2, -1))[1] = doubt
        given[6:8] = torch.full((2, 2), 0.3), torch.zeros(2, 2)
        guess = given[3] - 0.3 * network(*given)[1]
        distance.append([(guess - x).abs().mean() for x in (given[4], given[3] / 0.7)])
    (near, far), (later, nearer) = distance
    assert near < 0.1 < far and nearer < 0.1 < later


def test_what_is_said_counts_in_units_of_what_is_not_known():
    """At pure noise and nothing expected the clean frame is all that the network says."""
    network, given = awake(), list(inputs())
    given[6:8] = torch.ones(2, 2), torch.ones(2, 2)
    velocity = network(*given)[1]
    given[3] = given[3] + 1  # the noisy frame
    with torch.no_grad():
        network.image_in.weight.zero_()  # nothing of it reaches the blocks
        one, other = (network(*x)[1] for x in (inputs()[:6] + tuple(given[6:]), given))
    torch.testing.assert_close(other - one, torch.ones_like(one), rtol=1e-4, atol=1e-4)
    assert velocity.isfinite().all()


def test_the_surprise_follows_what_expected_frames_leave_open():
    network, generator = WorldTransformer(**SIZES), torch.Generator().manual_seed(0)
    share, follows = torch.tensor([0.0, 0.5, 0.9]).view(3, 1, 1), torch.ones(1, 200)
    follows[:, 0] = 0
    for _ in range(60):
        expected, news = torch.randn(2, 1, 200, 3, 4, 4, generator=generator)
        clean = 3 * (share * expected + (1 - share**2).sqrt() * news)
        clean[:, 0] = 100.0  # nothing was expected there
        network.measure_surprise(3 * share * expected, clean, follows, rate=0.1)
    torch.testing.assert_close(network.surprise, 1 - share**2, rtol=0, atol=0.03)
    torch.testing.assert_close(network.variance, torch.full((3, 1, 1), 9.0), rtol=0.05, atol=0)


def test_frames_that_are_only_looked_at_get_no_velocity():
    network, given = awake(), inputs(num_frames=3)
    looked = torch.randn(2, 3, 4, 64, generator=torch.Generator().manual_seed(0))
    logits, velocity = network(*given)
    same, later = network(*given, looked=0 * looked[:, :1])
    assert torch.equal(same, logits)
    torch.testing.assert_close(later, velocity[:, 1:])
    none = network(*given, looked=looked)
    assert none[1].shape[1] == 0 and not torch.allclose(none[0], logits)


def test_without_mover_and_stem_nothing_moves_and_nothing_is_added():
    network = WorldTransformer(**SIZES | {"mover_width": 0, "stem_width": 0})
    pictures = torch.randn(2, 3, 2, 3, 32, 32)
    assert torch.equal(network.move(pictures, torch.zeros(2, 3, 64)), pictures[:, :, 0])
    looked = network.look(pictures)
    assert looked.shape == (2, 3, 4, 64) and not looked.any()


def test_words_heard_are_added_up():
    network = awake()
    ids, heard = torch.tensor([[3, 4, 5]]), torch.tensor([[[1, 0, 1], [0, 0, 0]]])
    words = network.words.weight
    expected = torch.stack([words[3] + words[5], torch.zeros(64)])[None]
    torch.testing.assert_close(network.hear(ids, heard), expected)


def test_patches_are_put_back_where_they_were_taken():
    network = WorldTransformer(**SIZES)
    frames = torch.randn(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    b, f, c, h, w = frames.shape
    tokens = frames.view(b, f, c, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6).reshape(b, f * 4, -1)
    assert torch.equal(network._unpatch(tokens, f), frames.flatten(0, 1))


def test_a_network_in_16_bits_computes_about_the_same():
    """What a GPU, or a CPU with bfloat16 products, runs."""
    ids, text_time, place, *real, time, attend = inputs()
    half = [x.bfloat16() for x in real]
    network = awake()
    exact = network(ids, text_time, place, *real, time, attend)
    less = network.bfloat16()(ids, text_time, place, *half, time, attend)
    for mine, theirs in zip(exact, less, strict=True):
        assert theirs.dtype == torch.bfloat16
        assert (mine - theirs.float()).abs().mean() < 0.1 * mine.abs().mean()


def test_a_saved_network_computes_the_same(tmp_path):
    network = awake()
    network.save_pretrained(tmp_path)
    again = WorldTransformer.from_pretrained(tmp_path)
    for mine, theirs in zip(network(*inputs()), again(*inputs()), strict=True):
        assert torch.equal(mine, theirs)
    assert [f.suffix for f in sorted(tmp_path.iterdir())] == [".json", ".safetensors"]


@pytest.mark.parametrize("wrong", [{"width": 100}, {"patch": 3}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="do not fit together"):
        WorldTransformer(**SIZES | wrong)


def test_the_tokens_of_a_frame_are_counted_from_the_grid():
    assert WorldTransformer(**SIZES).num_tokens == 4
    assert make_checkpoint().network.num_tokens == 4


@pytest.mark.parametrize("options", [{}, {"split": False}, {"stem_width": 0}, {"mover_width": 0}])
def test_options_change_what_learns_and_everything_of_it_does(options):
    network = WorldTransformer(**SIZES | options)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    names = [name for name, _ in network.named_parameters()]
    for part in ("stem", "mover", "text_ffn"):
        absent = {"stem": "stem_width", "mover": "mover_width", "text_ffn": "split"}[
            part
        ] in options
        assert any(part in name for name in names) != absent
    pictures = torch.randn(2, 2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    looked = network.look(pictures[:, :1])
    logits, velocity = network(*inputs(), looked=looked)
    moved = network.move(pictures, inputs()[5] + network.words.weight.mean())
    sum(x.square().mean() for x in (logits, velocity, moved)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
