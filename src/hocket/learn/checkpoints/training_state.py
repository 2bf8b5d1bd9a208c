"""The tensors and arrays of a training, written into a checkpoint and read from it.

Two kinds: a network with its target and optimiser in one process (`Kept`), and weights that processes share, whose
state is one dictionary of arrays (`tensors_of`, `state_of`). Both write the network's own names into
``weights.safetensors``, so either reads the other's weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hocket.learn.checkpoints.checkpoint import (
    KEPT,
    WEIGHTS,
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from hocket.learn.checkpoints.pickling import module_parts
from hocket.learn.replay.copies import ReplayOfCopies
from hocket.learn.replay.replay import Replay

TARGET, OPTIMIZER = "target", "optimizer"
OF_WEIGHTS = WEIGHTS + "."


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The parts of a training that are kept beside its pickled state.

    Args:
        belongs_to: see `hocket.learn.checkpoints.checkpoint.belonging`.
        network, target, optimizer, replay: of the training; new ones, to load into.
        more: what the state refers to and each training makes anew, such as functions that the user gave.
    """

    belongs_to: Mapping[str, Any]
    network: nn.Module
    target: nn.Module
    optimizer: torch.optim.Optimizer
    replay: Replay | ReplayOfCopies
    more: Mapping[str, object] = field(default_factory=dict)

    def apart(self) -> dict[str, object]:
        """All of them by name, as `pickling.dump` and, for a whole run, `suspend_run` take them."""
        modules = {**module_parts("network", self.network), **module_parts(TARGET, self.target)}
        return {**modules, OPTIMIZER: self.optimizer, "replay": self.replay, **self.more}

    def save(self, folder: Path, *, tick: int, updates: int, state: bytes, keep: int = KEPT) -> Path:
        """Write a checkpoint into ``folder``; see `save_checkpoint`."""
        checkpoint = Checkpoint(
            tick=tick,
            updates=updates,
            belongs_to=self.belongs_to,
            tensors={
                WEIGHTS: self.network.state_dict(),
                TARGET: self.target.state_dict(),
                OPTIMIZER: optimizer_tensors(self.optimizer),
            },
            replay=self.replay.snapshot(),
            state=state,
        )
        return save_checkpoint(folder, checkpoint, keep=keep)

    def load(self, path: Path) -> Checkpoint:
        """Bring all parts to where the checkpoint at ``path`` left them; see `load_checkpoint`."""
        checkpoint = load_checkpoint(path, self.belongs_to)
        self.network.load_state_dict(checkpoint.tensors[WEIGHTS])
        self.target.load_state_dict(checkpoint.tensors[TARGET])
        restore_optimizer(self.optimizer, checkpoint.tensors[OPTIMIZER])
        self.replay.restore(checkpoint.replay)
        return checkpoint


def tensors_of(state: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Tensor]]:
    """The state of shared weights as a checkpoint's tensors: ``weights.NAME`` apart from all else."""
    tensors: dict[str, dict[str, Tensor]] = {WEIGHTS: {}, OPTIMIZER: {}}
    for name, array in state.items():
        value = torch.from_numpy(np.array(array))
        if name.startswith(OF_WEIGHTS):
            tensors[WEIGHTS][name.removeprefix(OF_WEIGHTS)] = value
        else:
            tensors[OPTIMIZER][name] = value
    return tensors


def state_of(tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, NDArray[Any]]:
    """The inverse of `tensors_of`."""
    weights = {OF_WEIGHTS + name: value.numpy() for name, value in tensors[WEIGHTS].items()}
    return {**weights, **{name: value.numpy() for name, value in tensors[OPTIMIZER].items()}}
