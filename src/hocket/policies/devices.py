"""Where networks run. A network's device is where its parameters are, as everywhere in torch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from hocket.errors import ConfigurationError, MissingExtraError

try:
    import torch
    from torch import nn
except ImportError as error:
    raise MissingExtraError("Networks (torch)", "train") from error


def usable_device(name: str) -> torch.device:
    """The device called ``name``: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Raises:
        ConfigurationError: if there is none here.
    """
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"device={name!r} cannot be used: {error}; try 'cpu'") from error
    if device.type == "meta":
        raise ConfigurationError(f"device={name!r} cannot be used: it computes nothing; try 'cpu'")
    return device


def device_of(network: nn.Module) -> torch.device:
    """Where ``network`` is; a network without parameters is on the CPU."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))


def own_stream(device: torch.device) -> AbstractContextManager[object]:
    """For the inferences of one worker: on CUDA a stream of its own, elsewhere nothing.

    On the stream that threads share a worker waits for all that others have begun before it.
    """
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))  # the network may still be on its way
    return torch.cuda.stream(stream)
