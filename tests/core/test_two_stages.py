"""Two stages, by hand: the times, target ticks and outcomes of heads. A tick is 10 ms, a head 1 ms."""

from random import Random

import pytest

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.rules import MaxTime, Rule, Sequential, TickDispatch, Unstaggered
from hocket.core.scheduler import Scheduler
from hocket.core.trace import Trace
from hocket.errors import ProtocolError
from hocket.testing import Simulation, Troubles, replay

MS = 1_000_000
TEN_MS = Cadence(100)


def begun(rule: Rule, workers: int = 1) -> Scheduler:
    """A scheduler with its workers and observation 0."""
    scheduler = Scheduler(rule, TEN_MS, head_ns=MS)
    for worker in range(workers):
        scheduler.handle(e.WorkerJoined(0, worker))
    scheduler.handle(e.Ticked(0, 0))
    return scheduler


def handle(scheduler: Scheduler, event: e.Event) -> list[c.Command]:
    commands = scheduler.handle(event)
    scheduler.validate()
    return commands


def tick(scheduler: Scheduler, k: int, **options: bool) -> list[c.Command]:
    commands = handle(scheduler, e.DeadlineReached(k * 10 * MS, k))
    return commands + handle(scheduler, e.Ticked(k * 10 * MS, k, **options))


def waiting(workers: int = 1) -> Scheduler:
    """Inference 0, of observation 0, has features since 24 ms: the first tick that it can make is 3."""
    scheduler = begun(Unstaggered(workers), workers)
    tick(scheduler, 1)
    tick(scheduler, 2)
    assert handle(scheduler, e.TrunkFinished(24 * MS, 0)) == [c.WakeAt(29 * MS)]
    return scheduler


def bound(workers: int = 1) -> Scheduler:
    """The same, with its head called."""
    scheduler = waiting(workers)
    assert handle(scheduler, e.TimerDue(29 * MS)) == [c.BindHead(0, 0, tick=3)]
    return scheduler


def test_a_head_is_called_just_before_its_tick():
    scheduler = bound()
    assert handle(scheduler, e.InferenceFinished(30 * MS, 0)) == []  # exactly at the deadline is in time
    assert tick(scheduler, 3) == [
        c.Execute(3, 0, 0, delay_ticks=3),
        c.EndInference(0, Outcome.EXECUTED),
        c.StartInference(1, 0, observation=3, target=-1),
    ]


@pytest.mark.parametrize(
    ("trunk_ns", "commands"),
    [
        (5 * MS, [c.WakeAt(9 * MS)]),
        (9 * MS, [c.BindHead(0, 0, tick=1)]),  # just enough is left
        (9 * MS + 1, [c.WakeAt(19 * MS)]),
    ],
)
def test_the_first_tick_that_a_head_can_make(trunk_ns, commands):
    assert handle(begun(Unstaggered(1)), e.TrunkFinished(trunk_ns, 0)) == commands


def test_features_are_held_for_their_target():
    scheduler = begun(TickDispatch(1, min_delay_ticks=4))
    assert handle(scheduler, e.TrunkFinished(5 * MS, 0)) == [c.WakeAt(39 * MS)]
    for k in (1, 2, 3):
        assert tick(scheduler, k) == [c.ExecuteDefault(k)], "the worker is occupied"
    assert handle(scheduler, e.TimerDue(39 * MS)) == [c.BindHead(0, 0, tick=4)]


def test_features_too_late_for_their_target_are_bound_to_the_next_tick():
    scheduler = begun(TickDispatch(1, min_delay_ticks=2))
    tick(scheduler, 1)
    assert handle(scheduler, e.TrunkFinished(19 * MS + 1, 0)) == [c.WakeAt(29 * MS)]
    tick(scheduler, 2)
    assert handle(scheduler, e.TimerDue(29 * MS)) == [c.BindHead(0, 0, tick=3)]


def test_a_timer_that_came_after_its_deadline_binds_for_the_next_tick():
    scheduler = waiting()
    tick(scheduler, 3)
    assert handle(scheduler, e.TimerDue(29 * MS)) == [c.WakeAt(39 * MS)]
    assert handle(scheduler, e.TimerDue(39 * MS)) == [c.BindHead(0, 0, tick=4)]


def test_features_noticed_after_their_deadline_are_bound_to_the_next_tick():
    scheduler = begun(Unstaggered(1))
    tick(scheduler, 1)
    assert handle(scheduler, e.TrunkFinished(8 * MS, 0)) == [c.WakeAt(19 * MS)]


@pytest.mark.parametrize("finished_ns", [30 * MS + 1, 29 * MS + 1])
def test_a_head_that_is_late_or_noticed_late_has_missed_its_bind(finished_ns):
    scheduler = bound()
    assert tick(scheduler, 3) == [c.ExecuteDefault(3)]
    commands = handle(scheduler, e.InferenceFinished(finished_ns, 0))
    assert commands[0] == c.EndInference(0, Outcome.DROPPED)
    assert isinstance(commands[1], c.StartInference), "its worker is free"
    assert tick(scheduler, 4)[0] == c.ExecuteDefault(4)


def test_an_episode_that_ends_frees_a_worker_that_waits():
    scheduler = begun(Unstaggered(1))
    tick(scheduler, 1)
    handle(scheduler, e.TrunkFinished(15 * MS, 0))
    assert tick(scheduler, 2, episode_ended=True) == [
        c.ExecuteDefault(2),
        c.EndInference(0, Outcome.DISCARDED),
        c.StartInference(1, 0, observation=2, target=-1),
    ]
    assert handle(scheduler, e.TimerDue(19 * MS)) == []


def test_an_episode_that_ends_under_a_trunk_or_a_head():
    scheduler = begun(Unstaggered(2), workers=2)
    tick(scheduler, 1)
    handle(scheduler, e.TrunkFinished(12 * MS, 0))
    handle(scheduler, e.TimerDue(19 * MS))
    ended = tick(scheduler, 2, episode_ended=True)
    assert ended[1:] == [c.EndInference(0, Outcome.DISCARDED), c.EndInference(1, Outcome.DISCARDED)]
    # Neither ends a second time; each worker is free once it is done.
    head, trunk = e.InferenceFinished(20 * MS + 1, 0), e.TrunkFinished(22 * MS, 1)
    assert handle(scheduler, head) == [c.StartInference(2, 0, observation=2, target=-1)]
    assert handle(scheduler, trunk) == [c.StartInference(3, 1, observation=2, target=-1)]


@pytest.mark.parametrize("state", [waiting, bound])
@pytest.mark.parametrize("event", [e.WorkerLost(29 * MS, 0), e.InferenceFailed(29 * MS, 0)])
def test_a_worker_that_is_lost_while_it_waits_or_runs_a_head(state, event):
    scheduler = state()
    assert handle(scheduler, event)[0] == c.EndInference(0, Outcome.FAILED)
    assert c.BindHead not in map(type, handle(scheduler, e.TimerDue(29 * MS)))


def test_the_first_features_of_an_observation_win():
    scheduler = begun(Unstaggered(2), workers=2)  # both on observation 0
    tick(scheduler, 1)
    handle(scheduler, e.TrunkFinished(12 * MS, 0))
    assert handle(scheduler, e.TrunkFinished(13 * MS, 1)) == [
        c.EndInference(1, Outcome.DUPLICATE),
        c.StartInference(2, 1, observation=1, target=-1),
    ]


@pytest.mark.parametrize("loss", [e.WorkerLost(14 * MS, 0), e.InferenceFailed(14 * MS, 0)])
def test_a_slower_copy_takes_over_from_one_that_fails(loss):
    scheduler = begun(Unstaggered(2), workers=2)
    tick(scheduler, 1)
    handle(scheduler, e.TrunkFinished(12 * MS, 0))
    handle(scheduler, loss)
    handle(scheduler, e.TrunkFinished(15 * MS, 1))
    assert c.BindHead(1, 1, tick=2) in handle(scheduler, e.TimerDue(19 * MS))


def test_a_slower_copy_takes_over_from_a_missed_bind():
    scheduler = bound(workers=2)
    tick(scheduler, 3)
    assert c.EndInference(0, Outcome.DROPPED) in handle(scheduler, e.InferenceFinished(31 * MS, 0))
    assert handle(scheduler, e.TrunkFinished(32 * MS, 1)) == [c.WakeAt(39 * MS)]


def test_features_that_something_newer_has_overtaken_have_no_head():
    scheduler = begun(Unstaggered(2))  # worker 0 is on observation 0
    tick(scheduler, 1)
    handle(scheduler, e.WorkerJoined(11 * MS, 1))  # and takes observation 1
    tick(scheduler, 2)
    assert handle(scheduler, e.TrunkFinished(28 * MS, 1)) == [c.WakeAt(29 * MS)]
    assert handle(scheduler, e.TimerDue(29 * MS)) == [c.BindHead(1, 1, tick=3)]
    assert handle(scheduler, e.TrunkFinished(29 * MS + 2, 0)) == [c.WakeAt(39 * MS)]
    handle(scheduler, e.InferenceFinished(29 * MS + 3, 1))
    assert c.Execute(3, 1, 0, delay_ticks=2) in tick(scheduler, 3)
    assert handle(scheduler, e.TimerDue(39 * MS)) == [
        c.EndInference(0, Outcome.DROPPED),
        c.StartInference(3, 0, observation=3, target=-1),
    ]
    # What is late at the end of its trunk is not even kept: inference 2, of observation 2, is the newest now.
    assert c.EndInference(2, Outcome.DROPPED) not in handle(scheduler, e.TrunkFinished(39 * MS + 1, 2))


def test_a_trunk_that_ends_after_something_newer_has_run():
    scheduler = begun(Unstaggered(2))
    tick(scheduler, 1)
    handle(scheduler, e.WorkerJoined(11 * MS, 1))
    handle(scheduler, e.TrunkFinished(15 * MS, 1))
    handle(scheduler, e.TimerDue(19 * MS))
    handle(scheduler, e.InferenceFinished(19 * MS + 1, 1))
    assert c.Execute(2, 1, 0, delay_ticks=1) in tick(scheduler, 2)
    assert handle(scheduler, e.TrunkFinished(21 * MS, 0))[0] == c.EndInference(0, Outcome.DROPPED)


def test_heads_are_called_also_between_a_deadline_and_its_tick():
    """As in a loop with one call a cycle, where the observation of tick k comes when tick k + 1 is due."""
    scheduler = begun(Unstaggered(1))
    handle(scheduler, e.DeadlineReached(10 * MS, 1))
    assert handle(scheduler, e.TrunkFinished(12 * MS, 0)) == [c.WakeAt(19 * MS)]
    assert handle(scheduler, e.TimerDue(19 * MS)) == [c.BindHead(0, 0, tick=2)]
    assert handle(scheduler, e.InferenceFinished(19 * MS + 9, 0)) == [], "nothing starts before the observation"
    handle(scheduler, e.Ticked(19 * MS + 10, 1))
    assert c.Execute(2, 0, 0, delay_ticks=2) in tick(scheduler, 2)


def test_the_rules_own_timer_and_that_of_heads_are_one():
    scheduler = begun(MaxTime(2), workers=2)  # worker 1 starts a tick after worker 0
    assert handle(scheduler, e.TrunkFinished(3 * MS, 0)) == [c.WakeAt(9 * MS)], "the turn at 10 ms comes later"
    assert handle(scheduler, e.TimerDue(9 * MS)) == [c.BindHead(0, 1, tick=1), c.WakeAt(10 * MS)]


def test_oldest_needed_observation_and_occupied_workers():
    seen = []

    class Watched(Unstaggered):
        def schedule(self, cadence):
            schedule = super().schedule(cadence)
            schedule.inference_finished = lambda x: seen.append((x.id, x.elapsed_ns, x.occupied_ns))
            return schedule

    scheduler = begun(Watched(2), workers=2)
    tick(scheduler, 1)
    tick(scheduler, 2)
    handle(scheduler, e.TrunkFinished(24 * MS, 0))
    handle(scheduler, e.TrunkFinished(25 * MS, 1))  # a duplicate
    handle(scheduler, e.TimerDue(29 * MS))
    handle(scheduler, e.InferenceFinished(29 * MS + 500_000, 0))
    # Needed: the trunk and the millisecond that heads are given.
    assert seen == [(1, 26 * MS, 25 * MS), (0, 25 * MS, 29 * MS + 500_000)]


@pytest.mark.parametrize("workers", [3, "auto"])
def test_as_many_workers_as_ticks_of_delay_serve_every_tick(workers):
    """Trunks of 26 ms: D = ⌈(26 + 1)/10⌉ = 3. Worker and target of observation k are free at deadline k + 3."""
    simulation = Simulation(
        TickDispatch(workers, max_workers=8),
        TEN_MS,
        [26 * MS],
        [1],
        Troubles(),
        Random(0),
        head_ns=MS,
        heads_ns=[MS // 2],
    )
    simulation.run(ticks=120)
    starts, binds, executed = {}, {}, {}
    for event, commands in simulation.trace.steps():
        for command in commands:
            match command:
                case c.StartInference():
                    starts[command.inference] = (event.time_ns, command.observation, command.target)
                case c.BindHead():
                    binds[command.inference] = (event.time_ns, command.tick)
                case c.Execute():
                    executed[command.tick] = command.inference
    steady = range(60, 110)
    assert simulation.scheduler.workers == 3
    for k in steady:
        inference = executed[k + 3]
        assert starts[inference] == (10 * MS * k, k, k + 3)
        assert binds[inference] == (10 * MS * (k + 3) - MS, k + 3)
    if workers == 3:
        used = [simulation.auditor.worker[executed[k + 3]] for k in steady]
        assert used[3:] == used[:-3] and len(set(used)) == 3


ONE_STAGE = [e.WorkerJoined(0, 0), e.Ticked(0, 0)]


@pytest.mark.parametrize(
    ("head_ns", "before", "event"),
    [
        (0, [], e.TrunkFinished(1, 0)),
        (MS, [], e.TrunkFinished(1, 1)),
        (MS, [e.TrunkFinished(1, 0)], e.TrunkFinished(2, 0)),
        (MS, [], e.InferenceFinished(1, 0)),
        (MS, [e.TrunkFinished(1, 0)], e.InferenceFinished(2, 0)),
        (MS, [e.TrunkFinished(1, 0), e.TimerDue(9 * MS)], e.InferenceFinished(9 * MS + 1, 0, length=2)),
        (MS, [e.TrunkFinished(1, 0), e.TimerDue(9 * MS)], e.TrunkFinished(9 * MS + 1, 0)),
    ],
)
def test_events_that_cannot_follow_are_refused_and_change_nothing(head_ns, before, event):
    scheduler = Scheduler(Sequential(), TEN_MS, head_ns)
    for earlier in (*ONE_STAGE, *before):
        scheduler.handle(earlier)
    with pytest.raises(ProtocolError):
        scheduler.handle(event)
    scheduler.validate()


def test_a_trace_holds_the_time_of_heads(tmp_path):
    simulation = Simulation(TickDispatch(3), TEN_MS, [26 * MS], [1], Troubles(), Random(0), head_ns=MS)
    simulation.run(ticks=20)
    simulation.trace.save(tmp_path / "trace.bin")
    loaded = Trace.load(tmp_path / "trace.bin")
    assert loaded.head_ns == MS
    assert any(isinstance(command, c.BindHead) for command in replay(loaded, validate=True))


def test_an_older_trace_has_one_stage(tmp_path):
    simulation = Simulation(TickDispatch(3), TEN_MS, [26 * MS], [1], Troubles(), Random(0))
    simulation.run(ticks=20)
    path = tmp_path / "trace.bin"
    simulation.trace.save(path)
    content = path.read_bytes()
    assert b' "head_ns": 0,' in content
    path.write_bytes(content.replace(b' "head_ns": 0,', b""))
    assert replay(Trace.load(path))
