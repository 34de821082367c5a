"""Clips here are two frames, of which the first or the second is bright; questions ask which."""

import numpy as np
import torch

from tests.worldsim.small_batches import make_objective, to_batch
from tests.worldsim.tiny import make_checkpoint
from worldsim.answers import answer_loss, learnt_answers
from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.glance import Glance
from worldsim.sequence import Measure, Talk, Window, talk
from worldsim.text import DEPTH, END, INFER


def make_clip(checkpoint, talks, bright=1.0):
    tokenizer, shape = checkpoint.tokenizer, checkpoint.codec.latent_shape
    latents = np.zeros((2, *shape), np.float32)
    latents[1] = bright
    answers = [tokenizer.reward_id(0.0)] * 2
    return talk(Window(latents, [[]], [[]], [0], answers), tokenizer, talks)


def make_glance(checkpoint, width=16, num_tokens=4):
    torch.manual_seed(0)
    return Glance(len(checkpoint.tokenizer), width, num_tokens)


def infer(checkpoint, said):
    mark = checkpoint.tokenizer.mark
    return Talk([mark(INFER)], checkpoint.tokenizer.encode(said), at=1)


def look(batch, num_tokens=4, width=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*batch.frame_doc.shape, num_tokens, width, generator=generator)


def test_every_word_of_every_answer_is_said_and_nothing_else():
    checkpoint = make_checkpoint()
    one, two = infer(checkpoint, "forward"), infer(checkpoint, "turn left")
    batch = to_batch([make_clip(checkpoint, [one, two])], checkpoint, rows=1)
    logits = make_glance(checkpoint)(batch, look(batch))
    assert len(logits) == len(one.said) + len(two.said) + 2, "an end each"
    targets = batch.text_targets[learnt_answers(batch)]
    end = checkpoint.tokenizer.mark(END)
    assert targets.tolist() == [*one.said, end, *two.said, end]


def test_what_is_said_hangs_on_the_newest_frame_and_no_other():
    checkpoint = make_checkpoint()
    batch = to_batch([make_clip(checkpoint, [infer(checkpoint, "forward")])] * 2, checkpoint, 1)
    glance, looked = make_glance(checkpoint), look(batch)
    before = glance(batch, looked)
    looked[0, 1] += 1  # the second frame of the first clip
    changed = (glance(batch, looked) - before).abs().amax(dim=1) > 0
    first = batch.text_doc[learnt_answers(batch)] == 0
    assert torch.equal(changed, first)
    before = glance(batch, looked)
    looked[0, 0] += 1  # nobody is asked about a first frame here
    assert torch.equal(glance(batch, looked), before)


def test_a_part_is_looked_at_where_it_is():
    checkpoint = make_checkpoint()
    ids, mark = checkpoint.tokenizer.depth_ids, checkpoint.tokenizer.mark(DEPTH)
    last = PARTS_SIDE**2 - 1
    asked = Measure(mark, {PARTS: ids[0], PARTS + last: ids[3]}, at=1)
    batch = to_batch([make_clip(checkpoint, [asked])], checkpoint, rows=1)
    glance, looked = make_glance(checkpoint), look(batch)
    before = glance(batch, looked)
    looked[0, 1, 3] += 1  # the token at the lower right
    assert ((glance(batch, looked) - before).abs().amax(dim=1) > 0).tolist() == [False, True]


def test_the_words_said_before_lead_on_and_those_of_others_do_not():
    checkpoint = make_checkpoint()
    clips = [
        make_clip(checkpoint, [infer(checkpoint, "turn left"), infer(checkpoint, other)])
        for other in ("forward", "stay")
    ]
    batches = [to_batch([clip], checkpoint, rows=1) for clip in clips]
    glance = make_glance(checkpoint)
    one, other = (glance(batch, look(batches[0])) for batch in batches)
    words = len(checkpoint.tokenizer.encode("turn left")) + 1
    assert torch.equal(one[:words], other[:words])
    assert not torch.allclose(one[0], one[1])


def test_a_long_answer_counts_as_the_root_of_its_words():
    checkpoint = make_checkpoint()
    one, two = infer(checkpoint, "forward"), infer(checkpoint, "turn left")
    batch = to_batch([make_clip(checkpoint, [one, two])], checkpoint, rows=1)
    learnt = learnt_answers(batch)
    targets, words = (
        batch.text_targets[learnt],
        torch.tensor([len(one.said) + 1, len(two.said) + 1]),
    )
    logits = torch.nn.functional.one_hot(targets, len(checkpoint.tokenizer)) * 50.0
    logits[: words[0]] = 0  # the first answer is guessed, the second one known
    guessed = torch.tensor(float(len(checkpoint.tokenizer))).log()
    share = words.sqrt()[0] / words.sqrt().sum()
    torch.testing.assert_close(answer_loss(batch, logits), guessed * share)
    whole = torch.zeros(*learnt.shape, logits.shape[1])
    whole[learnt] = logits
    torch.testing.assert_close(answer_loss(batch, whole), guessed * share)


def test_the_parts_of_a_picture_are_one_answer():
    checkpoint = make_checkpoint()
    ids, mark = checkpoint.tokenizer.depth_ids, checkpoint.tokenizer.mark(DEPTH)
    parts = Measure(mark, {PARTS + k: ids[k % 3] for k in range(9)}, at=1)
    clip = make_clip(checkpoint, [infer(checkpoint, "forward"), parts])
    batch = to_batch([clip], checkpoint, rows=1)
    targets = batch.text_targets[learnt_answers(batch)]
    logits = torch.nn.functional.one_hot(targets, len(checkpoint.tokenizer)) * 50.0
    logits[batch.text_index[learnt_answers(batch)] >= PARTS] = 0
    said = len(targets) - 9
    guessed = torch.tensor(float(len(checkpoint.tokenizer))).log()
    torch.testing.assert_close(answer_loss(batch, logits), guessed * 3 / (3 + said**0.5))


def test_a_stem_learns_from_glances_and_the_transformer_does_not():
    torch.manual_seed(0)
    checkpoint = make_checkpoint()
    clips = [
        make_clip(checkpoint, [infer(checkpoint, said)], bright)
        for said, bright in (("forward", 1.0), ("turn left", -1.0))
    ]
    batch, objective = to_batch(clips, checkpoint, rows=1), make_objective(checkpoint)
    network = checkpoint.network
    learning = [*network.stem.parameters(), *objective.glance.parameters()]
    optimizer, losses = torch.optim.Adam(learning, lr=1e-2), []
    for _ in range(40):
        loss = objective.glances(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert all(p.grad is None for p in network.blocks.parameters())


def test_glances_are_part_of_the_loss_by_their_weight():
    torch.manual_seed(0)
    checkpoint = make_checkpoint()
    play = to_batch([make_clip(checkpoint, [])], checkpoint, rows=1)
    asked = to_batch([make_clip(checkpoint, [infer(checkpoint, "forward")])], checkpoint, rows=1)
    objective = make_objective(checkpoint, glance_weight=2.0)
    without, _ = objective(play)
    loss, logs = objective(play, None, asked)
    torch.testing.assert_close(loss, without + 2 * logs["glance"])
