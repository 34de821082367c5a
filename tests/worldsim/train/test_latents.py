import numpy as np
import torch

from worldsim.codec import PatchCodec, to_float
from worldsim.data import Collection
from worldsim.text import TextTokenizer
from worldsim.train.latents import encode_dataset, read_tracks


def make_codec():
    return PatchCodec(image_size=32, keep=4, retouch=0)


def test_every_frame_is_encoded_once_in_order(data, tmp_path):
    dataset, codec = Collection(data), make_codec()
    latents = encode_dataset(dataset, codec, tmp_path / "latents.npy", batch=16)
    assert latents.shape == (4 * 41, 4, 4, 4) and latents.dtype == np.float16
    frames = np.concatenate([dataset.load(i).frames for i in range(4)])
    wanted = codec.encode(to_float(torch.from_numpy(frames))).numpy()
    np.testing.assert_allclose(latents, wanted, rtol=1e-3, atol=1e-3)


def test_what_is_encoded_is_not_encoded_again(data, tmp_path):
    path = tmp_path / "latents.npy"
    first = np.array(encode_dataset(Collection(data), make_codec(), path))
    other = make_codec()
    other.mean += 1
    assert np.array_equal(encode_dataset(Collection(data), other, path), first)


def test_a_kill_while_encoding_leaves_nothing_half_done(data, tmp_path):
    path = tmp_path / "latents.npy"
    (tmp_path / "latents.tmp").write_bytes(b"half of it")
    assert encode_dataset(Collection(data), make_codec(), path).shape[0] == 4 * 41
    assert [p.name for p in tmp_path.iterdir()] == ["latents.npy"]


def test_tracks_hold_words_sentences_and_answers_at_their_steps(data):
    dataset = Collection(data)
    tokenizer = TextTokenizer.train([*dataset.datasets[0].spec.actions, "go on", "look left"], 384)
    tracks = read_tracks(dataset, tokenizer)
    assert [track.start for track in tracks] == [0, 41, 82, 123]
    for index, track in enumerate(tracks):
        episode = dataset.load(index)
        words = [tokenizer.decode(ids) for ids in track.actions]
        assert words == [dataset.spec(index).action_text(a) for a in episode.actions]
        assert [tokenizer.decode(ids) for ids in track.sentences] == episode.texts
        assert track.stretch == [0] * 20 + [1] * 20
        answers = [tokenizer.reward_id(0.0)] * 41
        answers[4] = tokenizer.reward_id(1.0)  # the reward of step 3 is known with frame 4
        answers[40] = tokenizer.reward_id(0.0, end=bool(index % 2))
        assert track.answers == answers


def test_a_window_is_a_stretch_of_frames_with_what_lies_between(data, tmp_path):
    dataset = Collection(data)
    tokenizer = TextTokenizer.train([*dataset.datasets[0].spec.actions, "go on", "look left"], 384)
    track = read_tracks(dataset, tokenizer)[1]
    latents = encode_dataset(dataset, make_codec(), tmp_path / "latents.npy")
    window = track.window(latents, first=18, steps=5)
    assert window.latents.dtype == np.float32
    np.testing.assert_array_equal(window.latents, latents[41 + 18 : 41 + 24].astype(np.float32))
    assert window.actions == track.actions[18:23] and window.answers == track.answers[18:24]
    assert window.stretch == [0, 0, 1, 1, 1]
