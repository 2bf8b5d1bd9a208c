"""Runs in virtual time for tests of rules: a null environment and policy, whole ticks of 1/60 s."""

from __future__ import annotations

import hocket
from hocket.core.rules import Learn, Rule, Sequential
from hocket.envs.null import NullEnv
from hocket.latency.laws import LatencyModel
from hocket.results.metrics import Metrics

HZ = 60
MEAN_S = 0.2  # twelve ticks

LAWS = {
    "constant": lambda mean_s: hocket.Constant(mean_s),
    "lognormal 0.1": lambda mean_s: hocket.LogNormal(mean_s, 0.1),
    "lognormal 0.3": lambda mean_s: hocket.LogNormal(mean_s, 0.3),
    "gamma 4": lambda mean_s: hocket.Gamma(mean_s, 4),
    "heavy tail": lambda mean_s: hocket.HeavyTail(mean_s, 0.01, 5.0),
}


def play(
    rule: Rule,
    latency: LatencyModel,
    ticks: int,
    *,
    warm_up: int = 0,
    hz: float = HZ,
    seed: int = 0,
    learning: LatencyModel | None = None,
    chunk: int = 1,
    alignment: hocket.Alignment = hocket.Alignment.RELEASE,
    episode_ticks: int | None = None,
) -> Metrics:
    """The metrics of ``ticks`` ticks after ``warm_up``; ``learning`` takes time under rules that learn."""
    learns = isinstance(rule, Sequential) and rule.learn is not Learn.NEVER
    clock = hocket.Virtual(hz=hz, latency=latency, learning=(learns and learning) or hocket.Constant(0))
    answer = [0] * chunk if chunk > 1 else 0
    policy = hocket.FunctionPolicy(lambda observation: answer, chunk_length=chunk, alignment=alignment)
    env = NullEnv(episode_ticks=episode_ticks)
    learn = (lambda: None) if learns else None
    return hocket.run(env, policy, rule, clock, ticks=warm_up + ticks, seed=seed, learn=learn).metrics(warm_up)


def ticks_s(ticks: float, hz: float = HZ) -> hocket.Constant:
    """A constant latency of so many ticks."""
    return hocket.Constant(ticks / hz)
