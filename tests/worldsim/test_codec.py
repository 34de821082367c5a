import pytest
import torch

from tests.worldsim.data.episodes import make_frames
from worldsim.codec import ConvCodec, PatchCodec, make_codec, to_float, to_uint8
from worldsim.errors import WorldsimError

FRAMES = to_float(torch.from_numpy(make_frames(24)))


def absolute(again, frames):
    """A distance that needs no weights."""
    return (again - frames).abs().flatten(1).mean(1)


def test_every_colour_survives_the_way_to_floats_and_back():
    frames = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(2, 16, 16, 3)
    floats = to_float(frames)
    assert floats.shape == (2, 3, 16, 16) and (floats.min(), floats.max()) == (-1, 1)
    assert torch.equal(to_uint8(floats), frames)


def test_colours_that_do_not_exist_are_cut_off():
    assert to_uint8(torch.tensor([-7.0, 7.0]).view(2, 1, 1, 1)).flatten().tolist() == [0, 255]


def test_patches_with_all_components_and_no_whitening_lose_nothing():
    codec = PatchCodec(image_size=32, fold=4, keep=48, whiten=0.0, retouch=0)
    assert codec.latent_shape == (48, 8, 8)
    for _ in range(2):  # as made, and fitted
        latents = codec.encode(FRAMES)
        assert latents.shape == (24, 48, 8, 8)
        torch.testing.assert_close(codec.decode(latents), FRAMES, rtol=0, atol=1e-4)
        assert torch.equal(to_uint8(codec.decode(latents)), to_uint8(FRAMES))
        codec.fit(FRAMES)


@pytest.mark.parametrize("whiten", [0.0, 0.5, 1.0])
def test_fitted_patches_have_zero_mean_and_unit_variance(whiten):
    codec = PatchCodec(image_size=32, keep=16, whiten=whiten, retouch=0)
    codec.fit(FRAMES)
    latents = codec.encode(FRAMES)
    channels = latents.movedim(1, 0).flatten(1)
    assert channels.mean(1).abs().max() < 1e-3
    assert 0.9 < channels.var(1).mean() < 1.1
    if whiten == 1.0:
        assert (channels.var(1) - 1).abs().max() < 0.1


def test_more_components_are_closer_to_the_picture():
    errors = []
    for keep in (4, 16, 64):
        codec = PatchCodec(image_size=32, keep=keep, retouch=0)
        codec.fit(FRAMES)
        errors.append(absolute(codec.decode(codec.encode(FRAMES)), FRAMES).mean())
    assert errors[0] > errors[1] > errors[2]


def test_retouching_changes_nothing_until_learnt_and_never_the_latents():
    torch.manual_seed(0)
    codec = PatchCodec(image_size=32, keep=16, retouch=8)
    codec.fit(FRAMES)
    plain = PatchCodec(image_size=32, keep=16, retouch=0)
    plain.fit(FRAMES)
    before = codec.encode(FRAMES)
    assert torch.equal(codec.decode(before), plain.decode(before))
    noise = torch.randn(before.shape, generator=torch.Generator().manual_seed(0))
    optimizer, losses = torch.optim.AdamW(codec.parameters(), lr=3e-3), []
    for _ in range(15):
        loss, logs = codec.loss(FRAMES, noise, absolute)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(logs["loss"]))
    assert losses[-1] < losses[0]
    assert torch.equal(codec.encode(FRAMES), before)


def test_the_autoencoder_keeps_shapes_and_learns():
    torch.manual_seed(0)
    codec = ConvCodec(image_size=32, latent_channels=4, widths=(16, 24))
    assert codec.latent_shape == (4, 4, 4)
    latents = codec.encode(FRAMES)
    assert latents.shape == (24, 4, 4, 4) and codec.decode(latents).shape == FRAMES.shape
    optimizer, losses = torch.optim.AdamW(codec.parameters(), lr=3e-3), []
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    for _ in range(10):
        loss, logs = codec.loss(FRAMES, noise, absolute)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(logs["loss"]))
    assert set(logs) == {"loss", "l1", "lpips"} and losses[-1] < losses[0]
    codec.fit(FRAMES)
    channels = codec.encode(FRAMES).movedim(1, 0).flatten(1)
    assert channels.mean(1).abs().max() < 1e-3
    assert (channels.std(1) - 1).abs().max() < 1e-2


@pytest.mark.parametrize("kind", ["conv", "patch"])
def test_a_saved_codec_gives_the_same_latents(kind, tmp_path):
    torch.manual_seed(0)
    options = {"widths": (16, 24)} if kind == "conv" else {"retouch": 8}
    codec = make_codec(kind, 32, **options).eval()
    codec.fit(FRAMES)
    codec.save_pretrained(tmp_path)
    again = type(codec).from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(again.encode(FRAMES), codec.encode(FRAMES))
        latents = codec.encode(FRAMES)
        assert torch.equal(again.decode(latents), codec.decode(latents))


def test_an_unknown_codec_is_refused_with_the_known_ones():
    with pytest.raises(WorldsimError, match="unknown codec 'jpeg': use conv or patch"):
        make_codec("jpeg", 64)


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"keep": 193}, {"fold": 7}])
def test_patches_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="do not fit together"):
        PatchCodec(image_size=64, **wrong)
