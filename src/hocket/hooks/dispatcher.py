"""Dispatches run events to instruments."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from traceback import format_exc
from typing import Any, Self

from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.commands import Command
from hocket.core.events import Event
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import EvaluationProgress, InferenceView, Instrument, Progress, RunView
from hocket.hooks.record import Moment

INFERENCE_HOOKS = ("on_inference_started", "on_inference_finished", "on_inference")
HOOKS = (
    "on_starting",
    "on_worker_up",
    "on_start",
    "on_tick",
    *INFERENCE_HOOKS,
    "on_training",
    "on_evaluation_progress",
    "on_evaluation",
    "on_stop",
)

Calls = tuple[tuple[Instrument, Callable[..., None]], ...]


class Dispatcher:
    """Calls instruments for the events of a run.

    The scheduler's events and commands are only collected when they happen; the hooks for inferences are called at the
    end of the tick.

    Args:
        instruments: called in this order.

    Attributes:
        of_inferences: True if an instrument overrides a hook for inferences.

    Raises:
        ConfigurationError: if one of them is not an `Instrument`.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._instruments = list(instruments)
        for instrument in self._instruments:
            if not isinstance(instrument, Instrument):
                raise ConfigurationError(
                    f"instruments=[..., {instrument!r}] is not a hocket.Instrument; try a subclass of it, with "
                    f"one of {', '.join(HOOKS)}"
                )
        self._handled: list[tuple[Event, list[Command]]] = []
        self._views: dict[int, InferenceView] = {}  # from its start until it has ended and its worker is free
        self._calls: dict[str, Calls] = {}
        self._sort()
        self.of_inferences = any(self._calls[hook] for hook in INFERENCE_HOOKS)

    @classmethod
    def to(cls, instruments: Iterable[Instrument] | Dispatcher) -> Dispatcher:
        """Return a dispatcher to ``instruments``; if it is one already, ``instruments`` itself."""
        return instruments if isinstance(instruments, Dispatcher) else cls(instruments)

    def or_none(self) -> Self | None:
        """Return itself, or None if it has no instruments."""
        return self if self._instruments else None

    def handled(self, event: Event, commands: list[Command]) -> None:
        """Collect an ``event`` that the scheduler has handled, and the resulting ``commands``."""
        self._handled.append((event, commands))

    def starting(self, run: RunView) -> None:
        """Call `Instrument.on_starting`."""
        self._tell("on_starting", run)

    def joined(self, workers: int) -> None:
        """Call `Instrument.on_worker_up`."""
        self._tell("on_worker_up", workers)

    def started(self, run: RunView) -> None:
        """Call `Instrument.on_start`."""
        self._handled.clear()
        self._views.clear()
        self._tell("on_start", run)

    def ticked(self, moment: Moment) -> None:
        """End a tick: call the hooks for it and for the events collected until now."""
        self._tell("on_tick", moment)
        if self._handled:
            self._tell_handled()

    def trained(self, progress: Progress) -> None:
        """Call `Instrument.on_training`."""
        self._tell("on_training", progress)

    def evaluating(self, progress: EvaluationProgress) -> None:
        """Call `Instrument.on_evaluation_progress`."""
        self._tell("on_evaluation_progress", progress)

    def evaluated(self, tick: int, mean_return: float) -> None:
        """Call `Instrument.on_evaluation`."""
        self._tell("on_evaluation", tick, mean_return)

    def stopped(self) -> None:
        """Call `Instrument.on_stop`."""
        self._tell_handled()
        self._tell("on_stop")

    def _tell_handled(self) -> None:
        for event, commands in self._handled:
            kind = type(event)
            if kind is e.InferenceFinished or kind is e.InferenceFailed or kind is e.InferenceCancelled:
                self._finished(event.inference, event.time_ns)  # type: ignore[union-attr]
            for command in commands:
                if type(command) is c.StartInference:
                    self._views[command.inference] = view = InferenceView(
                        command.inference, command.worker, command.observation, command.target, event.time_ns
                    )
                    self._tell("on_inference_started", view)
                elif type(command) is c.Execute:
                    self._executed(command)
                elif type(command) is c.EndInference:
                    self._ended(command, event)
            if kind is e.WorkerLost:
                self._lost(event.worker, event.time_ns)  # type: ignore[union-attr]
        self._handled.clear()

    def _finished(self, number: int, now_ns: int) -> None:
        view = self._views.get(number)
        if view is None:
            return  # it started before the run was resumed
        view = view._replace(finished_ns=now_ns)
        self._tell("on_inference_finished", view)
        if view.outcome is None:
            self._views[number] = view
        else:
            del self._views[number]

    def _executed(self, command: c.Execute) -> None:
        view = self._views.get(command.inference)
        if view is not None and view.executed_tick < 0:
            self._views[view.number] = view._replace(executed_tick=command.tick)

    def _ended(self, command: c.EndInference, event: Event) -> None:
        view = self._views.get(command.inference)
        if view is None:
            return
        view = view._replace(ended_ns=event.time_ns, outcome=command.outcome)
        self._tell("on_inference", view)
        if view.finished_ns < 0:
            self._views[view.number] = view  # its worker still runs it, without effect
        else:
            del self._views[view.number]

    def _lost(self, worker: int, now_ns: int) -> None:
        for view in [view for view in self._views.values() if view.worker == worker and view.finished_ns < 0]:
            self._finished(view.number, now_ns)

    def _tell(self, hook: str, *what: Any) -> None:
        for instrument, call in self._calls[hook]:
            try:
                call(*what)
            except Exception:
                self._instruments.remove(instrument)
                self._sort()
                warnings.warn(
                    f"{instrument!r} failed in {hook} and is not called any more; the run continues:\n{format_exc()}",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _sort(self) -> None:
        self._calls = {hook: self._asking(hook) for hook in HOOKS}

    def _asking(self, hook: str) -> Calls:
        """Return the bound ``hook`` of the instruments that override it."""
        usual = getattr(Instrument, hook)
        return tuple((one, getattr(one, hook)) for one in self._instruments if getattr(type(one), hook) is not usual)


@contextmanager
def told(dispatcher: Dispatcher | None, run: RunView) -> Iterator[None]:
    """Call the instruments of ``dispatcher``, if any, at the start and the end of ``run``, played inside."""
    if dispatcher is None:
        yield
        return
    dispatcher.started(run)
    try:
        yield
    finally:
        dispatcher.stopped()
