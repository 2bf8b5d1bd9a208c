"""A folder of files that is whole or not there, and that says of each file how long it is and what its hash is.

It is written beside its place under another name, every file synced to the disk, and renamed in the end; so it is
whole if it is there, however the writer ended. Folders have numbers for names and one writer at a time. This module
does not know what the files mean.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hocket.core.replacement import PART, beside
from hocket.errors import CheckpointError

INDEX = "state.json"
OLD = ".old"
PIECE = 1 << 24
"""Bytes that are hashed and written at a time."""


class FolderWriter:
    """Writes files into a folder that is not yet at its place. Errors of the disk come as they are, as OSErrors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, *pieces: bytes | memoryview) -> None:
        """The file ``name``, of ``pieces`` one after another."""
        digest, length = hashlib.sha256(), 0
        with (self._path / name).open("wb") as file:
            for piece in pieces:
                view = memoryview(piece)
                for begin in range(0, len(view), PIECE):
                    digest.update(view[begin : begin + PIECE])
                    file.write(view[begin : begin + PIECE])
                length += len(view)
            _sync(file)
        self._files[name] = {"bytes": length, "sha256": digest.hexdigest()}

    def add_array(self, name: str, array: NDArray[Any]) -> None:
        """The file ``name`` as numpy's ``.npy``, uncompressed."""
        array = np.asarray(array, order="C")
        head = _Collected()
        np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
        self.add(name, b"".join(head), array.reshape(-1).view(np.uint8).data if array.size else b"")

    def add_index(self, index: Mapping[str, Any]) -> None:
        """``index`` and what is known of all files so far, as the one file that is read first."""
        content = json.dumps({**index, "files": self._files}, indent=2, allow_nan=False) + "\n"
        with (self._path / INDEX).open("wb") as file:
            file.write(content.encode())
            _sync(file)


@contextmanager
def new_folder(path: Path) -> Iterator[FolderWriter]:
    """Yields a writer; what it has written in the end stands at ``path``, in place of what was there.

    Raises:
        CheckpointError: if the disk refuses. Then nothing of it is left, and what was there before still is.
    """
    part = beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path.parent)
        part.mkdir()
        yield FolderWriter(part)
        _sync_folder(part)
        _put(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be written ({error.strerror or error}); those before it are untouched; make "
            "room there, or try another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_index(path: Path, *, format: str, version: int) -> dict[str, Any]:
    """The index of the folder at ``path``.

    Raises:
        CheckpointError: if it is not there, not whole, of another format, or of another version of it.
    """
    file = path / INDEX
    try:
        index = json.loads(file.read_bytes())
        found, its_version = index["format"], int(index["format_version"])
        files = {name: (int(known["bytes"]), str(known["sha256"])) for name, known in index["files"].items()}
    except OSError as error:
        raise CheckpointError(
            f"{path} is no checkpoint: {INDEX} cannot be read ({error.strerror or error}); give a folder that training "
            "has saved into"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{file} is damaged or no checkpoint's ({type(error).__name__}: {error}); try the checkpoint before it"
        ) from error
    if found != format:
        raise CheckpointError(
            f"{file} has format {found!r}, not {format!r}; give a folder that training has saved into"
        )
    if its_version != version:
        remedy = "try a newer hocket" if its_version > version else "train anew, or use the version that wrote it"
        raise CheckpointError(
            f"{file} has version {its_version} of the format, written by hocket {index.get('hocket')}; this one reads "
            f"version {version} only; {remedy}"
        )
    for name in files:
        if Path(name).name != name:
            raise CheckpointError(f"{file} names a file {name!r} outside its folder; it is none of ours")
    return dict(index)


def verify(path: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare every file's length and hash with what the index says.

    Raises:
        CheckpointError: by name of the file that is missing, cut short or changed.
    """
    for name, known in files.items():
        file = path / name
        try:
            with file.open("rb") as opened:
                length = os.fstat(opened.fileno()).st_size
                digest = hashlib.file_digest(opened, "sha256").hexdigest() if length == known["bytes"] else ""
        except OSError as error:
            raise CheckpointError(
                f"{file} cannot be read ({error.strerror or error}), and a checkpoint needs it; try the one before"
            ) from error
        if length != known["bytes"]:
            raise CheckpointError(
                f"{file} holds {length} bytes where {known['bytes']} were written; it is cut short or foreign; try the "
                "checkpoint before it"
            )
        if digest != known["sha256"]:
            raise CheckpointError(
                f"{file} has SHA-256 {digest[:12]}… where {known['sha256'][:12]}… was written; it has been changed or "
                "damaged; try the checkpoint before it"
            )


class _Collected(list[bytes]):
    """Collects the header that numpy writes into it."""

    def write(self, piece: bytes) -> None:
        self.append(piece)


def _clear(parent: Path) -> None:
    """Remove what a writer that was killed has left."""
    for left in parent.iterdir():
        if left.suffix in (PART, OLD) and left.name.partition(".")[0].isdecimal():
            shutil.rmtree(left, ignore_errors=True)


def _put(part: Path, path: Path) -> None:
    old = beside(path, OLD)
    if path.exists():
        path.rename(old)
    try:
        part.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
