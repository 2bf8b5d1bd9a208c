"""Tick dispatch with the least predicted regret J_ρ."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, ClassVar

from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.inference import Inference
from hocket.core.rules.base import Start
from hocket.core.rules.capacity import patience
from hocket.core.rules.copies import CopyTrials
from hocket.core.rules.dispatch import ASSUMED_PREDICTABILITY, FEWEST, DispatchSchedule
from hocket.core.rules.playout import Playout
from hocket.core.window import Window

if TYPE_CHECKING:
    from hocket.core.rules.tick_dispatch import TickDispatch

SPELL = 48
"""After as many inferences in a row on one side of the median, patience is for the last RECENT ones."""
RECENT = 64


class LeastRegretSchedule(DispatchSchedule):
    """Minimises J_ρ over deadline, hold or release, queueing, hedging and cancelling."""

    cancels: ClassVar[bool] = True

    def __init__(self, rule: TickDispatch, cadence: Cadence) -> None:
        super().__init__(rule, cadence)
        self._predictability = rule.predictability or ASSUMED_PREDICTABILITY
        self._playout = Playout(self._predictability, rule.window)
        self._patience_ns = cadence.period_ns
        self._recent = Window(RECENT)
        self._spell = 0  # inferences in a row that took longer than usual; negative: shorter
        self._trials = CopyTrials()
        self._may_hedge = self._hedges
        self._behind = False  # too few workers to serve every observation
        self._stopped = self._ran_out = 0  # cancelled inferences
        self._span = 0

    def hedged(self, start: Start) -> None:
        self._trials.started(start.observation, start.worker)

    def target(self, observation: int) -> int:
        ahead = self._playout.target
        return observation + ahead if ahead > 1 else -1

    def worthwhile(self, observation: int, now_ns: int) -> bool:
        return (
            observation > self._playout.last_observation
            and now_ns - self.cadence.deadline_ns(observation) < self._patience_ns
        )

    def freshened(self, observation: int, tick: int, now_ns: int) -> int:
        if not self._behind:
            return observation
        self._next_served = tick + self._stride
        return tick

    def cancellations(
        self, tick: int, running: Sequence[Inference], answered: Set[int], idle: bool
    ) -> Sequence[Inference]:
        useless_until = self._playout.useless_until
        cancelled: list[Inference] = []
        by_observation: dict[int, list[Inference]] = {}
        for inference in running:
            observation = inference.observation
            if observation <= useless_until or observation in answered:
                cancelled.append(inference)
            else:
                by_observation.setdefault(observation, []).append(inference)
        if self._may_hedge and not self._hedges:
            for same in by_observation.values():
                cancelled.extend(same[1:])
        elif self._queue and not idle and not cancelled and self._stops:
            most = max(by_observation.values(), key=len, default=[])
            cancelled.extend(most[1:][-1:])  # a copy makes room for the newest observation
        return cancelled

    @property
    def _stops(self) -> bool:
        """True if what is cancelled usually stops."""
        return self._stopped > self._ran_out

    def queue_limit(self) -> int:
        return max(1, self._workers)

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        if episode_ended:
            self._playout.restart(tick)
        if self._may_hedge and self._span:
            self._trials.ticked(tick, self._span, self._playout.last_observation)
            self._hedges = self._trials.allowed
        super().ticked(tick, now_ns, episode_ended)

    def estimate(self, now_ns: int) -> None:
        super().estimate(now_ns)
        self._behind = self._stride > 1
        if self._workers == 1:
            self._stride = 1.0  # nothing to space
        if self._stops:
            self._reserve = min(self._reserve, 1)
        if len(self._window) >= FEWEST:
            self._span = self.cadence.ticks(self._window.quantile(0.75)) + 2
            times = self._recent if abs(self._spell) >= SPELL else self._load
            ticks = patience(times, self.cadence, self._workers, self._predictability)
            self._patience_ns = ticks * self.cadence.period_ns

    def inference_finished(self, inference: Inference) -> None:
        super().inference_finished(inference)
        occupied_ns = inference.occupied_ns
        self._recent.add(occupied_ns)
        if occupied_ns > self._load.quantile(0.5):
            self._spell = max(1, self._spell + 1)
        else:
            self._spell = min(-1, self._spell - 1)
        if inference.outcome is Outcome.CANCELLED:
            self._ran_out += 1
        elif self._may_hedge:
            self._trials.answered(inference.observation, inference.worker, inference.elapsed_ns)
        missed_its_tick = inference.bound_tick >= 0 and inference.outcome is not None
        if inference.outcome is not Outcome.DISCARDED and not missed_its_tick:
            self._playout.answered(inference.observation, inference.usable_tick, inference.length)

    def inference_cancelled(self, inference: Inference, now_ns: int) -> None:
        self._stopped += 1
        self._recent.add(now_ns - inference.started_ns)
        self._load.add(now_ns - inference.started_ns)

    def predictability_estimated(self, predictability: float) -> None:
        self._predictability = predictability
        self._playout.value(predictability)

    def choose(self, tick: int, due: list[Inference]) -> Inference | None:
        age = self._playout.choose(tick)
        if not age:
            return None
        return next((inference for inference in due if inference.observation == tick - age), None)
