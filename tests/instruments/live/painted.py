"""An environment that renders pictures, with a reward of 1 a tick and short episodes."""

import numpy as np

from hocket.envs.null import NullEnv


class Painted(NullEnv):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    render_mode = "rgb_array"

    def __init__(self, episode_ticks=50):
        super().__init__((8, 8), episode_ticks=episode_ticks)
        self.drawn = 0

    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        return observation, 1.0, terminated, truncated, info

    def render(self):
        self.drawn += 1
        picture = np.zeros((12, 16, 3), np.uint8)
        picture[:, self._ticks % 16] = (255, 128, 0)
        return picture
