"""A scheduler that nobody listens to, run shortly before a cycle so that the real one finds its code warm.

A control loop sleeps almost always, and a processor forgets what it does not use: the same call costs three times
as much after 20 ms of sleep as in a busy loop. The twin runs the same code with made-up events.
"""

from __future__ import annotations

from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import StartInference
from hocket.core.rules import Rule
from hocket.core.scheduler import Scheduler


class Rehearsal:
    """Plays ticks of its own, in which every inference takes one."""

    def __init__(self, rule: Rule, cadence: Cadence) -> None:
        self._cadence = cadence
        self._twin = Scheduler(rule, cadence)
        self._tick = 0
        self._running: list[int] = []
        for worker in range(rule.initial_workers):
            self._twin.handle(e.WorkerJoined(cadence.epoch_ns, worker))
        self._twin.handle(e.Ticked(cadence.epoch_ns, 0))

    def play(self) -> None:
        """One tick: its finished inferences, its deadline, its observation."""
        self._tick += 1
        twin, tick, now_ns = self._twin, self._tick, self._cadence.deadline_ns(self._tick)
        for inference in self._running:
            twin.handle(e.InferenceFinished(now_ns, inference))
        twin.handle(e.DeadlineReached(now_ns, tick))
        commands = twin.handle(e.Ticked(now_ns, tick))
        self._running = [command.inference for command in commands if isinstance(command, StartInference)]
