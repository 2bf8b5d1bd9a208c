"""Laws of inference time for virtual runs. Means are exact: `LogNormal(0.2, 0.3)` has mean 0.2 s for any sigma."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from os import PathLike
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.core.description import describe, text
from hocket.errors import ConfigurationError
from hocket.latency.files import read_times

Sampler = Callable[[int, int], int]
"""``(worker, now_ns) -> duration_ns``, in whole nanoseconds from 0. A picklable one makes the run resumable."""

BATCH = 4096
LONGEST_S = 1e9
"""The longest duration: it fits 64 bits of nanoseconds, with room for sums."""
LONGEST_NS = int(LONGEST_S) * NS_PER_S


class LatencyModel(ABC):
    """A law of durations."""

    @abstractmethod
    def sampler(self, rng: np.random.Generator) -> Sampler:
        """Make a source of durations that depends only on ``rng`` and its arguments. Called to check a law, too."""

    @final
    def checked_sampler(self, rng: np.random.Generator) -> Sampler:
        """Make a sampler that refuses durations that cannot be.

        A call raises `ConfigurationError` for what is not a whole number of nanoseconds from 0 to 10⁹ s.

        Raises:
            ConfigurationError: if the law's sampler cannot be called, or takes other arguments.
        """
        if not _takes(self.sampler, rng):
            raise ConfigurationError(
                f"{text(self)}.sampler must take one argument, a numpy.random.Generator; try def sampler(self, rng)"
            )
        sampler = self.sampler(rng)
        return sampler if isinstance(sampler, BoundedSampler) else _Checked(text(self), sampler)


def check_law(name: str, law: object) -> None:
    """Refuse what is no law, or a law without a sampler.

    Raises:
        ConfigurationError: names the option ``name`` and the law.
    """
    if not isinstance(law, LatencyModel):
        raise ConfigurationError(f"{name}={law!r} is not a latency model; try hocket.Constant(0.05)")
    law.checked_sampler(np.random.default_rng(0))


def _takes(function: Callable[..., Any], *arguments: object) -> bool:
    """False if a call with ``arguments`` is known to fail."""
    try:
        signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # without a signature, as some compiled functions are
        pass
    return True


class BoundedSampler:
    """The base of samplers that draw whole nanoseconds from 0 to `LONGEST_NS`, so that no draw needs a check."""

    __slots__ = ()


class _Checked(BoundedSampler):
    __slots__ = ("_law", "_sampler")

    def __init__(self, law: str, sampler: Sampler) -> None:
        if not callable(sampler) or not _takes(sampler, 0, 0):
            raise ConfigurationError(
                f"the sampler of {law} is {text(sampler)}; a function (worker, now_ns) -> nanoseconds is needed; "
                "try `return lambda worker, now_ns: 50_000_000`"
            )
        self._law, self._sampler = law, sampler

    def __call__(self, worker: int, now_ns: int) -> int:
        duration_ns = self._sampler(worker, now_ns)
        if type(duration_ns) is int and 0 <= duration_ns <= LONGEST_NS:
            return duration_ns
        return self._converted(duration_ns)

    def _converted(self, duration_ns: Any) -> int:
        """Other kinds of whole numbers, such as numpy's, as an int."""
        number = isinstance(duration_ns, int | float | np.integer | np.floating) and not isinstance(duration_ns, bool)
        if number and 0 <= duration_ns <= LONGEST_NS and duration_ns == int(duration_ns):
            return int(duration_ns)
        raise ConfigurationError(
            f"{self._law} drew the duration {text(duration_ns)}; whole nanoseconds from 0 to {LONGEST_NS:.0e} are "
            "needed; try int(seconds * 1e9)"
        )


def drawn_ns(law: Independent, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Draw ``count`` durations of ``law`` in nanoseconds; longer ones than 10⁹ s are cut.

    Raises:
        ConfigurationError: if the law draws another shape, or anything but finite numbers from 0.
    """
    drawn = law.draw_s(rng, count)
    try:
        seconds = np.asarray(drawn, np.float64)
    except (TypeError, ValueError):
        seconds = np.full(1, np.nan)
    if seconds.shape != (count,):
        raise ConfigurationError(
            f"{text(law)}.draw_s(rng, {count}) gave {type(drawn).__name__} of shape {np.shape(seconds)}; "
            f"numbers of shape ({count},) are needed; try rng.exponential(0.05, count)"
        )
    fine = np.isfinite(seconds) & (seconds >= 0)
    if not fine.all():
        raise ConfigurationError(
            f"{text(law)} drew the duration {seconds[~fine][0]} s; finite seconds from 0 are needed; "
            "try np.maximum(seconds, 0.0)"
        )
    return (np.minimum(seconds, LONGEST_S) * NS_PER_S).astype(np.int64)


class Independent(LatencyModel):
    """A law whose draws depend neither on the worker nor on the time."""

    @abstractmethod
    def draw_s(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Draw ``count`` durations in seconds: an array of finite numbers from 0."""

    def sampler(self, rng: np.random.Generator) -> Sampler:
        return _Drawn(self, rng)


class _Drawn(BoundedSampler):
    """Draws durations in batches and returns them one by one. Picklable, as all samplers of this module."""

    __slots__ = ("_law", "_left", "_rng")

    def __init__(self, law: Independent, rng: np.random.Generator) -> None:
        self._law, self._rng = law, rng
        self._left: list[int] = []

    def __call__(self, worker: int, now_ns: int) -> int:
        if not self._left:
            self._left = drawn_ns(self._law, self._rng, BATCH).tolist()[::-1]
        return self._left.pop()


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (isinstance(value, int | float | np.number) and math.isfinite(value) and value > 0):
            raise ConfigurationError(f"{name}={value!r} must be a finite number greater than 0; try 0.2")


def _law(**laws: LatencyModel) -> None:
    for name, law in laws.items():
        if not isinstance(law, LatencyModel):
            raise ConfigurationError(f"{name}={law!r} is not a latency model; try hocket.Constant(0.05)")


@dataclass(frozen=True, slots=True)
class Constant(Independent):
    """Always ``duration_s``."""

    duration_s: float

    def __post_init__(self) -> None:
        if self.duration_s != 0:
            _positive(duration_s=self.duration_s)

    def draw_s(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        return np.full(count, self.duration_s)


@dataclass(frozen=True, slots=True)
class LogNormal(Independent):
    """Log-normal with mean ``mean_s`` and log-standard-deviation ``sigma``."""

    mean_s: float
    sigma: float

    def __post_init__(self) -> None:
        _positive(mean_s=self.mean_s, sigma=self.sigma)

    def draw_s(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        return self.mean_s * np.exp(rng.normal(-(self.sigma**2) / 2, self.sigma, count))


@dataclass(frozen=True, slots=True)
class Gamma(Independent):
    """Gamma with mean ``mean_s`` and ``shape``; coefficient of variation 1/√shape."""

    mean_s: float
    shape: float

    def __post_init__(self) -> None:
        _positive(mean_s=self.mean_s, shape=self.shape)

    def draw_s(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        return rng.gamma(self.shape, self.mean_s / self.shape, count)


@dataclass(frozen=True, slots=True)
class HeavyTail(Independent):
    """Mean ``mean_s``; with ``probability``, an inference takes ``factor`` times as long as usual."""

    mean_s: float
    probability: float = 0.01
    factor: float = 5.0

    def __post_init__(self) -> None:
        _positive(mean_s=self.mean_s, factor=self.factor)
        if not 0 <= self.probability <= 1:
            raise ConfigurationError(f"probability={self.probability!r} must lie in [0, 1]; try 0.01")

    def draw_s(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        usual = self.mean_s / (1 + self.probability * (self.factor - 1))
        return usual * np.where(rng.random(count) < self.probability, self.factor, 1.0)


@dataclass(frozen=True, slots=True)
class Empirical(Independent):
    """Draws from measured ``durations_s``, with replacement."""

    durations_s: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "durations_s", tuple(self.durations_s))
        if not self.durations_s:
            raise ConfigurationError("durations_s is empty; at least one duration in seconds is needed; try (0.05,)")
        for duration in self.durations_s:
            _positive(durations_s=duration)

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Empirical:
        """Read seconds: one per line, a JSON list, or the ``inferences.npz`` of a saved run (its trunks, if any).

        Their order is not kept; see `hocket.latency.law_of_file`.

        Raises:
            ConfigurationError: if the file is missing or empty, or contains anything but positive numbers.
        """
        durations_s, _ = read_times(path)
        try:
            return cls(durations_s)
        except ConfigurationError as error:
            raise ConfigurationError(f"latency file {path}: {error}") from error

    def draw_s(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        return rng.choice(np.asarray(self.durations_s), count)


@dataclass(frozen=True)
class Measured(Empirical):
    """The inference times of the very policy that a run plays: what they are charged with is *true-size*."""


@dataclass(frozen=True, slots=True)
class PerWorker(LatencyModel):
    """``law`` times a factor for each worker: worker w has ``factors[w % len(factors)]``."""

    law: LatencyModel
    factors: Sequence[float]

    def __post_init__(self) -> None:
        _law(law=self.law)
        object.__setattr__(self, "factors", tuple(self.factors))
        if not self.factors:
            raise ConfigurationError("factors is empty; one factor per worker is needed; try (1.0, 1.5)")
        for factor in self.factors:
            _positive(factors=factor)

    def sampler(self, rng: np.random.Generator) -> Sampler:
        return _Scaled(self.law.checked_sampler(rng), tuple(self.factors))


@dataclass(frozen=True, slots=True)
class _Scaled(BoundedSampler):
    base: Sampler
    factors: tuple[float, ...]

    def __call__(self, worker: int, now_ns: int) -> int:
        return min(int(self.base(worker, now_ns) * self.factors[worker % len(self.factors)]), LONGEST_NS)


@dataclass(frozen=True, slots=True)
class Changing(LatencyModel):
    """``before`` until ``at_s`` seconds after the epoch, ``after`` from then on."""

    before: LatencyModel
    after: LatencyModel
    at_s: float

    def __post_init__(self) -> None:
        _law(before=self.before, after=self.after)
        _positive(at_s=self.at_s)

    def sampler(self, rng: np.random.Generator) -> Sampler:
        return _Changed(self.before.checked_sampler(rng), self.after.checked_sampler(rng), int(self.at_s * NS_PER_S))


@dataclass(frozen=True, slots=True)
class _Changed(BoundedSampler):
    before: Sampler
    after: Sampler
    at_ns: int

    def __call__(self, worker: int, now_ns: int) -> int:
        return (self.before if now_ns < self.at_ns else self.after)(worker, now_ns)


def describe_latency(law: LatencyModel) -> dict[str, Any]:
    """A law as plain values, for a run's configuration: its class name and its public fields."""
    return describe(law)
