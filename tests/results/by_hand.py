"""A run of six ticks, played to the scheduler by hand."""

from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.rules import Rule, Unstaggered
from hocket.core.scheduler import Scheduler
from hocket.core.trace import Trace
from hocket.hooks.record import RunRecord

MS = 1_000_000


def played(
    events: list[e.Event],
    rule: Rule = Unstaggered(2),  # noqa: B008
    hz: int = 100,
    head_ns: int = 0,
) -> RunRecord:
    """The record of these events; its environment gave reward k at tick k and was 10·k µs late."""
    cadence = Cadence(hz)
    scheduler, trace = Scheduler(rule, cadence, head_ns), Trace(rule, cadence, head_ns)
    record = RunRecord(trace)
    for event in events:
        trace.add(event, scheduler.handle(event))
        scheduler.validate()
        if isinstance(event, e.Ticked) and event.tick > 0:
            record.ticks.append(event.tick)
            record.rewards.append(event.tick)
            record.terminated.append(event.episode_ended)
            record.truncated.append(False)
            record.lateness_ns.append(10_000 * event.tick)
            record.step_ns.append(1000)
            record.actions.append(0)
    return record


def story() -> RunRecord:
    """Ticks of 10 ms; two free-running workers; tick 4 is missed.

    | inference | worker | observation | from, to (ms) | ends as |
    |---|---|---|---|---|
    | 0 | 0 | 0 | 0, 8 | executed at tick 1, delay 1 |
    | 1 | 1 | 0 | 0, 15 | duplicate |
    | 2 | 0 | 1 | 10, 22 | executed at tick 3, delay 2 |
    | 3 | 1 | 1 | 15, 25 | duplicate |
    | 4 | 0 | 2 | 22, 39 | executed at tick 5, delay 3 |
    | 5 | 1 | 2 | 25, 39 | failed |
    | 6 | 0 | 3 | 39, – | discarded as the episode ends at tick 5 |
    | 7 | 1 | 3 | 39, – | the same |
    """
    return played(
        [
            e.WorkerJoined(0, 0),
            e.WorkerJoined(0, 1),
            e.Ticked(0, 0),
            e.InferenceFinished(8 * MS, 0),
            e.DeadlineReached(10 * MS, 1),
            e.Ticked(10 * MS, 1),
            e.InferenceFinished(15 * MS, 1),
            e.DeadlineReached(20 * MS, 2),
            e.Ticked(20 * MS, 2),
            e.InferenceFinished(22 * MS, 2),
            e.InferenceFinished(25 * MS, 3),
            e.DeadlineReached(30 * MS, 3),
            e.Ticked(30 * MS, 3),
            e.InferenceFinished(39 * MS, 4),
            e.InferenceFailed(39 * MS, 5),
            e.DeadlineReached(50 * MS, 5),
            e.Ticked(50 * MS, 5, True),
            e.DeadlineReached(60 * MS, 6),
            e.Ticked(60 * MS, 6),
            e.RunEnded(65 * MS),
        ]
    )
