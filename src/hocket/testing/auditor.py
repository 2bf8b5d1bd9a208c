"""Books of a run, kept from its events and commands alone.

A wrong `Scheduler.validate` therefore cannot hide a wrong `Scheduler`.
"""

from __future__ import annotations

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome


class Auditor:
    """Checks every promise of ``docs/concepts.md`` on one run's events and commands.

    Attributes:
        filled: by tick, ``"fresh"`` or ``"default"``; a missed tick is absent.
        outcome: by inference, how it ended.
    """

    def __init__(self, cadence: Cadence, head_ns: int = 0, horizon_ticks: int = 0) -> None:
        self.cadence = cadence
        self.head_ns = head_ns
        self.horizon_ticks = horizon_ticks
        self.trunk_done: dict[int, int] = {}  # by inference: when
        self.bound: dict[int, int] = {}  # by inference: to which tick
        self.tick = -1
        self.acted = 0
        self.episode_start = 0
        self.workers: dict[int, int | None] = {}
        self.observation: dict[int, int] = {}
        self.worker: dict[int, int] = {}
        self.length: dict[int, int] = {}
        self.finished_ns: dict[int, int] = {}
        self.steps: dict[int, list[int]] = {}
        self.outcome: dict[int, Outcome] = {}
        self.cancelled: set[int] = set()
        self.last = (-1, -1)
        self.filled: dict[int, str] = {}

    def check(self, event: e.Event, commands: list[c.Command]) -> None:
        """Enter one event and the commands that it led to.

        A violated promise is an ``AssertionError`` that says which.
        """
        between_deadline_and_tick = self.acted > self.tick
        match event:
            case e.WorkerJoined():
                self.workers[event.worker] = None
            case e.WorkerLost():
                del self.workers[event.worker]
            case e.DeadlineReached():
                self.acted = event.tick
            case e.Ticked():
                self.tick = event.tick
                if event.episode_ended:
                    self.episode_start = event.tick
                between_deadline_and_tick = False
            case e.TrunkFinished():
                self.trunk_done[event.inference] = event.time_ns
                if event.inference in self.outcome:
                    self.workers[self.worker[event.inference]] = None
            case e.InferenceFinished():
                assert (event.inference in self.bound) == bool(self.head_ns), f"{event} of a head that was not bound"
                self.length[event.inference] = event.length
                self.finished_ns[event.inference] = event.time_ns
                self.workers[self.worker[event.inference]] = None
            case e.InferenceFailed():
                self.workers[self.worker[event.inference]] = None
            case e.InferenceCancelled():
                assert event.inference in self.cancelled, f"{event}: it was not told to stop"
                self.workers[self.worker[event.inference]] = None
        fills = [command for command in commands if isinstance(command, c.Execute | c.ExecuteDefault)]
        expected = 1 if isinstance(event, e.DeadlineReached) else 0
        assert len(fills) == expected, f"{event} led to {fills}; each deadline fills one tick, and nothing else does"
        for command in commands:
            match command:
                case c.StartInference():
                    assert not between_deadline_and_tick, f"{command} between a deadline and its tick"
                    self._started(command)
                case c.BindHead():
                    self._bound(command, event)
                case c.Cancel():
                    self._cancelled(command)
                case c.Execute():
                    self._executed(command, event)
                case c.ExecuteDefault():
                    self._fill(command.tick, "default")
                case c.EndInference():
                    self._ended(command)
                case c.WakeAt():
                    assert command.time_ns > event.time_ns, (
                        f"{command} at {event.time_ns}: it would come again for ever"
                    )
                case c.RetireWorker():
                    running = self.workers.pop(command.worker)
                    assert running is None, f"{command}, which runs inference {running}"

    def check_end(self) -> None:
        """Check, after `RunEnded`, that no inference is left without an outcome."""
        open_ = sorted(self.observation.keys() - self.outcome.keys())
        assert not open_, f"the run has ended, and inferences {open_} have no outcome"

    def _fill(self, tick: int, how: str) -> None:
        assert tick == self.acted, f"tick {tick} was filled at the deadline of tick {self.acted}"
        assert tick not in self.filled, f"tick {tick} was filled twice"
        self.filled[tick] = how

    def _started(self, command: c.StartInference) -> None:
        assert command.inference == len(self.observation), f"{command}: inferences are numbered from 0 without gaps"
        running = self.workers[command.worker]
        assert running is None, f"{command} on a busy worker, which runs inference {running}"
        assert self.episode_start <= command.observation <= self.tick, (
            f"{command}: the observations of this episode are {self.episode_start} to {self.tick}"
        )
        assert command.target == -1 or command.target > command.observation, f"{command} aims at the past"
        self.workers[command.worker] = command.inference
        self.worker[command.inference] = command.worker
        self.observation[command.inference] = command.observation
        self.steps[command.inference] = []

    def _bound(self, command: c.BindHead, event: e.Event) -> None:
        id = command.inference
        assert id in self.trunk_done, f"{command}: its trunk has not finished"
        assert id not in self.bound, f"{command}: it was bound before"
        assert id not in self.outcome, f"{command}: it has ended"
        assert self.workers[command.worker] == id, f"{command}: another worker holds the features"
        assert command.tick > self.acted and command.tick > self.observation[id], f"{command}: that tick has passed"
        assert self.observation[id] > self.last[0], f"{command}: something newer has run"
        assert event.time_ns >= self.cadence.deadline_ns(command.tick) - self.head_ns, f"{command}: bound too early"
        self.bound[id] = command.tick

    def _cancelled(self, command: c.Cancel) -> None:
        id = command.inference
        assert self.workers[command.worker] == id, f"{command}: its worker does not run it"
        assert id not in self.cancelled, f"{command}: it was told before"
        assert self.outcome.get(id) is Outcome.CANCELLED, f"{command}: its outcome is {self.outcome.get(id)}"
        self.cancelled.add(id)

    def _executed(self, command: c.Execute, event: e.Event) -> None:
        self._fill(command.tick, "fresh")
        assert isinstance(event, e.DeadlineReached), f"{command} after {event}"
        id = command.inference
        observation = self.observation[id]
        assert id not in self.outcome, f"{command}: it has ended"
        assert id in self.length, f"{command}: it has no answer yet"
        assert 0 <= command.step < self.length[id], f"{command}: its answer has {self.length[id]} steps"
        assert command.delay_ticks == command.tick - observation >= 1, f"{command} is of observation {observation}"
        assert observation >= self.episode_start, f"{command} is of an episode that has ended"
        assert (observation, command.step) > self.last, f"{command}: (observation, step) {self.last} has run before it"
        assert all(step < command.step for step in self.steps[id]), f"{command}: a later step has run"
        if self.horizon_ticks:
            own = observation + 1 + command.step
            assert command.tick == own, f"{command} of observation {observation}: the step is for tick {own}"
        if self.head_ns:
            due_ns = self.cadence.deadline_ns(self.bound[id])
            assert self.finished_ns[id] <= due_ns, f"{command}: its head was late"
            assert command.tick >= self.bound[id], f"{command}: before the tick that it was bound to"
        self.last = (observation, command.step)
        self.steps[id].append(command.step)

    def _ended(self, command: c.EndInference) -> None:
        id = command.inference
        assert id in self.observation, f"{command}: it never began"
        assert id not in self.outcome, f"{command}: it has ended before"
        self.outcome[id] = command.outcome
        executed = command.outcome is Outcome.EXECUTED
        assert executed == bool(self.steps[id]), f"{command}: executed were its steps {self.steps[id]}"
        if command.outcome is Outcome.FAILED:
            assert id not in self.length, f"{command}: it has an answer"
        if command.outcome is Outcome.CANCELLED:
            observation = self.observation[id]
            assert id not in self.length, f"{command}: it has an answer"
            copies = [other for other, of in self.observation.items() if of == observation and other != id]
            others = [other for other in copies if other in self.length or other not in self.outcome]
            passed = 0 < self.horizon_ticks <= self.tick - observation
            assert observation <= self.last[0] or others or passed, (
                f"{command}: nothing else will answer observation {observation}"
            )
        if command.outcome is Outcome.SUPERSEDED:
            assert id in self.length, f"{command}: it has no answer"
        if command.outcome in (Outcome.DROPPED, Outcome.DUPLICATE):
            assert id in self.length or id in self.trunk_done, f"{command}: it has no answer"
        if id in self.trunk_done and id not in self.bound and self.worker[id] in self.workers:
            self.workers[self.worker[id]] = None  # nothing is left to do for it
