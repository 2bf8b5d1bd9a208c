"""`hocket.plan`: forecasts rules and numbers of workers before a run, and recommends one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from typing import Any

import gymnasium as gym

from hocket.analysis.agent_profile import measure_agent, processors, variants
from hocket.analysis.cautions import cautions_of
from hocket.analysis.choice import (
    fits,
    label,
    learners_needed,
    rank_of,
    recommend,
    rules_of,
    worker_counts,
    worker_price_of,
    workers_needed,
    workers_of,
)
from hocket.analysis.figure import draw_frontier
from hocket.analysis.forecast import Agent, Forecast, Playing, check_predictability, latency_figures
from hocket.analysis.race import Race
from hocket.core.cadence import exact_hz
from hocket.core.rules import Rule
from hocket.core.rules.base import check_workers
from hocket.core.trace import describe_rule
from hocket.errors import ConfigurationError
from hocket.latency.contention import Crowded
from hocket.latency.laws import LatencyModel
from hocket.latency.replayed import law_of_file
from hocket.policies.base import Policy, PolicyFactory, as_factory

LIMIT_S = 18.0
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
        recommended: one of the forecasts, that with the least J_ρ + worker_price·workers.
        worker_price: the regret per tick that each worker must save.
        why: the reason, as text.
        cautions: sentences about what the plan cannot know.
        learners: N_L* under the recommended rule, or None without ``update_s``.
    """

    hz: float
    predictability: float
    worker_price: float
    inference: dict[str, dict[str, float]]
    forecasts: tuple[Forecast, ...]
    recommended: Forecast
    why: str
    cautions: tuple[str, ...] = ()
    learners: int | None = None

    @property
    def workers_needed(self) -> int | None:
        """N* of the recommended agent, as of `hocket.workers_needed`; None if no number of workers is enough."""
        agent = self.recommended.agent
        return workers_of(agent, self.inference[agent.name]["longest_s"], self.hz)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draw the frontier of regret against workers into the PNG file ``path``; needs matplotlib."""
        figures = self.inference[self.recommended.agent.name]
        title = f"{figures['mean_s'] * 1e3:.3g} ms an inference at {self.hz:g} Hz (forecast, virtual time)"
        draw_frontier(self.forecasts, self.recommended, path, title=title, predictability=self.predictability)

    def rows(self) -> list[dict[str, Any]]:
        """The forecasts as plain values, NaN as None."""
        return [row(one) for one in self.forecasts]

    def shortlist(self) -> list[Forecast]:
        """For the recommended agent, each rule with its best number of workers at their price."""
        own = [one for one in self.forecasts if one.agent is self.recommended.agent]
        chosen = []
        for kind in dict.fromkeys(label(one.rule) for one in own):
            alike = [one for one in own if label(one.rule) == kind]
            mine = label(self.recommended.rule) == kind
            best = min(alike, key=lambda one: rank_of(one, self.worker_price))
            chosen.append(self.recommended if mine else best)
        return chosen

    def __str__(self) -> str:
        chosen = self.recommended
        lines = []
        for name, figures in self.inference.items():
            lines.append(
                f"inference   {name + ': ' if name else ''}mean {figures['mean_s'] * 1e3:.3g} ms, p99 "
                f"{figures['p99_s'] * 1e3:.3g} ms, longest {figures['longest_s'] * self.hz:.3g} ticks"
            )
        needed = self.workers_needed
        enough = "no number of" if needed is None else str(needed)
        lines.append(f"N*          {enough} workers for the longest inference to cover every tick")
        if self.learners is not None:
            lines.append(f"N_L*        {self.learners} learners for one update an action")
        table = [
            f"{'rule':<28} {'N':>4} {'coverage':>9} {'delay':>7} {'p99':>6} {'J':>6} {'cores':>6} {'ticks':>6} "
            f"{'memory':>8}"
        ]
        for one in self.shortlist():
            memory = "" if one.memory_bytes is None else f"{one.memory_bytes / 1e6:.0f} MB"
            table.append(
                f"{label(one.rule):<28} {one.workers:>4} {one.coverage:>9.3f} {one.delay_mean:>7.1f} "
                f"{one.delay_p99:>6.0f} {one.regret_per_tick:>6.3f} {one.cores:>6.2f} {one.ticks:>6} {memory:>8}"
            )
        recommended = f"recommended {label(chosen.rule)}, N = {chosen.workers}"
        if chosen.agent.name:
            recommended += f", {chosen.agent.name}"
        cautions = [f"caution     {caution}" for caution in self.cautions]
        return "\n".join([*lines, "", *table, "", recommended, self.why, *cautions])


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
    worker_price: float | None = None,
    update_s: float | None = None,
    episode_ticks: int | None = None,
    try_variants: bool = True,
    limit_s: float = LIMIT_S,
    seed: int = 0,
    done: Callable[[int, int], None] | None = None,
) -> Plan:
    """Forecast every rule and number of workers for ``source`` at ``hz``, and recommend one.

    Args:
        source: a law of inference times; a file of them (`hocket.latency.law_of_file`); an `Agent`; or a policy, which
            is measured in worker processes on this machine, with several inferences at once.
        env: the environment that a policy is measured on; required with a policy.
        predictability: ρ of the environment, in (0, 1] (`hocket.estimate_predictability`).
        workers: the numbers of workers to forecast; chosen from the inference times if None.
        rules: makes the rules to forecast for a number of workers; all of hocket's if None.
        cores: processors that workers may keep busy on average. If None, no limit for a law, which may describe a
            server, and all processors for a measured policy.
        memory_bytes: the memory that all workers together may use.
        most_workers: the largest number of workers to forecast.
        worker_price: the regret per tick that each worker must save. If None, 0.01 divided by the number of workers
            that the mean inference time needs: the knee of regret against workers.
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
        for number in _numbers(workers, agent, figures[agent.name], rate, most_workers, rules is not None):
            kinds = rules_of(number, predictability) if rules is None else tuple(rules(number))
            work += [(agent, kind) for kind in kinds if (agent, kind) not in work]
    price = _price(worker_price, figures, rate)

    def begin(agent: Agent, rule: Rule) -> Playing:
        return Playing(agent, rule, rate, predictability=predictability, episode_ticks=episode_ticks, seed=seed)

    def rank(one: Forecast) -> tuple[float, int, float]:
        return rank_of(one, price) if fits(one, cores, memory_bytes) else (inf, one.workers, one.cores)

    race = Race(begin, rank, limit_s)
    race.look(work, done)
    if workers is None:
        race.search(partial(rules_of, predictability=predictability) if rules is None else rules, most_workers)
    race.finish()
    forecasts = race.forecasts
    choice = recommend(forecasts, predictability, cores, memory_bytes, price)
    chosen = choice.forecast
    learners = None if update_s is None else learners_needed(update_s, chosen.interval_mean / rate)
    return Plan(
        hz=rate,
        predictability=predictability,
        worker_price=price,
        inference=figures,
        forecasts=forecasts,
        recommended=chosen,
        why=choice.why,
        cautions=(*cautions_of(chosen, figures[chosen.agent.name], rate), *_of_race(race, chosen, limit_s)),
        learners=learners,
    )


def _price(given: float | None, figures: dict[str, dict[str, float]], hz: float) -> float:
    if given is None:
        return worker_price_of(min(own["mean_s"] for own in figures.values()) * hz)
    if not (isinstance(given, int | float) and isfinite(given) and given >= 0):
        raise ConfigurationError(
            f"worker_price={given!r} must be a finite number from 0, the regret per tick that a worker must save; "
            "try 0.001"
        )
    return float(given)


def _of_race(race: Race, chosen: Forecast, limit_s: float) -> tuple[str, ...]:
    said = list(chosen.cautions)
    if race.skipped:
        said.append(
            f"{race.skipped} rules and numbers of workers were not forecast, for lack of time; try more than "
            f"{limit_s:g} s."
        )
    unsettled = sum(bool(one.cautions) for one in race.forecasts if one is not chosen)
    if unsettled:
        said.append(
            f"{unsettled} of the other {len(race.forecasts) - 1} forecasts are rough; rows() has the cautions of each."
        )
    return tuple(said)


def _agents(source: Source, env: gym.Env[Any, Any] | None, try_variants: bool) -> list[Agent]:
    if isinstance(source, str | os.PathLike):
        source = law_of_file(source)
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
    given: Iterable[int] | None, agent: Agent, figures: dict[str, float], hz: float, most: int, own_rules: bool
) -> Sequence[int]:
    if given is not None:
        numbers = sorted(set(given))
        for number in numbers:
            check_workers(number)
        if not numbers:
            raise ConfigurationError("workers=() has no numbers to forecast; try (1, 2, 4)")
        return numbers if own_rules else sorted({1, *numbers})
    counts = worker_counts(workers_needed(figures["longest_s"], hz), workers_needed(figures["mean_s"], hz), most)
    of_chunks = workers_of(agent, figures["longest_s"], hz)
    return counts if of_chunks is None else sorted({*counts, min(of_chunks, most)})


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
    values["cautions"] = list(one.cautions)
    return values
