"""Trials of hedges: these pay only while copies win, and while times do not rise with the workers that run.

Surplus workers are free only where they do not slow the others down. A trial alternates between ticks without copies
and ticks with them, and compares the times of the first answers. Copies can only shorten these, unless the workers
share something: where the times rise in each of several pairs, copies end, and are tried again later.
"""

from __future__ import annotations

from math import log, sqrt

PAIRS = 3
"""A verdict changes after as many comparisons against it in a row, or one with a rise of so many standard errors."""
CLEAR_ERRORS = 4
RISE = 0.02
"""The least rise that counts, as a difference of mean logarithms; its standard error if that is more."""
RACES = 1000
"""Copies end after as many races in a row that none has won."""
CORRELATED = 0.5
"""Nor are there any while the times of answers in a row are correlated as much: a copy would take as long."""
REMEMBERED = 64
"""The number of answers that the correlation is of."""
LEAST_SPAN = 16
GAP, LONG_GAP = 4000, 16_000
"""Ticks until the next trial while copies pay, and while they do not: a trial then is dear."""


class CopyTrials:
    """Decides in which ticks copies may start.

    A block lasts two spans, a span being about as long as an inference; what starts in the second of them is compared.
    """

    def __init__(self) -> None:
        self.allowed = False
        """True if observations may be given to several workers now."""
        self._paid = True  # the last verdict
        self._next = -1  # the tick at which the next trial begins; -1: at once
        self._begin = -1  # the tick at which the pair of blocks began; -1: between trials
        self._span = LEAST_SPAN
        self._against = 0  # comparisons in a row against the last verdict
        self._counts = [0, 0]  # first answers without and with copies
        self._logs = [0.0, 0.0]
        self._squares = [0.0, 0.0]
        self._races: dict[int, int] = {}  # observation with copies → the worker of the original; -1 once it is answered
        self._lost = 0  # races in a row
        self._answers = 0
        self._mean = self._variance = self._covariance = self._deviation = 0.0  # of the logarithms of late

    def started(self, observation: int, worker: int) -> None:
        """``observation`` has copies; the original runs on ``worker``."""
        self._races[observation] = worker

    def answered(self, observation: int, worker: int, duration_ns: int) -> None:
        """``worker`` has answered ``observation`` after ``duration_ns``."""
        original = self._races.get(observation)
        if original is not None:
            if original < 0:
                return
            self._races[observation] = -1
            self._lost = self._lost + 1 if worker == original else 0
        logarithm = log(max(1, duration_ns))
        self._correlate(logarithm)
        if self._begin >= 0:
            block, place = divmod(observation - self._begin, 2 * self._span)
            if place >= self._span and 0 <= block <= 1:
                self._counts[block] += 1
                self._logs[block] += logarithm
                self._squares[block] += logarithm * logarithm

    def _correlate(self, logarithm: float) -> None:
        self._answers += 1
        rate = max(1 / self._answers, 1 / REMEMBERED)
        deviation = logarithm - self._mean
        self._mean += rate * deviation
        self._variance += rate * (deviation * deviation - self._variance)
        self._covariance += rate * (deviation * self._deviation - self._covariance)
        self._deviation = deviation

    def ticked(self, tick: int, span: int, last_observation: int) -> None:
        """Tick ``tick`` has come; inferences take about ``span`` ticks."""
        if self._races:
            self._races = {race: worker for race, worker in self._races.items() if race > last_observation}
        if self._begin < 0:
            if tick >= self._next:
                self._against = 0
                self._begin_pair(tick, span)
            elif self._lost >= RACES:
                self._lost = 0
                self._end(tick, False)
            else:
                self.allowed = self._paid and self._covariance <= CORRELATED * self._variance
        elif tick >= self._begin + 5 * self._span:
            self._compare(tick, span)
        else:
            self.allowed = tick >= self._begin + 2 * self._span

    def _begin_pair(self, tick: int, span: int) -> None:
        self._begin, self._span = tick, max(span, LEAST_SPAN)
        self._counts, self._logs, self._squares = [0, 0], [0.0, 0.0], [0.0, 0.0]
        self.allowed = False

    def _compare(self, tick: int, span: int) -> None:
        without, with_copies = self._counts
        if not without:
            paid, clear = True, False
        elif 3 * with_copies <= without:  # answers stay away
            paid, clear = False, True
        else:
            means = [total / count for total, count in zip(self._logs, self._counts, strict=True)]
            error = sqrt(
                sum(
                    max(0.0, squares / count - mean * mean) / count
                    for squares, mean, count in zip(self._squares, means, self._counts, strict=True)
                )
            )
            rise = means[1] - means[0]
            paid = rise <= max(RISE, error) and (self._paid or not self._lost)
            clear = rise > CLEAR_ERRORS * max(RISE, error)
        self._against += 1
        if paid == self._paid or clear or self._against == PAIRS:
            self._end(tick, paid)
        else:
            self._begin_pair(tick, span)

    def _end(self, tick: int, paid: bool) -> None:
        self.allowed = self._paid = paid
        self._begin, self._next = -1, tick + (GAP if paid else LONG_GAP)
