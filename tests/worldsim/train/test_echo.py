import torch

from tests.worldsim.pictures import whole_codec
from tests.worldsim.train.played import make_batches, make_tokenizer, same
from worldsim.codec import to_uint8
from worldsim.train.echo import CONTEXT, Echo


def make_batch(**changes):
    return make_batches(make_tokenizer(), **changes)(0)


def guessed(batch, value):
    """Return an echo that draws latents as pictures of one brightness and remembers some."""
    echo = Echo(lambda latents: latents.mean(dim=(1, 2, 3), keepdim=True).expand(-1, 3, 4, 4))
    echo.keep(torch.full_like(batch.latents, value))
    return echo


def test_the_first_time_play_is_shown_as_it_was():
    batch = make_batch()
    for echo in (guessed(batch, 0.5), Echo(lambda latents: latents)):
        assert same(echo.into(batch, 0), batch)
    assert same(Echo(lambda latents: latents).into(batch, 1), batch), "nothing is guessed yet"


def test_then_history_is_what_was_guessed_but_for_the_frames_it_begins_with():
    batch = make_batch()
    shown = guessed(batch, 0.5).into(batch, 1)
    later = batch.frame_time >= CONTEXT
    assert later.any() and not later.all()
    assert (shown.seen[later] == 0.5).all() and torch.equal(shown.seen[~later], batch.seen[~later])
    assert (shown.seen_pictures[later] == to_uint8(torch.full((1, 1, 1), 0.5)).item()).all()
    assert torch.equal(shown.seen_pictures[~later], batch.pictures[~later])
    rest = [name for name in batch._fields if not name.startswith("seen")]
    assert all(torch.equal(getattr(shown, name), getattr(batch, name)) for name in rest)


def test_what_is_aimed_at_stays_what_happened():
    batch = make_batch()
    shown = guessed(batch, 0.5).into(batch, 1)
    assert torch.equal(shown.latents, batch.latents) and torch.equal(shown.pictures, batch.pictures)


def test_guesses_are_remembered_as_the_pictures_that_a_codec_draws():
    codec, latents = whole_codec(), torch.randn(2, 3, 192, 4, 4) * 0.1
    echo = Echo(codec.decode)
    echo.keep(latents)
    wanted = to_uint8(codec.decode(latents[1, :1]))[0]
    assert torch.equal(echo.seen[1][1, 0], wanted)
    assert echo.seen[0].dtype == torch.float16, "halves, to save room"
