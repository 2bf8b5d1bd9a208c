"""Marks the folder of multiprocessing's sockets as this process's, and removes those of dead processes.

A process that ends removes its own folder. A killed process leaves it, and the next hocket process removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from multiprocessing import current_process, parent_process, util
from pathlib import Path

from hocket.errors import ConfigurationError

MARK = "hocket-owner"
"""A file that its owner keeps locked while it lives."""
LONGEST_SOCKET_PATH = 107
SOCKET_NAME = "/listener-12345678"

_claimed: dict[str, int] = {}  # by folder, the descriptor of its mark, kept open


def claim_temp_folder() -> None:
    """Mark this process's folder of sockets, and remove the folders of dead processes.

    A child process uses its parent's folder if the parent has one. It leaves that to the parent: with the child's mark
    the folder would be removed once the child has ended.

    Raises:
        ConfigurationError: if there is no such folder, or the path of a socket in it would be too long.
    """
    inherited = parent_process() is not None and "tempdir" in getattr(current_process(), "_config", {})
    try:
        folder = util.get_temp_dir()
    except OSError as error:
        raise ConfigurationError(
            f"processes need a temporary folder that can be written to: {error.strerror or error}; try TMPDIR=/tmp, or "
            'executor="threads"'
        ) from error
    length = len(os.fsencode(folder + SOCKET_NAME))
    if length > LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"the path of the temporary folder is too long: a socket in {folder} would have {length} bytes, and "
            f'{LONGEST_SOCKET_PATH} are allowed; try a shorter TMPDIR, such as /tmp, or executor="threads"'
        )
    if inherited or folder in _claimed or not os.path.isdir(folder):
        return
    with suppress(OSError):  # a folder without a mark is never removed
        _claimed[folder] = _mark(Path(folder))
        _remove_left_behind(Path(folder).parent)


def _mark(folder: Path) -> int:
    partial = folder / f"{MARK}.part"
    fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    partial.rename(folder / MARK)  # locked from its first moment
    return fd


def _remove_left_behind(temp: Path) -> None:
    """Remove marked folders whose owner has ended. The lock shows this across containers too."""
    for mark in temp.glob(f"pymp-*/{MARK}"):
        with suppress(OSError):  # another user's folder, or another process removes it now
            fd = os.open(mark, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(mark.parent, ignore_errors=True)
            finally:
                os.close(fd)
