import numpy as np
import pytest
import torch

from worldsim.codec import ConvCodec, PatchCodec, to_float
from worldsim.data import Collection
from worldsim.errors import WorldsimError
from worldsim.train import codec_stage
from worldsim.train.codec_stage import CodecConfig, fit_codec, sample_frames

CPU = torch.device("cpu")
CONFIG = CodecConfig(steps=8, batch=4, frames=60, fit_frames=60)


class Distance(torch.nn.Module):
    """Stands in for LPIPS, whose weights a test machine may not have."""

    @classmethod
    def load(cls):
        return cls()

    def forward(self, again, frames):
        return (again - frames).abs().flatten(1).mean(1)


@pytest.fixture(autouse=True)
def without_weights(monkeypatch):
    monkeypatch.setattr(codec_stage, "LPIPS", Distance)


@pytest.fixture(scope="module")
def frames(data):
    return sample_frames(Collection(data), 60, seed=0)


def test_frames_are_drawn_from_all_episodes_by_the_seed(data, frames):
    assert frames.shape == (60, 32, 32, 3) and frames.dtype == torch.uint8
    assert torch.equal(frames, sample_frames(Collection(data), 60, seed=0))
    assert not torch.equal(frames, sample_frames(Collection(data), 60, seed=1))
    every = sample_frames(Collection(data), 10_000, seed=0)
    assert len(every) == 4 * 41
    seen = {frame.tobytes() for frame in frames.numpy()}
    for index in range(4):
        assert seen & {frame.tobytes() for frame in Collection(data).load(index).frames}


@pytest.mark.parametrize(
    "make",
    [
        lambda: PatchCodec(image_size=32, keep=8, retouch=0),
        lambda: PatchCodec(image_size=32, keep=8, retouch=8),
        lambda: ConvCodec(image_size=32, latent_channels=4, widths=(16, 24)),
    ],
    ids=["patch", "retouched", "conv"],
)
def test_a_codec_is_made_ready_the_same_way_every_time(frames, make):
    codecs = []
    for _ in range(2):
        torch.manual_seed(0)
        codecs.append(make())
        fit_codec(codecs[-1], frames, CONFIG, seed=0, device=CPU)
    one, two = (codec.state_dict() for codec in codecs)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not codecs[0].training and not any(p.requires_grad for p in codecs[0].parameters())
    latents = codecs[0].encode(to_float(frames)).numpy()
    assert abs(latents.mean()) < 0.1 and 0.8 < latents.std() < 1.2


def test_training_makes_pictures_better(frames):
    torch.manual_seed(0)
    codec = ConvCodec(image_size=32, latent_channels=4, widths=(16, 24))
    config = CodecConfig(steps=30, batch=8, rate=3e-3, fit_frames=60)
    floats = to_float(frames)
    with torch.no_grad():
        before = float((codec.decode(codec.encode(floats)) - floats).abs().mean())
    logs = fit_codec(codec, frames, config, seed=0, device=CPU)
    assert set(logs) == {"loss", "l1", "lpips"} and logs["l1"] < before
    assert np.isfinite(list(logs.values())).all()


def test_a_loss_that_is_not_finite_stops_with_a_remedy(frames, monkeypatch):
    monkeypatch.setattr(Distance, "forward", lambda self, a, b: torch.full((len(a),), torch.nan))
    codec = ConvCodec(image_size=32, latent_channels=4, widths=(16, 24))
    with pytest.raises(WorldsimError, match="lower codec_stage.rate"):
        fit_codec(codec, frames, CONFIG, seed=0, device=CPU)
