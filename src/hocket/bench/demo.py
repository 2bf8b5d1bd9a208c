"""`hocket demo`: a network too slow for the game plays Boxing at 60 Hz, sequential against staggered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import hocket
from hocket.analysis.inference_times import measure
from hocket.core.rules import Rule
from hocket.envs import make_atari
from hocket.policies.base import PolicyFactory
from hocket.results.lanes import draw_lanes
from hocket.results.report import REPORT, write_report
from hocket.results.run_folder import read_run
from hocket.running.result import RunResult

GAME = "ALE/Boxing-v5"
HZ = 60
TICKS_PER_FORWARD = (1.5, 1.7)
FIRST_WIDTH = 8.0
MOST_TRIES = 5

ARMS: tuple[tuple[str, Rule], ...] = (
    ("sequential", hocket.Sequential()),
    ("one free-running worker", hocket.Unstaggered(1)),
    ("two unstaggered", hocket.Unstaggered(2)),
    ("two staggered", hocket.TickDispatch(2)),
)


@dataclass(frozen=True)
class Network:
    """The network that the demo chose for this machine."""

    width: float
    parameters: int
    forward_s: float
    """Median of one forward pass on one thread, in a worker process."""


def impala_policy(width: float, actions: int) -> PolicyFactory:
    """A randomly initialised IMPALA net: only its inference time matters here."""
    from hocket.models.impala import ImpalaNet

    return hocket.TorchPolicy(partial(ImpalaNet, width, actions))


def _actions(env: gym.Env[Any, Any]) -> int:
    assert isinstance(env.action_space, gym.spaces.Discrete)
    return int(env.action_space.n)


def measure_forward(policy: PolicyFactory, env: gym.Env[Any, Any], count: int = 15) -> float:
    """Median seconds of one inference in one worker process."""
    return float(np.median(measure(env, policy, count=count).durations_s))


def choose_network(env: gym.Env[Any, Any], tell: Callable[[str], None]) -> Network:
    """The width whose forward pass takes 1.5 to 1.7 ticks here. Time grows about with the square of the width."""
    from hocket.models.impala import parameter_count

    actions = _actions(env)
    low, high = TICKS_PER_FORWARD
    middle = (low + high) / 2
    best: Network | None = None
    width = FIRST_WIDTH
    for _ in range(MOST_TRIES):
        seconds = measure_forward(impala_policy(width, actions), env)
        tell(f"width {width:g}: {parameter_count(width, actions) / 1e6:.1f} M parameters, {seconds * 1e3:.1f} ms")
        network = Network(width, parameter_count(width, actions), seconds)
        if best is None or abs(seconds * HZ - middle) < abs(best.forward_s * HZ - middle):
            best = network
        if low <= seconds * HZ <= high:
            break
        width *= (middle / (seconds * HZ)) ** 0.5
        step = 0.25 if width >= 4 else 1 / 16  # four filters, or one
        width = max(step, round(width / step) * step)
    assert best is not None
    return best


def ticks_in(seconds: float) -> int:
    """The length of an arm, in ticks."""
    return max(1, round(seconds * HZ))


def play(
    rule: Rule,
    network: Network,
    *,
    seconds: float,
    instruments: Sequence[hocket.Instrument] = (),
    drawn: bool = False,
) -> RunResult:
    """Play one arm for ``seconds``; with ``drawn`` the environment renders pictures.

    Raises:
        RunInterrupted: on Ctrl-C, with the result so far.
    """
    env = make_atari(GAME, render_mode="rgb_array" if drawn else None)
    try:
        return hocket.run(
            env,
            impala_policy(network.width, _actions(env)),
            rule,
            hocket.Realtime(hz=HZ),
            ticks=ticks_in(seconds),
            instruments=instruments,
            config={"width": network.width, "parameters": network.parameters},
        )
    finally:
        env.close()


def figures(results: list[tuple[str, RunResult]]) -> list[dict[str, Any]]:
    """The demo's table: one row an arm."""
    rows = []
    for (name, result), (_, rule) in zip(results, ARMS, strict=True):
        summary = result.summary()
        rows.append(
            {
                "rule": name,
                "workers": rule.initial_workers,
                "coverage": summary.coverage,
                "delay_mean": summary.delay_mean,
                "lateness_p99_s": summary.lateness_p99_s,
            }
        )
    return rows


def save(name: str, result: RunResult, folder: Path) -> Path:
    """Save the run of one arm into its own folder inside ``folder``."""
    return result.save(folder / name.replace(" ", "-"))


def compare(results: list[tuple[str, RunResult]], network: Network, folder: Path) -> Path:
    """Write a report that compares the saved arms, and a picture of their lanes; return the picture's path."""
    write_report([read_run(folder / name.replace(" ", "-")) for name, _ in results], folder / REPORT)
    picture = folder / "lanes.png"
    title = f"Boxing at {HZ} Hz, a network of {network.parameters / 1e6:.1f} million parameters"
    title += f", {network.forward_s * HZ:.2f} ticks a forward pass (realtime, true-size)"
    draw_lanes([(name, result.record) for name, result in results], picture, title=title)
    return picture
