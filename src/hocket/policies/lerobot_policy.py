"""A policy of LeRobot, built alike in every worker from its saved bytes. Importing this imports neither it nor torch.

LeRobot's ``select_action`` plays a queue from call to call. ``predict_action_chunk``, which fills that queue, maps one
observation to a chunk in the policies that see one observation: ACT, SmolVLA, π₀, π₀.₅ and others.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import cloudpickle

from hocket.errors import ConfigurationError, check_whole
from hocket.policies.base import Policy, PolicyFactory
from hocket.policies.cancellation import stop_if_cancelled

Processors = tuple[Callable[[Any], Any], Callable[[Any], Any]]
CAMERA = "image"
"""In the names of cameras, as LeRobot recognises them."""
KEEPING = ("diffusion", "tdmpc", "vqbet")
"""The names of policies that keep observations from call to call, even if they see one at a time."""
TASK = "task"


@dataclass(frozen=True, init=False)
class LeRobotPolicy(PolicyFactory):
    """Acts by the chunks of ``policy.predict_action_chunk``, with the weights that the policy has now.

    Step j of a chunk from observation k is for tick k + 1 + j, as data sets of LeRobot pair them. An observation is a
    dict of arrays by LeRobot's names: of cameras, such as ``observation.images.front``, uint8 of shape (height, width,
    3); ``observation.state``, floats. Its text under ``task``, if there is one, replaces ``task``. Each worker has the
    policy on the device that it is on now.

    Args:
        policy: such as ``ACTPolicy.from_pretrained(path)``.
        processors: its pre- and postprocessor, such as ``make_pre_post_processors(policy.config, path)`` returns; None
            for a policy that normalises nothing.
        chunk_length: the number of steps used of a chunk; None: all of them.
        task: the instruction, of a policy that takes one.
        as_observation: makes the dict from the environment's observation, if that has other names or is one array.
        threads: torch threads of the process that the policy is built in.

    Raises:
        ConfigurationError: if ``policy`` is none, keeps observations or actions from call to call (consecutive
            observations go to different workers), or normalises and has no processors; from the policy, if an
            observation is no dict, or a picture in it no uint8.
    """

    chunk_length: int
    task: str
    as_observation: Callable[[Any], Mapping[str, Any]] | None
    threads: int
    _saved: bytes = field(repr=False)
    """The policy and its processors."""

    preload = ("torch",)

    def __init__(
        self,
        policy: Any,
        processors: Processors | None = None,
        *,
        chunk_length: int | None = None,
        task: str = "",
        as_observation: Callable[[Any], Mapping[str, Any]] | None = None,
        threads: int = 1,
    ) -> None:
        torch = sys.modules.get("torch")
        of_lerobot = hasattr(policy, "predict_action_chunk") and hasattr(policy, "config")
        if torch is None or not isinstance(policy, torch.nn.Module) or not of_lerobot:
            raise ConfigurationError(
                f"policy={policy!r} is no policy of LeRobot; try lerobot.policies.act.modeling_act.ACTPolicy."
                "from_pretrained(path), after pip install lerobot"
            )
        longest = _steps_of(policy)
        _check_processors(policy, processors)
        check_whole("threads", threads, example=1)
        length = longest if chunk_length is None else chunk_length
        check_whole("chunk_length", length, example=longest)
        if length > longest:
            raise ConfigurationError(f"chunk_length={length} is more than the policy's {longest} steps; try {longest}")
        if as_observation is not None and not callable(as_observation):
            raise ConfigurationError(
                f"as_observation={as_observation!r} must be a function of the observation; try None"
            )
        saved = io.BytesIO()
        torch.save((policy, processors), saved, pickle_module=cloudpickle)
        object.__setattr__(self, "chunk_length", length)
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "as_observation", as_observation)
        object.__setattr__(self, "threads", threads)
        object.__setattr__(self, "_saved", saved.getvalue())

    def build(self) -> Policy:
        """The policy in evaluation mode, on its device. Sets the torch threads."""
        torch = importlib.import_module("torch")
        torch.set_num_threads(self.threads)
        from hocket.policies.devices import device_of, own_stream

        policy, processors = torch.load(io.BytesIO(self._saved), weights_only=False)
        preprocess, postprocess = (_unchanged, _unchanged) if processors is None else processors
        policy.eval().requires_grad_(False)
        for layer in policy.modules():
            layer.register_forward_pre_hook(stop_if_cancelled)
        device = device_of(policy)
        stream = own_stream(device)
        mixed = device.type == "cuda" and getattr(policy.config, "use_amp", False)
        precision = torch.autocast("cuda") if mixed else nullcontext()

        def batch(name: str, array: Any) -> Any:
            # A copy: the array's memory may be read-only, or overwritten by the next one.
            one = torch.tensor(array, device=device)
            if CAMERA in name:
                if one.dtype != torch.uint8 or one.ndim != 3:
                    raise ConfigurationError(
                        f"the picture {name!r} is {one.dtype} of shape {tuple(one.shape)}; a camera's is torch.uint8 "
                        "of shape (height, width, 3); try as_observation="
                    )
                one = one.permute(2, 0, 1).contiguous().float() / 255
            return (one.float() if one.is_floating_point() else one).unsqueeze(0)

        def act(observation: Any) -> Any:
            named = observation if self.as_observation is None else self.as_observation(observation)
            if not isinstance(named, Mapping):
                raise ConfigurationError(
                    f"an observation is {type(named).__name__}; policies of LeRobot need a dict of arrays by the names "
                    f"{', '.join(getattr(policy.config, 'input_features', None) or ())}; try as_observation="
                )
            with stream, torch.inference_mode(), precision:
                seen: dict[str, Any] = {name: batch(name, array) for name, array in named.items() if name != TASK}
                seen.update({TASK: named.get(TASK, self.task), "robot_type": ""})
                chunk = policy.predict_action_chunk(preprocess(seen)).squeeze(0)
                return postprocess(chunk[: self.chunk_length]).float().cpu().numpy()

        return act

    def warm_up(self, policy: Policy, *example: Any) -> None:
        """Run the policy twice: the first calls allocate and choose kernels."""
        for _ in range(2):
            policy(*example)


def _steps_of(policy: Any) -> int:
    """The number of steps of the chunks of ``policy``.

    Raises:
        ConfigurationError: if it makes none of one observation.
    """
    config, name = policy.config, type(policy).__name__
    steps = config.action_delta_indices
    if getattr(config, "n_obs_steps", 1) > 1 or getattr(policy, "name", None) in KEEPING:
        raise ConfigurationError(
            f"policy={name} keeps observations from call to call; consecutive observations go to different workers, so "
            "no state may pass from call to call; try a policy that sees one observation, such as ACT"
        )
    if getattr(config, "temporal_ensemble_coeff", None) is not None:
        raise ConfigurationError(
            f"policy={name} averages actions from call to call (temporal_ensemble_coeff="
            f"{config.temporal_ensemble_coeff}); no state may pass from call to call; try "
            "policy.config.temporal_ensemble_coeff = None"
        )
    if not steps or [*steps] != [*range(len(steps))]:
        raise ConfigurationError(
            f"policy={name} makes no chunk that begins at its observation (action_delta_indices={steps}); try another "
            "policy, such as ACT"
        )
    return len(steps)


def _check_processors(policy: Any, processors: Any) -> None:
    if processors is None:
        modes = getattr(policy.config, "normalization_mapping", None) or {}
        normalised = [name for name, mode in modes.items() if getattr(mode, "value", mode) != "IDENTITY"]
        if normalised:
            raise ConfigurationError(
                f"processors=None leaves out that the policy normalises {', '.join(normalised)}; try "
                "make_pre_post_processors(policy.config, path) of lerobot.policies.factory"
            )
    elif not (isinstance(processors, tuple) and len(processors) == 2 and all(map(callable, processors))):
        raise ConfigurationError(
            f"processors={processors!r} must be a preprocessor and a postprocessor; try "
            "make_pre_post_processors(policy.config, path) of lerobot.policies.factory"
        )


def _unchanged(value: Any) -> Any:
    return value
