"""Policies by name: an untrained network, random actions, a policy of the user's own, a trained one, or a server's."""

from __future__ import annotations

import copy
import json
import math
import os
import sys
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cloudpickle
import gymnasium as gym

import hocket
from hocket.cli.options.acting import OF_THE_ENV, RULE_NEEDS, ActingArguments, rate_of
from hocket.cli.options.run import BY_WORD, RunArguments, is_remote
from hocket.cli.options.train import USUAL, TrainArguments, make_algorithm, make_network, with_algorithm
from hocket.cli.options.typed import as_arguments, completing, options_in
from hocket.errors import CheckpointError, ConfigurationError
from hocket.policies.base import Policy, PolicyFactory, as_factory
from hocket.spaces.codec import check_array_spaces

if TYPE_CHECKING:
    from hocket.policies.base import PolicyFactory


TOKEN_VARIABLE = "HOCKET_TOKEN"


def chosen_policy(words: str, token: str | None = None) -> Trained | PolicyFactory | None:
    """The policy of ``FILE.py:NAME``, a training's folder or a server; None for ``network`` and ``random``.

    Raises:
        ConfigurationError: if there is no such thing.
        HocketError: a `RemoteError`, if no server answers.
    """
    if words in BY_WORD:
        return None
    if is_remote(words):
        from hocket.remote.policy import WebSocketPolicy

        return WebSocketPolicy.of_server(words.split(","), token=token or os.environ.get(TOKEN_VARIABLE))
    if Path(words).exists():
        return Trained.of(Path(words))
    return as_factory(load_policy(words))


def made_policy(chosen: Trained | PolicyFactory | None, options: RunArguments, env: gym.Env[Any, Any]) -> PolicyFactory:
    """The policy for ``env``, from the one that `chosen_policy` found for ``options.policy``."""
    if isinstance(chosen, Trained):
        return chosen.policy(options, env)
    if chosen is not None:
        return chosen
    if options.policy == "random":
        return RandomActions(env.action_space, options.seed if options.clock == "virtual" else None)
    return untrained_network(options, env)


def load_policy(words: str) -> PolicyFactory | Policy:
    """Run the file of ``FILE.py:NAME``; returns the object of that name.

    Raises:
        ConfigurationError: if there is no such thing, or it cannot be called.
    """
    file, _, name = words.rpartition(":")
    path = Path(file)
    if not name or path.suffix != ".py" or not path.is_file():
        raise ConfigurationError(
            f"--policy {words} must be network, random, FILE.py:NAME with a file that is there, a folder of "
            "hocket train --out, or the ws:// address of hocket serve"
        )
    module_name = f"_hocket_policy_{path.stem}"
    spec = spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module_name] = module  # as an import would, for dataclasses and pickles
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as for a script: it may import its neighbours, in worker processes too
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
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


def untrained_network(options: RunArguments, env: gym.Env[Any, Any]) -> PolicyFactory:
    """A network for ``env``: an IMPALA net on 84x84 pictures, else two hidden layers."""
    check_array_spaces(env, "an untrained network")
    space = env.action_space
    from hocket.models.impala import SIDE, ImpalaNet
    from hocket.models.mlp import Mlp, between
    from hocket.policies.devices import usable_device
    from hocket.policies.torch_policy import greedy

    observation_shape = env.observation_space.shape
    assert observation_shape is not None  # a Box has one
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


CONFIG, WEIGHTS = "config.json", "weights.safetensors"
WORLD = ("env", "env_args", "frame_stack", "repeat_action_probability", "hz", "default")
SCHEDULE = ("rule", "workers", "quantile", "predictability", "release_early")


@dataclass(frozen=True)
class Trained:
    """Trained weights, with the options of their training."""

    weights: Path
    options: TrainArguments

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a training's folder, one of its checkpoints, or a file of its weights.

        Of a folder: the final weights, or those of the newest checkpoint if the training was resumed after them.

        Raises:
            ConfigurationError: if ``hocket train`` has saved nothing there.
        """
        weights = _weights(path)
        for folder in (weights.parent, weights.parent.parent):
            if (folder / CONFIG).is_file():
                return cls(weights, _options(folder / CONFIG))
        raise ConfigurationError(f"{weights} has no {CONFIG} beside or above it; give a folder of hocket train --out")

    def policy(self, options: ActingArguments, env: gym.Env[Any, Any]) -> PolicyFactory:
        """The greedy policy for ``env``, in two stages if it was trained so.

        Raises:
            ConfigurationError: if the weights do not fit the environment.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from hocket.learn.policy import LearnedPolicy, late_head_s

        trained = self.options
        here = {name: getattr(options, name) for name in ("env", "env_args", "frame_stack", "device")}
        settled = with_algorithm(replace(trained, **here))
        network = make_network(settled, make_algorithm(settled))
        try:
            network.load_state_dict(load_file(self.weights))
        except (OSError, SafetensorError) as error:
            raise ConfigurationError(f"{self.weights} cannot be read ({error}); try another checkpoint") from error
        except RuntimeError as error:
            raise ConfigurationError(
                f"{self.weights} fits no network for {options.env}: it was trained with --env {trained.env} "
                f"--frame-stack {trained.frame_stack}; try that ({str(error).splitlines()[-1].strip()})"
            ) from error
        space = env.action_space
        head_s = late_head_s(rate_of(options), realtime=options.clock == "realtime")
        return LearnedPolicy(
            network=network.requires_grad_(False),
            first_action=int(space.start) if isinstance(space, gym.spaces.Discrete) else 0,
            pending=network.pending,
            head_s=head_s if trained.head in ("actions", "newest") else 0.0,
            threads=options.threads,
        )


def at_home(arguments: list[str]) -> list[str]:
    """``run --policy FOLDER …`` with the training's environment and schedule before the typed options.

    A typed rule replaces the whole schedule; saved options that contradict typed ones are left out.

    Raises:
        ConfigurationError: if the folder is not a training's.
    """
    named = options_in(arguments)
    words = named.get("policy", "network")
    if arguments[:1] != ["run"] or words in BY_WORD or not Path(words).exists():
        return arguments
    options = Trained.of(Path(words)).options
    names = WORLD if "rule" in named else (*WORLD, *SCHEDULE)
    saved = {name: getattr(options, name) for name in names}
    if named.get("env") not in (None, options.env):
        saved = {name: value for name, value in saved.items() if name not in OF_THE_ENV}
    return ["run", *as_arguments(completing(saved, named, USUAL, RULE_NEEDS)), *arguments[1:]]


def _weights(path: Path) -> Path:
    from hocket.learn.checkpoints.checkpoint import checkpoints, newest_checkpoint

    if path.is_file():
        return path
    if (path / WEIGHTS).is_file():
        return path / WEIGHTS
    ended = sorted(run for run in path.glob("run-*") if (run / WEIGHTS).is_file())
    if ended:
        kept = [checkpoint.name for checkpoint in checkpoints(path)]
        if not kept or json.loads((ended[-1] / CONFIG).read_text()).get("checkpoint") == kept[-1]:
            return ended[-1] / WEIGHTS
    try:
        return newest_checkpoint(path) / WEIGHTS
    except CheckpointError as error:
        raise ConfigurationError(
            f"--policy {path}: there are no weights; give a folder of hocket train --out"
        ) from error


def _options(config: Path) -> TrainArguments:
    try:
        saved: dict[str, Any] = json.loads(config.read_text())["options"]
        known = {field.name for field in fields(TrainArguments)}
        if "algorithm" not in saved or not set(saved) <= known:
            raise ValueError("its options are not a training's")
        return TrainArguments(**saved)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{config} is not that of a training ({error}); give a folder of hocket train --out"
        ) from error
