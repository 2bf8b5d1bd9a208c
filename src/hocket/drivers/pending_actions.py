"""The actions pending at the start of an inference: without future information, they make the delayed problem Markov.

One row for each tick from the observation's next to the one before the inference's own target: the action that the
tick has executed or is going to, if it is settled by now; else ``unknown``. Settled is what finished answers decide,
chunks among them, and what the default does where nothing has a claim on the tick, if that can be foreseen. A tick
that an unfinished inference aims at is unknown. `hocket.spaces.codec.PendingActions` has the form of the rows.

If no tick up to a known one executes an action of an inference that was unfinished at the start, the known one is
executed. (Rules that may change a release, `MaxTime`, `ExpectedTime` and ``quantile="auto"``, do not promise that.)

Both drivers use this class, so the policy's input is the same. Source: Katsikopoulos and Engelbrecht 2003 (state
augmentation), with Definition 1 of Riemer et al. 2025; of chunks, the committed prefix of real-time chunking (Black et
al. 2025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from numpy.typing import NDArray

from hocket.core.claims import Claim, Source, sources
from hocket.spaces.codec import ActionCodec, PendingActions
from hocket.spaces.defaults import BoundDefault, Foreseeable


class PendingTracker:
    """Tracks the actions that recent ticks executed, and joins them to those that are settled.

    Args:
        rows: the number of ticks after the observation that a policy's input covers.
        codec: of the action space.
        default: the default behaviour; only a `Foreseeable` one has actions known in advance. None if a head acts in
            its place at times.
    """

    def __init__(self, rows: int, codec: ActionCodec, default: BoundDefault | None) -> None:
        self._rows = rows
        self._codec = codec
        self._foresee = default if isinstance(default, Foreseeable) else None
        self._newest = 0  # the last tick executed
        self._executed: dict[int, Any] = {}  # tick → action, of recent ticks

    def executed(self, tick: int, action: Any) -> None:
        """Record that ``tick`` executed ``action``."""
        self._executed[tick] = action
        self._newest = tick

    def forget(self, before: int) -> None:
        """Drop ticks before ``before``: no later inference will start on an earlier observation."""
        for tick in [tick for tick in self._executed if tick < before]:
            del self._executed[tick]

    def pending_actions(
        self,
        observation: int,
        target: int,
        last_action: Any,
        answers: Mapping[int, NDArray[Any]],
        claims: Sequence[Claim],
    ) -> PendingActions:
        """Return new pending actions for an inference on ``observation`` that aims at tick ``target`` and starts now.

        Args:
            observation, target: by tick; ``target`` is -1 if it aims at none.
            last_action: the action executed last, or None.
            answers: by inference, its answer.
            claims: of the other inferences on the coming ticks; see `hocket.core.scheduler.Scheduler.claims`.

        Returns:
            ``rows`` rows; unknown from the target on.
        """
        if last_action is None and self._foresee is not None:
            last_action = self._foresee.initial  # nothing has been executed yet
        rows = self._codec.unknown_actions(self._rows)
        coming = sources(claims, count(max(self._newest, observation) + 1))
        for row in range(self._rows):
            tick = observation + 1 + row
            if 0 <= target <= tick:
                break
            if tick <= self._newest:
                action = self._executed.get(tick)  # None if it was missed
            else:
                action = self._settled(next(coming), last_action, answers)
            if action is not None:
                self._codec.note_known(rows, row, action)
            last_action = action
        return rows

    def _settled(self, source: Source | None, last_action: Any, answers: Mapping[int, NDArray[Any]]) -> Any:
        """Return the action that a coming tick is going to execute, or None if it is not known yet."""
        if source is None:
            return None if self._foresee is None else self._foresee.foresee(last_action)
        return answers[source.inference][source.step] if source.step >= 0 else None
