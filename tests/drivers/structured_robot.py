"""A robot whose observations are a dict, with buffers that it reuses, and policies that check what they are given."""

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple

SPACE = Dict(
    cameras=Dict(wrist=Box(0, 255, (8, 8, 3), np.uint8)),
    joints=Box(-1000, 1000, (7,)),
    mode=Discrete(5),
    pair=Tuple([Box(0, 1000, (), np.int64), Text(12)]),
)


class Robot(gym.Env):
    """Every part of observation k tells k, modulo its size. An episode has ``episode_ticks`` ticks."""

    observation_space = SPACE
    action_space = Discrete(1000)

    def __init__(self, episode_ticks=20, age_s=None):
        self.ticks = -1
        self.episode_ticks, self.age_s = episode_ticks, age_s
        self.wrist, self.joints = np.zeros((8, 8, 3), np.uint8), np.zeros(7, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if self.ticks < 0:
            self.ticks = 0
        self.begun = self.ticks
        return self._observed(), {}

    def step(self, action):
        self.ticks += 1
        info = {} if self.age_s is None else {"observation_age_s": self.age_s}
        return self._observed(), float(action), False, self.ticks - self.begun == self.episode_ticks, info

    def _observed(self):
        self.wrist[:], self.joints[:] = self.ticks, self.ticks
        pair = [self.ticks, f"tick {self.ticks}"]
        return {"joints": self.joints, "mode": np.int64(self.ticks % 5), "pair": pair, "cameras": {"wrist": self.wrist}}


def tick_of(observation):
    """The tick that all parts of ``observation`` tell."""
    assert [*observation] == ["cameras", "joints", "mode", "pair"], observation
    wrist, joints, mode = observation["cameras"]["wrist"], observation["joints"], observation["mode"]
    count, text = observation["pair"]
    tick = int(count)
    assert wrist.shape == (8, 8, 3) and wrist.dtype == np.uint8 and (wrist == tick).all()
    assert joints.shape == (7,) and joints.dtype == np.float32 and (joints == tick).all()
    assert type(mode) is int and mode == tick % 5
    assert type(observation["pair"]) is tuple and type(text) is str and text == f"tick {tick}"
    return tick


def naming(observation):
    """The tick of the observation; spoils what it is given."""
    tick = tick_of(observation)
    observation["cameras"]["wrist"][:] = 99
    observation["joints"][:] = 99
    observation.clear()
    return tick
