"""`check_latency` finds each kind of broken law, and names the fault."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

import hocket
from hocket.latency import Independent
from hocket.testing import check_latency


@dataclass(frozen=True)
class Drawn:
    """A sampler that calls ``draw(rng)``."""

    draw: object
    rng: np.random.Generator

    def __call__(self, worker, now_ns):
        return self.draw(self.rng)


def good(rng):
    return int(rng.integers(10**9))


def negative(rng):
    return int(rng.integers(-(10**6), 10**9))


def fractional(rng):
    return float(rng.random() * 1e9)


def of_numpy(rng):
    return rng.integers(10**9)


def of_the_module(rng):
    return random.randrange(10**9)


def of_numpys_module(rng):
    return int(np.random.rand() * 1e9)


@dataclass(frozen=True)
class Law(hocket.LatencyModel):
    draw: object

    def sampler(self, rng):
        return Drawn(self.draw, rng)


@dataclass(frozen=True)
class Unpicklable(hocket.LatencyModel):
    def sampler(self, rng):
        return lambda worker, now_ns: int(rng.integers(10**9))


class Plain(hocket.LatencyModel):
    def sampler(self, rng):
        return Drawn(good, rng)


@dataclass(frozen=True)
class Counting(hocket.LatencyModel):
    """Keeps its count in the law: every second sampler of a pair sees the other's draws."""

    drawn: list = field(default_factory=list)

    def sampler(self, rng):
        self.drawn.clear()
        return Counted(self.drawn)


@dataclass(frozen=True)
class Counted:
    drawn: list

    def __call__(self, worker, now_ns):
        self.drawn.append(now_ns)
        return len(self.drawn)


class Forgetful:
    """Its generator does not travel."""

    def __init__(self, rng):
        self.rng = rng

    def __call__(self, worker, now_ns):
        return good(self.rng)

    def __reduce__(self):
        return Forgetful, (np.random.default_rng(5),)


@dataclass(frozen=True)
class Forgets(hocket.LatencyModel):
    def sampler(self, rng):
        return Forgetful(rng)


@dataclass(frozen=True)
class Single(Independent):
    def draw_s(self, rng, count):
        return np.full((count, 1), 0.1) if count < 4096 else np.full(count, 0.1)


def test_a_law_that_keeps_the_promises_passes():
    check_latency(Law(good))
    check_latency(Plain())


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (Law(negative), r"drew -\d+ ns at draw \d+; a duration is not negative"),
        (Law(fractional), r"drew \d+\.\d+ at draw 0; integer nanoseconds are needed"),
        (Law(of_numpy), r"drew np.int64\(\d+\) at draw 0; integer nanoseconds|drew \d+ at draw 0; integer nanoseconds"),
        (Law(of_the_module), r"not reproducible: draw \d+ was \d+ ns and then \d+ ns with the same seed"),
        (Law(of_numpys_module), r"not reproducible"),
        (Unpicklable(), r"cannot be pickled, so runs cannot be saved"),
        (Counting(), r"share state"),
        (Forgets(), r"continues differently"),
        (Single(), r"gave the shape \(1000, 1\); \(1000,\) is needed"),
        (0.05, r"0.05 is not a hocket.LatencyModel"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_broken_law_is_found(law, message):
    with pytest.raises(AssertionError, match=message):
        check_latency(law)
