from __future__ import annotations

import pytest

from tests.worldsim.train.runs import make_config, write_data
from worldsim.train.program import train


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A dataset of four episodes; not to be changed."""
    return write_data(tmp_path_factory.mktemp("train") / "data")


@pytest.fixture(scope="session")
def finished(data, tmp_path_factory):
    """The folder of a run that nothing interrupted; not to be changed."""
    out = tmp_path_factory.mktemp("train") / "finished"
    train(make_config(data, out))
    return out
