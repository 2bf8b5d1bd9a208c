"""Save states in a folder, from which episodes begin.

A file holds the emulator's state, compressed, after a line with the SHA-256 of its ROM and of the state. A state of
another game, or half a file, is refused by name.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hocket.core.replacement import replacing
from hocket.errors import ConfigurationError

SUFFIX = ".state"
FIRST_LINE = b"hocket save state 1\n"


def write_state(folder: str | Path, state: bytes, *, rom_sha256: str) -> Path:
    """Writes ``state`` into ``folder``, which is made if necessary, under the next free number.

    Returns:
        Its file, such as ``0007.state``.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    folder = Path(folder)
    head = json.dumps({"rom": rom_sha256, "sha256": sha256(state).hexdigest()}).encode()
    content = FIRST_LINE + head + b"\n" + zlib.compress(state)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(path.stem) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal()), default=-1)
        path = folder / f"{number:04d}{SUFFIX}"
        with replacing(path) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"no save state can be written to '{folder}': {error.strerror or error}") from error
    return path


def read_state(path: str | Path, *, rom_sha256: str) -> bytes:
    """The state in the file ``path``.

    Raises:
        ConfigurationError: if it is no save state, is damaged, or belongs to another ROM.
    """
    return zlib.decompress(_compressed(Path(path), rom_sha256))


@dataclass(frozen=True, slots=True)
class Pool:
    """The save states of a folder, sorted by name and checked on construction.

    Attributes:
        names: of their files.
    """

    names: tuple[str, ...]
    _compressed: tuple[bytes, ...]

    @classmethod
    def of(cls, folder: str | Path, *, rom_sha256: str) -> Pool:
        """The save states in ``folder``.

        Raises:
            ConfigurationError: if there are none, or one of them is damaged or belongs to another ROM.
        """
        folder = Path(folder).expanduser()
        paths = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
        if not paths:
            raise ConfigurationError(
                f"states='{folder}' holds no save states (*{SUFFIX}); a folder with some is allowed; try making them "
                "with hocket states, or hocket play --save-states FOLDER"
            )
        return cls(tuple(path.name for path in paths), tuple(_compressed(path, rom_sha256) for path in paths))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> bytes:
        return zlib.decompress(self._compressed[number])


def _compressed(path: Path, rom_sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"save state '{path}' cannot be read: {error.strerror or error}") from error
    if not content.startswith(FIRST_LINE):
        raise ConfigurationError(
            f"'{path}' is no save state of hocket; files that hocket states or hocket play have written are allowed; "
            "try making it with one of them, from the running game"
        )
    head, _, compressed = content[len(FIRST_LINE) :].partition(b"\n")
    try:
        of = json.loads(head)
        rom, digest = of["rom"], of["sha256"]
        whole = sha256(zlib.decompress(compressed)).hexdigest() == digest
    except (ValueError, KeyError, TypeError, zlib.error):
        whole = False
    if not whole:
        raise ConfigurationError(f"save state '{path}' is damaged; try another copy of it, or delete it")
    if rom != rom_sha256:
        raise ConfigurationError(
            f"save state '{path}' is of another ROM: of the one with SHA-256 {rom}, not of {rom_sha256}; try the "
            "states that were made with this ROM"
        )
    return compressed
