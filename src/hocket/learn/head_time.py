"""Measures the quick and the slow stage of a network on this machine, one observation at a time, in this process."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hocket.models.actor_and_critics import ActorCritic
from hocket.models.qnetwork import QNetwork
from hocket.policies.devices import device_of

CALLS, LONGEST_S, QUANTILE = 50, 1.0, 0.5
"""Calls that are timed, the time after which no more are made, and the quantile that counts: others may be at work on
the machine while it is measured."""


def head_time_s(network: QNetwork, observation: NDArray[Any], *, calls: int = CALLS) -> float:
    """The time that the head of ``network`` takes, with its encoder of newest observations like ``observation``.

    The median of ``calls``, after two that are not counted.
    """
    device = device_of(network)
    newest = torch.from_numpy(np.array(observation)).unsqueeze(0).to(device)
    pending = torch.full((1, network.pending), network.unknown, device=device)
    delays = torch.ones(1, dtype=torch.int64, device=device)
    with torch.inference_mode():
        features = network.features(newest)

        def head() -> None:
            network.from_features(features, pending, newest, delays).argmax(1).item()

        return _measured(head, calls)


def trunk_time_s(network: QNetwork | ActorCritic, observation: NDArray[Any], *, calls: int = CALLS) -> float:
    """The time that the trunk of ``network`` takes on an observation like ``observation``; as `head_time_s`."""
    device = device_of(network)
    seen = torch.from_numpy(np.array(observation)).unsqueeze(0).to(device)
    with torch.inference_mode():
        return _measured(lambda: network.features(seen).sum().item(), calls)


def _measured(call: Callable[[], object], calls: int) -> float:
    for _ in range(2):
        call()
    times_s: list[float] = []
    until = perf_counter() + LONGEST_S
    while len(times_s) < calls and (perf_counter() < until or len(times_s) < 3):
        began = perf_counter()
        call()
        times_s.append(perf_counter() - began)
    return float(np.quantile(times_s, QUANTILE))
