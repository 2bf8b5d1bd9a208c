"""A driver for tests that is as unkind as the protocol allows, and an auditor that believes no scheduler.

The auditor keeps its own books from the events and commands alone, so that a wrong `Scheduler.validate` would not
hide a wrong `Scheduler`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.rules import Rule
from hocket.core.scheduler import Scheduler
from hocket.core.trace import Trace


class Auditor:
    """Checks every promise of docs/concepts.md on one run's events and commands."""

    def __init__(self, cadence: Cadence, head_ns: int = 0) -> None:
        self.cadence = cadence
        self.head_ns = head_ns
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
        self.last = (-1, -1)
        self.filled: dict[int, str] = {}

    def check(self, event: e.Event, commands: list[c.Command]) -> None:
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
                assert (event.inference in self.bound) == bool(self.head_ns)
                self.length[event.inference] = event.length
                self.finished_ns[event.inference] = event.time_ns
                self.workers[self.worker[event.inference]] = None
            case e.InferenceFailed():
                self.workers[self.worker[event.inference]] = None
        fills = [command for command in commands if isinstance(command, c.Execute | c.ExecuteDefault)]
        assert len(fills) == (1 if isinstance(event, e.DeadlineReached) else 0)
        for command in commands:
            match command:
                case c.StartInference():
                    assert not between_deadline_and_tick
                    self._started(command)
                case c.BindHead():
                    self._bound(command, event)
                case c.Execute():
                    self._executed(command, event)
                case c.ExecuteDefault():
                    assert command.tick == self.acted not in self.filled
                    self.filled[command.tick] = "default"
                case c.EndInference():
                    self._ended(command)
                case c.WakeAt():
                    assert command.time_ns > event.time_ns, "a timer in the past would come again for ever"
                case c.RetireWorker():
                    assert self.workers.pop(command.worker) is None

    def _started(self, command: c.StartInference) -> None:
        assert command.inference == len(self.observation)
        assert self.workers[command.worker] is None, "no worker runs two inferences"
        assert self.episode_start <= command.observation <= self.tick
        assert command.target == -1 or command.target > command.observation
        self.workers[command.worker] = command.inference
        self.worker[command.inference] = command.worker
        self.observation[command.inference] = command.observation
        self.steps[command.inference] = []

    def _bound(self, command: c.BindHead, event: e.Event) -> None:
        id = command.inference
        assert id in self.trunk_done and id not in self.bound and id not in self.outcome
        assert self.workers[command.worker] == id, "the worker that holds the features"
        assert command.tick > self.acted and command.tick > self.observation[id]
        assert self.observation[id] > self.last[0], "something newer has run"
        assert event.time_ns >= self.cadence.deadline_ns(command.tick) - self.head_ns
        self.bound[id] = command.tick

    def _executed(self, command: c.Execute, event: e.Event) -> None:
        assert command.tick == self.acted not in self.filled
        assert isinstance(event, e.DeadlineReached) and not event.overrun
        self.filled[command.tick] = "fresh"
        id = command.inference
        observation = self.observation[id]
        assert id not in self.outcome
        assert 0 <= command.step < self.length[id]
        assert command.delay_ticks == command.tick - observation >= 1
        assert observation >= self.episode_start
        assert (observation, command.step) > self.last
        assert all(step < command.step for step in self.steps[id])
        if self.head_ns:
            assert self.finished_ns[id] <= self.cadence.deadline_ns(self.bound[id]) and command.tick >= self.bound[id]
        self.last = (observation, command.step)
        self.steps[id].append(command.step)

    def _ended(self, command: c.EndInference) -> None:
        id = command.inference
        assert id in self.observation and id not in self.outcome
        self.outcome[id] = command.outcome
        assert (command.outcome is Outcome.EXECUTED) == bool(self.steps[id])
        if command.outcome is Outcome.FAILED:
            assert id not in self.length
        if command.outcome is Outcome.SUPERSEDED:
            assert id in self.length
        if command.outcome in (Outcome.DROPPED, Outcome.DUPLICATE):
            assert id in self.length or id in self.trunk_done
        if id in self.trunk_done and id not in self.bound and self.worker[id] in self.workers:
            self.workers[self.worker[id]] = None  # nothing is left to do for it

    def check_end(self) -> None:
        assert self.outcome.keys() == self.observation.keys(), "each inference has ended"


@dataclass
class Troubles:
    """What may go wrong, as probabilities; each in thousandths."""

    fail: int = 0
    hang: int = 0
    lose_worker: int = 0
    join_worker: int = 0
    overrun: int = 0
    skip: int = 0
    episode_end: int = 0
    late_report: int = 0
    estimate: int = 0


@dataclass
class Simulation:
    """Plays ``rule`` against drawn durations and troubles; every event goes past the auditor and `validate`."""

    rule: Rule
    cadence: Cadence
    durations_ns: list[int]
    lengths: list[int]
    troubles: Troubles
    random: Random
    losses: dict[int, int] = field(default_factory=dict)
    """How many workers are lost before which tick."""
    replace: bool = True
    """Whether workers that are asked for ever come."""
    head_ns: int = 0
    """Of two stages, how long before its tick the head is called."""
    heads_ns: list[int] = field(default_factory=lambda: [0])
    """What heads take is drawn from these."""

    def __post_init__(self) -> None:
        self.auditor = Auditor(self.cadence, self.head_ns)
        self.scheduler = Scheduler(self.rule, self.cadence, self.head_ns)
        self.trace = Trace(self.rule, self.cadence, self.head_ns)
        self._heap: list[tuple[int, int, e.Event]] = []
        self._sequence = 0
        self._joined = 0
        self._wake_ns: int | None = None

    def _happens(self, thousandths: int) -> bool:
        return self.random.randrange(1000) < thousandths

    def _post(self, noticed_ns: int, event: e.Event) -> None:
        self._sequence += 1
        heappush(self._heap, (noticed_ns, self._sequence, event))

    def _join(self, now_ns: int) -> None:
        self._post(now_ns, e.WorkerJoined(now_ns, self._joined))
        self._joined += 1

    def feed(self, event: e.Event) -> None:
        commands = self.scheduler.handle(event)
        self.scheduler.validate()
        self.trace.add(event, commands)
        self.auditor.check(event, commands)
        for command in commands:
            match command:
                case c.StartInference():
                    self._start(command.inference, event.time_ns)
                case c.BindHead():
                    self._finish(event.time_ns, self.random.choice(self.heads_ns), command.inference)
                case c.WakeAt():
                    self._wake_ns = command.time_ns
                case c.StartLearning():
                    done_ns = event.time_ns + self.random.choice(self.durations_ns)
                    self._post(done_ns, e.LearningFinished(done_ns))
                case c.AddWorker() if self.replace:
                    self._join(event.time_ns + self.random.choice([0, *self.durations_ns]))

    def _start(self, inference: int, now_ns: int) -> None:
        self._finish(now_ns, self.random.choice(self.durations_ns), inference, trunk=self.head_ns > 0)

    def _finish(self, now_ns: int, duration_ns: int, inference: int, *, trunk: bool = False) -> None:
        """Let an inference, or a stage of it, come to some end."""
        if self._happens(self.troubles.hang):
            return
        done_ns = now_ns + duration_ns
        noticed_ns = done_ns + (
            self.random.choice(self.durations_ns) if self._happens(self.troubles.late_report) else 0
        )
        if self._happens(self.troubles.fail):
            self._post(noticed_ns, e.InferenceFailed(done_ns, inference))
        elif trunk:
            self._post(noticed_ns, e.TrunkFinished(done_ns, inference))
        else:
            self._post(noticed_ns, e.InferenceFinished(done_ns, inference, self.random.choice(self.lengths)))

    def _still_valid(self, event: e.Event) -> bool:
        if isinstance(event, e.InferenceFinished | e.TrunkFinished | e.InferenceFailed):
            worker = self.auditor.worker[event.inference]
            return self.auditor.workers.get(worker) == event.inference
        return True

    def _advance(self, until_ns: int) -> None:
        for _ in range(10_000):
            wake_ns = self._wake_ns
            if self._heap and self._heap[0][0] <= until_ns and (wake_ns is None or self._heap[0][0] <= wake_ns):
                event = heappop(self._heap)[2]
                if self._still_valid(event):
                    self.feed(event)
            elif wake_ns is not None and wake_ns < until_ns:
                self._wake_ns = None
                self.feed(e.TimerDue(wake_ns))
            else:
                return
        raise AssertionError("the scheduler keeps itself busy without end")

    def run(self, ticks: int) -> None:
        cadence, troubles = self.cadence, self.troubles
        for _ in range(self.rule.initial_workers):
            self._join(cadence.epoch_ns)
        if self.random.random() < 0.5:
            self._advance(cadence.epoch_ns)
        self.feed(e.Ticked(cadence.epoch_ns, 0))
        now_ns, tick = cadence.epoch_ns, 0
        while tick < ticks:
            tick += 1 + (self.random.randrange(1, 6) if self._happens(troubles.skip) else 0)
            now_ns = max(now_ns, cadence.deadline_ns(tick))
            between_ns = self.random.randint(min(now_ns, cadence.deadline_ns(tick - 1)), now_ns)
            if self._happens(troubles.join_worker):
                self._join(between_ns)
            self._advance(between_ns)
            lost = self.losses.get(tick, 0) + self._happens(troubles.lose_worker)
            for _ in range(min(lost, len(self.auditor.workers))):
                worker = self.random.choice(sorted(self.auditor.workers))
                self.feed(e.WorkerLost(between_ns, worker))
            if self._happens(troubles.estimate):
                self.feed(e.PredictabilityEstimated(between_ns, self.random.choice([0.5, 0.9, 0.999, 1.0])))
            self._advance(now_ns)
            overrun = self._happens(troubles.overrun)
            self.feed(e.DeadlineReached(now_ns, tick, overrun and self.random.random() < 0.5))
            if overrun:  # the step itself takes several ticks
                now_ns += int(self.random.choice([0.3, 1.0, 2.5]) * cadence.period_ns)
            self.feed(e.Ticked(now_ns, tick, self._happens(troubles.episode_end)))
        self.feed(e.RunEnded(now_ns))
        self.auditor.check_end()
