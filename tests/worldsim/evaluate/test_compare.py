import json

import pytest

from worldsim.errors import WorldsimError
from worldsim.evaluate.compare import CompareConfig, compare


def write_run(folder, share, plain, world=None, **measured):
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"batch:\n  labelled_share: {share}\n  plain_share: {plain}\n"
    )
    found = {"video_maps": {"4": {"lpips_ratio": share}}, "shuffle_ratio": 1 + share} | measured
    (folder / "eval.json").write_text(json.dumps({"worlds": {world or "rooms": found}}))


@pytest.fixture
def runs(tmp_path):
    for share in (0.25, 0.01, 1.0):
        for plain in (0, 0.5):
            write_run(tmp_path / "runs" / f"{share}-{plain}", share, plain)
    (tmp_path / "runs" / "notes").mkdir()  # no run, and no matter
    return tmp_path / "runs"


def config(folder, **changes):
    values = {"runs": f"{folder}/*", "measures": ["video.4.lpips_ratio", "shuffle_ratio"]}
    return CompareConfig(**values | {"out": str(folder / "figure.png")} | changes)


def test_every_run_is_a_point_and_every_value_of_the_other_key_a_line(runs, capsys):
    compare(config(runs, x="batch.labelled_share", by="batch.plain_share"))
    rows = json.loads((runs / "figure.json").read_text())["rows"]
    assert [row["x"] for row in rows] == [0.01, 0.01, 0.25, 0.25, 1.0, 1.0]
    assert {row["line"] for row in rows} == {"batch.plain_share 0", "batch.plain_share 0.5"}
    assert all(row["shuffle_ratio"] == 1 + row["x"] for row in rows)
    assert all(row["video.4.lpips_ratio"] == row["x"] for row in rows), "of whatever group there is"
    assert (runs / "figure.png").stat().st_size > 5000
    assert "1.0-0.5 (batch.plain_share 0.5, 1.0)" in capsys.readouterr().out


def test_without_a_setting_runs_are_named_and_worlds_are_lines(runs):
    both = {"rooms": {"shuffle_ratio": 2.0}, "kart": {"shuffle_ratio": 1.0}}
    (runs / "1.0-0" / "eval.json").write_text(json.dumps({"worlds": both}))
    compare(config(runs, runs=f"{runs}/1.0-0,{runs}/0.01-0", measures=["shuffle_ratio"]))
    rows = json.loads((runs / "figure.json").read_text())["rows"]
    assert [(row["x"], row["line"]) for row in rows] == [
        ("0.01-0", "rooms"), ("1.0-0", "kart"), ("1.0-0", "rooms"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"runs": "/nowhere"}, "no config.yaml"),
        ({"runs": "/nowhere/*"}, "no config.yaml"),
        ({"runs": " , "}, "no run is named"),
        ({"x": "batch.luck"}, "has no 'batch.luck'"),
        ({"measures": []}, "leaves nothing"),
        ({"measures": ["control.ratio"]}, "at 'control' there is video_maps, shuffle_ratio"),
        ({"measures": ["video.4"]}, "not a number"),
        ({"out": "/proc/x.png"}, "cannot write"),
    ],
)
def test_what_cannot_be_compared_is_one_error(runs, changes, says):
    with pytest.raises(WorldsimError, match=says):
        compare(config(runs, **changes))


def test_a_run_that_was_not_measured_says_how_to(runs):
    (runs / "1.0-0" / "eval.json").unlink()
    with pytest.raises(WorldsimError, match="worldsim eval data=… checkpoint=.*1.0-0/model"):
        compare(config(runs))
    (runs / "1.0-0" / "eval.json").write_text("{")
    with pytest.raises(WorldsimError, match="damaged"):
        compare(config(runs))
