"""A driver for tests that is as unkind as the protocol allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.rules import Rule
from hocket.core.scheduler import Scheduler
from hocket.core.trace import Trace
from hocket.testing.auditor import Auditor
from hocket.testing.watched_rule import WatchedRule


@dataclass(kw_only=True)
class Troubles:
    """Chances, each in thousandths, of what may go wrong.

    Args:
        fail: an inference raises.
        hang: an inference never answers.
        lose_worker: before a tick a worker is lost.
        join_worker: before a tick a worker joins that was not asked for.
        overrun: an environment step takes longer than a tick.
        skip: some ticks are missed.
        episode_end: an episode ends.
        late_report: an end is noticed later than it happens.
        estimate: the environment's predictability is estimated.
        deaf: a cancelled inference does not stop.
    """

    fail: int = 0
    hang: int = 0
    lose_worker: int = 0
    join_worker: int = 0
    overrun: int = 0
    skip: int = 0
    episode_end: int = 0
    late_report: int = 0
    estimate: int = 0
    deaf: int = 0


@dataclass
class Simulation:
    """Plays ``rule`` against drawn durations and troubles; every event goes past the auditor and `validate`.

    Args:
        rule: under test.
        cadence: of the ticks.
        durations_ns: inference times are drawn from these.
        lengths: numbers of actions in an answer are drawn from these.
        troubles: what may go wrong.
        random: of all draws.
        losses: how many workers are lost before which tick.
        replace: whether workers that are asked for ever come.
        head_ns: of two stages, how long before its tick the head is called; 0 for one stage.
        heads_ns: how long heads take is drawn from these.
        horizon_ticks: the ticks after its observation that an answer has actions for at most; 0: from its release on.
    """

    rule: Rule
    cadence: Cadence
    durations_ns: list[int]
    lengths: list[int]
    troubles: Troubles
    random: Random
    losses: dict[int, int] = field(default_factory=dict)
    replace: bool = True
    head_ns: int = 0
    heads_ns: list[int] = field(default_factory=lambda: [0])
    horizon_ticks: int = 0

    def __post_init__(self) -> None:
        self.auditor = Auditor(self.cadence, self.head_ns, self.horizon_ticks)
        self.scheduler = Scheduler(WatchedRule(self.rule), self.cadence, self.head_ns, self.horizon_ticks)
        self.trace = Trace(self.rule, self.cadence, self.head_ns, self.horizon_ticks)
        self._heap: list[tuple[int, int, e.Event]] = []
        self._sequence = 0
        self._joined = 0
        self._wake_ns: int | None = None
        self._oldest_needed = 0

    def _happens(self, thousandths: int) -> bool:
        return self.random.randrange(1000) < thousandths

    def _post(self, noticed_ns: int, event: e.Event) -> None:
        self._sequence += 1
        heappush(self._heap, (noticed_ns, self._sequence, event))

    def _join(self, now_ns: int) -> None:
        self._post(now_ns, e.WorkerJoined(now_ns, self._joined))
        self._joined += 1

    def feed(self, event: e.Event) -> None:
        """Let ``event`` happen, check the commands that it leads to, and carry them out."""
        commands = self.scheduler.handle(event)
        self.scheduler.validate()
        self.trace.add(event, commands)
        self.auditor.check(event, commands)
        promised, self._oldest_needed = self._oldest_needed, self.scheduler.oldest_needed
        for command in commands:
            match command:
                case c.StartInference():
                    assert command.observation >= promised, (
                        f"{command} starts an old observation: oldest_needed had let go of all before {promised}"
                    )
                    self._start(command.inference, event.time_ns)
                case c.BindHead():
                    self._finish(event.time_ns, self.random.choice(self.heads_ns), command.inference)
                case c.Cancel():
                    if self._happens(self.troubles.deaf):
                        continue
                    stopped_ns = event.time_ns + self.random.choice([0, *self.durations_ns])
                    self._post(stopped_ns, e.InferenceCancelled(stopped_ns, command.inference))
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
        if isinstance(event, e.InferenceFinished | e.TrunkFinished | e.InferenceFailed | e.InferenceCancelled):
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
        """Play ``ticks`` ticks to their end."""
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
            self.feed(e.DeadlineReached(now_ns, tick))
            if overrun:  # the step itself takes several ticks
                now_ns += int(self.random.choice([0.3, 1.0, 2.5]) * cadence.period_ns)
            self.feed(e.Ticked(now_ns, tick, self._happens(troubles.episode_end)))
        self.feed(e.RunEnded(now_ns))
        self.auditor.check_end()
