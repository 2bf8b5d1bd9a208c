"""`hocket.plan`: forecasts rules and numbers of workers before a run, and recommends one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import gymnasium as gym

from hocket.analysis.agent_profile import measure_agent, processors, variants
from hocket.analysis.choice import WORTH, label, learners_needed, recommend, rules_of, worker_counts, workers_needed
from hocket.analysis.figure import draw_frontier
from hocket.analysis.forecast import TICKS, Agent, Forecast, check_predictability, forecast, latency_figures
from hocket.core.cadence import exact_hz
from hocket.core.rules import Rule
from hocket.core.rules.base import check_workers
from hocket.core.trace import describe_rule
from hocket.errors import ConfigurationError
from hocket.latency.contention import Crowded
from hocket.latency.laws import Empirical, LatencyModel
from hocket.policies.base import Policy, PolicyFactory, as_factory

LIMIT_S = 18.0
REFINE_S = 1.5
REFINE_SHARE = 0.3
REFINED = 4
"""The number of best forecasts that are played again for longer, so that no recommendation rests on a short run."""
MOST_WORKERS = 600

Source = LatencyModel | Agent | PolicyFactory | Policy | str | os.PathLike[str]
"""An agent to plan for: its inference times, a measured agent, the policy itself, or a file of times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Forecasts of every rule and number of workers, and a recommendation; prints as a table.

    Attributes:
        hz, predictability: as given to `plan`.
        inference: by agent's name, the mean, p50, p99 and maximum in seconds of an inference that runs alone.
        forecasts: one for each agent, rule and number of workers.
        recommended: one of the forecasts, played longer than the others.
        why: the reason, as text.
        learners: N_L* under the recommended rule, or None without ``update_s``.
    """

    hz: float
    predictability: float
    inference: dict[str, dict[str, float]]
    forecasts: tuple[Forecast, ...]
    recommended: Forecast
    why: str
    learners: int | None = None

    @property
    def workers_needed(self) -> int:
        """N* = ⌈τ_θ^max/τ_M⌉ of the recommended agent."""
        return workers_needed(self.inference[self.recommended.agent.name]["longest_s"], self.hz)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draw the frontier of regret against workers into the PNG file ``path``; needs matplotlib."""
        figures = self.inference[self.recommended.agent.name]
        title = f"{figures['mean_s'] * 1e3:.3g} ms an inference at {self.hz:g} Hz (forecast, virtual time)"
        draw_frontier(self.forecasts, self.recommended, path, title=title, predictability=self.predictability)

    def rows(self) -> list[dict[str, Any]]:
        """The forecasts as plain values, NaN as None."""
        return [row(one) for one in self.forecasts]

    def shortlist(self) -> list[Forecast]:
        """For the recommended agent, each rule with the fewest workers within 0.01 of the rule's least regret."""
        own = [one for one in self.forecasts if one.agent is self.recommended.agent]
        chosen = []
        for kind in dict.fromkeys(label(one.rule) for one in own):
            alike = [one for one in own if label(one.rule) == kind]
            least = min(one.regret_per_tick for one in alike)
            close = [one for one in alike if one.regret_per_tick <= least + WORTH]
            mine = label(self.recommended.rule) == kind
            chosen.append(self.recommended if mine else min(close, key=lambda one: one.workers))
        return chosen

    def __str__(self) -> str:
        chosen = self.recommended
        lines = []
        for name, figures in self.inference.items():
            lines.append(
                f"inference   {name + ': ' if name else ''}mean {figures['mean_s'] * 1e3:.3g} ms, p99 "
                f"{figures['p99_s'] * 1e3:.3g} ms, longest {figures['longest_s'] * self.hz:.3g} ticks"
            )
        lines.append(f"N*          {self.workers_needed} workers for the longest inference to cover every tick")
        if self.learners is not None:
            lines.append(f"N_L*        {self.learners} learners for one update an action")
        table = [f"{'rule':<28} {'N':>4} {'coverage':>9} {'delay':>7} {'p99':>6} {'J':>6} {'cores':>6} {'memory':>8}"]
        for one in self.shortlist():
            memory = "" if one.memory_bytes is None else f"{one.memory_bytes / 1e6:.0f} MB"
            table.append(
                f"{label(one.rule):<28} {one.workers:>4} {one.coverage:>9.3f} {one.delay_mean:>7.1f} "
                f"{one.delay_p99:>6.0f} {one.regret_per_tick:>6.3f} {one.cores:>6.2f} {memory:>8}"
            )
        recommended = f"recommended {label(chosen.rule)}, N = {chosen.workers}"
        if chosen.agent.name:
            recommended += f", {chosen.agent.name}"
        return "\n".join([*lines, "", *table, "", recommended, self.why])


def plan(
    source: Source,
    hz: float,
    *,
    env: gym.Env[Any, Any] | None = None,
    predictability: float = 0.99,
    workers: Iterable[int] | None = None,
    rules: Callable[[int], Iterable[Rule]] | None = None,
    cores: float | None = None,
    memory_bytes: int | None = None,
    most_workers: int | None = None,
    update_s: float | None = None,
    episode_ticks: int | None = None,
    try_variants: bool = True,
    limit_s: float = LIMIT_S,
    seed: int = 0,
    done: Callable[[int, int], None] | None = None,
) -> Plan:
    """Forecast every rule and number of workers for ``source`` at ``hz``, and recommend one.

    Args:
        source: a law of inference times; a file of them (`Empirical.from_file`); an `Agent`; or a policy, which is
            measured in worker processes on this machine, with several inferences at once.
        env: the environment that a policy is measured on; required with a policy.
        predictability: ρ of the environment, in (0, 1] (`hocket.estimate_predictability`).
        workers: the numbers of workers to forecast; chosen from the inference times if None.
        rules: makes the rules to forecast for a number of workers; all of hocket's if None.
        cores: processors that workers may keep busy on average. If None, no limit for a law, which may describe a
            server, and all processors for a measured policy.
        memory_bytes: the memory that all workers together may use.
        most_workers: the largest number of workers to forecast.
        update_s: seconds of one learning update, to compute the number of learners.
        episode_ticks: ticks of a typical episode, whose end discards inferences in flight; None: episodes never end.
        try_variants: measure a `TorchPolicy` also with other numbers of threads, and in bfloat16 where that is faster.
        limit_s: seconds for all forecasts together, without the measurement.
        seed: of the forecasts.
        done: called with progress, ``done(finished, all)``.

    Raises:
        ConfigurationError: if an argument is invalid, or no forecast fits the budget.
        PolicyError: if the policy cannot be built, or raises.
    """
    rate = float(exact_hz(hz))
    check_predictability(predictability)
    agents = _agents(source, env, try_variants)
    measured = any(isinstance(agent.latency, Crowded) for agent in agents)
    if cores is None and measured:
        cores = float(processors())
    if most_workers is None:
        most_workers = max(2, 4 * processors()) if measured and agents[0].cores_each > 0.5 else MOST_WORKERS
    check_workers(most_workers)
    figures = {agent.name: latency_figures(agent.latency, seed=seed) for agent in agents}
    work: list[tuple[Agent, Rule]] = []
    for agent in agents:
        for number in _numbers(workers, figures[agent.name], rate, most_workers, rules is not None):
            kinds = rules_of(number, predictability) if rules is None else tuple(rules(number))
            work += [(agent, kind) for kind in kinds if (agent, kind) not in work]
    forecasts: list[Forecast] = []
    play = partial(forecast, hz=rate, predictability=predictability, episode_ticks=episode_ticks, seed=seed)
    until = perf_counter() + limit_s * (1 - REFINE_SHARE)
    for number, (agent, rule) in enumerate(work):
        left_s = max(0.01, (until - perf_counter()) / (len(work) - number))
        forecasts.append(play(agent, rule, limit_s=min(left_s, REFINE_S)))
        if done is not None:
            done(number + 1, len(work))
    choice = recommend(forecasts, predictability, cores, memory_bytes)
    promising = sorted(forecasts, key=lambda one: (one is not choice.forecast, one.regret_per_tick))[:REFINED]
    for one in promising:
        if one.ticks < TICKS:
            longer = play(one.agent, one.rule, limit_s=min(REFINE_S, REFINE_SHARE * limit_s / REFINED))
            forecasts[forecasts.index(one)] = longer
    choice = recommend(forecasts, predictability, cores, memory_bytes)
    chosen = choice.forecast
    learners = None if update_s is None else learners_needed(update_s, chosen.interval_mean / rate)
    return Plan(
        hz=rate,
        predictability=predictability,
        inference=figures,
        forecasts=tuple(forecasts),
        recommended=chosen,
        why=choice.why,
        learners=learners,
    )


def _agents(source: Source, env: gym.Env[Any, Any] | None, try_variants: bool) -> list[Agent]:
    if isinstance(source, str | os.PathLike):
        source = Empirical.from_file(Path(source))
    if isinstance(source, LatencyModel):
        return [Agent(latency=source)]
    if isinstance(source, Agent):
        return [source]
    if not callable(source) and not isinstance(source, PolicyFactory):
        raise ConfigurationError(
            f"source={source!r} is neither a latency model, nor a file of seconds, nor a policy; "
            "try hocket.LogNormal(0.2, 0.3)"
        )
    if env is None:
        raise ConfigurationError(
            f"source={source!r} is a policy, which is measured on observations; try plan(..., env=gymnasium.make(...))"
        )
    ways = variants(source) if try_variants else [("", as_factory(source))]
    return [measure_agent(env, policy, name=name) for name, policy in ways]


def _numbers(
    given: Iterable[int] | None, figures: dict[str, float], hz: float, most: int, own_rules: bool
) -> Sequence[int]:
    if given is not None:
        numbers = sorted(set(given))
        for number in numbers:
            check_workers(number)
        if not numbers:
            raise ConfigurationError("workers=() has no numbers to forecast; try (1, 2, 4)")
        return numbers if own_rules else sorted({1, *numbers})
    return worker_counts(workers_needed(figures["longest_s"], hz), workers_needed(figures["mean_s"], hz), most)


def row(one: Forecast) -> dict[str, Any]:
    """A forecast as plain values."""
    values: dict[str, Any] = {"agent": one.agent.name, "rule": describe_rule(one.rule), "workers": one.workers}
    for name in (
        "coverage",
        "delay_mean",
        "delay_p50",
        "delay_p99",
        "interval_mean",
        "regret_per_tick",
        "inaction_regret",
        "delay_regret",
        "busy",
        "cores",
        "memory_bytes",
        "ticks",
        "runs",
    ):
        value = getattr(one, name)
        values[name] = None if value != value else value
    return values
