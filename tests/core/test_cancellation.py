"""Cancelling what runs in vain: by hand, with a rule that cancels all that it may."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.inference import Inference
from hocket.core.rules import TickDispatch, Unstaggered
from hocket.core.rules.base import Rule, Schedule, Start
from hocket.core.scheduler import Scheduler
from hocket.errors import ProtocolError
from hocket.testing import check_rule

MS = 1_000_000
TEN_MS = Cadence(100)


@dataclass(frozen=True)
class CancelAll(Rule):
    """Each tick's observation goes to the worker idle longest and ``copies`` more; all that may be is cancelled."""

    workers: int
    copies: int = 0

    @property
    def initial_workers(self):
        return self.workers

    def schedule(self, cadence):
        return CancelAllSchedule(self, cadence)


class CancelAllSchedule(Schedule):
    cancels: ClassVar[bool] = True

    def __init__(self, rule, cadence):
        super().__init__(cadence)
        self.rule = rule
        self.started = self.executed = -1
        self.stopped = []

    def cancellations(self, tick, running, answered, idle):
        last = self.executed
        return [one for one in running if one.observation <= last or one.observation in answered]

    def choose(self, tick, due):
        choice = super().choose(tick, due)
        self.executed = choice.observation if choice else self.executed
        return choice

    def inference_cancelled(self, inference, now_ns):
        self.stopped.append((inference.id, now_ns - inference.started_ns))

    def starts(self, now_ns, tick, idle):
        if tick == self.started:
            return ()
        self.started = tick
        return [Start(worker, tick, -1) for worker in list(idle)[: 1 + self.rule.copies]]

    def workers_wanted(self):
        return self.rule.workers


def begun(rule):
    scheduler = Scheduler(rule, TEN_MS)
    for worker in range(rule.workers):
        scheduler.handle(e.WorkerJoined(0, worker))
    return scheduler, scheduler.handle(e.Ticked(0, 0))


def tick(scheduler, k):
    commands = scheduler.handle(e.DeadlineReached(k * 10 * MS, k)) + scheduler.handle(e.Ticked(k * 10 * MS, k))
    scheduler.validate()
    return commands


def overtaken():
    """Two workers: inference 1, of observation 1, has run at tick 2, and inference 0, of observation 0, runs on."""
    scheduler, _ = begun(CancelAll(2))
    tick(scheduler, 1)
    scheduler.handle(e.InferenceFinished(15 * MS, 1))
    return scheduler, tick(scheduler, 2)


def test_what_is_older_than_the_last_action_is_cancelled():
    scheduler, commands = overtaken()
    assert commands == [
        c.Execute(2, 1, 0, delay_ticks=1),
        c.EndInference(1, Outcome.EXECUTED),
        c.EndInference(0, Outcome.CANCELLED),
        c.Cancel(0, worker=0),
        c.StartInference(2, 1, observation=2, target=-1),
    ]
    assert scheduler.outcomes[Outcome.CANCELLED] == 1
    # Observation 2 is newer than what ran last: it stays.
    assert tick(scheduler, 3) == [c.ExecuteDefault(3)]


def test_a_worker_that_has_stopped_is_idle_and_its_rule_is_told():
    scheduler, _ = overtaken()
    assert scheduler.handle(e.InferenceCancelled(21 * MS, 0)) == []
    assert scheduler.schedule.stopped == [(0, 21 * MS)]
    scheduler.validate()
    assert c.StartInference(3, 0, observation=3, target=-1) in tick(scheduler, 3)


@pytest.mark.parametrize("end", [e.InferenceFinished(24 * MS, 0), e.InferenceFailed(24 * MS, 0)])
def test_one_that_cannot_be_stopped_runs_to_its_end_and_frees_its_worker(end):
    scheduler, _ = overtaken()
    assert scheduler.handle(end) == []
    scheduler.validate()
    assert c.StartInference(3, 0, observation=3, target=-1) in tick(scheduler, 3)
    assert scheduler.outcomes[Outcome.CANCELLED] == 1 and scheduler.outcomes[Outcome.FAILED] == 0


def test_a_lost_worker_takes_its_cancelled_inference_along():
    scheduler, _ = overtaken()
    assert scheduler.handle(e.WorkerLost(24 * MS, 0)) == [c.AddWorker()] or scheduler.workers == 1
    scheduler.validate()
    with pytest.raises(ProtocolError, match="inference 0 was not told to stop"):
        scheduler.handle(e.InferenceCancelled(25 * MS, 0))


def test_the_slower_copy_of_an_answer_is_cancelled():
    scheduler, commands = begun(CancelAll(2, copies=1))
    assert commands == [c.StartInference(0, 0, 0, -1), c.StartInference(1, 1, 0, -1)]
    scheduler.handle(e.InferenceFinished(5 * MS, 1))
    commands = tick(scheduler, 1)
    assert commands[:2] == [c.Execute(1, 1, 0, delay_ticks=1), c.EndInference(1, Outcome.EXECUTED)]
    assert [c.EndInference(0, Outcome.CANCELLED), c.Cancel(0, 0)] == commands[2:4]


def test_rules_that_do_not_say_so_cancel_nothing():
    scheduler, _ = begun(Unstaggered(2))
    tick(scheduler, 1)
    scheduler.handle(e.InferenceFinished(15 * MS, 1))
    assert not any(isinstance(command, c.Cancel) for command in tick(scheduler, 2))


@pytest.mark.slow
def test_the_rule_that_cancels_all_conforms():
    check_rule(lambda: CancelAll(3, copies=1), seeds=1)


def test_the_answer_of_a_cancelled_copy_that_ran_to_its_end_is_not_chosen():
    schedule = TickDispatch(2, quantile="auto").schedule(TEN_MS)
    schedule.worker_joined(0, 0)
    for outcome, age in (None, 1), (Outcome.CANCELLED, 0):
        schedule.ticked(3, 30 * MS, episode_ended=True)
        answer = Inference(0, 0, 3, -1, 30 * MS)
        answer.finished_ns, answer.usable_tick, answer.outcome = 39 * MS, 4, outcome
        schedule.inference_finished(answer)
        assert schedule._playout.choose(4) == age
