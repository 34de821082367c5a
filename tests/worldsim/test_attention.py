import pytest
import torch

from worldsim.attention import (
    PARTS,
    PARTS_SIDE,
    TeacherForcing,
    frame_positions,
    rotary_angles,
    rotate,
    text_positions,
)

N = 2  # tokens of a frame
# One row: document 0 is F0 a (?q !q) (r) F1, document 1 is b F2; one empty slot each. What is in
# brackets is an aside.
TEXT_ORDER, TEXT_DOC = [[1, 2, 3, 4, 0, 0]], [[0, 0, 0, 0, 1, -1]]
TEXT_BRANCH = [[0, 1, 1, 2, 0, 0]]
FRAME_ORDER, FRAME_DOC = [[0, 5, 1, 0]], [[0, 0, 1, -1]]
FRAMES = ["F0", "F1", "F2", "-", "N0", "N1", "N2", "-"]
NAMES = ["a", "?q", "!q", "r", "b", "-", *(name for name in FRAMES for _ in range(N))]


def visible() -> dict[str, set[str]]:
    """Name what each token sees, found by watching which values reach it."""
    tables = [torch.tensor(t) for t in (TEXT_ORDER, TEXT_DOC, TEXT_BRANCH, FRAME_ORDER, FRAME_DOC)]
    attend = TeacherForcing(*tables, n=N)
    size = len(NAMES)
    values = torch.eye(size)[None, :, None]  # what arrives at a token is where it came from
    zeros = torch.zeros_like(values)
    seen = attend(0, zeros, zeros, values)[0, :, 0]
    found: dict[str, set[str]] = {}
    for token, name in enumerate(NAMES):
        sees = {NAMES[k] for k in torch.nonzero(seen[token]).flatten()}
        assert found.setdefault(name, sees) == sees or name == "-"
    assert torch.isfinite(seen).all()
    return found


def test_who_sees_whom_in_training():
    found = visible()
    found.pop("-")
    assert found == {
        "F0": {"F0"},
        "a": {"F0", "a"},
        "?q": {"F0", "a", "?q"},
        "!q": {"F0", "a", "?q", "!q"},
        "r": {"F0", "a", "r"},
        "F1": {"F0", "a", "F1"},
        "b": {"b"},
        "F2": {"b", "F2"},
        # A noisy frame sees what came before it and itself, but not its own clean copy.
        "N0": {"N0"},
        "N1": {"F0", "a", "N1"},
        "N2": {"b", "N2"},
    }


def test_positions_are_time_row_column_and_text_counts_along_the_diagonal():
    assert text_positions(torch.tensor([[4]]), torch.tensor([[2]]), 4).tolist() == [[[4, 2, 2]]]
    assert frame_positions(torch.tensor([[5, 6]]), 2).tolist() == [
        [[5, 0, 0], [5, 0, 1], [5, 1, 0], [5, 1, 1], [6, 0, 0], [6, 0, 1], [6, 1, 0], [6, 1, 1]]
    ]


@pytest.mark.parametrize("later", [1, 1000, 1_000_000])
def test_attention_depends_on_distance_only_even_after_a_million_steps(later):
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 64, generator=generator)

    def score(shift):
        places = torch.tensor([[[3 + shift, 1, 2]], [[1 + shift, 0, 3]]])
        angles = [rotary_angles(place[None], 64) for place in places]
        return (rotate(q, *angles[0]) * rotate(k, *angles[1])).sum()

    torch.testing.assert_close(score(0), score(later), rtol=1e-4, atol=1e-4)


def test_rotation_keeps_length_and_leaves_the_origin_alone():
    x = torch.randn(1, 3, 2, 64, generator=torch.Generator().manual_seed(0))
    places = torch.tensor([[[0, 0, 0], [7, 1, 2], [500, 3, 3]]])
    turned = rotate(x, *rotary_angles(places, 64))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[:, 0], x[:, 0])


def test_text_about_parts_of_the_picture_stands_where_they_are():
    places = torch.tensor([[PARTS, PARTS + 1, PARTS + PARTS_SIDE, PARTS + PARTS_SIDE**2 - 1]])
    found = text_positions(torch.full_like(places, 7), places, 4)
    assert found.tolist() == [
        [[7, -0.25, -0.25], [7, -0.25, 0.25], [7, 0.25, -0.25], [7, 3.25, 3.25]]
    ]
