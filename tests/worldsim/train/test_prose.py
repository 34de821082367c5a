import json
from email.message import Message

import pytest

from worldsim.errors import WorldsimError
from worldsim.train import prose
from worldsim.train.prose import Prose, find_prose, keep_prose

TEXT = """# Title

[![badge](https://example.org)](x)

This package does one thing and it does that well,
in one line of code. It needs nothing else that you would have to install first!

    >>> code()
"""
SAID = [
    "This package does one thing and it does that well, in one line of code.",
    "It needs nothing else that you would have to install first!",
]


class Package:
    def __init__(self, name, text=TEXT, **fields):
        self.metadata = Message()
        self.metadata["Name"] = name
        for field, values in fields.items():
            for value in [values] if isinstance(values, str) else values:
                self.metadata[field.replace("_", "-")] = value
        self.metadata["Description"] = text


def installed(monkeypatch, *packages):
    monkeypatch.setattr(prose, "distributions", lambda: packages)


def test_only_what_names_an_open_licence_is_read_and_only_its_sentences(monkeypatch):
    installed(
        monkeypatch,
        Package("b", License="MIT"),
        Package("a", License_Expression="Apache-2.0", License="whatever"),
        Package("c", Classifier=["Topic :: X", "License :: OSI Approved :: BSD License"]),
        Package("unnamed"),
        Package("copyleft", License="GPL-3.0 and MIT"),
        Package("closed", License="Proprietary"),
        Package("mute", text="no sentence", License="MIT"),
    )
    found = find_prose()
    assert [package.name for package in found] == ["a", "b", "c"]
    assert all(package.sentences == SAID for package in found)
    assert found[0].licence == "Apache-2.0"


def test_the_packages_of_this_machine_have_something_to_say():
    found = find_prose()
    assert len(found) > 5 and all(package.licence for package in found)


def test_a_run_that_goes_on_reads_the_same_after_packages_changed(monkeypatch, tmp_path):
    installed(monkeypatch, Package("a", License="MIT"))
    first = keep_prose(tmp_path)
    installed(monkeypatch)
    assert keep_prose(tmp_path) == first == [Prose("a", "MIT", SAID)]
    assert json.loads((tmp_path / "prose.json").read_text())[0]["licence"] == "MIT"


def test_nothing_to_read_and_a_damaged_file_are_one_clear_error(monkeypatch, tmp_path):
    installed(monkeypatch)
    with pytest.raises(WorldsimError, match="set batch.prose_share=0"):
        keep_prose(tmp_path)
    for text in ("[{", "{}x", '[{"nme": 1}]'):
        (tmp_path / "prose.json").write_text(text)
        with pytest.raises(WorldsimError, match="prose.json is damaged.*delete it"):
            keep_prose(tmp_path)
