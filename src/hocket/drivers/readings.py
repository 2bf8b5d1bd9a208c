"""Observations put together from readings of sensors with rates of their own: the newest of each, with its time.

`StaggeredAgent.update` adds readings from any thread; `StaggeredAgent.observe` takes what its observation lacks.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from gymnasium import spaces

from hocket.errors import ConfigurationError
from hocket.spaces.observation_check import ObservationCheck, shown
from hocket.spaces.observations import copied, mapped


class Readings:
    """The newest reading of each part of a dict of observations, and the time at which it was taken.

    Times have the structure of the observations, with an int in the place of each leaf.

    Args:
        check: of the observations.
    """

    def __init__(self, check: ObservationCheck) -> None:
        self._check = check
        self._lock = Lock()
        self._values: dict[str, Any] = {}
        self._taken_ns: dict[str, Any] = {}

    def update(self, part: Any, taken_ns: int) -> None:
        """Keep copies of the readings in ``part``.

        Raises:
            EnvError: if one is not as its space says, or is not declared.
            ConfigurationError: if observations are no dict.
        """
        if not isinstance(self._check.space, spaces.Dict):
            raise ConfigurationError(
                f"update({shown(part)}) needs a Dict of observations, and {self._check.space} is declared; try "
                "observe(observation), or a Dict with a key for each sensor"
            )
        values = copied(self._check(part, partial=True))
        with self._lock:
            self._values = _merged(self._values, values)
            self._taken_ns = _merged(self._taken_ns, _at(taken_ns, values))

    def complete(self, observation: Any, taken_ns: int) -> tuple[Any, Any]:
        """``observation`` with the newest readings of what it lacks, and the times of its parts.

        Raises:
            EnvError: as `ObservationCheck`, and if there is no reading of a part that it lacks.
        """
        values = self._check(observation, partial=True)
        taken = _at(taken_ns, values)
        if isinstance(values, dict):
            with self._lock:
                values, taken = _merged(self._values, values), _merged(self._taken_ns, taken)
        return self._check.whole(values), taken


def _at(taken_ns: int, values: Any) -> Any:
    return mapped(lambda _: taken_ns, values)


def _merged(old: Any, new: Any) -> Any:
    """A new dict of the parts of ``old`` and of ``new``, which has precedence."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: _merged(old.get(key), part) for key, part in new.items()}
