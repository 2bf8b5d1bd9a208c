"""Lower bounds of J_ρ for any rule that lets every inference that it starts run to its end.

`workload_bound` is for rules that do not know how long an inference will take; `clairvoyant_bound` is for those that
know all of it in advance. Rules that cancel may lie below both: an inference that is stopped costs less than its time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hocket.errors import ConfigurationError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOMENTUM, SQUARES = 0.8, 0.95
PATIENCE = 15
"""Steps without a better bound after which the prices start again from the best ones, with shorter steps."""


def workload_bound(inference_ticks: ArrayLike, workers: int, predictability: float) -> float:
    """The least J_ρ of independent inferences: 1 − r·E[ρ^(⌈X⌉−1); X ≤ x_r], r = workers/E[X].

    x_r is the min(1, 1/r) quantile of X. `docs/theory.md` has the proof.

    Args:
        inference_ticks: a sample of X, in ticks; the expectations are taken over it.
        workers: their number.
        predictability: ρ in (0, 1].
    """
    ticks = np.sort(np.asarray(inference_ticks, np.float64))
    _check(ticks, workers, predictability)
    ratio = workers / float(ticks.mean())
    worth = predictability ** (np.maximum(np.ceil(ticks), 1) - 1)
    kept = len(ticks) * min(1.0, 1 / ratio)  # the shortest, the last of them in part
    whole = int(kept)
    total = float(worth[:whole].sum()) + (kept - whole) * float(worth[min(whole, len(ticks) - 1)])
    return 1 - ratio * total / len(ticks)


def clairvoyant_bound(
    inference_ticks: ArrayLike,
    workers: int,
    predictability: float,
    *,
    longest_delay_ticks: int,
    longest_wait_ticks: int = 6,
    cells: int = 4,
    steps: int = 150,
) -> float:
    """A lower bound on J_ρ of any schedule of the given inferences, even of one that knows all times in advance.

    Row o of ``inference_ticks`` holds the times of the first, second, ... inference of observation o. They start within
    ``longest_wait_ticks`` of it, run to their ends, and execute at most ``longest_delay_ticks`` after it. The bound is
    for the ticks from ``longest_delay_ticks`` on. Each cell of 1/``cells`` of a tick of a worker has a price; for any
    prices, the best schedule that may use as many workers as it pays for earns at least as much as the best that has
    ``workers`` (Lagrange). It is found exactly, and the prices by descent. Starts and ends are rounded in its favour.
    """
    ticks = np.asarray(inference_ticks, np.float64)
    _check(ticks.ravel(), workers, predictability)
    if ticks.ndim != 2 or not 1 <= longest_delay_ticks < len(ticks):
        raise ConfigurationError(
            f"inference_ticks has the shape {ticks.shape} and longest_delay_ticks is {longest_delay_ticks}; "
            "a row for each of more than longest_delay_ticks observations is needed; try np.full((400, 1), 12.0) and 48"
        )
    schedule = _Priced.of(ticks, longest_delay_ticks, longest_wait_ticks, cells)
    prices = np.full(schedule.cells, 0.3 * (1 - predictability) / cells + 1e-4)
    best, best_prices = np.inf, prices
    direction, square = np.zeros_like(prices), np.zeros_like(prices)
    stride, stalled = max(0.02, 2 * (1 - predictability)) / cells / 2, 0
    for step in range(steps):
        earned, busy = schedule.best(prices, predictability)
        value = earned + workers * float(prices.sum())
        if value < best - 1e-9:
            best, best_prices, stalled = value, prices, 0
        else:
            stalled += 1
        if stalled > PATIENCE:
            stride, prices, stalled = 0.6 * stride, best_prices, 0
            direction = np.zeros_like(prices)
            continue
        idle = workers - busy
        direction = MOMENTUM * direction + (1 - MOMENTUM) * idle
        square = SQUARES * square + (1 - SQUARES) * idle * idle if step else idle * idle
        prices = np.maximum(0, prices - stride / (1 + step / 60) * direction / (np.sqrt(square) + 1))
    return 1 - best / (len(ticks) - longest_delay_ticks)


@dataclass(frozen=True)
class _Copies:
    """The j-th inference of each observation, by its start: the cells that it occupies, and the tick of its answer."""

    first: Ints
    end: Ints
    age: Ints


@dataclass(frozen=True)
class _Priced:
    """The choice of the best schedule at given prices of cells."""

    observations: int
    longest_delay_ticks: int
    cells: int
    copies: list[_Copies]

    @classmethod
    def of(cls, ticks: Floats, longest_delay_ticks: int, longest_wait_ticks: int, cells: int) -> _Priced:
        observation = np.arange(len(ticks))[:, None]
        place = np.arange((longest_wait_ticks + 1) * cells)[None, :]
        start = observation + place / cells  # any start in this cell
        last = len(ticks) * cells
        copies = []
        for column in ticks.T:
            over = start + column[:, None]
            first = np.minimum(observation * cells + place + 1, last)
            end = np.clip(np.floor(over * cells + 1e-9).astype(int), 0, last)
            usable = np.maximum(np.ceil(over - 1e-9).astype(int), observation + 1)
            copies.append(_Copies(first, end, usable - observation))
        return cls(len(ticks), longest_delay_ticks, last, copies)

    def best(self, prices: Floats, predictability: float) -> tuple[float, Ints]:
        """The earnings of the best schedule after it has paid, and the workers that it keeps busy, by cell."""
        cost, chosen = self._cheapest(prices)
        longest = self.longest_delay_ticks
        worth = predictability ** (np.arange(longest + 1) - 1.0)
        # By 1 + the observation executed last: the most that is earned up to a tick. They ascend.
        earned = np.zeros(self.observations + 2)
        decisions = []
        for tick in range(longest, self.observations):
            observed = np.arange(tick - longest, tick)
            age = tick - observed
            most = np.maximum.accumulate(earned)
            new = most[observed] + worth[age] - cost[observed, age]
            following = most.copy()
            executes = new > following[observed + 1]
            following[observed + 1] = np.where(executes, new, following[observed + 1])
            decisions.append((earned, executes))
            earned = following
        busy = np.zeros(self.cells + 1, np.int64)
        last = int(earned.argmax())
        value = float(earned[last])
        for tick in range(self.observations - 1, longest - 1, -1):
            before, executes = decisions[tick - longest]
            observation = last - 1
            oldest = tick - longest
            if oldest <= observation < tick and executes[observation - oldest]:
                self._occupy(busy, observation, chosen[observation, tick - observation])
                last = observation
            last = int(before[: last + 1].argmax())
        return value, np.cumsum(busy)[:-1]

    def _occupy(self, busy: Ints, observation: int, places: Ints) -> None:
        for copy, place in zip(self.copies, places, strict=True):
            if place < 0:
                break
            first, end = copy.first[observation, place], copy.end[observation, place]
            if end > first:
                busy[first] += 1
                busy[end] -= 1

    def _cheapest(self, prices: Floats) -> tuple[Floats, Ints]:
        """For each observation and age: the least price of having an answer by then, and the starts of its copies.

        A copy is started after those before it, each of which runs to its end, wherever that is cheapest.
        """
        total = np.concatenate([[0.0], np.cumsum(prices)])
        count, longest = self.observations, self.longest_delay_ticks
        cost = np.full((count, longest + 1), np.inf)
        chosen = np.full((count, longest + 1, len(self.copies)), -1)
        so_far = np.zeros(count)
        before: list[Ints] = []
        for number, copy in enumerate(self.copies):
            price = np.maximum(total[np.maximum(copy.end, copy.first)] - total[copy.first], 0)
            least = np.full((count, longest + 1), np.inf)
            at = np.zeros((count, longest + 1), int)
            for place in range(price.shape[1] - 1, -1, -1):
                rows = np.nonzero(copy.age[:, place] <= longest)[0]
                ages = copy.age[rows, place]
                better = price[rows, place] < least[rows, ages]
                least[rows[better], ages[better]] = price[rows[better], place]
                at[rows[better], ages[better]] = place
            for age in range(1, longest + 1):
                better = least[:, age - 1] < least[:, age]
                least[better, age], at[better, age] = least[better, age - 1], at[better, age - 1]
            rows, ages = np.nonzero(so_far[:, None] + least < cost)
            cost[rows, ages] = so_far[rows] + least[rows, ages]
            for earlier, places in enumerate(before):
                chosen[rows, ages, earlier] = places[rows]
            chosen[rows, ages, number] = at[rows, ages]
            cheapest = price.argmin(1)
            before.append(cheapest)
            so_far = so_far + price[np.arange(count), cheapest]
        return cost, chosen


def _check(ticks: Floats, workers: int, predictability: float) -> None:
    if not (ticks.size and np.isfinite(ticks).all() and (ticks > 0).all()):
        raise ConfigurationError("inference_ticks must be finite numbers of ticks above 0; try np.full((400, 1), 12.0)")
    if workers < 1:
        raise ConfigurationError(f"workers={workers!r} must be at least 1; try 1")
    if not 0 < predictability <= 1:
        raise ConfigurationError(f"predictability={predictability!r} must lie in (0, 1]; try 0.99")
