import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.batch import Batch, follows_left
from worldsim.hindsight import Hindsight
from worldsim.objective import ObjectiveConfig, WorldObjective
from worldsim.rollout import Rollout
from worldsim.sequence import Window, pack, simulate


@pytest.fixture(scope="module")
def checkpoint():
    return make_checkpoint()


def _window(checkpoint, steps: int, words: list[str]) -> Window:
    rng = np.random.default_rng(0)
    tokenizer = checkpoint.tokenizer
    return Window(
        latents=rng.standard_normal((steps + 1, *checkpoint.codec.latent_shape)).astype("float32"),
        actions=[tokenizer.encode(w) for w in words],
        sentences=[[]] * steps,
        stretch=[0] * steps,
        answers=[tokenizer.reward_id(0.0)] * (steps + 1),
    )


def _full_forward(checkpoint, window: Window, levels: float, grain: torch.Tensor, prompt=()):
    """The training forward on the clean history a rollout would have, noise fixed to `grain`."""
    tokenizer, base = checkpoint.tokenizer, checkpoint.rollout.base_level
    example = simulate(window, tokenizer, 96, [True] * len(window.actions), prompt)
    rows, placed = pack([example], 1, 96, len(window.latents), tokenizer.pad)
    assert placed == 1
    frames = torch.from_numpy(rows.latents)
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))
    shape = frames.shape[:2]
    batch = Batch(
        *(torch.from_numpy(x) for x in rows), noise, grain.expand_as(frames),
        torch.full(shape, levels), torch.full(shape, base),
        frames, *[torch.zeros(shape, dtype=torch.long)] * 2,
    )  # fmt: skip
    if checkpoint.network.momentum:
        look = Hindsight.of(checkpoint.network.canvas)
        motion = look(rows.latents, follows_left(batch).numpy() > 0)
        batch = batch._replace(went=torch.from_numpy(motion))
    objective = WorldObjective(checkpoint.network, ObjectiveConfig())
    logits, velocity, _ = objective.predict(batch)
    return batch, example, logits[0], velocity[0]


@pytest.mark.parametrize(("painter_width", "momentum_width"), [(96, 0), (0, 0), (96, 32)])
@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", ["forward", "turn left", "stay", "forward turn left strafe right"]),
        ("walk to the green torch", ["forward", "turn left", "stay", "strafe right"]),
        ("walk to the green torch", ["", "", "", ""]),
        ("", ["", "turn left for 2 steps", "", ""]),  # heard for three frames
    ],
)
def test_cached_steps_equal_the_full_forward(prompt, words, painter_width, momentum_width):
    """Training and rollout see the same sequence: same logits after frames, same velocities."""
    checkpoint = make_checkpoint(painter_width=painter_width, momentum_width=momentum_width)
    window = _window(checkpoint, len(words), words)
    ids = checkpoint.tokenizer.encode(prompt) if prompt else []
    lane = torch.tensor([0])
    rollout = Rollout(
        checkpoint.network,
        checkpoint.tokenizer,
        checkpoint.rollout,
        1,
        checkpoint.codec.latent_shape,
    )
    batch, example, logits, velocity = _full_forward(checkpoint, window, 0.7, rollout._grain, ids)
    marks = [i for i, t in enumerate(example.ids) if t == checkpoint.tokenizer.frame_end]
    rollout.forget(lane)
    if ids:
        rollout.read_prompt(lane, ids)
    for k, latents in enumerate(torch.from_numpy(window.latents)):
        if k:
            noisy = 0.3 * latents + 0.7 * batch.noise[0, k]
            step = rollout.draw(lane, [window.actions[k - 1]], noisy[None], [0.7, 0.0])
            expected = checkpoint.network.canvas.settle(
                (noisy - 0.7 * velocity[k])[None], rollout.home if k else None
            )
            # What lies around a picture is kept in sixteen bits.
            torch.testing.assert_close(step.latents, expected, rtol=1e-3, atol=1e-3)
        answer = rollout.commit(lane, latents[None])
        torch.testing.assert_close(answer[0], logits[marks[k]], rtol=1e-3, atol=1e-4)


def test_a_frame_beyond_the_window_is_not_seen(checkpoint):
    """What left the window cannot matter directly: one layer deep, it changes nothing."""
    lane = torch.tensor([0])
    ends = []
    for first in (0.0, 5.0):
        network = make_checkpoint(seed=3).network
        network.blocks = network.blocks[:1]
        network.register_to_config(depth=1)
        rollout = Rollout(
            network, checkpoint.tokenizer, checkpoint.rollout, 1, checkpoint.codec.latent_shape
        )
        rollout.forget(lane)
        for k in range(checkpoint.rollout.window + 2):
            if k:
                rollout.read_step(lane, [[]])
            frame = torch.full((1, *checkpoint.codec.latent_shape), first if k == 0 else 0.1 * k)
            answer = rollout.commit(lane, frame)
        ends.append(answer)
    torch.testing.assert_close(ends[0], ends[1])


def test_lanes_do_not_disturb_each_other(checkpoint):
    """A lane alone and the same lane beside a busy one give the same answers."""
    shape = checkpoint.codec.latent_shape
    frames = torch.randn(4, 1, *shape, generator=torch.Generator().manual_seed(2))
    word = checkpoint.tokenizer.encode("forward turn left")
    answers = []
    for lanes in (1, 3):
        rollout = Rollout(
            checkpoint.network, checkpoint.tokenizer, checkpoint.rollout, lanes, shape
        )
        every = torch.arange(lanes)
        rollout.forget(every)
        for k, frame in enumerate(frames):
            if k:
                rollout.read_step(every, [word, [], word + word][:lanes])
            batch = torch.cat([frame, torch.randn(lanes - 1, *shape)]) if lanes > 1 else frame
            answer = rollout.commit(every, batch)
        answers.append(answer[0])
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-4, atol=1e-5)


def test_home_is_the_colour_that_each_lane_began_with(checkpoint):
    canvas, shape = checkpoint.network.canvas, checkpoint.codec.latent_shape
    memory = Rollout(checkpoint.network, checkpoint.tokenizer, checkpoint.rollout, 2, shape)
    generator = torch.Generator().manual_seed(0)
    begun, later = torch.randn(2, 2, *shape, generator=generator)
    lanes, second = torch.arange(2), torch.tensor([1])
    with torch.inference_mode():
        for frames in (begun, later):
            memory.commit(lanes, frames)
        torch.testing.assert_close(memory.home, canvas.tint(begun))
        memory.forget(second)
        memory.commit(second, later[1:])
        torch.testing.assert_close(memory.home, canvas.tint(torch.stack([begun[0], later[1]])))
