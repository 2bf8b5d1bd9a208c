"""Functions of arrays whose GPU kernels are launched together, as a CUDA graph.

Python launches the kernels of a small network more slowly than a GPU runs them. A graph holds them all, with the
addresses of their memory: it is recorded once for each set of shapes and then replayed. Inputs travel to the GPU in one
copy from pinned memory, the result comes back in another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.errors import MissingExtraError

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError("CUDA graphs (torch)", "train") from error

ALIGNMENT = 64
WARM_UP_CALLS = 3
"""Calls before a capture: the first ones choose kernels and allocate."""

Call = Callable[[], Tensor]
_CAPTURING = threading.Lock()


def cuda_graph(call: Call) -> Call:
    """``call`` as a graph on the present device; each replay writes the same result anew."""
    # One at a time, on a stream of its own: workers' threads may capture theirs, and others continue to compute.
    with _CAPTURING:
        stream, present = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(present)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                call()
        present.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            result = call()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


class Captured:
    """Calls ``function`` with arrays: on ``device``, captured, once for each set of shapes and types.

    Args:
        function: of as many tensors, to one tensor. It launches kernels and never waits for them, and all else that it
            reads or writes stays in its place: weights are changed by copying into them.
        device: where it computes.
        capture: turns a call into one that repeats it; recording is tested without a GPU by one that does nothing.

    Not picklable are only the recordings: a copy makes its own.
    """

    def __init__(
        self, function: Callable[..., Tensor], device: torch.device, *, capture: Callable[[Call], Call] = cuda_graph
    ) -> None:
        self._function, self._device, self._capture = function, device, capture
        self._recordings: dict[tuple[Any, ...], _Recording] = {}

    def __call__(self, *arrays: NDArray[Any]) -> Tensor:
        """The result, on the CPU."""
        key = tuple((array.shape, array.dtype) for array in arrays)
        recording = self._recordings.get(key)
        if recording is None:
            recording = self._recordings[key] = _Recording(self._function, arrays, self._device, self._capture)
        return recording(arrays)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_recordings": {}}


class _Recording:
    """One set of shapes: a block for the inputs in pinned memory, one on the device, and the replay."""

    def __init__(
        self,
        function: Callable[..., Tensor],
        arrays: tuple[NDArray[Any], ...],
        device: torch.device,
        capture: Callable[[Call], Call],
    ) -> None:
        begins, nbytes = [], 0
        for array in arrays:
            begins.append(nbytes)
            nbytes += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        self._here = torch.empty(nbytes, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self._there = torch.empty(nbytes, dtype=torch.uint8, device=device)

        def parts(block: Tensor) -> list[Tensor]:
            return [
                block[begin : begin + array.nbytes].view(torch.from_numpy(array[:0].copy()).dtype).view(array.shape)
                for begin, array in zip(begins, arrays, strict=True)
            ]

        self._inputs = [part.numpy() for part in parts(self._here)]
        self._send(arrays)
        inputs = parts(self._there)
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():  # the present one may be another
            self._replay = capture(lambda: function(*inputs))

    def _send(self, arrays: tuple[NDArray[Any], ...]) -> None:
        for mine, given in zip(self._inputs, arrays, strict=True):
            np.copyto(mine, given)
        self._there.copy_(self._here, non_blocking=True)

    def __call__(self, arrays: tuple[NDArray[Any], ...]) -> Tensor:
        self._send(arrays)
        return self._replay().to("cpu", copy=True)  # waits, so that the pinned block may be written again
