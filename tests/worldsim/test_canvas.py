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


def make_canvas():
    codec = whole_codec()
    canvas = Canvas(channels=192, size=4, cell=8)
    canvas.fit(*codec.canvas())
    return canvas, codec


def test_pixels_out_of_range_are_brought_back():
    canvas, _ = make_canvas()
    glaring = canvas.draw(canvas.settle(canvas.read(pictures() * 5)))
    torch.testing.assert_close(glaring, (pictures() * 5).clamp(-1, 1), rtol=0, atol=0.05)


def test_one_frame_keeps_its_colours_but_a_hundredth():
    canvas, codec = make_canvas()
    latents = codec.encode(pictures())
    home = canvas.tint(latents) + 1
    settled = canvas.draw(canvas.settle(latents, home))
    torch.testing.assert_close(settled, pictures(), rtol=0, atol=0.02)
    torch.testing.assert_close(canvas.draw(canvas.settle(latents)), pictures(), rtol=0, atol=0.01)


def test_a_rollout_that_leans_to_white_does_not_arrive_there():
    canvas, codec = make_canvas()
    latents = codec.encode(pictures())
    home = canvas.tint(latents)
    for _ in range(1000):
        latents = canvas.settle(canvas.read(canvas.draw(latents) + 0.003), home)
    assert 0.1 < canvas.draw(latents).mean() - home.mean() < 0.35


def test_latents_that_are_no_pixels_have_no_range():
    latents = torch.full((1, 3, 4, 4), 9.0)
    assert torch.equal(Canvas(channels=3, size=4, cell=1).settle(latents), latents)
