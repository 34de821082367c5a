import struct

import numpy as np
import pytest

from envs.doom_plan import DoomPlan

# Two rooms side by side, joined by a gap of 80 in the wall between them.
LINES = np.array(
    [
        *[(0, 0, 400, 0), (400, 0, 400, 200), (400, 200, 0, 200), (0, 200, 0, 0)],
        *[(200, 0, 200, 120)],
    ],
    float,
)
GOAL = (300.0, 40.0)


def test_a_way_leads_around_walls_and_then_straight_to_the_goal():
    plan, place = DoomPlan(LINES, GOAL), np.array((60.0, 40.0))
    x, y = plan.next_point(*place)
    assert y > 120 and x < 260, "through the gap first"
    walked = 0
    while np.linalg.norm(place - GOAL) > 8 and walked < 200:
        ahead = np.array(plan.next_point(*place)) - place
        before, place = place, place + 4 * ahead / np.linalg.norm(ahead)
        walked += 1
        crossed = (before[0] - 200) * (place[0] - 200) < 0
        assert not crossed or place[1] > 130, "nobody walks through a wall"
    assert walked < 120
    assert plan.next_point(300.0, 160.0) == GOAL


def test_from_a_spot_too_near_a_wall_to_stand_in_there_is_a_way_too():
    x, y = DoomPlan(LINES, GOAL).next_point(2.0, 2.0)
    assert 0 < x < 260 and y > 0


def test_a_scenario_is_read_from_its_file(tmp_path):
    text = 'namespace = "zdoom";\nthing // 0\n{\nx = 300.0;\ny = 40.0;\ntype = 2018;\n}\n'
    corners = dict.fromkeys((x, y) for line in LINES for x, y in line.reshape(2, 2))
    numbers = {corner: k for k, corner in enumerate(corners)}
    for x, y in corners:
        text += f"vertex // 0\n{{\nx = {x};\ny = {y};\n}}\n"
    for x0, y0, x1, y1 in LINES:
        text += (
            f"linedef\n{{\nv1 = {numbers[x0, y0]};\nv2 = {numbers[x1, y1]};\nblocking = true;\n}}\n"
        )
    text += "linedef\n{\nv1 = 0;\nv2 = 2;\ntwosided = true;\n}\n"  # one can walk through it
    data = text.encode()
    entries = [(0, 0, b"MAP01"), (12, len(data), b"TEXTMAP")]
    lumps = b"".join(struct.pack("<ii8s", *entry) for entry in entries)
    (tmp_path / "a.wad").write_bytes(
        struct.pack("<4sii", b"PWAD", 2, 12 + len(data)) + data + lumps
    )
    plan = DoomPlan.read(tmp_path / "a.wad", 2018)
    assert plan.goal == GOAL and np.array_equal(plan.away, DoomPlan(LINES, GOAL).away)
    (tmp_path / "b.wad").write_bytes(struct.pack("<4sii", b"PWAD", 0, 12))
    with pytest.raises(KeyError, match="no map 'MAP01' in b.wad"):
        DoomPlan.read(tmp_path / "b.wad", 2018)
