"""Several virtual runs of one agent in lockstep: copies of an environment that tick together.

Each copy has its own schedule, episodes and record, those of a run of its own. The copies share their policy's network
and what changes it: inferences that start at one instant are computed in one call, and learners see the copies' ticks
in the order of their numbers. An inference takes its inputs and the version of its weights when it starts, so nothing
is computed from what a run of its own would not have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from hocket.drivers.executors.virtual import InferenceBatch
from hocket.drivers.interrupt import between_ticks
from hocket.drivers.run_setup import RunSetup
from hocket.drivers.virtual import Virtual, begin_run
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.record import RunRecord


class Lockstep:
    """Virtual runs between two ticks; as `VirtualRun`.

    At one instant the order is: what lands of learning, the deadlines and environment steps of all copies, their
    observations, the inferences on these, and then what listens to the ticks.

    Args:
        clock: of all of them.
        setups: one a copy, with one background for all; their policies are `hocket.policies.base.Batching`, or have
            stages that are.

    Attributes:
        runs: one a copy.
        tick: the last tick played by all copies.
        whole: True if that tick was played to its end; else the runs cannot continue.
    """

    def __init__(self, clock: Virtual, setups: Sequence[RunSetup]) -> None:
        self._batch = InferenceBatch()
        self.runs = [begin_run(clock, setup, self._batch) for setup in setups]
        self._batch.compute()
        self.tick = 0
        self.whole = True

    @property
    def record(self) -> RunRecord:
        """The record of the first copy."""
        return self.runs[0].record

    @property
    def records(self) -> list[RunRecord]:
        """The record of each copy."""
        return [run.record for run in self.runs]

    def play(self, to_tick: int, *, until: Callable[[RunRecord], bool] | None = None) -> None:
        """Play all copies up to tick ``to_tick``, until ``until`` is true of the first one's record, or until a signal.

        As `VirtualRun.play`; ``until`` is asked between two ticks of all.
        """
        first = self.runs[0]
        cadence, background = first.engine.cadence, first.executor.background
        self.whole = False
        with ExitStack() as timed, between_ticks() as interrupt:
            for run in self.runs:
                timed.enter_context(run.timed())
            try:
                for tick in range(self.tick + 1, to_tick + 1):
                    now_ns = cadence.deadline_ns(tick)
                    self._advance(now_ns)
                    if background is not None:
                        background.advance(now_ns)
                    for run in self.runs:
                        run.stepper.step(tick, run.engine.deadline(tick, now_ns), 0)
                    moments = [run.stepper.observe(run.engine, tick, now_ns) for run in self.runs]
                    self._batch.compute()
                    for run, moment in zip(self.runs, moments, strict=True):
                        if moment is not None:
                            run.stepper.tell(moment)
                        run.tick = tick
                    self.tick = tick
                    for run in self.runs:
                        run.engine.check_heads()
                    if interrupt.requested or (until is not None and until(first.record)):
                        break
                self.whole = True
            except KeyboardInterrupt:
                interrupt.request()
            for run in self.runs:
                run.whole = self.whole
                run.record.signal = interrupt.signal

    def end(self) -> RunRecord:
        """End all runs; the record of the first copy.

        Raises:
            PolicyError: as `VirtualRun.end`.
        """
        for run in self.runs:
            run.end()
        return self.record

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Inside, an error ends the runs and carries the record of the first copy up to then."""
        with ExitStack() as stack:
            for run in self.runs:  # the first one's is attached last, and so kept
                stack.enter_context(run.kept_on_error())
            yield

    @contextmanager
    def told(self, dispatcher: Dispatcher | None, ticks: int) -> Iterator[None]:
        """Inside, ``dispatcher`` dispatches the events of the first copy; see `VirtualRun.told`."""
        with self.runs[0].told(dispatcher, ticks):
            yield

    def _advance(self, until_ns: int) -> None:
        """Process the events of all copies up to ``until_ns``, in the order of their times; at one time in rounds."""
        runs = self.runs
        while True:
            due = [run.executor.next_ns(until_ns, run.engine) for run in runs]
            now_ns = min((each for each in due if each is not None), default=None)
            if now_ns is None:
                return
            for run, each in zip(runs, due, strict=True):
                if each == now_ns:
                    run.executor.step(run.engine)
            self._batch.compute()
