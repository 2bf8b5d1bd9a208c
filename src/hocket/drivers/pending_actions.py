"""The actions pending at the start of an inference: without future information, they make the delayed problem Markov.

One row for each tick from the observation's next to the one before the inference's own target: the action that the
tick will execute, if the inference aimed at it had finished by now; the default's action, if no inference aims at the
tick and that action can be foreseen; else ``unknown``. `hocket.spaces.codec.PendingActions` has the form of the rows.
Both drivers use this class, so the policy's input is the same. Source: Katsikopoulos and Engelbrecht 2003 (state
augmentation), with Definition 1 of Riemer et al. 2025.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from hocket.core.commands import StartInference
from hocket.errors import ConfigurationError
from hocket.spaces.codec import ActionCodec, PendingActions
from hocket.spaces.defaults import BoundDefault, Foreseeable


class PendingTracker:
    """Tracks the inferences aimed at coming ticks and the actions that recent ticks executed.

    Args:
        rows: the number of ticks after the observation that a policy's input covers.
        codec: of the action space.
        default: the default behaviour; only a `Foreseeable` one has actions known in advance. None if a head acts in
            its place at times.

    Raises:
        ConfigurationError: if actions come in chunks.
    """

    def __init__(self, rows: int, codec: ActionCodec, default: BoundDefault | None) -> None:
        if codec.chunk_length > 1:
            raise ConfigurationError(
                f"pending={rows} with chunk_length={codec.chunk_length} is not supported; try chunk_length=1"
            )
        self._rows = rows
        self._codec = codec
        self._foresee = default if isinstance(default, Foreseeable) else None
        self._aimed: dict[int, list[tuple[int, int]]] = {}  # coming tick → (observation, inference) that aim at it
        self._aimless = 0  # inferences in flight that aim at no tick in particular
        self._late: list[int] = []  # inferences that missed their tick; some have ended since
        self._newest = 0  # the last tick executed
        self._executed: dict[int, Any] = {}  # tick → action, of recent ticks

    def started(self, command: StartInference) -> None:
        """Track a started inference; call it after the inference's own `pending_actions`."""
        if command.target < 0:
            self._aimless += 1
        elif command.target <= self._newest:
            self._late.append(command.inference)
        else:
            self._aimed.setdefault(command.target, []).append((command.observation, command.inference))

    def ended(self, target: int) -> None:
        """Forget an ended inference that aimed at ``target`` (-1: at none)."""
        if target < 0:
            self._aimless -= 1

    def executed(self, tick: int, action: Any) -> None:
        """Record that ``tick`` executed ``action``."""
        self._executed[tick] = action
        self._newest = tick
        for due in [due for due in self._aimed if due <= tick]:
            self._late.extend(inference for _, inference in self._aimed.pop(due))

    def forget(self, before: int) -> None:
        """Drop ticks before ``before``: no later inference will start on an earlier observation."""
        for tick in [tick for tick in self._executed if tick < before]:
            del self._executed[tick]

    def pending_actions(
        self, observation: int, target: int, last_action: Any, answers: dict[int, NDArray[Any]]
    ) -> PendingActions:
        """Return new pending actions for an inference on ``observation`` that aims at tick ``target`` and starts now.

        Args:
            observation, target: by tick; ``target`` is -1 if it aims at none.
            last_action: the action executed last, or None.
            answers: by live inference, its answer; empty while it runs.

        Returns:
            ``rows`` rows; unknown from the target on.
        """
        if last_action is None and self._foresee is not None:
            last_action = self._foresee.initial  # nothing has been executed yet
        self._late = [inference for inference in self._late if inference in answers]
        rows = self._codec.unknown_actions(self._rows)
        for row in range(self._rows):
            tick = observation + 1 + row
            if 0 <= target <= tick:
                break
            known = tick in self._executed
            action = self._executed[tick] if known else self._coming(tick, last_action, answers)
            if action is None:
                last_action = None
                continue
            self._codec.note_known(rows, row, action)
            last_action = action
        return rows

    def _coming(self, tick: int, last_action: Any, answers: dict[int, NDArray[Any]]) -> Any:
        """Return the action that ``tick`` will execute, or None if it is not known yet."""
        aimed = [(o, answers[inference]) for o, inference in self._aimed.get(tick, ()) if inference in answers]
        if aimed:
            newest = max(observation for observation, _ in aimed)
            # Of an observation's hedges only the first answer is kept and counts.
            return next((answer[0] for observation, answer in aimed if observation == newest and len(answer)), None)
        if self._foresee is None or self._aimless or self._late:
            return None
        return self._foresee.foresee(last_action)
