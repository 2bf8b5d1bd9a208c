"""A network in an ONNX file as a policy, run by ONNX Runtime, which is imported in every worker."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.errors import ConfigurationError, MissingExtraError, check_whole
from hocket.policies.base import Alignment, Policy, PolicyFactory, as_factory

_FLOATS = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64}


@dataclass(frozen=True, slots=True)
class OnnxPolicy(PolicyFactory):
    """Runs the network of an ONNX file on each observation, by ONNX Runtime.

    The network sees a batch of one: floats in the type of its input, other types (such as uint8) unchanged. The keys of
    a dict of observations are the names of its inputs.

    Args:
        path: the file, which every worker reads.
        decide: turns the network's first output, without the batch axis, into an action or a chunk; None: it is one.
        threads: threads that compute one inference.
        providers: execution providers of ONNX Runtime, the preferred one first.
        chunk_length: the most actions that one answer may hold.
        alignment: the ticks that they are for, if there may be more than one.
        pending: how many pending actions the network gets as its last input (`hocket.spaces.codec.PendingActions`).

    Raises:
        MissingExtraError: without onnxruntime.
        ConfigurationError: on construction, if an argument cannot work; from ``build()``, if a provider is not
            installed, or the network has too few inputs; from the policy, if it has others than the observation.
    """

    path: str | PathLike[str]
    decide: Callable[[NDArray[Any]], Any] | None = None
    threads: int = 1
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    chunk_length: int = 1
    alignment: Alignment = Alignment.OBSERVATION
    pending: int = 0

    def __post_init__(self) -> None:
        if find_spec("onnxruntime") is None:
            raise MissingExtraError("OnnxPolicy", "onnx")
        if not Path(self.path).is_file():
            raise ConfigurationError(f"path={str(self.path)!r} is no file; try 'policy.onnx'")
        if self.decide is not None and not callable(self.decide):
            raise ConfigurationError(f"decide={self.decide!r} must be a function of the network's output; try None")
        check_whole("threads", self.threads, example=1)
        check_whole("chunk_length", self.chunk_length, example=50)
        check_whole("pending", self.pending, least=0, example=0)
        as_factory(self)

    def build(self) -> Policy:
        """The network, with the threads of its own that it computes with."""
        onnxruntime = importlib.import_module("onnxruntime")
        available = onnxruntime.get_available_providers()
        if not set(self.providers) <= set(available):
            raise ConfigurationError(f"providers={self.providers} are not all installed; try some of {available}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(self.path), options, providers=list(self.providers))
        floats = {one.name: _FLOATS.get(one.type) for one in session.get_inputs()}
        names = [*floats]
        if self.pending and len(names) < 2:
            raise self._wrong_inputs(names, "the observation and the pending actions")
        output, decide = session.get_outputs()[0].name, self.decide

        def batch(name: str, array: Any) -> NDArray[Any]:
            one, dtype = np.asarray(array), floats[name]
            return (one if dtype is None or one.dtype.kind != "f" else one.astype(dtype, copy=False))[np.newaxis]

        def policy(observation: Any, *pending: Any) -> Any:
            given = observation if isinstance(observation, dict) else {names[0]: observation}
            given = {**given, **dict(zip(names[-1:], pending, strict=False))}
            if given.keys() != floats.keys():
                raise self._wrong_inputs(names, ", ".join(given))
            (answers,) = session.run([output], {name: batch(name, array) for name, array in given.items()})
            answer = answers.squeeze(0)
            return answer if decide is None else decide(answer)

        return policy

    def _wrong_inputs(self, names: list[str], given: str) -> ConfigurationError:
        return ConfigurationError(
            f"the network in {str(self.path)!r} has the inputs {names}, and pending={self.pending} gives it {given}; "
            "try a network of the observation alone, or of it and the pending actions; of a dict, of its keys"
        )

    def warm_up(self, policy: Policy, *example: Any) -> None:
        """Run the network twice: the first calls allocate memory."""
        for _ in range(2):
            policy(*example)
