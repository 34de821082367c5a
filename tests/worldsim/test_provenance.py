from __future__ import annotations

import json

import pytest

from worldsim import provenance
from worldsim.errors import WorldsimError


def test_a_result_says_where_it_comes_from():
    about = provenance.meta(3, "some/data", "abc")
    assert set(about) == {
        "commit", "checkpoint_sha256", "seed", "machine", "torch", "date", "dataset",
    }  # fmt: skip
    assert about["seed"] == 3 and "cores" in about["machine"] and about["commit"]


def test_json_is_written_whole_and_what_is_not_a_number_becomes_null(tmp_path):
    path = tmp_path / "new" / "x.json"
    provenance.write_json(path, {"a": float("nan"), "b": [1.5, float("inf")]})
    assert json.loads(path.read_text()) == {"a": None, "b": [1.5, None]}
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_an_unwritable_output_is_found_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorldsimError, match="out="):
        provenance.check_writable(tmp_path / "file" / "x.json")
    with pytest.raises(WorldsimError, match="folder"):
        provenance.check_writable(tmp_path)
    with pytest.raises(WorldsimError, match="new has no ending: give .*new.json"):
        provenance.check_writable(tmp_path / "new")


def test_a_folders_digest_changes_with_its_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    before = provenance.file_sha256(tmp_path)
    (tmp_path / "a").write_text("2")
    assert provenance.file_sha256(tmp_path) != before
    assert len(provenance.file_sha256(tmp_path / "a")) == 64
