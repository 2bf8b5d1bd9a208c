"""Stable-Baselines3's DQN with hocket's own network, as the reference of benchmarks."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import gymnasium as gym

from hocket.errors import HocketError, MissingExtraError


def check_installed(command: str) -> None:
    """Refuse ``command`` if what it compares is not installed.

    Raises:
        HocketError: without Stable-Baselines3 or torch.
    """
    if find_spec("stable_baselines3") is None:
        raise HocketError(
            f"{command} compares with Stable-Baselines3, which is not installed; try pip install stable-baselines3"
        )
    if find_spec("torch") is None:
        raise MissingExtraError(command, "train")


def dqn(env: gym.Env[Any, Any], *, width: float, device: str = "cpu", **options: Any) -> Any:
    """Its ``DQN`` on ``env``, the network an IMPALA trunk of ``width`` and one linear layer.

    Args:
        env: an environment with pictures (1, 84, 84).
        width: the width of `hocket.models.qnetwork.impala_trunk`.
        device: the device that it learns and acts on.
        options: further options of its ``DQN``.
    """
    import torch

    from hocket.models.qnetwork import impala_trunk

    extractors = import_module("stable_baselines3.common.torch_layers")

    class Extractor(extractors.BaseFeaturesExtractor):  # type: ignore[name-defined, misc]
        def __init__(self, space: gym.Space[Any]) -> None:
            trunk, features = impala_trunk(width)
            super().__init__(space, features)
            self.trunk = trunk

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.trunk(x)
            return out

    return import_module("stable_baselines3").DQN(
        "CnnPolicy",
        env,
        policy_kwargs={"features_extractor_class": Extractor, "net_arch": []},
        device=device,
        **options,
    )
