import json
import math

import by_hand
import numpy as np
import pytest

from hocket.envs.gameboy.states import write_state
from hocket.errors import ConfigurationError
from hocket.results.files import make_folder, replacing, write_json


def test_json_is_strict(tmp_path):
    content = {
        "nan": math.nan, "inf": [math.inf, -math.inf], "numpy": np.float64("nan"), "array": np.array([1.0, np.nan]),
        "integer": np.int64(3), "flag": np.True_, 4: (1, 2.5), "other": slice(1), "none": None, "text": "NaN",
    }  # fmt: skip
    write_json(tmp_path / "x.json", content)

    def refuse(token):
        raise AssertionError(token)

    assert json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse) == {
        "nan": None, "inf": [None, None], "numpy": None, "array": [1.0, None],
        "integer": 3, "flag": True, "4": [1, 2.5], "other": "slice(None, 1, None)", "none": None, "text": "NaN",
    }  # fmt: skip


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, 1)
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "1\n"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_disk_errors_name_the_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"file/folder cannot be written \(Not a directory\)"):
        make_folder(tmp_path / "file" / "folder")
    with pytest.raises(ConfigurationError, match=r"missing/x\.json cannot be written \(No such file"):
        write_json(tmp_path / "missing" / "x.json", 1)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match=r"folder cannot be written \(Is a directory\)"):
        write_json(tmp_path / "folder", 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_link_placed_at_the_temporary_name_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    monkeypatch.setattr("hocket.core.replacement.urandom", lambda count: b"\0")
    for name in ("x.json", "trace.bin", "0000.state"):
        (tmp_path / f"{name}.00.part").symlink_to(victim)
    with pytest.raises(ConfigurationError, match=r"x\.json cannot be written \(File exists\)"):
        write_json(tmp_path / "x.json", 1)
    with pytest.raises(FileExistsError):
        by_hand.story().trace.save(tmp_path / "trace.bin")
    with pytest.raises(ConfigurationError, match=r"no save state can be written .* File exists"):
        write_state(tmp_path, b"", rom_sha256="")
    assert not (tmp_path / "trace.bin").exists()
    assert victim.read_text() == "untouched" and not (tmp_path / "x.json").exists()


def test_temporary_names_are_random(tmp_path):
    names = set()
    for _ in range(8):
        with replacing(tmp_path / "x") as partial:
            names.add(partial.name)
    assert len(names) == 8 and all(name.startswith("x.") and name.endswith(".part") for name in names)
