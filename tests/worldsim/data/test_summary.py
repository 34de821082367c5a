import json

import pytest
from PIL import Image

from tests.worldsim.data.episodes import SIZE, SPEC, make_episode
from worldsim.data import Dataset, DatasetWriter
from worldsim.data.summary import SummaryConfig, summarize, write_attribution
from worldsim.errors import WorldsimError


@pytest.fixture
def root(tmp_path):
    with DatasetWriter(tmp_path / "d", SPEC, SIZE) as writer:
        writer.append(make_episode(4, 0, actions=[1, 1, 1, 0], rewards=[0, 0, 2, 0]))
        writer.append(make_episode(3, 1, actions=[2, 1, 0], rewards=[0, 0, 0]))
    return tmp_path / "d"


def test_a_summary_counts_and_draws(root, capsys):
    summarize(SummaryConfig(path=str(root), rows=5, columns=3))
    printed = capsys.readouterr().out
    numbers = json.loads((root / "summary.json").read_text())
    assert (numbers["episodes"], numbers["frames"], numbers["terminated"]) == (2, 9, 1)
    assert numbers["actions"] | {"stay": 2, SPEC.actions[1]: 4} == numbers["actions"]
    assert sum(numbers["actions"].values()) == 7  # the padded last rows do not count
    assert (numbers["pickups"], numbers["reward_sum"]) == (1, 2.0)
    assert numbers["sources"] == {"maze-000000": 1, "maze-000001": 1}
    assert numbers["sentences"]["turn left"] == 3
    assert "walk to door 0" in printed and "contact_sheet.png" in printed
    with Image.open(root / "contact_sheet.png") as sheet:
        assert sheet.size == (3 * (SIZE + 2) + 2, 2 * (SIZE + 2) + 2)
    with Image.open(root / "actions.png") as histogram:
        assert histogram.width > 300


def test_pictures_can_go_elsewhere(root, tmp_path):
    summarize(SummaryConfig(path=str(root), out=str(tmp_path / "pictures")))
    assert (tmp_path / "pictures/contact_sheet.png").exists()
    assert not (root / "contact_sheet.png").exists() and not (root / "ATTRIBUTION.md").exists()


def test_a_collection_that_was_cut_short_gets_its_attribution_when_it_is_looked_at(root):
    summarize(SummaryConfig(path=str(root)))
    assert (SPEC.credits or "Unknown.") in (root / "ATTRIBUTION.md").read_text(encoding="utf-8")
    write_attribution(Dataset(root), "hill: Zoë (CC-BY-SA)\n")
    summarize(SummaryConfig(path=str(root)))
    assert "Zoë" in (root / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_pictures_do_not_stop_a_resume(root):
    summarize(SummaryConfig(path=str(root)))
    assert DatasetWriter(root, SPEC, SIZE).num_episodes == 2


def test_a_dataset_says_whose_its_pictures_are_and_names_every_artist(root):
    write_attribution(Dataset(root))
    assert (SPEC.credits or "Unknown.") in (root / "ATTRIBUTION.md").read_text(encoding="utf-8")
    write_attribution(Dataset(root), "hill: Zoë (CC-BY-SA)\nlake: Jo (CC0)\n")
    text = (root / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert (SPEC.credits or "Unknown.") in text and "Zoë (CC-BY-SA)\nlake: Jo (CC0)" in text
    assert not list(root.glob("*.tmp"))


def test_bad_requests_are_clear_errors(root, tmp_path):
    with pytest.raises(WorldsimError, match="rows=0"):
        summarize(SummaryConfig(path=str(root), rows=0))
    DatasetWriter(tmp_path / "empty", SPEC, SIZE).close()
    with pytest.raises(WorldsimError, match="no complete episode"):
        summarize(SummaryConfig(path=str(tmp_path / "empty")))
    (tmp_path / "file").write_text("")
    with pytest.raises(WorldsimError, match="cannot write"):
        summarize(SummaryConfig(path=str(root), out=str(tmp_path / "file")))
