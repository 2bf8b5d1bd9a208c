"""Devices of networks. A network's device is that of its parameters, as everywhere in torch."""

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
        ConfigurationError: if this machine has no such device.
    """
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"device={name!r} cannot be used: {error}; try 'cpu'") from error
    if device.type == "meta":
        raise ConfigurationError(f"device={name!r} cannot be used: it computes nothing; try 'cpu'")
    return device


def device_of(network: nn.Module) -> torch.device:
    """The device of ``network``; the CPU for a network without parameters."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))


def own_stream(device: torch.device) -> AbstractContextManager[object]:
    """A context for the inferences of one worker: a new stream on CUDA, elsewhere nothing.

    On a shared stream a worker would wait for everything that other threads have queued before.
    """
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))  # the network may still be copied
    return torch.cuda.stream(stream)
