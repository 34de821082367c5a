import pytest
import torch

from worldsim.cache import KeyValueRing

LANES, SLOTS, WINDOW = 2, 6, 3


@pytest.fixture
def ring():
    return KeyValueRing(1, LANES, SLOTS, 1, 4, WINDOW, torch.device("cpu"), torch.float32)


def put(ring, lanes, numbers, order, time, valid=None, alone=False):
    """Send tokens through the ring whose values are `numbers`; return what each one saw, mean."""
    lanes, values = torch.tensor(lanes), torch.tensor(numbers, dtype=torch.float32)
    shape = values.shape
    order, time = torch.tensor(order).expand(shape), torch.tensor(time).expand(shape)
    valid = torch.ones(shape, dtype=torch.bool) if valid is None else torch.tensor(valid)
    attend = ring.place(lanes, order, time, valid, alone)
    v = values[:, :, None, None].expand(-1, -1, 1, 4)
    seen = attend(0, torch.zeros_like(v), torch.zeros_like(v), v)  # equal weight on all seen
    ring.keep(lanes, valid.sum(dim=1))
    return seen[:, :, 0, 0]


def test_tokens_see_the_past_and_those_of_their_own_order_but_not_the_future(ring):
    assert put(ring, [0], [[1.0, 3.0]], [[0, 1]], [[0, 0]]).tolist() == [[1.0, 2.0]]
    assert put(ring, [0], [[5.0, 7.0]], [[2, 2]], [[1, 1]]).tolist() == [[4.0, 4.0]]


def test_tokens_alone_see_the_past_and_themselves_but_none_of_their_own_pass(ring):
    put(ring, [0], [[1.0]], [[0]], [[0]])
    assert put(ring, [0], [[3.0, 5.0]], [[1, 2]], [[0]], alone=True).tolist() == [[2.0, 3.0]]
    assert put(ring, [0], [[6.0]], [[3]], [[0]]).tolist() == [[3.75]]  # later all are the past


def test_lanes_do_not_see_each_other(ring):
    put(ring, [0], [[100.0]], [[0]], [[0]])
    assert put(ring, [1], [[2.0]], [[0]], [[0]]).tolist() == [[2.0]]
    assert put(ring, [0, 1], [[200.0], [4.0]], [[1]], [[1]]).tolist() == [[150.0], [3.0]]


def test_what_left_the_window_is_not_seen(ring):
    for step in range(5):
        seen = put(ring, [0], [[float(step)]], [[step]], [[step]])
        assert seen.item() == pytest.approx(
            sum(range(max(0, step - 2), step + 1)) / min(step + 1, 3)
        )


def test_the_newest_overwrite_the_oldest_and_memory_never_grows(ring):
    size = ring.store.numel()
    for step in range(50):
        seen = put(ring, [0, 1], [[float(step)] * 2] * 2, [[step]], [[step]])
        steps = range(max(0, step - WINDOW + 1), step + 1)
        assert seen[0, 0].item() == pytest.approx(sum(steps) / len(steps))
    assert ring.store.numel() == size


def test_padding_is_seen_by_nobody_and_takes_no_room(ring):
    valid = [[True, False, True], [True, True, True]]
    seen = put(ring, [0, 1], [[1.0, 99.0, 3.0], [1.0, 2.0, 3.0]], [[0, 1, 2]], [[0]], valid)
    assert seen[0, [0, 2]].tolist() == [1.0, 2.0] and torch.isfinite(seen).all()
    assert ring.head.tolist() == [2, 3]
    assert put(ring, [0], [[5.0]], [[3]], [[0]]).tolist() == [[3.0]]


def test_tokens_that_are_not_kept_are_overwritten_by_the_next(ring):
    lanes, one = torch.tensor([0]), torch.ones(1, 1)
    attend = ring.place(lanes, one.long(), one.long(), one.bool())
    attend(0, *[torch.full((1, 1, 1, 4), 50.0)] * 3)
    assert put(ring, [0], [[2.0]], [[1]], [[1]]).tolist() == [[2.0]]


def test_a_lane_that_forgets_sees_nothing_of_before(ring):
    put(ring, [0, 1], [[9.0], [9.0]], [[0]], [[0]])
    ring.forget(torch.tensor([0]))
    assert put(ring, [0, 1], [[1.0], [1.0]], [[1]], [[1]]).tolist() == [[1.0], [5.0]]


def test_a_loaded_state_is_a_copy_not_a_view(ring):
    put(ring, [0, 1], [[1.0], [2.0]], [[0]], [[0]])
    state = ring.state()
    first = put(ring, [0, 1], [[3.0], [4.0]], [[1]], [[1]])
    for _ in range(2):
        ring.load(state)
        assert torch.equal(put(ring, [0, 1], [[3.0], [4.0]], [[1]], [[1]]), first)
