"""A rule whose answers are checked as it gives them, so that the message names the method at fault."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence, Set

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules.base import Rule, Schedule, Start


class WatchedRule(Rule):
    """``rule``, with every answer of its schedule checked."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    @property
    def initial_workers(self) -> int:
        return self.rule.initial_workers

    @property
    def most_workers(self) -> int:
        return self.rule.most_workers

    def schedule(self, cadence: Cadence) -> Schedule:
        return _WatchedSchedule(self.rule, cadence)


class _WatchedSchedule(Schedule):
    def __init__(self, rule: Rule, cadence: Cadence) -> None:
        super().__init__(cadence)
        self._inner = inner = rule.schedule(cadence)
        self._most_workers = rule.most_workers
        vars(self).update(learns=inner.learns, defers=inner.defers, cancels=inner.cancels, wakes=inner.wakes)
        self._name = type(inner).__name__
        self.worker_joined = inner.worker_joined  # type: ignore[method-assign]
        self.worker_lost = inner.worker_lost  # type: ignore[method-assign]
        self.ticked = inner.ticked  # type: ignore[method-assign]
        self.inference_finished = inner.inference_finished  # type: ignore[method-assign]
        self.inference_failed = inner.inference_failed  # type: ignore[method-assign]
        self.inference_cancelled = inner.inference_cancelled  # type: ignore[method-assign]
        self.inference_ended = inner.inference_ended  # type: ignore[method-assign]
        self.learning_finished = inner.learning_finished  # type: ignore[method-assign]
        self.learning_due = inner.learning_due  # type: ignore[method-assign]
        self.predictability_estimated = inner.predictability_estimated  # type: ignore[method-assign]

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        free = list(idle)
        starts = self._inner.starts(now_ns, tick, idle)
        assert list(idle) == free, f"{self._name}.starts changed `idle`; only the scheduler may"
        for start in starts:
            worker, observation, target = start
            assert worker in free, f"{self._name}.starts gave {start}: worker {worker} is busy; idle are {free}"
            free.remove(worker)
            assert 0 <= observation <= tick, f"{self._name}.starts gave {start}: the newest observation is {tick}"
            assert target == -1 or target > observation, f"{self._name}.starts gave {start}: it aims at the past"
        return starts

    def release_tick(self, inference: Inference) -> int:
        tick = self._inner.release_tick(inference)
        assert type(tick) is int, f"{self._name}.release_tick gave {tick!r}; an integer is needed"
        assert tick >= inference.usable_tick, (
            f"{self._name}.release_tick gave {tick} for {inference}, whose answer comes in time for tick "
            f"{inference.usable_tick} at the earliest"
        )
        return tick

    def choose(self, tick: int, due: list[Inference]) -> Inference | None:
        offered = list(due)
        choice = self._inner.choose(tick, due)
        assert due == offered, f"{self._name}.choose changed `due`; only the scheduler may"
        assert choice is None or choice in offered, f"{self._name}.choose gave {choice}; offered were {offered}"
        return choice

    def cancellations(
        self, tick: int, running: Sequence[Inference], answered: Set[int], idle: bool
    ) -> Sequence[Inference]:
        known = list(running)
        cancelled = self._inner.cancellations(tick, running, answered, idle)
        assert running == known, f"{self._name}.cancellations changed `running`; only the scheduler may"
        for inference in cancelled:
            assert inference in known, (
                f"{self._name}.cancellations gave {inference}, which does not run, or gave it twice"
            )
            known.remove(inference)
        return cancelled

    def wake_ns(self) -> int | None:
        wake_ns = self._inner.wake_ns()
        assert wake_ns is None or type(wake_ns) is int, f"{self._name}.wake_ns gave {wake_ns!r}; integer nanoseconds"
        return wake_ns

    def workers_wanted(self) -> int:
        wanted = self._inner.workers_wanted()
        assert type(wanted) is int and 0 <= wanted <= self._most_workers, (
            f"{self._name}.workers_wanted gave {wanted!r}; most_workers is {self._most_workers}"
        )
        return wanted

    def oldest_needed(self, tick: int) -> int:
        oldest = self._inner.oldest_needed(tick)
        assert type(oldest) is int and oldest <= tick, f"{self._name}.oldest_needed({tick}) gave {oldest!r}"
        return oldest
