"""Checkpoints: the state of a training as a folder, to resume from.

``FOLDER/000012000/`` is the checkpoint of tick 12,000:

| file | holds |
|---|---|
| ``state.json`` | format and version, tick, updates, what it belongs to; length and SHA-256 of every other file |
| ``weights.safetensors`` | the network, for any use |
| other ``*.safetensors`` | the target network, the optimiser |
| ``replay-*.npy`` | what was live in the replay, uncompressed |
| ``state.pkl`` | random states, counters, estimator windows |

A checkpoint must come from a place you trust: ``state.pkl`` is a pickle, and reading one can run any program. It is
read only if its hash is right, which finds damage, not malice. The weights alone need no pickle.

This module knows tensors and arrays by name; whose they are is the caller's business.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hocket.core.description import text
from hocket.errors import CheckpointError, ConfigurationError, MissingExtraError
from hocket.learn.checkpoints.atomic_folder import INDEX, new_folder, read_index, verify

try:
    from safetensors import SafetensorError
except ImportError as error:
    raise MissingExtraError("Checkpoints (safetensors)", "train") from error

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FORMAT, FORMAT_VERSION = "hocket checkpoint", 5
"""Raise the version whenever a class that a run's state refers to moves, or means something else by its attributes."""
TENSORS, ARRAY, REPLAY, STATE = ".safetensors", ".npy", "replay-", "state.pkl"
WEIGHTS = "weights"
ABSENCE = "no-checkpoint.txt"
DIFFERENCE = "not-bit-for-bit.txt"
RUN_FILES = ("run.json", "ticks.npz")
"""Of a folder that `hocket.running.result.RunResult.save` has written."""
KEPT = 2
"""Checkpoints in a folder."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The content of one folder.

    Attributes:
        tick: the last one that is part of it.
        updates: of the network, so far.
        belongs_to: what a run that resumes it must share; see `belonging`.
        tensors: by file and name: ``weights``, ``target``, ``optimizer``.
        replay: as `Replay.snapshot` gives it and `Replay.restore` takes it.
        state: all else, pickled.
    """

    tick: int
    updates: int
    belongs_to: Mapping[str, Any]
    tensors: Mapping[str, Mapping[str, Tensor]]
    replay: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    state: bytes = b""

    def __post_init__(self) -> None:
        if self.tick < 0 or self.updates < 0:
            raise ConfigurationError(f"tick={self.tick!r}, updates={self.updates!r} must be 0 or more")
        if WEIGHTS not in self.tensors:
            raise ConfigurationError(
                f"tensors of {sorted(self.tensors)} lack {WEIGHTS!r}; give the network's state_dict"
            )


def belonging(env: str, algorithm: object, network: nn.Module, **more: str) -> dict[str, Any]:
    """The properties of a training that a run must share to resume its checkpoint.

    Args:
        env: the environment's id.
        algorithm: by its repr without addresses, options included.
        network: by the names and shapes of its parameters.
        more: such as ``rule="TickDispatch(workers=2)"``.
    """
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    return {"environment": env, "algorithm": text(algorithm), **more, "parameters": shapes}


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int = KEPT) -> Path:
    """Write ``checkpoint`` into a folder of its own in ``folder``; then remove all but the newest ``keep``.

    Raises:
        CheckpointError: if the disk refuses; the checkpoints before are kept, nothing is left of this one.
    """
    from safetensors.torch import save  # here: checkpoints can be listed without torch

    if keep < 1:
        raise ConfigurationError(f"keep={keep!r} must be at least 1; try {KEPT}")
    path = folder / f"{checkpoint.tick:09d}"
    with new_folder(path) as writer:
        for name, tensors in checkpoint.tensors.items():
            writer.add(name + TENSORS, save({key: value.detach().cpu().contiguous() for key, value in tensors.items()}))
        for name, array in checkpoint.replay.items():
            writer.add_array(REPLAY + name + ARRAY, array)
        writer.add(STATE, checkpoint.state)
        writer.add_index(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "hocket": version("hocket"),
                "tick": checkpoint.tick,
                "updates": checkpoint.updates,
                "belongs_to": dict(checkpoint.belongs_to),
            }
        )
    with suppress(OSError):
        (folder / ABSENCE).unlink(missing_ok=True)
    _remove_older(folder, path, keep)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, oldest first."""
    with suppress(OSError):
        return sorted((p for p in folder.iterdir() if p.name.isdecimal() and (p / INDEX).is_file()), key=tick_of)
    return []


def check_free(folder: Path, *, resumed_tick: int = -1) -> None:
    """Refuse to save into ``folder`` what would stand among the checkpoints of another run.

    Args:
        folder: to save into; it need not exist.
        resumed_tick: of the checkpoint that the run resumes; -1 if it starts afresh.

    Raises:
        CheckpointError: if ``folder`` holds checkpoints of later ticks, or the record of a run.
    """
    record = next((name for name in RUN_FILES if (folder / name).exists()), None)
    if record is not None:
        raise CheckpointError(
            f"{folder} holds the record of a run ({record}), whose config.json would be taken for the training's; save "
            "checkpoints into another folder"
        )
    later = [path.name for path in checkpoints(folder) if tick_of(path) > resumed_tick]
    if later:
        raise CheckpointError(
            f"{folder} holds checkpoints of its own ({', '.join(later)}); resume the newest, remove them, or save into "
            "another folder"
        )


def explain_absence(folder: Path, reason: str) -> None:
    """Keep in ``folder``, which holds no checkpoint, why there is none; the next checkpoint removes it.

    Raises:
        CheckpointError: if the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ABSENCE).write_text(reason + "\n", encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be written ({error.strerror or error}); try another folder") from error


def explain_difference(path: Path, difference: str) -> None:
    """Keep in the checkpoint at ``path`` that it does not resume bit for bit, and why; as far as the disk allows."""
    with suppress(OSError):
        (path / DIFFERENCE).write_text(difference + "\n", encoding="utf-8")


def difference_of(path: Path) -> str | None:
    """The difference that `explain_difference` has kept in the checkpoint at ``path``, or None."""
    with suppress(OSError):
        return (path / DIFFERENCE).read_text(encoding="utf-8").strip()
    return None


def newest_checkpoint(folder: Path) -> Path:
    """The newest checkpoint in ``folder``, or ``folder`` itself if it is one.

    Raises:
        CheckpointError: if there is none.
    """
    if (folder / INDEX).is_file():
        return folder
    found = checkpoints(folder)
    if not found:
        reason = ""
        with suppress(OSError):
            reason = ": " + (folder / ABSENCE).read_text(encoding="utf-8").strip()
        raise CheckpointError(f"{folder} holds no checkpoint{reason}; give a folder that training has saved into")
    return found[-1]


def load_checkpoint(path: Path, belongs_to: Mapping[str, Any]) -> Checkpoint:
    """Read the checkpoint at ``path``, or the newest one in the folder ``path``.

    Args:
        path: of a checkpoint or of a folder of them.
        belongs_to: what it must belong to; see `belonging`.

    Returns:
        What was saved; the replay's arrays are mapped, not read.

    Raises:
        CheckpointError: if it is missing, damaged, another run's, or of another version: by file, with what was
            expected, what was found and what to do.
    """
    from safetensors.torch import load_file

    path = newest_checkpoint(path)
    index = read_index(path, format=FORMAT, version=FORMAT_VERSION)
    _check_belonging(path, index.get("belongs_to"), belongs_to)
    names = index["files"]
    for needed in (WEIGHTS + TENSORS, STATE):
        if needed not in names:
            raise CheckpointError(f"{path / INDEX} names no {needed}; it is damaged; try the checkpoint before it")
    verify(path, names)
    try:
        return Checkpoint(
            tick=index["tick"],
            updates=index["updates"],
            belongs_to=index["belongs_to"],
            tensors={n.removesuffix(TENSORS): load_file(path / n) for n in names if n.endswith(TENSORS)},
            replay={
                n.removeprefix(REPLAY).removesuffix(ARRAY): _array(path / n) for n in names if n.startswith(REPLAY)
            },
            state=(path / STATE).read_bytes(),
        )
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); try the checkpoint before it") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments and steps of ``optimizer``, by the number of their parameter."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give a new ``optimizer`` the state that `optimizer_tensors` took; its options stay its own."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _array(file: Path) -> NDArray[Any]:
    """Mapped, but for what cannot be: an array without elements or axes."""
    try:
        mapped: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return np.asarray(np.load(file, allow_pickle=False))
    return mapped


def _check_belonging(path: Path, found: object, wanted: Mapping[str, Any]) -> None:
    if not isinstance(found, dict):
        raise CheckpointError(f"{path / INDEX} does not say what it belongs to; try the checkpoint before it")
    theirs, ours = _flat(found), _flat(wanted)
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if theirs.get(name) != ours.get(name):
            raise CheckpointError(
                f"{path / INDEX} belongs to another run: its {name} is {theirs.get(name, 'not there')}, this run's is "
                f"{ours.get(name, 'not there')}; resume with the options that it was saved under, or start afresh in "
                "another folder"
            )


def _flat(mapping: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} {inner}": each for inner, each in value.items()}
        else:
            flat[name] = value
    return flat


def _remove_older(folder: Path, newest: Path, keep: int) -> None:
    older = [path for path in checkpoints(folder) if tick_of(path) < tick_of(newest)]
    for path in older[: max(0, len(older) - keep + 1)]:
        shutil.rmtree(path, ignore_errors=True)


def tick_of(path: Path) -> int:
    """The tick of the checkpoint at ``path``."""
    return int(path.name)
