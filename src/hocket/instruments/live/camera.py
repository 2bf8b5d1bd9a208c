"""Chooses the page's picture of the environment and its rate, within a small share of the tick loop's time.

An environment that draws itself (``render_mode="rgb_array"``) is drawn if that is quick; otherwise the newest
observation is the picture. Without a viewer no picture is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.instruments.live.board import PICTURE_BYTES, Pictures

PICTURES_PER_S = 60
MOST_OF_A_TICK = 0.1
MOST_S = 0.002
MOST_SHARE = 0.05
"""The share of the loop's time that drawing may take."""
PATIENCE = 3
LOOKED_AWAY_NS = NS_PER_S


class Camera:
    """Takes pictures of ``env`` for ``pictures``.

    On the wall clock, drawing must take no longer than a tenth of a tick, and 2 ms; two trial drawings are made here,
    before the first tick. After three slow drawings in a row the environment is not drawn again.

    Args:
        env: reset and ready.
        hz: ticks per second of the wall clock; None in virtual time, where only the share limits drawing.
        now_ns: a monotonic clock.

    Attributes:
        why: the reason why the picture is the observation; empty if the environment is drawn.
    """

    def __init__(
        self, env: gym.Env[Any, Any], pictures: Pictures, *, hz: float | None, now_ns: Callable[[], int] = monotonic_ns
    ) -> None:
        self._env, self._pictures, self._now_ns = env, pictures, now_ns
        self._most_ns = NS_PER_S * (math.inf if hz is None else min(MOST_S, MOST_OF_A_TICK / hz))
        self._due_ns = self._slow = 0
        self.why = self._try_out()

    def _try_out(self) -> str:
        mode = self._env.render_mode
        if mode != "rgb_array":
            return f"the environment draws nothing (render_mode={mode!r})"
        try:
            self._draw()  # the first one includes the set-up
            picture, took_ns = self._draw()
        except Exception as error:
            return f"the environment cannot draw itself ({error!r})"
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            return f"what the environment draws is no picture ({picture.dtype} {picture.shape})"
        if took_ns > self._most_ns:
            return f"drawing takes {took_ns / 1e6:.1f} ms, too long for its ticks"
        return ""

    def _draw(self) -> tuple[NDArray[Any], int]:
        began_ns = self._now_ns()
        picture = np.asarray(self._env.render())
        return picture, self._now_ns() - began_ns

    def tick(self, tick: int, observation: Any, watched_ns: int) -> None:
        """Take a picture if one is due and a viewer was active (``watched_ns``) within the last second."""
        now_ns = self._now_ns()
        if now_ns < self._due_ns or now_ns - watched_ns > LOOKED_AWAY_NS:
            return
        self._due_ns = now_ns + NS_PER_S // PICTURES_PER_S
        if self.why:
            self._take(np.asarray(observation), tick, rendered=False)
            return
        picture, took_ns = self._draw()
        self._due_ns = max(self._due_ns, now_ns + int(took_ns / MOST_SHARE))
        self._take(picture, tick, rendered=True)
        self._slow = self._slow + 1 if took_ns > self._most_ns else 0
        if self._slow >= PATIENCE:
            self.why = f"drawing took {took_ns / 1e6:.1f} ms, too long for its ticks"

    def last(self, tick: int, observation: Any, watched_ns: int) -> None:
        """Take a picture of the run's last tick if there is a viewer; errors of the environment are ignored."""
        if self._now_ns() - watched_ns > LOOKED_AWAY_NS:
            return
        with suppress(Exception):
            array = np.asarray(observation) if self.why else self._draw()[0]
            self._take(array, tick, rendered=not self.why)

    def _take(self, array: NDArray[Any], tick: int, *, rendered: bool) -> None:
        """Store the picture; one that is too large is subsampled by two until it fits."""
        if array.ndim > 4 or array.dtype.kind not in "biuf":
            return
        while array.nbytes > PICTURE_BYTES:
            array = array[tuple(slice(None, None, 2 if side > 8 else 1) for side in array.shape)]
        self._pictures.append(array, tick=tick, rendered=rendered)
