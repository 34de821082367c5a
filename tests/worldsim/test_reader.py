import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.codec import to_float
from worldsim.errors import WorldsimError
from worldsim.objective import Batch, ObjectiveConfig, WorldObjective
from worldsim.pose_text import write_motion
from worldsim.reader import DEPTH_WORDS, Reader
from worldsim.sequence import Window, pack, talk
from worldsim.text import ANSWER, ASK, DEPTHS, END, INFER

FRAMES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def reader():
    return Reader(make_checkpoint())


def speaks(reader, text):
    """Let the network say a text whatever it is asked, and remember what it was asked."""
    ids = [*reader.tokenizer.encode(text), reader.tokenizer.mark(END)]
    asked = []

    def logits(token):
        return torch.nn.functional.one_hot(torch.tensor(token), len(reader.tokenizer)).float()

    def see(frames, question):
        asked.append((len(frames), question))
        reader._said = list(ids)
        return logits(reader._said.pop(0))

    reader._see, reader._go_on = see, lambda token: logits(reader._said.pop(0))
    return asked


@pytest.mark.parametrize("num_frames", [1, 2])
def test_what_it_reads_is_what_the_training_forward_says(reader, num_frames):
    """Same frames, same question, same words: the same logits for every word of the answer."""
    tokenizer, base = reader.tokenizer, reader._rollout.config.base_level
    said = tokenizer.encode("walk to the green torch")
    asked = [tokenizer.mark(ASK), *tokenizer.encode("forward"), tokenizer.mark(ANSWER)]
    latents = reader.codec.encode(to_float(torch.from_numpy(FRAMES[:num_frames])))
    answers = [tokenizer.reward_id(0.0)] * num_frames
    window = Window(latents.numpy(), [], [], [], answers)
    rows, _ = pack([talk(window, tokenizer, asked, said)], 1, 40, num_frames, tokenizer.pad)
    frames, shape = torch.from_numpy(rows.latents), (1, num_frames)
    batch = Batch(
        *map(torch.from_numpy, rows), torch.zeros_like(frames),
        reader._rollout._grain.expand_as(frames), torch.ones(shape), torch.full(shape, base),
        frames, *[torch.zeros(shape, dtype=torch.long)] * 2,
    )  # fmt: skip
    wanted = WorldObjective(reader.network, ObjectiveConfig()).predict(batch)[0][0]
    first = int((rows.text_ids[0] == tokenizer.mark(ANSWER)).argmax())
    with torch.inference_mode():
        got = [reader._see(FRAMES[:num_frames], asked)]
        got += [reader._go_on(token) for token in said]
    wanted = wanted[first : first + len(got)]
    torch.testing.assert_close(torch.stack(got), wanted, rtol=1e-3, atol=1e-4)


def test_it_asks_with_the_marks_of_training_and_stops_at_the_end(reader):
    asked = speaks(reader, "walk to the green torch")
    tokenizer = reader.tokenizer
    assert reader.describe(FRAMES[0]) == "walk to the green torch"
    assert reader.ask(FRAMES[0], "what is ahead?") == "walk to the green torch"
    question = [tokenizer.mark(ASK), *tokenizer.encode("what is ahead"), tokenizer.mark(ANSWER)]
    assert asked[1] == (1, question)


def test_a_motion_is_read_from_what_is_said_and_nonsense_is_none(reader):
    speaks(reader, write_motion(0.12, -0.05, 5.4))
    assert reader.pose(*FRAMES) == (0.12, -0.05, 5.0)
    speaks(reader, "ahead of the torch")
    assert reader.pose(*FRAMES) is None


def test_an_action_is_the_likeliest_of_the_worlds_own(reader):
    tokenizer, spec = reader.tokenizer, reader.worlds["doom"]
    action = reader.infer_action(*FRAMES, "doom")
    chances = {}
    with torch.inference_mode():
        for words in spec.actions:
            logits = reader._see(FRAMES, [tokenizer.mark(INFER)])
            chances[words] = reader._likelihood(
                logits, [*tokenizer.encode(words), tokenizer.mark(END)]
            )
    assert action == max(chances, key=chances.__getitem__)


def test_what_to_do_is_the_likeliest_action_after_the_instruction_and_what_was_done(reader):
    tokenizer, spec = reader.tokenizer, reader.worlds["doom"]
    words = tokenizer.encode_sentence("walk to the green torch")
    action = reader.act("walk to the green torch", FRAMES, ["turn left"], "doom")
    chances = {}
    with torch.inference_mode():
        for text in spec.actions:
            logits = reader._see(FRAMES, [], [tokenizer.encode("turn left")], words)
            ids = [*tokenizer.encode(text), tokenizer.frame]
            chances[text] = reader._likelihood(logits, ids)
        others = reader._see(FRAMES, [], [tokenizer.encode("stay")], words)
        alone = reader._see(FRAMES, [], [tokenizer.encode("turn left")])
    assert action == max(chances, key=chances.__getitem__)
    assert not torch.allclose(logits, others) and not torch.allclose(logits, alone)


def test_depth_is_a_picture_of_known_distances_and_always_the_same(reader):
    depth = reader.depth(FRAMES[0])
    assert depth.shape == (DEPTH_WORDS, DEPTH_WORDS) and depth.dtype == np.float32
    assert set(depth.flatten().tolist()) <= set(np.float32(DEPTHS).tolist())
    reader.describe(FRAMES[1])  # what was asked in between must not matter
    assert np.array_equal(reader.depth(FRAMES[0]), depth)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda r: r.describe(FRAMES[0].astype(float)), "must be uint8 .*float64"),
        (lambda r: r.depth(FRAMES[0][:16]), r"\(32, 32, 3\), not uint8 \(16, 32, 3\)"),
        (lambda r: r.ask(FRAMES[0], " ? "), "empty"),
        (lambda r: r.ask(FRAMES[0], "what " * 40), "too long"),
        (lambda r: r.infer_action(*FRAMES, "moon"), "no world 'moon': use one of doom"),
        (lambda r: r.act("go on", FRAMES, [], "doom"), "2 frames have 1 actions"),
        (lambda r: r.act("go on", FRAMES, ["fly"], "doom"), "unknown action 'fly'"),
        (lambda r: r.act("", FRAMES, ["stay"], "doom"), "empty"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_error(reader, ask, says):
    with pytest.raises(WorldsimError, match=says):
        ask(reader)


def test_a_checkpoint_that_never_learnt_to_answer_says_so():
    with pytest.raises(WorldsimError, match="knows no <end>.*before frames could be asked"):
        Reader.from_pretrained()
