"""A model of Stable-Baselines3 as a policy, built alike in every worker from its saved bytes."""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cloudpickle

from hocket.errors import ConfigurationError, check_whole
from hocket.policies.base import Policy, PolicyFactory
from hocket.policies.cancellation import stop_if_cancelled
from hocket.policies.torch_policy import is_recurrent

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.policies import BasePolicy
    from stable_baselines3.common.vec_env import VecNormalize


@dataclass(frozen=True, init=False)
class SB3Policy(PolicyFactory):
    """Acts as ``model.predict(observation, deterministic=True)`` does, with the weights that the model has now.

    Images are transposed and scaled, and actions unscaled or clipped, by that call itself. Observations are normalised
    first if the model's environment is a ``VecNormalize``, with the statistics that it has now; a model that was loaded
    without its environment has none, so load it with one: ``PPO.load(path, env=VecNormalize.load(statistics, env))``.

    Args:
        model: a model, or its ``model.policy``, which normalises nothing but images.
        threads: torch threads of the process that the policy is built in.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; on a GPU each worker has a stream of its own.

    Raises:
        ConfigurationError: if ``model`` is none, or carries state from call to call (``RecurrentPPO``): consecutive
            observations go to different workers.
    """

    threads: int
    device: str
    _saved: bytes = field(repr=False)
    """The model's policy."""
    _normalize: bytes = field(repr=False)
    """The ``VecNormalize`` or None, pickled."""

    preload = ("torch", "stable_baselines3")

    def __init__(self, model: BaseAlgorithm | BasePolicy, *, threads: int = 1, device: str = "cpu") -> None:
        check_whole("threads", threads, example=1)
        policy = getattr(model, "policy", model)
        policies = sys.modules.get("stable_baselines3.common.policies")
        if policies is None or not isinstance(policy, policies.BasePolicy):
            raise ConfigurationError(
                f"model={model!r} is no model of Stable-Baselines3; try stable_baselines3.DQN.load(path)"
            )
        recurrent = [name for name, module in policy.named_modules() if is_recurrent(module)]
        if recurrent:
            raise ConfigurationError(
                f"model={type(model).__name__} has recurrent layers {recurrent}; consecutive observations go to "
                "different workers, so no state may pass from call to call; try a model with stacked frames"
            )
        saved = io.BytesIO()
        # Not by ``policy.save``, which cannot save classes of a script or a notebook.
        importlib.import_module("torch").save(policy, saved, pickle_module=cloudpickle)
        normalize = None if policy is model else model.get_vec_normalize_env()  # type: ignore[operator]
        object.__setattr__(self, "threads", threads)
        object.__setattr__(self, "device", device)
        object.__setattr__(self, "_saved", saved.getvalue())
        object.__setattr__(self, "_normalize", cloudpickle.dumps(normalize))

    def build(self) -> Policy:
        """The model's policy in evaluation mode. Sets the torch threads."""
        torch = importlib.import_module("torch")
        torch.set_num_threads(self.threads)
        from hocket.policies.devices import own_stream, usable_device

        device = usable_device(self.device)
        policy: BasePolicy = torch.load(io.BytesIO(self._saved), map_location=device, weights_only=False)
        policy.requires_grad_(False)
        for layer in policy.modules():
            layer.register_forward_pre_hook(stop_if_cancelled)
        stream = own_stream(device)
        normalize: VecNormalize | None = pickle.loads(self._normalize)

        def act(observation: Any) -> Any:
            if normalize is not None:
                observation = normalize.normalize_obs(observation)
            with stream:
                return policy.predict(observation, deterministic=True)[0]

        return act

    def warm_up(self, policy: Policy, *example: Any) -> None:
        """Run the policy twice: the first calls allocate and choose kernels."""
        for _ in range(2):
            policy(*example)
