"""Stratified inference times, for forecasts that depend little on the seed.

Independent draws are stratified: a block of n has one draw from each n-th part of the law, in random order. `MaxTime`
waits for the longest inference so far, so this maximum must be typical at any time: blocks double in length, and the
longest draw of each is the one that is usual for all draws so far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hocket.latency.laws import BoundedSampler, Independent, LatencyModel, Sampler, drawn_ns

FIRST_BLOCK = 512
LARGEST_BLOCK = 65_536
OVERSAMPLED = 16
FROM_THE_TOP = round(0.3 * OVERSAMPLED)
"""The position of a typical maximum of all blocks so far, from the end of this one: 0.56/(2n) of the law."""


@dataclass(frozen=True, slots=True)
class Typical(LatencyModel):
    """``law`` with stratified draws if they are independent, otherwise ``law`` unchanged."""

    law: LatencyModel

    def sampler(self, rng: np.random.Generator) -> Sampler:
        if not isinstance(self.law, Independent):
            return self.law.checked_sampler(rng)
        return _Stratified(self.law, rng)


class _Stratified(BoundedSampler):
    __slots__ = ("_block", "_law", "_left", "_rng")

    def __init__(self, law: Independent, rng: np.random.Generator) -> None:
        self._law, self._rng = law, rng
        self._block = FIRST_BLOCK
        self._left: list[int] = []

    def __call__(self, worker: int, now_ns: int) -> int:
        if not self._left:
            drawn = np.sort(drawn_ns(self._law, self._rng, self._block * OVERSAMPLED))
            durations_ns = drawn[OVERSAMPLED // 2 :: OVERSAMPLED]
            durations_ns[-1] = drawn[-1 - FROM_THE_TOP]
            self._rng.shuffle(durations_ns)
            self._left = durations_ns.tolist()
            self._block = min(2 * self._block, LARGEST_BLOCK)
        return self._left.pop()
