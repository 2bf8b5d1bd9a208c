"""Inference times without luck: a forecast should rest on what a law usually brings, not on one seed's longest draw.

Where draws are independent they are stratified: of a block of n, one comes from each n-th part of the law, in random
order. Blocks double, so that at any time about the longest inference has been seen that so many draws usually bring:
`MaxTime` waits for it ever after. Within a block the order is as random as it ever was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hocket.core.cadence import NS_PER_S
from hocket.latency.laws import LONGEST_S, Independent, LatencyModel, Sampler

FIRST_BLOCK = 512
LARGEST_BLOCK = 65_536
OVERSAMPLED = 16
FROM_THE_TOP = round(0.3 * OVERSAMPLED)
"""The longest draw that is usual for all blocks so far, counted in this one's: 0.56/(2n) from the end of the law."""


@dataclass(frozen=True, slots=True)
class Typical(LatencyModel):
    """``law``, with stratified draws if they are independent, else as it is."""

    law: LatencyModel

    def sampler(self, rng: np.random.Generator) -> Sampler:
        if not isinstance(self.law, Independent):
            return self.law.sampler(rng)
        return _Stratified(self.law, rng)


class _Stratified:
    __slots__ = ("_block", "_law", "_left", "_rng")

    def __init__(self, law: Independent, rng: np.random.Generator) -> None:
        self._law, self._rng = law, rng
        self._block = FIRST_BLOCK
        self._left: list[int] = []

    def __call__(self, worker: int, now_ns: int) -> int:
        if not self._left:
            drawn = np.sort(self._law.draw_s(self._rng, self._block * OVERSAMPLED))
            seconds = drawn[OVERSAMPLED // 2 :: OVERSAMPLED]
            seconds[-1] = drawn[-1 - FROM_THE_TOP]
            self._rng.shuffle(seconds)
            self._left = (np.minimum(seconds, LONGEST_S) * NS_PER_S).astype(np.int64).tolist()
            self._block = min(2 * self._block, LARGEST_BLOCK)
        return self._left.pop()
