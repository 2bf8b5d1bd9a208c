"""A network's weights by version, in memory that learners and workers share.

**Versions.** Version 0 is the network as it was given; every update makes the next one. Version v lies in block
v mod 2. A writer announces v + 1 (``begun``), makes it in the other block out of what version v is, then says so
(``version``).

**No torn reads.** A reader copies block v mod 2 and looks at ``begun`` afterwards: unless a writer has begun v + 2, the
only one that writes there again, the copy is whole; else it copies anew. Readers take no lock and writers never wait
for them. Writers exclude each other with a lock of the kernel's, which a dead one gives back; what it left
half-done is no version, and the next writer makes it anew.

How a step of an optimiser is taken on these blocks is in ``shared_step.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hocket.errors import ConfigurationError, HocketError
from hocket.ipc.shared_memory import SharedArrays, fence
from hocket.learn.weights.tensor_layout import Layout, views

VERSION, BEGUN = range(2)
ATTEMPTS = 10_000


class Block:
    """One version's tensors, in shared memory.

    Attributes:
        weights: parameters and persistent buffers.
        first, second: moments of each parameter, Adam's exp_avg and exp_avg_sq.
        steps: of each parameter, how many it has taken.
    """

    def __init__(self, layout: Layout, arrays: SharedArrays, number: int) -> None:
        names = ("weights", "first", "second", "steps")
        self.arrays: list[NDArray[Any]] = [arrays[f"{name}{number}"] for name in names]
        weights, first, second, steps = self.arrays
        self.weights = views(weights, layout.places)
        self.first, self.second = views(first, layout.parameters), views(second, layout.parameters)
        self.steps = list(torch.from_numpy(steps))

    def take(self, other: Block) -> None:
        """Become what ``other`` is."""
        for mine, theirs in zip(self.arrays, other.arrays, strict=True):
            np.copyto(mine, theirs)


class SharedWeights:
    """The weights of ``network`` and the state of its optimiser. Hand it to a process as an argument to attach there.

    Args:
        network: version 0. Only copied; its parameters are float32, on whatever device.
        shared: no copies: there is one block, readers' networks live in it and updates change it under their hands. It
            spares each worker its own weights and the time to load them. Given up is that a version is one thing: an
            inference may see some layers before an update and some after it, a learner's gradient likewise, and a
            learner that is killed while it writes leaves a mixture.

    Raises:
        ConfigurationError: if the network's weights cannot be shared.
    """

    def __init__(self, network: nn.Module, *, shared: bool = False) -> None:
        layout = Layout.of(network)
        byte, single = np.dtype(np.uint8), np.dtype(np.float32)
        parts: dict[str, Any] = {"counters": ((2,), np.dtype(np.int64))}
        for number in range(1 if shared else 2):
            parts[f"weights{number}"] = ((layout.nbytes,), byte)
            parts[f"first{number}"] = parts[f"second{number}"] = ((layout.parameter_bytes,), byte)
            parts[f"steps{number}"] = ((len(layout.parameters),), single)
        self._map(layout, shared, SharedArrays(parts))
        with torch.no_grad():
            for mine, given in zip(self._blocks[0].weights, layout.matching(network), strict=True):
                mine.copy_(given)

    def _map(self, layout: Layout, shared: bool, arrays: SharedArrays) -> None:
        self._layout, self._shared, self._arrays = layout, shared, arrays
        self._counters = arrays["counters"]
        self._blocks = [Block(layout, arrays, number) for number in range(1 if shared else 2)]
        self._threads = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._layout, self._shared, self._arrays)

    @property
    def version(self) -> int:
        """The newest whole version: how many updates there have been."""
        return int(self._counters[VERSION])

    @property
    def shared(self) -> bool:
        """True if readers' networks live in the shared memory."""
        return self._shared

    @property
    def layout(self) -> Layout:
        """The place of each tensor."""
        return self._layout

    @property
    def blocks(self) -> list[Block]:
        """Two by turns, or one where ``shared``."""
        return self._blocks

    @contextmanager
    def writing(self) -> Iterator[tuple[int, Block]]:
        """Make the next version: hands out the present one's number and a block that begins as it is.

        One at a time. It becomes the newest version in the end, or is forgotten if the body raises.
        """
        with self._threads, self._arrays.locked():
            version = self.version
            self._counters[BEGUN] = version + 1
            fence()
            block = self._blocks[(version + 1) % len(self._blocks)]
            if not self._shared:
                block.take(self._blocks[version % 2])
            yield version, block
            fence()
            self._counters[VERSION] = version + 1

    def reader(self, parts: Sequence[str] = ()) -> WeightsReader:
        """A new reader, for one network and one thread; of the submodules named in ``parts``, or of all of it."""
        return WeightsReader(self, parts)

    def read_into(self, tensors: list[Tensor], parts: Sequence[str] = ()) -> int:
        """Copy the newest version's weights into ``tensors``, from `Layout.matching`, and say which it was.

        With ``parts`` only those of the submodules of these names.

        Raises:
            HocketError: if writers have been quicker 10,000 times in a row.
        """
        chosen = [
            number
            for number, place in enumerate(self._layout.places)
            if not parts or place.name.split(".", 1)[0] in parts
        ]
        for _ in range(ATTEMPTS):
            version = self.version
            fence()
            theirs = self._blocks[version % len(self._blocks)].weights
            with torch.no_grad():
                for number in chosen:
                    tensors[number].copy_(theirs[number])
            fence()
            if self._shared or self._counters[BEGUN] <= version + 1:
                return version
        raise HocketError(f"the weights were overwritten while they were copied, {ATTEMPTS} times in a row")

    def attach(self, network: nn.Module, block: Block | None = None) -> None:
        """Make ``network``'s weights views of ``block``, or of the only one.

        Raises:
            ConfigurationError: if a dtype of the network's is another, or it is not on the CPU.
        """
        block = self._blocks[0] if block is None else block
        for mine, theirs, place in zip(self._layout.matching(network), block.weights, self._layout.places, strict=True):
            if (mine.dtype, mine.device) != (theirs.dtype, theirs.device):
                raise ConfigurationError(
                    f"{place.name} is {mine.dtype} on {mine.device} and lies in shared memory as {theirs.dtype} on "
                    f"{theirs.device}; with shared=True equal ones are allowed; try shared=False, which copies and "
                    "casts"
                )
            mine.grad = None
            mine.data = theirs

    def state(self) -> dict[str, NDArray[Any]]:
        """A consistent copy of all there is, for `numpy.savez`; waits for a writer that is at work.

        ``version``, ``steps``, and by tensor ``weights.NAME``, ``first.NAME`` and ``second.NAME``.
        """
        with self._threads, self._arrays.locked():
            block = self._blocks[self.version % len(self._blocks)]
            return {"version": np.array(self.version), **{name: array.copy() for name, array in self._named(block)}}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a ``state``, into new weights of the same network that have no readers yet.

        Raises:
            ConfigurationError: if the state is another network's, or there have been updates here.
        """
        if self.version:
            raise ConfigurationError(f"weights of version {self.version} cannot be restored into; try new ones")
        version = int(state["version"])
        named = dict(self._named(self._blocks[version % len(self._blocks)]))
        wrong = [name for name, array in named.items() if name not in state or state[name].shape != array.shape]
        if wrong or len(state) != len(named) + 1:
            raise ConfigurationError(
                f"a state of {len(state)} arrays does not fit weights of {len(named) + 1} ({wrong[:3]} are missing or "
                "of other shapes); equal networks are allowed; try the options that the checkpoint was written with"
            )
        with self._threads, self._arrays.locked():
            for name, array in named.items():
                np.copyto(array, state[name])
            fence()
            self._counters[:] = version

    def _named(self, block: Block) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "steps", block.arrays[-1]
        for kind, tensors in (("weights", block.weights), ("first", block.first), ("second", block.second)):
            for place, tensor in zip(self._layout.places, tensors, strict=False):  # only parameters have moments
                yield f"{kind}.{place.name}", tensor.numpy()

    def close(self) -> None:
        """Let go of the descriptor; the memory goes with the last process that maps it."""
        self._arrays.close()


def _attach(layout: Layout, shared: bool, arrays: SharedArrays) -> SharedWeights:
    weights = SharedWeights.__new__(SharedWeights)
    weights._map(layout, shared, arrays)
    return weights


class WeightsReader:
    """Keeps a network at the newest version. One for each network and thread.

    Args:
        weights: what to read.
        parts: names of submodules of the network, if it is only these that are kept up to date.
    """

    def __init__(self, weights: SharedWeights, parts: Sequence[str] = ()) -> None:
        self._weights = weights
        self._parts = parts
        self._network: nn.Module | None = None
        self._version = -1

    def refresh(self, network: nn.Module) -> int:
        """Load the newest version into ``network`` unless it is there already; which version that is.

        Any memory format, dtype and device: values are cast and moved. No other thread may use the network meanwhile.
        Where the weights are ``shared`` the first call makes the network's weights views of them; the version then is
        the one when asked.

        Raises:
            ConfigurationError: if the network has other weights.
        """
        weights, version = self._weights, self._weights.version
        if network is self._network and (weights.shared or version == self._version):
            return version
        if weights.shared:
            weights.attach(network)
        else:
            version = weights.read_into(weights.layout.matching(network), self._parts)
        self._network, self._version = network, version
        return version
