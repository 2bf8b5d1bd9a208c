"""Tick dispatch with the least predicted regret J_ρ."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import ClassVar

from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.inference import Inference
from hocket.core.rules.base import Start
from hocket.core.rules.capacity import patience
from hocket.core.rules.copies import CopyTrials
from hocket.core.rules.dispatch_schedule import ASSUMED_PREDICTABILITY, FEWEST, DispatchSchedule
from hocket.core.rules.playout import Playout
from hocket.core.rules.staff import Staff


class LeastRegretSchedule(DispatchSchedule):
    """Minimises J_ρ over deadline, hold or release, queueing, hedging and cancelling."""

    cancels: ClassVar[bool] = True

    def __init__(
        self, cadence: Cadence, staff: Staff, *, window: int, hedges: bool, predictability: float | None
    ) -> None:
        super().__init__(cadence, staff, window=window, hedges=hedges)
        self._predictability = predictability or ASSUMED_PREDICTABILITY
        self._playout = Playout(self._predictability, window)
        self._patience_ns = cadence.period_ns
        self._trials = CopyTrials()
        self._may_hedge = self.hedges
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

    def cancellations(
        self, tick: int, running: Sequence[Inference], answered: Set[int], idle: bool
    ) -> Sequence[Inference]:
        useless_until = self._playout.useless_until
        cancelled: list[Inference] = []
        given_up: set[int] = set()
        by_observation: dict[int, list[Inference]] = {}
        for inference in running:
            observation = inference.observation
            if observation in answered:
                cancelled.append(inference)
            elif observation <= useless_until or 0 <= inference.last_tick <= tick:
                cancelled.append(inference)
                given_up.add(observation)
            else:
                by_observation.setdefault(observation, []).append(inference)
        for observation in given_up:
            self._playout.given_up(observation)
        if self._may_hedge and not self.hedges:
            for same in by_observation.values():
                cancelled.extend(same[1:])
        elif self.queue and not idle and not cancelled and self._stops:
            most = max(by_observation.values(), key=len, default=[])
            cancelled.extend(most[1:][-1:])  # a copy makes room for the newest observation
        return cancelled

    @property
    def _stops(self) -> bool:
        """True if what is cancelled usually stops."""
        return self._stopped > self._ran_out

    def queue_limit(self) -> int:
        return max(1, self.workers)

    def ticked(self, tick: int, now_ns: int, episode_ended: bool) -> None:
        if episode_ended:
            self._playout.restart(tick)
        if self._may_hedge and self._span:
            self._trials.ticked(tick, self._span, self._playout.last_observation)
            self.hedges = self._trials.allowed
        super().ticked(tick, now_ns, episode_ended)

    def estimate(self, now_ns: int) -> None:
        super().estimate(now_ns)
        if self.workers == 1:
            self.stride = 1.0  # nothing to space
        if self._stops:
            self.reserve = min(self.reserve, 1)
        if len(self.window) >= FEWEST:
            self._span = self.cadence.ticks(self.window.quantile(0.75)) + 2
            ticks = patience(
                self.load, self.cadence, self.workers, self._predictability, length=self.length, stride=self.stride
            )
            self._patience_ns = ticks * self.cadence.period_ns

    def inference_finished(self, inference: Inference) -> None:
        super().inference_finished(inference)
        if inference.outcome is Outcome.CANCELLED:
            self._ran_out += 1
        elif self._may_hedge:
            self._trials.answered(inference.observation, inference.worker, inference.elapsed_ns)
        missed_its_tick = inference.bound_tick >= 0 and inference.outcome is not None
        # A cancelled copy may run to its end, and its answer is not executed all the same.
        lost = inference.outcome is Outcome.CANCELLED and inference.observation > self._playout.last_observation
        if inference.outcome is not Outcome.DISCARDED and not missed_its_tick and not lost:
            self._playout.answered(inference.observation, inference.usable_tick, inference.length, inference.last_tick)

    def times_changed(self) -> None:
        super().times_changed()
        self._playout.changed()

    def inference_cancelled(self, inference: Inference, now_ns: int) -> None:
        self._stopped += 1
        self.load.add(now_ns - inference.started_ns)

    def predictability_estimated(self, predictability: float) -> None:
        self._predictability = predictability
        self._playout.value(predictability)

    def choose(self, tick: int, due: list[Inference]) -> Inference | None:
        age = self._playout.choose(tick)
        if not age:
            return None
        return next((inference for inference in due if inference.observation == tick - age), None)
