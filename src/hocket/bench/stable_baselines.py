"""Stable-Baselines3's DQN with hocket's own network, as the reference of benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from hocket.errors import HocketError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor, nn


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


def dqn(
    env: gym.Env[Any, Any], *, trunk: Callable[[], tuple[nn.Module, int]], device: str = "cpu", **options: Any
) -> Any:
    """Its ``DQN`` on ``env``, the network of ``trunk`` and one linear layer, layer by layer.

    Args:
        env: an environment whose observations the trunk takes.
        trunk: makes the trunk; returns its number of features, too.
        device: the device that it learns and acts on.
        options: further options of its ``DQN``.
    """
    from torch import nn

    extractors = import_module("stable_baselines3.common.torch_layers")

    class Extractor(extractors.BaseFeaturesExtractor):  # type: ignore[name-defined, misc]
        def __init__(self, space: gym.Space[Any]) -> None:
            layers, features = trunk()
            super().__init__(space, features)
            assert isinstance(layers, nn.Sequential)
            self.trunk = nn.Sequential(*layers)  # without what hocket's own subclasses make of it

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.trunk(x)
            return out

    pictures = env.observation_space.dtype == "uint8"
    return import_module("stable_baselines3").DQN(
        "CnnPolicy" if pictures else "MlpPolicy",
        env,
        policy_kwargs={"features_extractor_class": Extractor, "net_arch": []},
        device=device,
        **options,
    )
