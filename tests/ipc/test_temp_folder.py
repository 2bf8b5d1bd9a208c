import fcntl
import os

import pytest

from hocket.errors import ConfigurationError
from hocket.ipc import temp_folder
from hocket.ipc.temp_folder import MARK, claim_temp_folder


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """This process's folder, as multiprocessing would have made it in ``tmp_path``."""
    folder = tmp_path / "pymp-ours"
    folder.mkdir()
    monkeypatch.setattr(temp_folder.util, "get_temp_dir", lambda: str(folder))
    monkeypatch.setattr(temp_folder, "LONGEST_SOCKET_PATH", 4096)
    monkeypatch.setattr(temp_folder, "_claimed", claimed := {})
    yield folder
    for fd in claimed.values():
        os.close(fd)


def test_only_leftovers_of_dead_processes_are_removed(ours):
    temp = ours.parent
    for name in ("pymp-dead", "pymp-alive", "other-dead"):
        (temp / name).mkdir()
        (temp / name / MARK).touch()
        (temp / name / "listener-1").touch()
    (temp / "pymp-unmarked").mkdir()
    with (temp / "pymp-alive" / MARK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        claim_temp_folder()
    assert {folder.name for folder in temp.iterdir()} == {"pymp-ours", "pymp-alive", "pymp-unmarked", "other-dead"}


def test_ones_own_is_marked_once_and_locked(ours):
    claim_temp_folder()
    claim_temp_folder()
    assert [file.name for file in ours.iterdir()] == [MARK]
    with (ours / MARK).open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_childs_inherited_folder_stays_its_parents(ours, monkeypatch):
    class Child:
        _config = {"tempdir": str(ours)}  # noqa: RUF012

    monkeypatch.setattr(temp_folder, "parent_process", lambda: object())
    monkeypatch.setattr(temp_folder, "current_process", Child)
    claim_temp_folder()
    assert list(ours.iterdir()) == []
    Child._config = {}  # the parent has none; the folder is the child's own
    claim_temp_folder()
    assert [file.name for file in ours.iterdir()] == [MARK]


def test_a_link_in_place_of_a_mark_is_not_followed(ours):
    temp = ours.parent
    (temp / "kept").touch()
    (temp / "pymp-link").mkdir()
    (temp / "pymp-link" / MARK).symlink_to(temp / "kept")
    claim_temp_folder()
    assert (temp / "pymp-link").exists() and (temp / "kept").exists()


def test_a_path_that_is_too_long_for_a_socket_is_refused(ours, monkeypatch):
    length = len(str(ours)) + len("/listener-12345678")
    monkeypatch.setattr(temp_folder, "LONGEST_SOCKET_PATH", length)
    claim_temp_folder()
    monkeypatch.setattr(temp_folder, "LONGEST_SOCKET_PATH", length - 1)
    with pytest.raises(ConfigurationError, match=rf"too long.*{length} bytes, and {length - 1} are allowed.*TMPDIR"):
        claim_temp_folder()


def test_no_temporary_folder_is_refused_by_name(monkeypatch):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(temp_folder.util, "get_temp_dir", none)
    with pytest.raises(ConfigurationError, match=r"No usable temporary directory.*TMPDIR=/tmp.*threads"):
        claim_temp_folder()
