"""Files that are whole or not there: written under another name beside their place, which they then replace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import replace, urandom
from pathlib import Path

PART = ".part"


def beside(path: Path, ending: str = PART) -> Path:
    """Return a name in the same folder that cannot be guessed."""
    return path.with_name(f"{path.name}.{urandom(8).hex()}{ending}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new, empty file in the same folder, which replaces ``path`` at the end.

    It is created exclusively, so a link placed in advance by another user is never followed.

    Raises:
        OSError: if the file cannot be written; then ``path`` is as before.
    """
    partial = beside(path)
    partial.open("xb").close()
    try:
        yield partial
        replace(partial, path)
    except BaseException:  # not after the replacement: the name may be another's by then
        partial.unlink(missing_ok=True)
        raise
