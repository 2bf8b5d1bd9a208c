"""A robot arm whose servos follow joint angles, and a target that moves and jumps: the world of `chunk_delay`.

MuJoCo's Reacher-v5 at its own 50 Hz, with three changes. An action is not a torque but the angles that the two joints
are to take; a servo turns them into torques at every tick, as in the arms that chunk policies control. So a robot that
has no new action holds still. The target moves in a straight line, and jumps after 40 to 80 ticks to a place where
another line begins; where and when is drawn beforehand and cannot be predicted. The reward of a tick is
−distance − 0.1·|torque|², in metres and in units of the motors.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from numpy.typing import NDArray

HZ = 50
RANGE = math.pi, 2.8
"""The angles that an action of 1 asks for."""
STIFFNESS, DAMPING = 0.5, 0.1
"""Torque for a radian, and for a radian a second: critically damped, settled after 20 ticks or so."""
LINKS = 0.1, 0.11
"""The lengths of the arm's links, in metres."""
LINE_TICKS = 40, 80
"""The least and the most ticks of a line."""
RADIUS, ANGLE = (0.06, 0.19), np.pi / 3
"""Its ends lie so far from the shoulder, and within this angle of the front."""
TORQUE_COST = 0.1
LENGTH_SCALE, SPEED_SCALE = 0.2, 5.0
"""Metres, and radians a second, that are observed as 1."""

Floats = NDArray[np.float32]
TARGET, TARGET_SPEED, OFFSET = slice(4, 6), slice(6, 8), slice(10, 12)
"""Places in an observation: of the target, its speed, and the fingertip's offset from it."""


class ServoReacher(gym.Env[Floats, Floats]):
    """The arm and its target. Episodes do not end.

    Observations ``(12,)``: cosines and sines of the angles, the target's place and speed, the joints' speeds, and the
    fingertip's offset from the target. ``info`` has the ``distance`` in metres.
    """

    def __init__(self) -> None:
        self._reacher: Any = gym.make("Reacher-v5").unwrapped
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (12,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """The arm is stretched out, nearly."""
        super().reset(seed=seed)
        self._reacher.reset(seed=seed)
        self._draw_line()
        return self._observe(), {}

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool, dict[str, Any]]:
        """The servos' torques for a tick; then the target moves."""
        data = self._reacher.data
        torques = [
            min(1.0, max(-1.0, STIFFNESS * (float(part) * most - angle) - DAMPING * speed))
            for part, most, angle, speed in zip(
                action, RANGE, data.qpos[:2].tolist(), data.qvel[:2].tolist(), strict=True
            )
        ]
        data.ctrl[:] = torques
        mujoco.mj_step(self._reacher.model, data, self._reacher.frame_skip)
        self._place += self._speed / HZ
        self._left -= 1
        if not self._left:
            self._draw_line()
        observation = self._observe()
        distance = LENGTH_SCALE * math.hypot(*observation[OFFSET])
        reward = -distance - TORQUE_COST * sum(torque * torque for torque in torques)
        return observation, reward, False, False, {"distance": distance}

    def close(self) -> None:
        self._reacher.close()

    def _draw_line(self) -> None:
        """Begin a line that would end at the next jump."""
        self._left = int(self.np_random.integers(*LINE_TICKS, endpoint=True))
        self._place, end = draw_place(self.np_random), draw_place(self.np_random)
        self._speed = (end - self._place) / (self._left / HZ)

    def _observe(self) -> Floats:
        shoulder, elbow, *_ = self._reacher.data.qpos.tolist()
        shoulder_speed, elbow_speed, *_ = self._reacher.data.qvel.tolist()
        (x, y), (speed_x, speed_y) = self._place.tolist(), self._speed.tolist()
        near, far = LINKS
        tip_x = near * math.cos(shoulder) + far * math.cos(shoulder + elbow)
        tip_y = near * math.sin(shoulder) + far * math.sin(shoulder + elbow)
        metres = np.array((x, y, speed_x, speed_y, tip_x - x, tip_y - y)) / LENGTH_SCALE
        turns = math.cos(shoulder), math.cos(elbow), math.sin(shoulder), math.sin(elbow)
        speeds = shoulder_speed / SPEED_SCALE, elbow_speed / SPEED_SCALE
        return np.array((*turns, *metres[:4], *speeds, *metres[4:]), np.float32)


def draw_place(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random end of a line, in metres."""
    radius, angle = rng.uniform(*RADIUS), rng.uniform(-ANGLE, ANGLE)
    return radius * np.array([np.cos(angle), np.sin(angle)])


def towards(observation: Floats, place: NDArray[np.float64], speed: NDArray[np.float64]) -> Floats:
    """``observation`` as it would be with the target at ``place``, in metres, and with ``speed``."""
    other = observation.copy()
    other[TARGET], other[TARGET_SPEED] = place / LENGTH_SCALE, speed / LENGTH_SCALE
    other[OFFSET] = observation[OFFSET] + observation[TARGET] - other[TARGET]
    return other
