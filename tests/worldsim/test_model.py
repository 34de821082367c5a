import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.model import WorldTransformer
from worldsim.patches import from_patches

SIZES = {
    "vocab_size": 50, "width": 64, "depth": 2, "text_hidden": 32, "image_hidden": 48,
    "latent_channels": 3, "latent_size": 4, "patch": 2, "painter_width": 16, "plan_width": 4,
}  # fmt: skip


def everyone(_, q, k, v):
    """Attention in which all see all."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)


def inputs(num_text=3, num_frames=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(2, num_frames, 3, 4, 4, generator=generator)
    past = torch.randn(2, num_frames, 2, 3, 4, 4, generator=generator)
    ids = torch.randint(50, (2, num_text), generator=generator)
    place = torch.arange(num_text).expand(2, -1)
    levels = torch.rand(2, num_frames, generator=generator)
    time = torch.arange(num_frames).expand(2, -1)
    said = torch.randn(2, num_frames, 64, generator=generator)
    return ids, torch.zeros_like(place), place, frames, past, said, levels, time, everyone


def awake(seed=0, **options):
    """A network without zeros, in which everything matters."""
    torch.manual_seed(seed)
    network = WorldTransformer(**SIZES, **options).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def flat(said):
    return [*said[:2], *said[2]]


@pytest.mark.parametrize(("num_text", "num_frames"), [(3, 2), (0, 2), (3, 0)])
def test_logits_and_velocities_have_the_shapes_of_text_and_frames(num_text, num_frames):
    logits, velocity, moved = awake()(*inputs(num_text, num_frames))
    assert logits.shape[:2] == (2, num_text) and (not num_text or logits.shape[2] == 50)
    assert velocity.shape == (2, num_frames, 3, 4, 4)
    assert moved.picture.shape == velocity.shape if num_frames else moved is None


def test_everything_that_goes_in_matters():
    network, given = awake(), inputs()
    logits, velocity, _ = network(*given)
    for place in range(8):
        changed = list(given)
        changed[place] = (
            given[place] + 1 if given[place].dtype == torch.long else given[place] + 0.1
        )
        other_logits, other_velocity, _ = network(*changed)
        # A shift in time of all text or all frames is a change of distance between the two.
        assert not torch.allclose(logits, other_logits), place
        assert not torch.allclose(velocity, other_velocity), place


def test_text_and_frames_have_feed_forwards_of_their_own():
    network, given = awake(), inputs()
    logits, velocity, _ = network(*given)
    last = network.blocks[-1]
    with torch.no_grad():
        last.text_ffn.out.weight.zero_()
    other_logits, other_velocity, _ = network(*given)
    assert torch.equal(velocity, other_velocity) and not torch.allclose(logits, other_logits)


@pytest.mark.parametrize("level", [0.02, 0.3, 0.9, 1.0])
def test_an_untrained_network_says_the_best_guess_from_noise_and_previous_frame(level):
    """Given clean ~ N(previous, surprise) and noise on it, its mean is arithmetic."""
    network = WorldTransformer(**SIZES)
    network.surprise.fill_(0.25)
    ids, text_time, place, noisy, past, said, levels, time, attend = inputs()
    levels = torch.full_like(levels, level)
    velocity = network(ids, text_time, place, noisy, past, said, levels, time, attend)[1]
    keep = 1 - level
    precision = 1 / 0.25 + keep**2 / level**2
    mean = (past[:, :, 0] / 0.25 + noisy * keep / level**2) / precision
    torch.testing.assert_close(noisy - level * velocity, mean, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("doubt", "nearer"), [(-7.0, "previous"), (3.0, "noisy")])
def test_doubt_weighs_the_frame_before_against_the_noisy_one(doubt, nearer):
    network = WorldTransformer(**SIZES)
    with torch.no_grad():
        network.image_out.bias[-(network.patch**2) :] = doubt
    ids, text_time, place, noisy, past, said, levels, time, attend = inputs()
    levels = torch.full_like(levels, 0.3)
    velocity = network(ids, text_time, place, noisy, past, said, levels, time, attend)[1]
    guess = noisy - 0.3 * velocity
    distance = {
        "previous": (guess - past[:, :, 0]).abs().mean(),
        "noisy": (guess - noisy / 0.7).abs().mean(),
    }
    assert min(distance, key=distance.get) == nearer
    assert distance[nearer] < 0.1


def test_the_surprise_is_what_the_frame_before_leaves_open():
    network, generator = WorldTransformer(**SIZES), torch.Generator().manual_seed(0)
    carry, latents = torch.tensor([0.0, 0.5, 0.9]).view(3, 1, 1), []
    latents.append(torch.randn(200, 3, 4, 4, generator=generator))
    for _ in range(5):
        news = torch.randn(200, 3, 4, 4, generator=generator)
        latents.append(carry * latents[-1] + (1 - carry**2).sqrt() * news)
    network.fit_surprise(torch.stack(latents, dim=1))
    torch.testing.assert_close(network.surprise, 1 - carry**2, rtol=0, atol=0.05)


def test_frames_that_are_only_history_get_no_velocity():
    network, given = awake(), inputs(num_frames=3)
    logits, velocity, _ = network(*given)
    same, later, _ = network(*given, num_history=1)
    assert torch.equal(same, logits)
    torch.testing.assert_close(later, velocity[:, 1:])
    assert network(*given, num_history=3)[1].shape[1] == 0


@pytest.mark.parametrize("level", [0.02, 0.5, 1.0])
def test_without_a_painter_what_is_said_completes_the_noisy_frame(level):
    """The clean frame is the best linear guess plus what is said, in units of what is left."""
    network = WorldTransformer(**{**SIZES, "painter_width": 0})
    generator = torch.Generator().manual_seed(0)
    tokens, frames = torch.randn(1, 8, 64, generator=generator), torch.randn(1, 2, 3, 4, 4)
    torch.nn.init.normal_(network.image_out.weight)
    said = from_patches(network.image_out(tokens), 2, 2, 2).view_as(frames)
    spread = (1 - level) ** 2 + level**2
    clean = (1 - level) / spread * frames + level / spread**0.5 * said
    velocity = network._denoise(tokens, frames, torch.full((1, 2), level))
    torch.testing.assert_close(velocity, (frames - clean) / level, rtol=1e-3, atol=1e-3)


def test_without_a_painter_nothing_is_moved_and_everything_learns():
    network = WorldTransformer(**{**SIZES, "painter_width": 0})
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    logits, velocity, moved = network(*inputs())
    assert moved is None and torch.isfinite(velocity).all()
    (logits.square().mean() + velocity.square().mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_words_heard_are_added_up():
    network = awake()
    ids, heard = torch.tensor([[3, 4, 5]]), torch.tensor([[[1, 0, 1], [0, 0, 0]]])
    words = network.words.weight
    expected = torch.stack([words[3] + words[5], torch.zeros(64)])[None]
    torch.testing.assert_close(network.add_up(ids, heard), expected)


def test_a_network_in_16_bits_computes_about_the_same():
    """What a GPU, or a CPU with bfloat16 products, runs."""
    ids, text_time, place, *real, time, attend = inputs()
    half = [x.bfloat16() for x in real]
    network = awake()
    for layer in (network.painter.flow, network.painter.sweep):  # a few pixels, not the whole frame
        torch.nn.init.normal_(layer.weight, std=0.01)
    exact = network(ids, text_time, place, *real, time, attend)
    less = network.bfloat16()(ids, text_time, place, *half, time, attend)
    logits, velocity, moved = less
    assert logits.dtype == torch.bfloat16
    assert velocity.dtype == moved.picture.dtype == torch.float32, "pictures add up"
    for mine, theirs in zip(flat(exact), flat(less), strict=True):
        assert (mine - theirs.float()).abs().mean() <= 0.1 * mine.abs().mean()


def test_a_saved_network_computes_the_same(tmp_path):
    network = awake()
    network.save_pretrained(tmp_path)
    again = WorldTransformer.from_pretrained(tmp_path)
    for mine, theirs in zip(flat(network(*inputs())), flat(again(*inputs())), strict=True):
        assert torch.equal(mine, theirs)
    assert [f.suffix for f in sorted(tmp_path.iterdir())] == [".json", ".safetensors"]


@pytest.mark.parametrize("wrong", [{"width": 100}, {"patch": 3}])
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="do not fit together"):
        WorldTransformer(**SIZES | wrong)


def test_the_tokens_of_a_frame_are_counted_from_the_grid():
    assert WorldTransformer(**SIZES).num_tokens == 4
    assert make_checkpoint().network.num_tokens == 4


@pytest.mark.parametrize("options", [{"split": False}, {"stem_width": 8}])
def test_options_change_what_learns_and_everything_of_it_does(options):
    network = WorldTransformer(**SIZES | options)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    names = [name for name, _ in network.named_parameters()]
    assert any("stem" in name for name in names) == ("stem_width" in options)
    assert any("text_ffn" in name for name in names) == ("split" not in options)
    logits, velocity, moved = network(*inputs(), num_history=1)
    (logits.square().mean() + velocity.square().mean() + moved.picture.square().mean()).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_a_network_with_a_stem_reads_text_without_any_frame():
    network = WorldTransformer(**SIZES, stem_width=8)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    assert network(*inputs(num_frames=0))[0].shape == (2, 3, 50)
