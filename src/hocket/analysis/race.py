"""Forecasts many rules and numbers of workers within a time limit: all of them a little, the promising ones for long.

All begin with the same seeds, so that differences between them depend little on chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter

from hocket.analysis.choice import label
from hocket.analysis.forecast import MOST_RUNS, TICKS, Agent, Forecast, Playing
from hocket.core.rules import Rule

LOOK_TICKS = 1000
"""The least that every forecast plays, if there is time."""
PROMISING_TICKS = 4000
FINALS = ((8, TICKS), (3, MOST_RUNS * TICKS))
"""So many of the best are played for so long, one after another."""
SEARCHES = 4
"""The number of times that numbers of workers near the best one are tried."""
CLOSE = 1.1
"""Numbers whose ratio is less have none worth trying between them."""
BEYOND = 1.5
"""By how much more workers are tried, where the largest number is the best."""
LOOK_SHARE, SEARCH_SHARE = 0.4, 0.7
"""The shares of the time limit at which all have been looked at, and at which the search ends."""


@dataclass(slots=True)
class Entry:
    """One agent under one rule."""

    agent: Agent
    rule: Rule
    playing: Playing
    forecast: Forecast

    def play(self, to_ticks: int, until_s: float) -> None:
        """Play on."""
        before = self.playing.ticks
        self.playing.play(to_ticks, until_s)
        if self.playing.ticks > before:
            self.forecast = self.playing.forecast()


@dataclass(slots=True)
class Race:
    """The forecasts that compete.

    Args:
        begin: makes a forecast in progress.
        rank: what to minimise; infinite for what exceeds the budget.
        limit_s: seconds for everything.
    """

    begin: Callable[[Agent, Rule], Playing]
    rank: Callable[[Forecast], tuple[float, ...]]
    limit_s: float
    entries: list[Entry] = field(default_factory=list)
    skipped: int = 0
    """The number of rules and workers that there was no time for."""
    began_s: float = field(default_factory=perf_counter)

    def look(self, work: list[tuple[Agent, Rule]], done: Callable[[int, int], None] | None) -> None:
        """Play each a little, the first ones first if time is short."""
        until_s = self.began_s + LOOK_SHARE * self.limit_s
        for number, (agent, rule) in enumerate(work):
            now_s = perf_counter()
            if now_s > until_s and self.entries:
                self.skipped += 1
            else:
                self._enter(agent, rule, now_s + max(0.001, (until_s - now_s) / (len(work) - number)))
            if done is not None:
                done(number + 1, len(work))

    def search(self, rules: Callable[[int], Iterable[Rule]], most: int) -> None:
        """Try numbers of workers between the best one and its neighbours, and more than all tried, up to ``most``."""
        until_s = self.began_s + SEARCH_SHARE * self.limit_s
        for turn in range(SEARCHES):
            share_s = (until_s - perf_counter()) / (SEARCHES - turn)
            if share_s <= 0:
                break
            self._play(self._best(3), PROMISING_TICKS, perf_counter() + share_s / 2)
            best = self._best(1)[0]
            kind = label(best.rule)
            alike = [one for one in self.entries if one.agent is best.agent and label(one.rule) == kind]
            numbers = near(best.forecast.workers, [one.forecast.workers for one in alike], most)
            tried = [
                (best.agent, rule)
                for number in numbers
                for rule in rules(number)
                if label(rule) == kind and all(rule != one.rule for one in alike)
            ]
            if not tried:
                break
            for number, (agent, rule) in enumerate(tried):
                left_s = max(0.001, (until_s - perf_counter()) / (SEARCHES - turn) / (len(tried) - number))
                self._enter(agent, rule, perf_counter() + left_s)

    def finish(self) -> None:
        """Play the best ones for long, the best of each kind for longer than at first, and what is best then."""
        until_s = self.began_s + self.limit_s
        for number, (keep, ticks) in enumerate(FINALS):
            part_s = (until_s - perf_counter()) / (len(FINALS) + 1 - number)
            self._play(self._best(keep), ticks, perf_counter() + part_s)
        kinds = {(id(one.agent), label(one.rule)): one for one in self._best(len(self.entries))[::-1]}
        self._play(list(kinds.values()), PROMISING_TICKS, until_s)
        while (best := self._best(1)[0]).playing.ticks < FINALS[-1][1] and perf_counter() < until_s:
            best.play(FINALS[-1][1], until_s)

    @property
    def forecasts(self) -> tuple[Forecast, ...]:
        """All forecasts, by agent and number of workers."""
        agents = list(dict.fromkeys(id(one.agent) for one in self.entries))
        ordered = sorted(self.entries, key=lambda one: (agents.index(id(one.agent)), one.rule.initial_workers))
        return tuple(one.forecast for one in ordered)

    def _enter(self, agent: Agent, rule: Rule, until_s: float) -> None:
        playing = self.begin(agent, rule)
        playing.play(1)  # builds the run
        playing.play(LOOK_TICKS, until_s)
        self.entries.append(Entry(agent, rule, playing, playing.forecast()))

    def _best(self, count: int) -> list[Entry]:
        return sorted(self.entries, key=lambda one: self.rank(one.forecast))[:count]

    def _play(self, entries: list[Entry], ticks: int, until_s: float) -> None:
        for number, one in enumerate(entries):
            now_s = perf_counter()
            one.play(ticks, now_s + max(0.0, (until_s - now_s) / (len(entries) - number)))


def near(best: int, numbers: list[int], most: int) -> list[int]:
    """The geometric means of ``best`` and its neighbours in ``numbers``, where those are not close.

    Above the largest number, half as many again take the place of a neighbour, up to ``most``.
    """
    below = max((number for number in numbers if number < best), default=best)
    above = min((number for number in numbers if number > best), default=None)
    tried = [round((below * best) ** 0.5)] if best > CLOSE * below else []
    if above is None:
        tried.append(min(most, math.ceil(BEYOND * best)))
    elif above > CLOSE * best:
        tried.append(round((above * best) ** 0.5))
    return [number for number in tried if number not in (below, best, above)]
