import numpy as np
import pytest
import torch

from tests.worldsim.sliding import Place
from tests.worldsim.tiny import make_checkpoint, without_marks
from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.batch import Batch
from worldsim.codec import to_float
from worldsim.deed import BEFORE, STEPS
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID
from worldsim.objective import ObjectiveConfig, WorldObjective
from worldsim.pose_text import write_motion
from worldsim.reader import Reader
from worldsim.sequence import Measure, Talk, Window, pack, talk
from worldsim.text import ANSWER, ASK, DEPTH, DEPTHS, END, INFER
from worldsim.witness import Stretch, Witness

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def reader():
    return Reader(make_checkpoint())


def speaks(reader, *texts):
    """Let the network say a text in each lane, whatever it is asked; remember what it was asked."""
    said = [[*reader.tokenizer.encode(t), *[reader.tokenizer.mark(END)] * 50] for t in texts]
    asked = []

    def logits(k):
        tokens = torch.tensor([ids[k] for ids in said])
        return torch.nn.functional.one_hot(tokens, len(reader.tokenizer)).float()

    def see(frames, questions, moves=None):
        asked.extend((len(seen), *questions) for seen in frames)
        reader._k = 0
        return logits(0)

    def go_on(tokens):
        reader._k += 1
        return logits(reader._k)

    reader._see, reader._go_on = see, go_on
    return asked


def training_logits(reader, num_frames, talks):
    """Return what the training forward says of FRAMES, ``(L, vocab)``, and its row of text."""
    tokenizer, base = reader.tokenizer, reader._rollout.config.base_level
    latents = reader.codec.encode(to_float(torch.from_numpy(FRAMES[:num_frames])))
    answers = [tokenizer.reward_id(0.0)] * num_frames
    window = Window(latents.numpy(), [], [], [], answers)
    rows, _ = pack([talk(window, tokenizer, talks)], 1, 80, num_frames, tokenizer.pad)
    frames, shape = torch.from_numpy(rows.latents), (1, num_frames)
    batch = Batch(
        *map(torch.from_numpy, rows), torch.zeros_like(frames),
        reader._rollout._grain.expand_as(frames), torch.ones(shape), torch.full(shape, base),
        frames, *[torch.zeros(shape, dtype=torch.long)] * 2,
    )  # fmt: skip
    objective = WorldObjective(reader.network, ObjectiveConfig())
    return objective.read(batch)[0].detach(), rows.text_ids[0]


@pytest.mark.parametrize("num_frames", [1, 2])
def test_what_it_reads_is_what_the_training_forward_says(reader, num_frames):
    """Same frames, same question, same words: the same logits for every word of the answer."""
    tokenizer = reader.tokenizer
    said = tokenizer.encode("walk to the green torch")
    asked = [tokenizer.mark(ASK), *tokenizer.encode("forward"), tokenizer.mark(ANSWER)]
    talks = [Talk(asked, words, num_frames - 1) for words in (said[:2], said)]
    wanted, ids = training_logits(reader, num_frames, talks)
    first = np.flatnonzero(ids == tokenizer.mark(ANSWER))[1]
    with torch.inference_mode():
        # a longer question beside it must not matter
        both = [list(FRAMES[:num_frames]), list(FRAMES[::-1][:num_frames])]
        got = [reader._see(both, [asked, [*asked, *said]])[0]]
        weighed = reader._rollout.weigh(reader._lanes, said, reader._places)[0]
        got += [reader._go_on(torch.tensor([token, said[0]]))[0] for token in said]
    wanted = reader._sayable(wanted[first : first + len(got)].clone())
    weighed = reader._sayable(weighed.clone())
    torch.testing.assert_close(torch.stack(got), wanted, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(weighed, torch.stack(got[1:]), rtol=1e-3, atol=1e-4)


def test_it_asks_with_the_marks_of_training_and_stops_at_the_end(reader):
    asked = speaks(reader, "walk to the green torch", "forward")
    tokenizer = reader.tokenizer
    assert reader.describe(FRAMES) == ["walk to the green torch", "forward"]
    assert reader.ask(FRAMES, ["what is ahead?"] * 2) == ["walk to the green torch", "forward"]
    question = [tokenizer.mark(ASK), *tokenizer.encode("what is ahead"), tokenizer.mark(ANSWER)]
    assert asked[2] == (1, question, question)
    reader.ask(FRAMES, ["what is ahead?"] * 2, FRAMES[::-1])
    assert asked[4] == (2, question, question)  # the frame before is seen first


def test_a_motion_is_read_from_what_is_said_and_nonsense_is_none(reader):
    speaks(reader, write_motion(0.12, -0.05, 5.4), "ahead of the torch")
    assert reader.pose(FRAMES, FRAMES[::-1]) == [(0.12, -0.05, 5.0), None]


def test_what_is_asked_beside_it_changes_no_answer(reader, monkeypatch):
    frames = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    asked = ["forward", "walk to the green torch", "stay", "turn left", "back"]
    alone = [reader.ask([f], [q])[0] for f, q in zip(frames, asked, strict=True)]
    assert reader.ask(frames, asked) == alone
    actions = reader.infer_action(frames[:-1], frames[1:], "doom")
    monkeypatch.setattr("worldsim.reader.LANES", 2)  # in parts, the last of them smaller
    assert reader.ask(frames, asked) == alone
    assert reader.infer_action(frames[:-1], frames[1:], "doom") == actions


def likelihoods(reader, spec, end, see):
    """Say every action a token at a time; return its chance."""
    chances = {}
    for words in spec.actions:
        logits, total = see(), 0.0
        for token in [*reader.tokenizer.encode(words), end]:
            total += float(logits[0].log_softmax(dim=-1)[token])
            logits = reader._go_on(torch.tensor([token]))
        chances[words] = total
    return chances


@torch.inference_mode()
def test_an_action_is_the_likeliest_of_the_worlds_own(reader):
    tokenizer, spec = reader.tokenizer, reader.worlds["doom"]
    action = reader.infer_action(FRAMES[:1], FRAMES[1:], "doom")[0]
    question = [[tokenizer.mark(INFER)]]
    chances = likelihoods(
        reader, spec, tokenizer.mark(END), lambda: reader._see([list(FRAMES)], question)
    )
    assert action == max(chances, key=chances.__getitem__)


def listening(reader):
    """Remember how things moved around what is asked about."""
    seen, see = [], reader._see

    def watched(frames, asked, *rest, moves=None, **more):
        seen.append(moves)
        return see(frames, asked, *rest, moves=moves, **more)

    reader._see = watched
    return seen


def test_what_was_done_is_asked_with_how_things_moved_as_far_as_one_is_shown():
    reader = Reader(make_checkpoint(deed_width=8))
    seen, frames = listening(reader), np.stack([Place(0, 0, 2 * k).view() for k in range(5)])
    wanted = Witness(reader.codec, reader.network.canvas)(
        [Stretch(list(frames[:2]), list(frames[2:4]), list(frames[4:]))]
    )
    reader.infer_action(frames[2:3], frames[3:4], "doom", [frames[:2]], [frames[4:]])
    reader.infer_action(frames[2:3], frames[3:4], "doom")
    torch.testing.assert_close(seen[0], wanted)
    torch.testing.assert_close(seen[1][:, BEFORE], wanted[:, BEFORE])
    known = [moves.flatten(2).any(dim=2)[0].tolist() for moves in seen]
    assert all(known[0]) and known[1] == [step == BEFORE for step in range(STEPS)]


def test_frames_around_change_what_is_thought_of_a_pair_and_nothing_else():
    reader = Reader(make_checkpoint(deed_width=8))
    asked = [[reader.tokenizer.mark(INFER)]]
    moves = torch.randn(1, STEPS, 3, GRID, GRID, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alone, told, again = (
            reader._see([list(FRAMES)], asked, moves=each) for each in (None, moves, None)
        )
    assert torch.equal(alone, again) and not torch.allclose(alone, told)


def test_how_the_eye_moved_is_asked_with_how_things_did_and_what_is_asked_in_words_without():
    reader = Reader(make_checkpoint(deed_width=8))
    seen, frames = listening(reader), np.stack([Place(0, 0, 2 * k).view() for k in range(2)])
    reader.pose(frames[:1], frames[1:])
    reader.ask(frames[1:], ["what did you just do"], frames[:1])
    reader.describe(frames)
    assert seen[0][:, BEFORE].any() and seen[1:] == [None, None]


def test_who_never_learnt_to_tell_deeds_makes_nothing_of_the_frames_around(reader):
    frames = [FRAMES[:1], FRAMES[1:]]
    with_them = reader.infer_action(*frames, "doom", [FRAMES], [FRAMES])
    assert with_them == reader.infer_action(*frames, "doom")


@torch.inference_mode()
def test_what_to_do_is_the_likeliest_action_after_the_instruction_and_what_was_done(reader):
    tokenizer, spec = reader.tokenizer, reader.worlds["doom"]
    words = tokenizer.encode_sentence("walk to the green torch")
    action = reader.act("walk to the green torch", FRAMES, ["turn left"], "doom")

    def see(did="turn left", prompt=words):
        return reader._see([list(FRAMES)], [[]], [tokenizer.encode(did)], prompt)

    chances = likelihoods(reader, spec, tokenizer.frame, see)
    assert action == max(chances, key=chances.__getitem__)
    assert not torch.allclose(see(), see(did="stay"))
    assert not torch.allclose(see(), see(prompt=None))


def test_a_part_that_may_be_near_or_far_is_said_to_be_in_between(reader, monkeypatch):
    """The likeliest of two words is one of them, their mean in the logarithm is neither."""
    ids = reader.tokenizer.depth_ids
    logits = torch.full((2, PARTS_SIDE**2, max(ids) + 1), -50.0)
    logits[..., ids[0]], logits[..., ids[-1]] = 0.0, 0.5
    monkeypatch.setattr(reader._rollout, "weigh", lambda *_, **__: logits)
    monkeypatch.setattr(reader, "_see", lambda *_: None)
    far = 1 / (1 + np.exp(-0.5))
    expected = DEPTHS[0] ** (1 - far) * DEPTHS[-1] ** far
    np.testing.assert_allclose(reader.depth(FRAMES), expected, rtol=1e-4)


def test_depth_of_all_parts_at_once_is_what_the_training_forward_says_of_each(reader):
    tokenizer = reader.tokenizer
    ids, parts = tokenizer.depth_ids, [40, 3, 63]
    asked = Measure(tokenizer.mark(DEPTH), {PARTS + part: ids[0] for part in parts})
    logits, row = training_logits(reader, 1, [asked])
    chances = logits[row == tokenizer.mark(DEPTH)][:, ids].softmax(dim=1)
    metres = (chances @ torch.tensor(DEPTHS[: len(ids)]).log()).exp()
    got = reader.depth(FRAMES)[0].flatten()
    torch.testing.assert_close(torch.from_numpy(got[parts]), metres, rtol=1e-3, atol=1e-3)


def test_depth_is_a_picture_of_known_distances_and_always_the_same(reader):
    depth = reader.depth(FRAMES)
    assert depth.shape == (2, PARTS_SIDE, PARTS_SIDE) and depth.dtype == np.float32
    assert DEPTHS[0] * 0.999 <= depth.min() and depth.max() <= DEPTHS[-1] * 1.001
    reader.describe(FRAMES[1:])  # what was asked in between must not matter
    assert np.array_equal(reader.depth(FRAMES), depth)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda r: r.describe(FRAMES.astype(float)), "must be uint8 .*float64"),
        (lambda r: r.depth(FRAMES[:1, :16]), r"\(32, 32, 3\), not uint8 \(16, 32, 3\)"),
        (lambda r: r.ask(FRAMES[:1], [" ? "]), "empty"),
        (lambda r: r.ask(FRAMES[:1], ["what " * 40]), "too long"),
        (lambda r: r.infer_action(FRAMES, FRAMES, "moon"), "no world 'moon': use one of doom"),
        (lambda r: r.infer_action(FRAMES, FRAMES, "doom", [[]]), "earlier: 2 pairs .* 1 lists"),
        (lambda r: r.infer_action(FRAMES, FRAMES, "doom", None, []), "later: 2 pairs .* 0 lists"),
        (lambda r: r.ask(FRAMES, ["what is ahead"]), "2 frames have 1 questions"),
        (lambda r: r.act("go on", FRAMES, [], "doom"), "2 frames have 1 actions"),
        (lambda r: r.act("go on", FRAMES, ["fly"], "doom"), "unknown action 'fly'"),
        (lambda r: r.act("", FRAMES, ["stay"], "doom"), "empty"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_error(reader, ask, says):
    with pytest.raises(WorldsimError, match=says):
        ask(reader)


def test_a_frame_beside_a_pair_is_checked_like_those_of_the_pair():
    reader = Reader(make_checkpoint(deed_width=8))
    with pytest.raises(
        WorldsimError, match=r"must be uint8 \(32, 32, 3\), not uint8 \(16, 32, 3\)"
    ):
        reader.infer_action(FRAMES[:1], FRAMES[1:], "doom", [FRAMES[:, :16]])


def test_a_checkpoint_that_never_learnt_to_answer_says_so():
    checkpoint = make_checkpoint()
    checkpoint.tokenizer = without_marks(checkpoint.tokenizer)
    with pytest.raises(WorldsimError, match="knows no <end>.*before frames could be asked"):
        Reader(checkpoint)


def test_words_about_rewards_and_ends_are_never_said_and_change_no_answer():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)

    def answers(loud):
        checkpoint = make_checkpoint()
        ids = checkpoint.tokenizer.answer_ids
        with torch.no_grad():
            checkpoint.network.text_out.weight[ids] *= loud
        reader = Reader(checkpoint)
        return (
            reader.describe(pictures),
            reader.ask(pictures, ["what is ahead"] * 3),
            reader.infer_action(pictures[:2], pictures[1:], "doom"),
            reader.act("turn left", pictures, ["forward", "stay"], "doom"),
        )

    assert answers(1.0) == answers(50.0)
