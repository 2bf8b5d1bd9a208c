"""What ``hocket train`` has saved, as a policy: its network with its weights, in the world that it was trained in.

A training's folder has ``config.json`` with its options, checkpoints with weights, and once it has ended the folder of
its run, whose weights are its best ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import gymnasium as gym

from hocket.cli.learning import TrainOptions, make_algorithm, make_network
from hocket.cli.options import ActingOptions, rate_of, spelled
from hocket.errors import CheckpointError, ConfigurationError
from hocket.training.result import WEIGHTS

if TYPE_CHECKING:
    from hocket.policy import PolicyFactory

CONFIG = "config.json"
WORLD = ("env", "env_args", "frame_stack", "repeat_action_probability", "hz", "default")
SCHEDULE = ("rule", "workers", "quantile", "predictability", "release_early")


@dataclass(frozen=True)
class Trained:
    """Weights, and the options of the training that they are from."""

    weights: Path
    options: TrainOptions

    @classmethod
    def of(cls, path: Path) -> Self:
        """Of a training's folder, one of its checkpoints, or a file of its weights.

        Of a folder: the weights that the training ended with, or, if it has gone on since, the newest checkpoint's.

        Raises:
            ConfigurationError: if nothing there has been saved by ``hocket train``.
        """
        weights = _weights(path)
        for folder in (weights.parent, weights.parent.parent):
            if (folder / CONFIG).is_file():
                return cls(weights, _options(folder / CONFIG))
        raise ConfigurationError(
            f"{weights} has no {CONFIG} beside or above it; give what hocket train --save has written"
        )

    def policy(self, options: ActingOptions, env: gym.Env[Any, Any]) -> PolicyFactory:
        """Acts greedily in ``env``, in two stages if it was trained so.

        Raises:
            ConfigurationError: if the weights do not fit the environment.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from hocket.learn.acting import LearnedPolicy, late_head_s

        trained = self.options
        here = {name: getattr(options, name) for name in ("env", "env_args", "frame_stack", "device")}
        network = make_network(replace(trained, **here), make_algorithm(trained))
        try:
            network.load_state_dict(load_file(self.weights))
        except (OSError, SafetensorError) as error:
            raise ConfigurationError(f"{self.weights} cannot be read ({error}); try another checkpoint") from error
        except RuntimeError as error:
            raise ConfigurationError(
                f"{self.weights} fits no network for {options.env}: it was trained with --env {trained.env} "
                f"--frame-stack {trained.frame_stack}; try that ({str(error).splitlines()[-1].strip()})"
            ) from error
        assert isinstance(env.action_space, gym.spaces.Discrete)
        head_s = late_head_s(rate_of(options), realtime=options.clock == "realtime")
        return LearnedPolicy(
            network=network.requires_grad_(False),
            first_action=int(env.action_space.start),
            pending=trained.pending,
            head_s=head_s if trained.late_binding else 0.0,
            threads=options.threads,
        )


def at_home(arguments: list[str]) -> list[str]:
    """``run --policy FOLDER …`` with the training's world and schedule spelled out before what was given.

    A rule that is given brings its own schedule.

    Raises:
        ConfigurationError: if the folder is not a training's.
    """
    split = [part for given in arguments for part in (given.split("=", 1) if given.startswith("--") else [given])]
    folders = [value for option, value in pairwise(split) if option == "--policy"]
    if split[:1] != ["run"] or not folders or not Path(folders[-1]).exists():
        return arguments
    options = Trained.of(Path(folders[-1])).options
    names = WORLD if "--rule" in split else (*WORLD, *SCHEDULE)
    return ["run", *spelled({name: getattr(options, name) for name in names}), *arguments[1:]]


def _weights(path: Path) -> Path:
    from hocket.learn.checkpoint import checkpoints, newest_checkpoint

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
            f"--policy {path}: there are no weights; give what hocket train --save has written"
        ) from error


def _options(config: Path) -> TrainOptions:
    try:
        saved: dict[str, Any] = json.loads(config.read_text())["options"]
        known = {field.name for field in fields(TrainOptions)}
        if "algorithm" not in saved or not set(saved) <= known:
            raise ValueError("its options are not a training's")
        return TrainOptions(**saved)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{config} is not that of a training ({error}); give what hocket train --save has written"
        ) from error
