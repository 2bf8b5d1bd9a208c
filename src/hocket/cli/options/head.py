"""``--head``: a network's head is told nothing, the executed actions, or these and the newest observation."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from hocket.cli.options.acting import make_world
from hocket.cli.options.train import TrainArguments
from hocket.core.cadence import NS_PER_S, Cadence, exact_hz
from hocket.errors import ConfigurationError
from hocket.latency.laws import Independent, LatencyModel

if TYPE_CHECKING:
    from hocket.learn.algorithms.algorithm import Algorithm

DRAWS, QUANTILE = 10_000, 0.95
UNITS = (32, 16, 8)
"""Sizes of the encoder of newest observations, the largest first."""
HEAD_SHARE = 0.5
"""The share of the head's time that it may take; the rest is for the way to its worker and back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The inputs of a head, and the reason for them."""

    options: TrainArguments
    """Those of the command, with ``head``, ``pending`` and ``newest_units`` chosen."""
    why: str

    def __str__(self) -> str:
        told = {
            "none": "none: the network runs in one stage",
            "actions": f"actions: late binding, told the {self.options.pending} actions executed since",
            "newest": f"newest: late binding, told the {self.options.pending} actions executed since and the newest "
            "observation",
        }[self.options.head]
        return f"{told}; {self.why}"


def arranged(options: TrainArguments, algorithm: Algorithm, *, hz: float, law: LatencyModel | None) -> Arrangement:
    """Choose what ``options`` leave open: a head on the newest observation at a delay above 1 tick.

    Args:
        options: of the command.
        algorithm: that the network is made for.
        hz: ticks per second.
        law: of inference times; None to measure the network's own.

    Raises:
        ConfigurationError: if the options contradict each other.
    """
    from hocket.learn.policy import late_head_s

    options = _of_the_resumed(options)
    sequential = options.head == "auto" and options.rule == "sequential"
    if options.newest_units is not None and (options.head in ("none", "actions") or sequential):
        beside = "--rule sequential, whose network runs in one stage" if sequential else f"--head {options.head}"
        raise ConfigurationError(
            f"--newest-units {options.newest_units} has no effect with {beside}; leave it out, or try --head newest"
        )
    sized = options.algorithm == "sac"  # its head gets vectors as they are
    if options.head != "auto" and options.pending is not None and (sized or options.newest_units is not None):
        return Arrangement(options=options, why="as given")
    cadence, realtime = Cadence(exact_hz(hz)), options.clock == "realtime"
    if options.head == "none":
        return Arrangement(options=_with(options, "none", options.pending or 0), why="as given")
    if sequential:
        why = "the classical loop is left as it is (--head newest for late binding)"
        return Arrangement(options=_with(options, "none", options.pending or 0), why=why)
    if law is None:
        inference_s, source = _measured_trunk_s(options, algorithm), "measured here"
    else:
        assert isinstance(law, Independent)
        inference_s = float(np.quantile(law.draw_s(np.random.default_rng(0), DRAWS), QUANTILE))
        source = "by --latency"
    delay = cadence.ticks(round(inference_s * NS_PER_S))
    late = cadence.ticks(round((inference_s + late_head_s(hz, realtime=realtime)) * NS_PER_S))
    took = f"an inference takes {inference_s * 1e3:.3g} ms ({source}), a delay of {max(1, delay)} at {hz:g} Hz"
    if options.head == "auto" and delay <= 1:
        return Arrangement(options=_with(options, "none", options.pending or 0), why=took)
    head = "newest" if options.head == "auto" else options.head
    pending = max(0, late - 1) if options.pending is None else options.pending
    if head == "actions" and not pending:
        raise ConfigurationError(
            f"--head actions: {took}, so no action is pending; try --head none, or --pending with the ticks to tell of"
        )
    options = _with(options, head, pending)
    if head == "newest" and options.newest_units is None and not sized:
        # In virtual time the clock says how long a head takes, and the network must not depend on the machine.
        head_s = late_head_s(hz, realtime=realtime)
        options = _sized(options, algorithm, head_s) if realtime else replace(options, newest_units=UNITS[0])
    return Arrangement(options=options, why=took)


def _with(options: TrainArguments, head: Any, pending: int) -> TrainArguments:
    return replace(options, head=head, pending=pending)


def _of_the_resumed(options: TrainArguments) -> TrainArguments:
    """``options`` with what the training that they resume has chosen, where they leave it open."""
    if options.resume is None:
        return options
    for folder in (options.resume, options.resume.parent):
        config = Path(folder) / "config.json"
        if config.is_file():
            saved = json.loads(config.read_text()).get("options", {})
            if options.head in ("auto", saved.get("head")):
                names = [name for name in ("pending", "newest_units") if getattr(options, name) is None]
                return replace(options, **{name: saved[name] for name in ("head", *names) if name in saved})
    return options


def _example(options: TrainArguments) -> np.ndarray[Any, Any]:
    env = make_world(options)
    try:
        assert isinstance(env.observation_space, gym.spaces.Box)
        example: np.ndarray[Any, Any] = env.observation_space.sample()
    finally:
        env.close()
    return example


def _measured_trunk_s(options: TrainArguments, algorithm: Algorithm) -> float:
    import torch

    from hocket.cli.options.train import make_network
    from hocket.training.head_time import trunk_time_s

    torch.set_num_threads(options.threads)
    network = make_network(_with(options, "none", 0), algorithm)
    return trunk_time_s(network, _example(options))


def _sized(options: TrainArguments, algorithm: Algorithm, head_s: float) -> TrainArguments:
    """``options`` with the largest encoder whose head ends within its time on this machine, or else the smallest."""
    import torch

    from hocket.cli.options.train import make_network
    from hocket.models.qnetwork import QNetwork
    from hocket.training.head_time import head_time_s

    torch.set_num_threads(options.threads)
    example = _example(options)
    for units in UNITS:
        sized = replace(options, newest_units=units)
        network = make_network(sized, algorithm)
        assert isinstance(network, QNetwork)
        if head_time_s(network, example) <= HEAD_SHARE * head_s:
            break
    return sized
