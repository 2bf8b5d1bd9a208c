"""Heads as their trunks had them, where a network learns between the two stages of an inference."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

LATE_PARTS = ("head", "newest")
"""The submodules of a network that run with its head."""


@dataclass(slots=True)
class HeadVersion:
    """A network with the head of one version; the trunk is that of the network that learns."""

    network: Any
    version: int = -1
    users: int = 0


class HeadVersions:
    """Heads as their trunks had them: in place, a head may have learned more before it runs.

    One copy a version, made when first asked for, in the memory of one that is no longer needed. Of a worker's
    own network no copy is needed: it is refreshed before trunks only.
    """

    def __init__(self, network: Any, in_place: bool) -> None:
        self._network = network
        self._in_place = in_place
        self._newest = HeadVersion(network)
        self._spare: list[HeadVersion] = []

    def take(self, version: int) -> HeadVersion:
        """The head of ``version``, which is the present one; to be given back."""
        if self._in_place and self._newest.version != version:
            before, self._newest = self._newest, self._copy()
            self._newest.version = version
            self._keep_spare(before)
        self._newest.users += 1
        return self._newest

    def give_back(self, kept: HeadVersion) -> None:
        """It has run. One whose head never runs is simply forgotten."""
        kept.users -= 1
        if kept is not self._newest:
            self._keep_spare(kept)

    def _keep_spare(self, kept: HeadVersion) -> None:
        if not kept.users and kept.network is not self._network:
            self._spare.append(kept)

    def _copy(self) -> HeadVersion:
        network = self._network
        if not self._spare:
            shared = [network.trunk, *([network.critics] if hasattr(network, "critics") else [])]
            return HeadVersion(copy.deepcopy(network, {id(part): part for part in shared}))
        kept = self._spare.pop()
        with torch.no_grad():
            torch._foreach_copy_(_late_tensors(kept.network), _late_tensors(network))
        return kept


def _late_tensors(network: nn.Module) -> list[Tensor]:
    """The tensors of all that runs with the head of ``network``."""
    parts = [part for name in LATE_PARTS if (part := getattr(network, name, None)) is not None]
    return [tensor for part in parts for tensor in (*part.parameters(), *part.buffers())]
