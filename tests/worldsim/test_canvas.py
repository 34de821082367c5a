import torch

from tests.worldsim.pictures import pictures, whole_codec
from worldsim.canvas import Canvas


def test_what_is_drawn_is_what_the_codec_shows():
    codec = whole_codec()
    canvas = Canvas(channels=192, size=4, cell=8)
    canvas.fit(*codec.canvas())
    latents = codec.encode(pictures())
    drawn = canvas.draw(latents)
    torch.testing.assert_close(drawn, pictures(), rtol=0, atol=1e-3)
    torch.testing.assert_close(canvas.read(drawn), latents, rtol=0, atol=1e-2)


def test_latents_of_a_codec_that_is_not_linear_pass_for_the_picture():
    canvas = Canvas(channels=3, size=4, cell=1)
    latents = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(canvas.draw(latents), latents) and torch.equal(canvas.read(latents), latents)
    assert (canvas.values, canvas.side, canvas.fold) == (3, 4, 1)


def test_pixels_out_of_range_are_brought_back_and_nothing_else_is_touched():
    codec = whole_codec()
    canvas = Canvas(channels=192, size=4, cell=8)
    canvas.fit(*codec.canvas())
    latents = codec.encode(pictures())
    torch.testing.assert_close(canvas.clip(latents), latents, rtol=0, atol=1e-2)
    glaring = canvas.draw(canvas.clip(canvas.read(pictures() * 5)))
    torch.testing.assert_close(glaring, (pictures() * 5).clamp(-1, 1), rtol=0, atol=1e-2)


def test_latents_that_are_no_pixels_have_no_range():
    latents = torch.full((1, 3, 4, 4), 9.0)
    assert torch.equal(Canvas(channels=3, size=4, cell=1).clip(latents), latents)
