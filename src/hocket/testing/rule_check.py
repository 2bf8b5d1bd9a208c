"""The conformance check of scheduling rules."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hocket.core.cadence import Cadence
from hocket.core.rules.base import Rule
from hocket.testing.replays import replay
from hocket.testing.simulation import Simulation, Troubles

QUIET = Troubles()
SITUATIONS = {
    "quiet": QUIET,
    "failing policies": Troubles(fail=100),
    "hanging policies": Troubles(hang=20, lose_worker=20),
    "lost workers": Troubles(lose_worker=50),
    "more workers": Troubles(join_worker=50),
    "overruns": Troubles(overrun=100, skip=50),
    "short episodes": Troubles(episode_end=100),
    "late reports": Troubles(late_report=200),
    "policies that cannot be stopped": Troubles(deaf=1000),
    "everything": Troubles(
        fail=30,
        hang=5,
        lose_worker=20,
        join_worker=20,
        overrun=30,
        skip=20,
        episode_end=30,
        late_report=50,
        estimate=50,
        deaf=300,
    ),
}
HORIZON_TICKS = 12
"""Some of the long inferences leave a few actions, and some none."""
DURATIONS_TICKS = {"short": (0.3, 0.7), "as long as a tick": (1.0,), "long": (2.5, 4.0, 9.3), "mixed": (0.2, 1.0, 6.0)}


def check_rule(make_rule: Callable[[], Rule], *, ticks: int = 100, seeds: int = 2, hz: float = 100) -> None:
    """Check that a scheduling rule keeps the scheduler's promises, whatever happens.

    The rule is played against a simulated world: short and long inferences, chunks of actions, aligned to their
    release and to their observation in turn, two stages, and every trouble of `Troubles`. After each event an auditor
    that does not trust the scheduler checks all promises of ``docs/concepts.md``; every answer of the schedule is
    checked; and the recorded trace must replay.

    Args:
        make_rule: makes the rule under test, anew for each run.
        ticks: of each run.
        seeds: runs of each situation.
        hz: ticks per second.

    Raises:
        AssertionError: that names the situation, the seed and the broken promise.
    """
    for seed in range(seeds):
        for number, (situation, troubles) in enumerate(SITUATIONS.items(), seed):
            for turn, (pace, durations_ticks) in enumerate(DURATIONS_TICKS.items(), number):
                for stages in (1, 2):
                    horizon_ticks = HORIZON_TICKS if stages == 1 and turn % 2 else 0
                    _check(
                        make_rule(), ticks, hz, seed, situation, troubles, pace, durations_ticks, stages, horizon_ticks
                    )


def _check(
    rule: Rule,
    ticks: int,
    hz: float,
    seed: int,
    situation: str,
    troubles: Troubles,
    pace: str,
    durations_ticks: tuple[float, ...],
    stages: int,
    horizon_ticks: int,
) -> None:
    where = f"{rule} in the situation {situation!r}, {pace} inferences, {stages} stages, seed {seed}"
    where += f", a horizon of {horizon_ticks} ticks" * (horizon_ticks > 0)
    assert isinstance(rule, Rule), f"make_rule gave {rule!r}, which is not a hocket.Rule"
    workers, most = rule.initial_workers, rule.most_workers
    assert type(workers) is int and workers >= 1, f"{rule}: initial_workers is {workers!r}; at least 1 is needed"
    assert type(most) is int and workers <= most, f"{rule}: most_workers is {most!r}, initial_workers is {workers}"
    cadence = Cadence(hz)  # type: ignore[arg-type]  # a Cadence takes any rate that `exact_hz` takes
    period_ns = cadence.period_ns
    simulation = Simulation(
        rule,
        cadence,
        [int(number * period_ns) for number in durations_ticks],
        [1] if stages == 2 else [4, HORIZON_TICKS] if horizon_ticks else [1, 1, 4],
        troubles,
        Random(seed),
        head_ns=int(0.2 * period_ns) if stages == 2 else 0,
        heads_ns=[int(0.1 * period_ns)] + [int(0.3 * period_ns)] * (troubles is not QUIET),
        horizon_ticks=horizon_ticks,
    )
    try:
        simulation.run(ticks)
        replay(simulation.trace)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
    if troubles is QUIET:
        assert "fresh" in simulation.auditor.filled.values(), f"{where}: no tick of {ticks} executed an answer"
