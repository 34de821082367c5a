from dataclasses import replace

import pytest

from agents.report import draw_learning, read_curve, table
from agents.tasks import find_task
from tests.agents.toy import TASK
from worldsim.errors import WorldsimError


def measured(mean, steps, episodes=10):
    return {"mean": mean, "low": mean - 1, "high": mean + 1, "episodes": episodes, "steps": steps}


LEARNT = {"inside": "dream", "steps": 20_000, "real_frames": 4000, "seconds": 300.0}


def write_curve(folder, *rows):
    folder.mkdir(parents=True)
    lines = ["steps,real_frames,mean,low,high,episodes", *rows]
    (folder / "real.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "agent")


def test_a_table_says_what_was_got_where_and_from_how_much():
    found = {
        "random": {"real": measured(5.0, 100) | {"solved": 0.1}, "dream": measured(2.0, 40),
                   "gap": {"steps": 4, "real": 2.0, "dream": 2.0}},
        "run/agent": {"real": measured(8.0, 100), "dream": measured(8.0, 50), "learnt": LEARNT,
                      "gap": {"steps": 20, "real": 4.0, "dream": 8.0}},
        "stay": {"real": measured(0.0, 100), "dream": measured(1.0, 50),
                 "gap": {"steps": 20, "real": 0.0, "dream": 1.0}},
    }  # fmt: skip
    said = table(found, replace(TASK, solved=9.0))
    assert "right answers; 9 counts as solved" in said
    assert "| agent | real | dream | gap: real → dream in the same time | learnt in |" in said
    assert "| random | 5.0 (4.0 to 6.0), solved 10%, 10 episodes | 2.0 (1.0 to 3.0), 10 ep" in said
    assert "| 2.0 → 2.0 (+0 %) in 4 steps |" in said
    assert "| 4.0 → 8.0 (+100 %) in 20 steps | dream | 20,000 | 4,000 | 5 |" in said
    assert "| 0.0 → 1.0 in 20 steps |" in said, "of nothing there are no percents"


def test_where_an_end_is_a_success_its_share_is_said():
    found = {"stay": {"real": measured(0.25, 90) | {"ended": 0.25}}}
    assert "0.25 (-0.75 to 1.25), success 25% in 9 steps, 10" in table(
        found, replace(TASK, success=True)
    )


def test_where_an_end_is_a_failure_who_lives_to_the_limit_of_the_real_world_succeeds():
    row = measured(1.0, 300) | {"ended": 0.25, "skip": 4}
    said = table({"stay": {"real": row, "dream": row}}, replace(TASK, success=False))
    assert "1.0 (0.0 to 2.0), success 75% in 120 steps, 10 episodes | 1.0 (0.0 to 2.0), 10" in said
    assert find_task("doom/health_gathering").success is False


def test_one_place_has_no_gap():
    assert "gap" not in table({"stay": {"real": measured(1.0, 9)}}, TASK)


def test_curves_of_trained_agents_are_drawn_beside_what_others_got(tmp_path):
    agent = write_curve(tmp_path / "run", "0,100,1,0,2,5", "200,100,4,3,5,5")
    found = {agent: {"real": measured(4.0, 50)}, "random": {"real": measured(1.0, 50)}}
    said = draw_learning(tmp_path / "a.png", found, TASK)
    assert said == f", {tmp_path / 'a.png'}" and (tmp_path / "a.png").stat().st_size > 5000
    assert [row["mean"] for row in read_curve(tmp_path / "run" / "real.csv")] == [1, 4]


def test_who_learnt_without_being_measured_on_the_way_is_a_point(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("agents.report.draw_panels", lambda path, panels: drawn.extend(panels))
    dreamed = {"real": measured(4.0, 50), "learnt": LEARNT}
    draw_learning(tmp_path / "a.png", {"a": dreamed, "stay": {"real": measured(1.0, 50)}}, TASK)
    frames, steps = drawn
    assert frames.lines == {"a": ([4000], [4.0])} and steps.lines == {"a": ([20_000], [4.0])}
    assert frames.levels == steps.levels == {"stay": 1.0}


def test_without_anybody_who_learnt_nothing_is_drawn(tmp_path):
    assert draw_learning(tmp_path / "a.png", {"random": {"real": measured(1.0, 5)}}, TASK) == ""
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("row", ["0,100,one,0,2,5", "0,100"])
def test_a_damaged_curve_is_named(tmp_path, row):
    agent = write_curve(tmp_path / "run", row)
    with pytest.raises(WorldsimError, match="real.csv is damaged"):
        draw_learning(tmp_path / "a.png", {agent: {}}, TASK)
