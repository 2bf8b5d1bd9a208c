"""The conformance check of latency laws."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np

from hocket.core.cadence import NS_PER_S
from hocket.latency.laws import Independent, LatencyModel, Sampler

WORKERS = 5
STEP_NS = 20_000_000


def check_latency(law: LatencyModel, *, draws: int = 1000, seed: int = 0) -> None:
    """Check that a latency law can drive a virtual run.

    Durations must be whole nanoseconds and not negative; a seed must give the same ones again, whatever other samplers
    of the same law, `random` and `numpy.random` have drawn; and a sampler must draw the same after pickling, as
    checkpoints need.

    Args:
        law: under test.
        draws: how many durations each sampler draws.
        seed: of the generator that the law is given.

    Raises:
        AssertionError: that names the broken promise.
    """
    assert isinstance(law, LatencyModel), f"{law!r} is not a hocket.LatencyModel"
    sampler = _sampler(law, seed)
    first = _draw(sampler, 0, draws)
    for number, duration_ns in enumerate(first):
        whole = isinstance(duration_ns, int) and not isinstance(duration_ns, bool)
        assert whole, f"{law!r} drew {duration_ns!r} at draw {number}; integer nanoseconds are needed"
        assert duration_ns >= 0, f"{law!r} drew {duration_ns} ns at draw {number}; a duration is not negative"
    _ = np.random.rand(), _draw(_sampler(law, seed + 1), 0, draws)  # what must not matter
    again = _draw(_sampler(law, seed), 0, draws)
    assert first == again, (
        f"{law!r} is not reproducible: {_first_difference(first, again)} with the same seed; draw from the "
        "generator that `sampler` is given and from nothing else"
    )
    one, other = _sampler(law, seed), _sampler(law, seed)
    mixed = [(one(*_call(number)), other(*_call(number))) for number in range(draws)]
    assert all(a == b == c for (a, b), c in zip(mixed, first, strict=True)), (
        f"samplers of {law!r} share state: drawn in turns they differ; keep it in the sampler, not in the law"
    )
    try:
        copied: Sampler = pickle.loads(pickle.dumps(sampler))
    except Exception as error:
        raise AssertionError(f"a sampler of {law!r} cannot be pickled, so runs cannot be saved: {error}") from error
    assert _draw(copied, draws, draws) == _draw(sampler, draws, draws), (
        f"a pickled sampler of {law!r} continues differently; its generator must travel with it"
    )
    if isinstance(law, Independent):
        durations_s = law.draw_s(np.random.default_rng(seed), draws)
        shape = np.shape(durations_s)
        assert shape == (draws,), f"{law!r}.draw_s(rng, {draws}) gave the shape {shape}; ({draws},) is needed"
        fine = bool(np.isfinite(durations_s).all() and (np.asarray(durations_s) >= 0).all())
        assert fine, f"{law!r}.draw_s gave {min(durations_s)} to {max(durations_s)}; finite seconds from 0 are needed"


def _sampler(law: LatencyModel, seed: int) -> Callable[[int, int], int]:
    return law.sampler(np.random.default_rng(seed))


def _call(number: int) -> tuple[int, int]:
    """The worker and the time of draw ``number``; times rise, over a minute in a thousand draws and more."""
    return number % WORKERS, number * STEP_NS + number**2 * NS_PER_S // 20_000


def _draw(sampler: Sampler, begin: int, draws: int) -> list[int]:
    return [sampler(*_call(number)) for number in range(begin, begin + draws)]


def _first_difference(first: list[int], again: list[int]) -> str:
    number = next(number for number, (a, b) in enumerate(zip(first, again, strict=True)) if a != b)
    return f"draw {number} was {first[number]} ns and then {again[number]} ns"
