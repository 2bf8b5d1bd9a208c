"""A folder is complete or absent, even if its writer fails."""

import json
import subprocess
import sys

import numpy as np
import pytest

from hocket.errors import CheckpointError
from hocket.learn.checkpoints.atomic_folder import new_folder, read_index, verify

INDEX = {"format": "test", "format_version": 1, "hocket": "0"}


def write(path, **files):
    with new_folder(path) as writer:
        for name, content in files.items():
            writer.add(name, content)
        writer.add_index(INDEX)


def index_of(path):
    return read_index(path, format="test", version=1)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4)[:, ::2],
        np.array("a scalar"),
        np.empty((0, 3), np.float32),
        np.zeros(3, np.dtype([("a", np.int64), ("b", np.int16, (2,)), ("c", np.int16, (0,))], align=True)),
    ],
)
def test_arrays_come_back(tmp_path, array):
    with new_folder(tmp_path / "1") as writer:
        writer.add_array("a.npy", array)
    back = np.load(tmp_path / "1" / "a.npy")
    assert back.shape == array.shape and back.dtype == array.dtype and (back == array).all()


def test_the_index_holds_length_and_hash(tmp_path):
    with new_folder(tmp_path / "1") as writer:
        writer.add("a", b"ab", b"", memoryview(b"c"))
        writer.add_index(INDEX)
    # SHA-256 of "abc", FIPS 180-2, appendix B.1
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert index_of(tmp_path / "1")["files"] == {"a": {"bytes": 3, "sha256": known}}
    verify(tmp_path / "1", index_of(tmp_path / "1")["files"])


def test_a_folder_takes_anothers_place(tmp_path):
    write(tmp_path / "1", a=b"old", b=b"old")
    write(tmp_path / "1", a=b"new")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["1", "a", "state.json"]
    assert (tmp_path / "1" / "a").read_bytes() == b"new"


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    write(tmp_path / "1", a=b"old")
    with pytest.raises(KeyError), new_folder(tmp_path / "1") as writer:
        writer.add("a", b"new")
        raise KeyError
    assert (tmp_path / "1" / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    (tmp_path / "7.0123456789abcdef.part").mkdir()
    (tmp_path / "6.fedcba9876543210.old").mkdir()
    (tmp_path / "mine.old").mkdir()
    write(tmp_path / "8")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["8", "mine.old"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from hocket.errors import CheckpointError
from hocket.learn.checkpoints.atomic_folder import new_folder

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with new_folder(Path(sys.argv[1])) as writer:
        writer.add("small", b"x" * 1000)
        writer.add("large", b"x" * 1_000_000)
except CheckpointError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_disk_that_is_full(tmp_path):
    write(tmp_path / "1", a=b"old")
    for name in "1", "2":
        command = [sys.executable, "-c", FULL_DISK, tmp_path / name]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        assert f"{tmp_path / name} cannot be written (File too large)" in said and "make room" in said
    assert [p.name for p in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "a").read_bytes() == b"old"


def test_a_place_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file/1 cannot be written"):
        write(tmp_path / "file" / "1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is no checkpoint: state.json cannot be read .* give a folder"),
        ("{", "damaged .* try the checkpoint before"),
        ("[]", "damaged"),
        (json.dumps({**INDEX, "files": [1]}), "damaged"),
        (json.dumps({**INDEX, "format": "onnx", "files": {}}), "format 'onnx', not 'test'"),
        (json.dumps({**INDEX, "format_version": 2, "hocket": "9.1", "files": {}}), "version 2 .* hocket 9.1; .* newer"),
        (
            json.dumps({**INDEX, "format_version": 0, "files": {}}),
            "version 0 .* version 1 only; train anew",
        ),
        (json.dumps({**INDEX, "files": {"../a": {"bytes": 1, "sha256": ""}}}), "outside its folder"),
    ],
)
def test_a_foreign_index(tmp_path, content, message):
    if content is not None:
        (tmp_path / "state.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        index_of(tmp_path)


def test_damage_is_found_by_name(tmp_path):
    write(tmp_path / "1", first=b"abc", second=b"defg")
    files, second = index_of(tmp_path / "1")["files"], tmp_path / "1" / "second"
    second.write_bytes(b"deXg")
    with pytest.raises(CheckpointError, match=r"second has SHA-256 .* where .* was written"):
        verify(tmp_path / "1", files)
    second.write_bytes(b"def")
    with pytest.raises(CheckpointError, match="second holds 3 bytes where 4 were written"):
        verify(tmp_path / "1", files)
    second.unlink()
    with pytest.raises(CheckpointError, match="second cannot be read"):
        verify(tmp_path / "1", files)
