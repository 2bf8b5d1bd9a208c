"""The invariants of the scheduler, for every rule and any order of events."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.rules import ExpectedTime, Learn, MaxTime, OneInFlight, Rule, Sequential, TickDispatch, Unstaggered
from hocket.core.scheduler import Scheduler
from hocket.errors import ProtocolError
from hocket.testing import Simulation, Troubles, replay

MS = 1_000_000
TEN_MS = Cadence(100)  # a tick is 10 ms exactly

workers = st.integers(1, 6)
hedges = st.sampled_from([None, True, False])
quantile_rules = st.builds(
    TickDispatch,
    workers=workers,
    quantile=st.sampled_from([0.1, 0.5, 0.95, 0.99]),
    hold=st.booleans(),
    hedge=hedges,
    window=st.sampled_from([1, 5, 1000]),
)
auto_rules = st.builds(
    TickDispatch,
    workers=st.one_of(workers, st.just("auto")),
    quantile=st.just("auto"),
    predictability=st.sampled_from([None, 0.5, 0.9, 0.99, 1.0]),
    hedge=hedges,
    max_workers=st.integers(1, 8),
)
growing_rules = st.builds(
    TickDispatch, workers=st.just("auto"), max_workers=st.integers(3, 8), min_workers=st.integers(1, 3)
)
rules = st.one_of(
    st.builds(Sequential, learn=st.sampled_from(Learn)),
    st.builds(Unstaggered, workers),
    st.builds(OneInFlight, st.sampled_from([0, 0.5, 1.0])),
    st.builds(MaxTime, workers),
    st.builds(ExpectedTime, workers),
    quantile_rules,
    auto_rules,
    growing_rules,
)
cadences = st.sampled_from([TEN_MS, Cadence("59.7275"), Cadence(60, 12_345), Cadence(1000)])
rare = st.sampled_from([0, 0, 20, 200])
troubles = st.builds(
    Troubles,
    fail=rare,
    hang=rare,
    lose_worker=rare,
    deaf=rare,
    join_worker=rare,
    overrun=rare,
    skip=rare,
    episode_end=rare,
    late_report=rare,
    estimate=rare,
)


@settings(max_examples=3 * settings().max_examples)
@given(
    rule=rules,
    cadence=cadences,
    durations_ticks=st.lists(st.sampled_from([0.0, 0.2, 1.0, 1.7, 3.0, 5.5, 12.0, 40.0]), min_size=1, max_size=4),
    lengths=st.lists(st.sampled_from([1, 2, 4, 6, 16]), min_size=1, max_size=3),
    aligned=st.booleans(),
    troubles=troubles,
    seed=st.integers(0, 2**32),
)
def test_any_interleaving_keeps_every_promise(
    rule: Rule,
    cadence: Cadence,
    durations_ticks: list[float],
    lengths: list[int],
    aligned: bool,
    troubles: Troubles,
    seed: int,
):
    # With a horizon the auditor checks that each step is executed at its own tick, none twice and none out of order.
    durations_ns = [int(ticks * cadence.period_ns) for ticks in durations_ticks]
    horizon_ticks = max(lengths) if aligned else 0
    simulation = Simulation(rule, cadence, durations_ns, lengths, troubles, Random(seed), horizon_ticks=horizon_ticks)
    simulation.run(ticks=150)
    scheduler, auditor = simulation.scheduler, simulation.auditor
    filled = list(auditor.filled.values())
    assert scheduler.fresh == filled.count("fresh")
    assert scheduler.default == filled.count("default")
    assert scheduler.fresh + scheduler.default + scheduler.missed == auditor.acted
    assert sum(scheduler.outcomes) == scheduler.started == len(auditor.outcome)
    recorded = [command for _, commands in simulation.trace.steps() for command in commands]
    assert replay(simulation.trace) == recorded


@settings(max_examples=3 * settings().max_examples)
@given(
    rule=rules,
    cadence=cadences,
    durations_ticks=st.lists(st.sampled_from([0.0, 0.2, 1.0, 1.7, 3.0, 5.5, 12.0, 40.0]), min_size=1, max_size=4),
    head_ticks=st.sampled_from([0.05, 0.3, 1.0, 1.6]),
    heads_ticks=st.lists(st.sampled_from([0.0, 0.05, 0.3, 1.0, 2.0]), min_size=1, max_size=3),
    troubles=troubles,
    seed=st.integers(0, 2**32),
)
def test_any_interleaving_of_two_stages_keeps_every_promise(
    rule: Rule,
    cadence: Cadence,
    durations_ticks: list[float],
    head_ticks: float,
    heads_ticks: list[float],
    troubles: Troubles,
    seed: int,
):
    period = cadence.period_ns
    simulation = Simulation(
        rule,
        cadence,
        [int(ticks * period) for ticks in durations_ticks],
        [1],
        troubles,
        Random(seed),
        head_ns=int(head_ticks * period),
        heads_ns=[int(ticks * period) for ticks in heads_ticks],
    )
    simulation.run(ticks=150)
    scheduler, auditor = simulation.scheduler, simulation.auditor
    assert scheduler.fresh == list(auditor.filled.values()).count("fresh")
    assert sum(scheduler.outcomes) == scheduler.started == len(auditor.outcome)
    recorded = [command for _, commands in simulation.trace.steps() for command in commands]
    assert replay(simulation.trace) == recorded


def begun(rule: Rule, workers: int = 1) -> Scheduler:
    """A scheduler at 10 ms a tick with its workers and observation 0."""
    scheduler = Scheduler(rule, TEN_MS)
    for worker in range(workers):
        scheduler.handle(e.WorkerJoined(0, worker))
    scheduler.handle(e.Ticked(0, 0))
    return scheduler


def tick(scheduler: Scheduler, k: int, **options: bool) -> list[c.Command]:
    """Tick k at its deadline; the commands of the deadline, then those of the tick."""
    commands = scheduler.handle(e.DeadlineReached(k * 10 * MS, k))
    commands += scheduler.handle(e.Ticked(k * 10 * MS, k, **options))
    scheduler.validate()
    return commands


def test_the_table_of_design_1():
    # Row 1: observation 0, done within a tick, is executed at tick 1 with delay 1.
    quick = begun(Unstaggered(1))
    quick.handle(e.InferenceFinished(10 * MS, 0))  # exactly at the deadline still counts for it
    assert tick(quick, 1)[:2] == [c.Execute(1, 0, 0, delay_ticks=1), c.EndInference(0, Outcome.EXECUTED)]
    # Row 2: 2.4 ticks: the default at ticks 1 and 2, executed at tick 3 with delay 3.
    slow = begun(Unstaggered(1))
    assert tick(slow, 1) == [c.ExecuteDefault(1)]
    assert tick(slow, 2) == [c.ExecuteDefault(2)]
    assert slow.handle(e.InferenceFinished(24 * MS, 0)) == [c.StartInference(1, 0, observation=2, target=-1)]
    assert tick(slow, 3) == [c.Execute(3, 0, 0, delay_ticks=3), c.EndInference(0, Outcome.EXECUTED)]
    assert (slow.fresh, slow.default, slow.missed) == (1, 2, 0)


def test_one_nanosecond_after_the_deadline_counts_for_the_next():
    scheduler = begun(Unstaggered(1))
    tick(scheduler, 1)
    scheduler.handle(e.InferenceFinished(10 * MS + 1, 0))
    assert c.Execute(2, 0, 0, delay_ticks=2) in tick(scheduler, 2)


def test_superseded_and_duplicate():
    scheduler = begun(Unstaggered(2), workers=2)  # both start on observation 0
    scheduler.handle(e.InferenceFinished(9 * MS, 0))
    tick(scheduler, 1)  # executes inference 0; worker 0 starts inference 2 on observation 1
    # The other answer to observation 0 is a duplicate.
    assert c.EndInference(1, Outcome.DUPLICATE) in scheduler.handle(e.InferenceFinished(12 * MS, 1))
    tick(scheduler, 2)  # worker 1 has started inference 3 on observation 1, at 12 ms
    scheduler.handle(e.InferenceFinished(21 * MS, 3))  # worker 1 starts inference 4 on observation 2
    scheduler.handle(e.InferenceFinished(22 * MS, 4))
    # Ready for tick 3: observations 1 and 2. The newer runs.
    commands = tick(scheduler, 3)
    assert commands[:3] == [
        c.EndInference(3, Outcome.SUPERSEDED),
        c.Execute(3, 4, 0, delay_ticks=1),
        c.EndInference(4, Outcome.EXECUTED),
    ]
    # Inference 2 is of observation 1 as well, whose first answer was inference 3's.
    assert c.EndInference(2, Outcome.DUPLICATE) in scheduler.handle(e.InferenceFinished(31 * MS, 2))


def test_dropped():
    scheduler = begun(Unstaggered(2))  # worker 0 is on observation 0
    tick(scheduler, 1)
    scheduler.handle(e.WorkerJoined(11 * MS, 1))  # and takes observation 1
    scheduler.handle(e.InferenceFinished(19 * MS, 1))
    assert c.Execute(2, 1, 0, delay_ticks=1) in tick(scheduler, 2)
    assert c.EndInference(0, Outcome.DROPPED) in scheduler.handle(e.InferenceFinished(25 * MS, 0))


def test_a_second_answer_is_a_duplicate_also_while_the_first_is_held():
    # Worker 1 takes observation 0 after worker 0 has answered it; both answers are there before tick 1.
    scheduler = begun(Unstaggered(2))
    scheduler.handle(e.InferenceFinished(2 * MS, 0))
    assert scheduler.handle(e.WorkerJoined(3 * MS, 1)) == [c.StartInference(1, 1, observation=0, target=-1)]
    assert scheduler.handle(e.InferenceFinished(4 * MS, 1)) == [c.EndInference(1, Outcome.DUPLICATE)]
    assert c.Execute(1, 0, 0, delay_ticks=1) in tick(scheduler, 1)


def test_an_episode_that_ends_discards_what_is_in_flight():
    scheduler = begun(Unstaggered(2), workers=2)
    scheduler.handle(e.InferenceFinished(9 * MS, 0, length=3))
    commands = tick(scheduler, 1, episode_ended=True)
    # The chunk has been executed in part; the copy still runs and is ended now, its worker being busy till later.
    assert c.EndInference(0, Outcome.EXECUTED) in commands
    assert c.EndInference(1, Outcome.DISCARDED) in commands
    assert [x.worker for x in commands if isinstance(x, c.StartInference)] == [0]
    commands = scheduler.handle(e.InferenceFinished(15 * MS, 1))
    assert commands == [c.StartInference(3, 1, observation=1, target=-1)], "no second end; the worker is free"


def test_a_lost_worker_fails_its_inference_and_is_replaced():
    scheduler = begun(Unstaggered(2), workers=2)
    assert scheduler.handle(e.WorkerLost(5 * MS, 1)) == [c.EndInference(1, Outcome.FAILED)]
    assert tick(scheduler, 1) == [c.ExecuteDefault(1), c.AddWorker()]
    assert tick(scheduler, 2) == [c.ExecuteDefault(2)], "asked for once"
    assert scheduler.handle(e.WorkerJoined(25 * MS, 2)) == [c.StartInference(2, 2, observation=2, target=-1)]


def test_after_missed_ticks_the_freshest_action_that_is_due_runs():
    scheduler = begun(Unstaggered(1))
    scheduler.handle(e.InferenceFinished(9 * MS, 0))
    # Ticks 1 to 3 are skipped; the answer is ready for tick 4.
    assert c.Execute(4, 0, 0, delay_ticks=4) in scheduler.handle(e.DeadlineReached(45 * MS, 4))
    scheduler.handle(e.Ticked(46 * MS, 4))
    assert (scheduler.fresh, scheduler.default, scheduler.missed) == (1, 0, 3)
    # Ticks 5 and 6 are skipped; the next inference still runs.
    assert scheduler.handle(e.DeadlineReached(75 * MS, 7)) == [c.ExecuteDefault(7)]
    assert (scheduler.fresh, scheduler.default, scheduler.missed) == (1, 1, 5)


def test_chunk_steps_belong_to_ticks():
    scheduler = begun(TickDispatch(1, hedge=False))
    scheduler.handle(e.InferenceFinished(9 * MS, 0, length=3))
    # A chunk without a target plays from the tick that finds it; the worker is on observation 1 till after tick 4.
    assert [tick(scheduler, k)[0] for k in (1, 2, 3)] == [c.Execute(k, 0, k - 1, delay_ticks=k) for k in (1, 2, 3)]
    assert tick(scheduler, 4) == [c.ExecuteDefault(4)]
    # Observation 1 aimed at tick 2. Found at tick 5, its steps for ticks 2 to 4 have passed.
    scheduler.handle(e.InferenceFinished(49 * MS, 1, length=5))
    assert tick(scheduler, 5)[0] == c.Execute(5, 1, 3, delay_ticks=4)
    assert tick(scheduler, 6)[:2] == [c.Execute(6, 1, 4, delay_ticks=5), c.EndInference(1, Outcome.EXECUTED)]


def test_a_newer_chunk_replaces_the_rest():
    scheduler = begun(Unstaggered(1))
    scheduler.handle(e.InferenceFinished(9 * MS, 0, length=5))
    tick(scheduler, 1)
    scheduler.handle(e.InferenceFinished(19 * MS, 1, length=5))
    assert tick(scheduler, 2)[:2] == [c.EndInference(0, Outcome.EXECUTED), c.Execute(2, 1, 0, delay_ticks=1)]


RUNNING = [e.WorkerJoined(0, 0), e.Ticked(0, 0)]  # and inference 0 is running


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], e.Ticked(0, 1)),
        ([], e.DeadlineReached(0, 1)),
        (RUNNING, e.Ticked(1, 0)),
        (RUNNING, e.Ticked(10 * MS, 1)),  # before its deadline
        (RUNNING, e.DeadlineReached(0, 0)),
        ([*RUNNING, e.DeadlineReached(10 * MS, 1)], e.DeadlineReached(20 * MS, 2)),  # tick 1 has not ticked
        ([*RUNNING, e.DeadlineReached(10 * MS, 1)], e.Ticked(20 * MS, 2)),
        (RUNNING, e.WorkerJoined(1, 0)),
        (RUNNING, e.WorkerLost(1, 7)),
        (RUNNING, e.InferenceFinished(1, 1)),
        (RUNNING, e.InferenceFinished(1, 0, length=0)),
        ([*RUNNING, e.InferenceFinished(1, 0)], e.InferenceFinished(2, 0)),
        ([*RUNNING, e.WorkerLost(1, 0)], e.InferenceFailed(2, 0)),
        (RUNNING, e.InferenceCancelled(1, 0)),  # it was not told to stop
        (RUNNING, e.InferenceCancelled(1, 1)),
        (RUNNING, e.LearningFinished(1)),
        (RUNNING, e.PredictabilityEstimated(1, 0.0)),
        (RUNNING, e.PredictabilityEstimated(1, 1.5)),
        (RUNNING, e.PredictabilityEstimated(1, float("nan"))),
        ([*RUNNING, e.RunEnded(1)], e.RunEnded(2)),
        ([*RUNNING, e.RunEnded(1)], e.TimerDue(2)),
    ],
)
def test_events_that_cannot_follow_are_refused_and_change_nothing(before, event):
    scheduler = Scheduler(Sequential(), TEN_MS)
    for earlier in before:
        scheduler.handle(earlier)
    with pytest.raises(ProtocolError):
        scheduler.handle(event)
    scheduler.validate()
