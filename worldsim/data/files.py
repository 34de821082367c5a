"""Files that are there completely or not at all, and errors that name the file and the remedy."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from worldsim.errors import WorldsimError


def file_sha256(path: Path) -> str:
    """Return the digest of a file's bytes.

    Raises:
        WorldsimError: The file is missing or cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise WorldsimError(
            f"{path} cannot be read ({error.strerror}): restore it or collect again"
        ) from error


def read_table(path: Path, schema: pa.Schema, extra: pa.Schema | None = None) -> pa.Table:
    """Read the columns of `schema` from one parquet file, and those of `extra` it has.

    Raises:
        WorldsimError: The file is missing, damaged or has other columns.
    """
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        there = [field for field in extra or [] if field.name in file.schema_arrow.names]
        wanted = pa.schema([*schema, *there])
        return file.read(columns=wanted.names).select(wanted.names).cast(wanted)
    except FileNotFoundError:
        raise WorldsimError(f"{path} is missing: restore it or collect again") from None
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise WorldsimError(
            f"{path} is damaged ({reason[:200]}): restore it or collect again"
        ) from error


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary neighbour of `path`, then rename it: all or nothing.

    Raises:
        WorldsimError: The place cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise WorldsimError(
            f"cannot write {path} ({error.strerror or error}): "
            "free some space or choose another folder with path="
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    text = json.dumps(content, indent=2) + "\n"
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def write_table(path: Path, table: pa.Table) -> None:
    """Write a parquet file atomically."""
    write_atomically(
        path, lambda temporary: pq.write_table(table, temporary, write_page_checksum=True)
    )
