"""What acts, by words: an untrained network, random actions, a policy of the user's own, or one that was trained."""

from __future__ import annotations

import copy
import math
import sys
from dataclasses import dataclass
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium as gym

import hocket
from hocket.cli.run_options import RunOptions
from hocket.cli.trained import Trained
from hocket.errors import ConfigurationError
from hocket.policy import Policy, PolicyFactory, as_factory


def chosen_policy(words: str) -> Trained | PolicyFactory | None:
    """What ``FILE.py:NAME`` or a training's folder holds; None for ``network`` and ``random``, which need no file.

    Raises:
        ConfigurationError: if there is no such thing.
    """
    if words in ("network", "random"):
        return None
    if Path(words).exists():
        return Trained.of(Path(words))
    return as_factory(load_policy(words))


def made_policy(chosen: Trained | PolicyFactory | None, options: RunOptions, env: gym.Env[Any, Any]) -> PolicyFactory:
    """What `chosen_policy` found for ``options.policy``, for ``env``."""
    if isinstance(chosen, Trained):
        return chosen.policy(options, env)
    if chosen is not None:
        return chosen
    if options.policy == "random":
        return RandomActions(env.action_space, options.seed if options.clock == "virtual" else None)
    return untrained_network(options, env)


def load_policy(words: str) -> PolicyFactory | Policy:
    """What ``FILE.py:NAME`` names. The file is run.

    Raises:
        ConfigurationError: if there is no such thing, or it cannot be called.
    """
    file, _, name = words.rpartition(":")
    path = Path(file)
    if not name or path.suffix != ".py" or not path.is_file():
        raise ConfigurationError(
            f"--policy {words} must be network, random, FILE.py:NAME with a file that is there, or what hocket train "
            "--save has written"
        )
    module_name = f"_hocket_policy_{path.stem}"
    spec = spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module_name] = module  # as an import would, for dataclasses and pickles
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"--policy {words}: {path} cannot be run: {type(error).__name__}: {error}") from error
    cloudpickle.register_pickle_by_value(module)  # worker processes cannot import it
    found = getattr(module, name, None)
    if not isinstance(found, PolicyFactory) and not callable(found):
        raise ConfigurationError(f"--policy {words}: {name} is {found!r}; it must be a function or a PolicyFactory")
    policy: PolicyFactory | Policy = found
    return policy


@dataclass(frozen=True)
class RandomActions(PolicyFactory):
    """Samples the action space. With a seed of its own every worker would answer alike, so realtime has none."""

    space: gym.Space[Any]
    seed: int | None

    def build(self) -> Policy:
        space = copy.deepcopy(self.space)
        space.seed(self.seed)
        return lambda observation: space.sample()


def untrained_network(options: RunOptions, env: gym.Env[Any, Any]) -> PolicyFactory:
    """One that fits ``env``: an IMPALA net on 84x84 pictures, else two hidden layers."""
    space = env.action_space
    from hocket.devices import usable_device
    from hocket.models.impala import SIDE, ImpalaNet
    from hocket.models.mlp import Mlp, between
    from hocket.models.torch_policy import greedy

    observation_shape = env.observation_space.shape
    assert observation_shape is not None
    decide: Any = greedy
    if isinstance(space, gym.spaces.Discrete):
        outputs, first = int(space.n), int(space.start)
        if first:
            decide = lambda values: greedy(values) + first  # noqa: E731
    else:
        assert isinstance(space, gym.spaces.Box)
        if not space.is_bounded():
            raise ConfigurationError(f"the network needs a bounded action space, not {space}; try --policy random")
        outputs, decide = math.prod(space.shape), between(space.low, space.high)
    if observation_shape[-2:] == (SIDE, SIDE) and len(observation_shape) == 3:
        network: Any = partial(ImpalaNet, options.width, outputs, frames=observation_shape[0], deep=options.deep)
    elif options.deep:
        raise ConfigurationError(
            f"--deep needs 84x84 pictures; {options.env} gives observations of {observation_shape}"
        )
    else:
        network = partial(Mlp, math.prod(observation_shape), outputs, hidden=max(1, round(64 * options.width)))
    usable_device(options.device)
    return hocket.TorchPolicy(
        network,
        threads=options.threads,
        bfloat16=options.bfloat16,
        device=options.device,
        decide=decide,
        seed=options.seed,
    )
