from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.worn import wear_out
from worldsim.errors import WorldsimError
from worldsim.scene import GONE
from worldsim.simulator import Simulator
from worldsim.text import REWARD_BINS

LONG = "word " * 40


def simulator(num_envs=1, beyond_width=0, **options):
    checkpoint = make_checkpoint(beyond_width=beyond_width)
    return Simulator(checkpoint, num_envs, device="cpu", **({"dtype": torch.float32} | options))


@pytest.fixture(scope="module", params=[0, 8], ids=["", "beyond"])
def three(request):
    return simulator(3, request.param)


@pytest.fixture
def dream(three):
    begin(three)
    return three


def begin(dream, seeds=None, **options):
    lanes = options.get("lanes", range(dream.num_envs))
    starts = [dream.starts[lane % 2] for lane in lanes]
    return dream.reset(starts, seeds=seeds or list(lanes), **options)


def film(dream, *steps):
    return torch.stack([dream.step(list(actions)).frames for actions in steps])


KEYS = ["forward", None, "turn left strafe right"]


def test_a_reset_shows_the_last_frame_of_every_clip(dream):
    frames = begin(dream)
    assert np.array_equal(frames, np.stack([dream.starts[i].frames[-1] for i in (0, 1, 0)]))


def test_a_step_gives_pictures_rewards_and_ends(dream):
    out = dream.step(KEYS)
    assert out.frames.shape == (3, 32, 32, 3) and out.frames.dtype == torch.uint8
    assert out.rewards.dtype == torch.float32 and out.rewards.shape == (3,)
    assert out.rewards.abs().max() < max(REWARD_BINS)
    assert out.terminated.dtype == torch.bool and out.terminated.shape == (3,)
    assert out.worn.shape == (3,) and out.worn.min() > 0 and out.worn.max() < GONE
    assert out.end_chances.shape == (3,) and 0 < out.end_chances.min() < out.end_chances.max() < 1
    assert set(dream.stage_ms) == {"denoise", "commit", "decode"}
    assert all(ms > 0 for ms in dream.stage_ms.values())


def test_a_dream_with_nothing_left_of_what_it_saw_begins_again_and_the_others_go_on(dream):
    film(dream, KEYS, KEYS)
    snapshot = dream.snapshot()
    assert not dream.begin_again(), "enough is left"
    undisturbed = film(dream, KEYS)[0]
    dream.restore(snapshot)
    wear_out(dream, [1])
    assert dream.begin_again() == [1] and not dream.begin_again()
    rollout, last = dream._rollout, torch.as_tensor(dream.starts[1].frames[-1:])
    torch.testing.assert_close(rollout.past[1, 0], dream._encode(last)[0])
    assert not rollout.scene.worn(torch.tensor([1])).any()
    out = dream.step(KEYS)
    assert torch.equal(out.frames[0], undisturbed[0]) and torch.equal(out.frames[2], undisturbed[2])
    assert not torch.equal(out.frames[1], undisturbed[1]) and out.worn.max() < GONE


def test_what_was_drawn_about_the_end_is_remembered(dream):
    logits = torch.full((3, len(dream.tokenizer)), -60.0)
    for end, chance in ((False, 0.9), (True, 0.1)):
        logits[:, dream.tokenizer.reward_id(0.0, end)] = float(np.log(chance))
    ended = dream._answer(torch.arange(3), logits, torch.tensor([0.05, 0.15, 0.95])).terminated
    assert ended.tolist() == [True, False, False]
    said = [dream.tokenizer.reward_id(0.0, end) for end in (True, False, False)]
    assert dream._rollout.answer.tolist() == said


def test_the_same_seed_dreams_the_same_another_seed_and_another_action_do_not(dream):
    films = []
    for seeds, keys in (([5, 6, 7], KEYS), ([5, 6, 7], KEYS), ([8, 9, 10], KEYS),
                        ([5, 6, 7], ["back", "back", "back"])):  # fmt: skip
        begin(dream, seeds)
        films.append(film(dream, keys, keys))
    assert torch.equal(films[0], films[1])
    for other in films[2:]:
        assert all((films[0] != other).flatten(2).any(-1)[0])


def test_a_restored_simulator_repeats_bit_for_bit_as_often_as_wanted(dream):
    dream.step(KEYS)
    dream.say(["turn left", None, None])
    snapshot = dream.snapshot()
    runs = []
    for _ in range(3):
        outs = [dream.step(KEYS) for _ in range(4)]
        runs.append([torch.stack([getattr(o, name) for o in outs]) for name in vars(outs[0])])
        dream.restore(snapshot)
    for run in runs[1:]:
        assert all(torch.equal(mine, first) for mine, first in zip(run, runs[0], strict=True))


def test_lanes_are_independent(dream):
    alone = film(dream, KEYS, KEYS)
    begin(dream)
    dream.say([None, "walk to the green torch", None])
    beside = film(dream, ["forward", None, "back"], KEYS)
    assert torch.equal(beside[:, 0], alone[:, 0])
    assert not torch.equal(beside[:, 1], alone[:, 1])
    assert not torch.equal(beside[:, 2], alone[:, 2])


def test_one_lane_can_begin_anew_while_the_others_go_on(dream):
    undisturbed = film(dream, KEYS, KEYS)
    begin(dream)
    dream.step(KEYS)
    frames = begin(dream, seeds=[99], lanes=[1])
    assert frames.shape == (1, 32, 32, 3)
    after = film(dream, KEYS)
    assert torch.equal(after[0, [0, 2]], undisturbed[1, [0, 2]])
    assert not torch.equal(after[0, 1], undisturbed[1, 1])


def test_a_lane_dreams_what_a_simulator_of_its_own_would(dream):
    alone = simulator(1, dream.network.config.beyond_width)
    alone.reset([dream.starts[1]], seeds=[1])
    many, one = film(dream, KEYS, KEYS), film(alone, [None], [None])
    assert (many[:, 1].int() - one[:, 0].int()).abs().max() <= 1  # sums in another order


def test_a_frame_appended_counts_as_if_it_had_been_seen():
    seen, told = simulator(), simulator()
    start = seen.starts[0]
    frame = torch.from_numpy(seen.starts[1].frames[:1])
    told.reset([start], seeds=[0])
    told.step(["forward"])
    told.append(frame)
    longer = np.concatenate([start.frames, frame.numpy()])
    seen.reset([replace(start, frames=longer, actions=[*start.actions, "forward"])], seeds=[0])
    seen._noise[0].set_state(told._noise[0].get_state())
    pair = told._rollout, seen._rollout
    mine, theirs = ([x.order, x.time, x.past, x.answer, *x.scene.state()] for x in pair)
    torch.testing.assert_close(mine[:3], theirs[:3])
    for one, other in zip(theirs[3:], mine[3:], strict=True):
        one.copy_(other)  # who dreamed still knows what left the picture on the way
    for _ in range(3):
        a, b = told.step(["turn left"]), seen.step(["turn left"])
        assert (a.frames.int() - b.frames.int()).abs().max() <= 1
        torch.testing.assert_close(a.rewards, b.rewards)


def test_the_last_of_several_appended_frames_counts(dream):
    first, last = (torch.from_numpy(start.frames) for start in dream.starts)
    runs = []
    for frames in ([last], [first, last]):
        begin(dream)
        dream.step(KEYS)
        for frame in frames:
            dream.append(frame)
        runs.append(film(dream, KEYS))
    assert torch.equal(*runs)


def test_a_sentence_takes_the_place_of_one_action_and_the_newest_counts():
    dream = simulator()
    runs = {}
    for name, said, action in (
        ("action", [], "turn left"),
        ("sentence", ["turn left"], "forward"),
        ("corrected", ["walk to the green torch", "turn left"], "forward"),
        ("nothing", [None], "turn left"),
    ):
        begin(dream)
        for text in said:
            dream.say([text])
        runs[name] = film(dream, [action], ["stay"])
    assert all(torch.equal(runs["action"], run) for run in runs.values())


def test_words_never_seen_can_be_said_and_prompted_and_reach_the_model(dream):
    runs = []
    for strange in ("xylophone 日本 😀", "qwzx"):
        begin(dream, prompts=[None, strange, None])
        dream.say([strange, None, None])
        runs.append(film(dream, [None] * 3))
    changed = (runs[0] != runs[1]).flatten(2).any(-1)[0]
    assert changed.tolist() == [True, True, False]


@pytest.mark.parametrize("text", ["", "   ", LONG])
def test_a_wrong_sentence_is_refused_and_nothing_is_said(dream, text):
    silent = film(dream, KEYS)
    begin(dream)
    with pytest.raises(WorldsimError, match="sentence"):
        dream.say(["turn left", None, text])
    assert torch.equal(film(dream, KEYS), silent)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_prompt_is_refused_and_nothing_begins_anew(dream, text):
    dream.step(KEYS)
    undisturbed = dream.snapshot()
    with pytest.raises(WorldsimError, match="the sentence is empty: type at least one word"):
        begin(dream, prompts=[None, text, None])
    after = dream.snapshot()
    assert all(torch.equal(a, b) for a, b in zip(undisturbed.memory, after.memory, strict=True))


def test_a_prompt_sets_the_scene_and_a_wrong_one_is_refused(dream):
    plain = film(dream, KEYS)
    begin(dream, prompts=["walk to the green torch", None, None])
    prompted = film(dream, KEYS)
    assert not torch.equal(prompted[0, 0], plain[0, 0])
    assert torch.equal(prompted[0, 1:], plain[0, 1:])
    with pytest.raises(WorldsimError, match="too long"):
        begin(dream, prompts=[LONG, None, None])


def test_a_long_dream_keeps_its_size_and_stays_finite(dream):
    size = sum(x.numel() for x in dream.snapshot().memory)
    for _ in range(40):  # the ring has room for 7 steps
        frames = dream.step(KEYS).frames
    assert sum(x.numel() for x in dream.snapshot().memory) == size
    assert torch.isfinite(dream._rollout.past).all() and frames.float().std() > 1


def test_a_snapshot_of_another_size_is_refused(dream):
    other = simulator(2)
    begin(other)
    with pytest.raises(WorldsimError, match="another model or number of lanes"):
        dream.restore(other.snapshot())
    dream.step(KEYS)


def test_reconstruction_is_the_codec_alone(dream):
    frames = torch.from_numpy(dream.starts[0].frames)
    again = dream.reconstruct(frames)
    assert again.shape == frames.shape and again.dtype == torch.uint8


def test_a_dream_in_half_precision_is_nearly_the_one_in_full():
    """What runs on a GPU, or on a CPU that multiplies bfloat16."""
    films = []
    for dtype in (torch.float32, torch.bfloat16):
        dream = simulator(dtype=dtype)
        films.append([begin(dream), *film(dream, ["forward"], ["turn left"], ["stay"])])
        assert dream.network.dtype == dtype and dream.network.canvas.matrix.dtype == torch.float32
    for full, half in zip(*films, strict=True):
        assert (full.int() - half.int()).abs().float().mean() < 5


def test_surprise_in_half_precision_is_nearly_that_in_full():
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        dream = simulator(dtype=dtype)
        frames = torch.from_numpy(dream.starts[0].frames)[None]
        noise = torch.Generator().manual_seed(0)
        losses.append(dream.flow_loss(frames, [dream.starts[0].actions], noise))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_more_denoising_steps_are_taken_where_asked():
    assert len(simulator().levels) == 3 and len(simulator(num_steps=5).levels) == 6


def wrong_calls(dream):
    start = dream.starts[0]
    frames = torch.from_numpy(start.frames)
    yield "num_envs=0", lambda: simulator(0)
    yield "2 actions for 3 lanes", lambda: dream.step(["forward", "back"])
    yield "do not fit this model", lambda: dream.append(frames[:, :16])
    yield "do not fit this model", lambda: dream.append(frames.float())
    yield "2 frames for 3 lanes", lambda: dream.append(frames[:2])
    for wrong in (
        replace(start, frames=start.frames[:, :16]),
        replace(start, frames=start.frames.astype(np.float32)),
        replace(start, frames=start.frames[0]),
        replace(start, actions=["forward"]),
    ):
        yield "do not fit|one action less", lambda wrong=wrong: dream.reset([start, start, wrong])


def test_what_does_not_fit_is_refused_and_the_dream_goes_on(dream):
    untroubled = film(dream, KEYS)
    begin(dream)
    for message, call in wrong_calls(dream):
        with pytest.raises(WorldsimError, match=message):
            call()
    assert torch.equal(film(dream, KEYS), untroubled)
