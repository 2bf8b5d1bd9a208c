"""Tick dispatch, hocket's own rule: the environment's tick is the metronome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hocket.core.cadence import Cadence
from hocket.core.rules.base import Rule, Schedule, check_workers
from hocket.core.rules.least_regret import LeastRegretSchedule
from hocket.core.rules.quantile import QuantileSchedule
from hocket.core.rules.staff import Staff
from hocket.core.window import Window
from hocket.errors import ConfigurationError, check_whole


@dataclass(frozen=True, slots=True)
class TickDispatch(Rule):
    """Each tick's observation goes to the worker idle longest, and aims at tick k + D.

    D = ⌈Q_q(recent inference times)/τ_M⌉. If no worker is idle the observation queues briefly: a freed worker takes
    the oldest unserved one that can still meet its target. At each tick the newest ready answer with target ≤ now
    runs. Workers never wait for each other, so one slow inference costs one tick and nothing else. Guarantee: with
    a constant inference time and N ≥ ⌈τ_θ/τ_M⌉ workers, every tick is fresh with delay ⌈τ_θ/τ_M⌉; with independent
    inference times and workers to spare, a share of about ``quantile`` of the ticks is fresh. Where workers are too
    few but answers are chunks with L actions for coming ticks, only every min(L, τ_θ/(N·τ_M))-th observation is served.
    Where chunks of H are aligned to their observation, a freed worker takes the newest instead, or waits for the next
    if that will be answered for the same tick. Guarantee: with a constant inference time of d = ⌈τ_θ/τ_M⌉ ≤ H ticks,
    N ≥ ⌈d/(H − d + 1)⌉ workers make every tick fresh.

    ``quantile="auto"`` minimises the predicted regret J_ρ instead, over deadline, hold or release, queueing and
    hedging: see `hocket.core.rules.playout`.

    Args:
        workers: a number, or ``"auto"``: as many as the measured inference times need, within the bounds.
        quantile: of the inference times, in (0, 1), that sets D; or ``"auto"``.
        predictability: ρ in (0, 1] for ``quantile="auto"``. None: 0.99 until an estimate arrives as an event.
        hold: True never releases an answer before its target (constant delay, a stationary problem for a learner),
            except a chunk that is aligned to its observation, where nothing else acts; False releases at once.
            ``quantile="auto"`` decides for itself.
        hedge: give surplus workers the newest observation a second time; the first answer wins. None: only with
            ``quantile="auto"``. Where workers share processors, a hedge slows the others down.
        min_workers, max_workers: the bounds of ``workers="auto"``.
        window: the number of inference times that the estimates remember.
        min_delay_ticks: D is at least this many ticks, even for quick inferences (not with ``quantile="auto"``).
    """

    workers: int | Literal["auto"] = 2
    quantile: float | Literal["auto"] = 0.95
    predictability: float | None = None
    hold: bool = True
    hedge: bool | None = None
    min_workers: int = 1
    max_workers: int = 64
    window: int = 1000
    min_delay_ticks: int = 1

    def __post_init__(self) -> None:
        if self.workers != "auto":
            check_workers(self.workers)
        check_workers(self.min_workers)
        check_workers(self.max_workers)
        if self.min_workers > self.max_workers:
            raise ConfigurationError(
                f"min_workers={self.min_workers} exceeds max_workers={self.max_workers}; swap or widen the bounds"
            )
        if self.quantile != "auto" and not (isinstance(self.quantile, float) and 0 < self.quantile < 1):
            raise ConfigurationError(f"quantile={self.quantile!r} must lie in (0, 1) or be 'auto'; try 0.95")
        if self.predictability is not None and not 0 < self.predictability <= 1:
            raise ConfigurationError(f"predictability={self.predictability!r} must lie in (0, 1]; try 0.99")
        if self.predictability is not None and self.quantile != "auto":
            raise ConfigurationError(
                f"predictability={self.predictability!r} has no effect with quantile={self.quantile!r}; "
                "try quantile='auto', or leave predictability out"
            )
        least = self.min_delay_ticks
        check_whole("min_delay_ticks", least, example=1)
        if self.quantile == "auto" and least > 1:
            raise ConfigurationError(f"min_delay_ticks={least} has no effect with quantile='auto'; try quantile=0.95")
        if self.quantile == "auto" and not self.hold:
            raise ConfigurationError(
                "hold=False has no effect with quantile='auto', which decides for itself; leave hold out"
            )
        Window(self.window)

    @property
    def initial_workers(self) -> int:
        return self.min_workers if self.workers == "auto" else self.workers

    @property
    def most_workers(self) -> int:
        return self.max_workers if self.workers == "auto" else self.workers

    @property
    def hedges(self) -> bool:
        """True if surplus workers are spent on hedges."""
        return self.quantile == "auto" if self.hedge is None else self.hedge

    def schedule(self, cadence: Cadence) -> Schedule:
        if self.workers == "auto":
            staff = Staff(self.min_workers, self.min_workers, self.max_workers)
        else:
            staff = Staff(self.workers, self.workers, self.workers)
        if self.quantile == "auto":
            return LeastRegretSchedule(
                cadence, staff, window=self.window, hedges=self.hedges, predictability=self.predictability
            )
        return QuantileSchedule(
            cadence,
            staff,
            window=self.window,
            hedges=self.hedges,
            quantile=self.quantile,
            hold=self.hold,
            min_delay_ticks=self.min_delay_ticks,
        )
