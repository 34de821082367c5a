"""The table of what was measured, and that those shown are of docs/results/eval.json.

docs/results/eval.md is what `worldsim table docs/results/eval.json` writes; README.md holds its
rows for which a number is wanted, between <!-- eval-table --> and <!-- /eval-table -->.
"""

import json
from pathlib import Path

import pytest

from worldsim import cli
from worldsim.errors import WorldsimError
from worldsim.evaluate.table import load, markdown, merge

ROOT = Path(__file__).parents[3]
BEGIN, END = "<!-- eval-table -->", "<!-- /eval-table -->"


def evaluation(name, weights="a", part="shuffle", **found):
    about = {"checkpoint_sha256": weights, "context": 16, "dataset": name, "parts": [part]}
    return {"worlds": {name: found}, "meta": about}


def cells(text, start):
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_a_number_stands_beside_what_it_is_compared_with_and_blanks_stay_blank():
    fvd = {"model": 938.2, "shuffled": 1500.4, "repeat_last": 1152.0, "codec": 3.4, "videos": 24}
    ends = {"correlation": None, "end": {"model": 0.5, "always": 0.145}, "steps": 8}
    walk = {"walk 2.0": {"why": "no way back fits"}, "real": {"lpips": 0.0312, "why": None}}
    one = evaluation("doom", fvd_i3d=fvd, rewards=ends, memory=walk)
    other = evaluation("kart", shuffle_ratio=1.337, rewards={"correlation": None, "steps": 8})
    text = markdown(merge({"one": one, "other": other}))
    assert text.startswith("| | doom | kart | wanted |\n|---|---|---|---|\n")
    assert "| FVD (I3D, 24 videos):" in text
    assert cells(text, "FVD") == ["938 / 1500 / 1152 / 3", "", ""]
    assert cells(text, "flow loss") == ["", "1.34", "≥ 1.3"]
    assert cells(text, "ends of episodes") == ["F1 .50 (.14); –", "none ended; –", ""]
    assert cells(text, "the same after walking") == ["no way back fits", "", ""]
    assert cells(text, "the real world's own") == [".031", "", ""]
    assert "LPIPS at 4" not in text  # nobody measured it


def test_actions_named_between_two_frames_alone_stand_below_if_they_were_asked():
    infer = {"model": 0.871, "blind": 0.2, "count": 192}
    found = {"doom": {"reading": {"infer": infer | {"pair": 0.788}}}}
    text = markdown(merge({"one": evaluation("doom", **found["doom"])}))
    assert cells(text, "actions named") == ["87 (20) %", "≥ 90 %"]
    assert cells(text, "the same where none is shown") == ["79 (20) %", ""]
    before = markdown(merge({"one": evaluation("doom", reading={"infer": infer})}))
    assert cells(before, "actions named") == ["87 (20) %", "≥ 90 %"]
    assert "the same where none is shown" not in before


def test_files_of_one_checkpoint_become_one_table_and_one_file(tmp_path, capsys):
    for name, found in {"a": {"shuffle_ratio": 2.0}, "b": {"drift": {"steps": 9}}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(evaluation("doom", part=name, **found)))
    paths = f"{tmp_path / 'a.json'},{tmp_path / 'b.json'}"
    out, merged = tmp_path / "all.md", tmp_path / "all.json"
    assert cli.main(["table", paths, f"out={out}", f"merged={merged}"]) == 0
    assert out.read_text() in capsys.readouterr().out
    result = load(merged)
    assert result["worlds"] == {"doom": {"shuffle_ratio": 2.0, "drift": {"steps": 9}}}
    assert (result["meta"]["parts"], result["meta"]["dataset"]) == (["a", "b"], "doom")


def test_evaluations_of_different_weights_are_refused(tmp_path):
    with pytest.raises(WorldsimError, match="checkpoint_sha256=b"):
        merge({"one": evaluation("doom"), "two": evaluation("kart", weights="b")})
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(WorldsimError, match="is no evaluation"):
        load(tmp_path / "x.json")


def test_tables_shown_are_those_of_the_stored_numbers():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert BEGIN in readme and END in readme, f"README.md needs {BEGIN} and {END}"
    shown = readme.split(BEGIN)[1].split(END)[0].strip().splitlines()
    whole = markdown(load(ROOT / "docs/results/eval.json")).strip().splitlines()
    assert shown == whole[:2] + [row for row in whole[2:] if row.split("|")[-2].strip()]
    stored = (ROOT / "docs/results/eval.md").read_text(encoding="utf-8")
    assert stored.strip().splitlines() == whole
