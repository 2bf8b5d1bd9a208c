"""The totals of what an environment counts: in the record, the summary, the folder and the report."""

from typing import ClassVar

import gymnasium as gym
import numpy as np

import hocket


class Scoring(gym.Env):
    """Episodes of 10 ticks; ``info`` counts a win after every fourth tick of an episode, 2 an episode."""

    metadata: ClassVar = {"counts": ["won", "caught"]}
    observation_space = gym.spaces.Box(0, 255, (2,), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.ticks = 0
        return np.zeros(2, np.uint8), {}

    def step(self, action):
        self.ticks += 1
        return np.zeros(2, np.uint8), 1.0, self.ticks == 10, False, {"won": self.ticks // 4, "other": 1}


def test_totals_over_whole_episodes_and_the_last(tmp_path):
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    result = hocket.run(gym.wrappers.TimeLimit(Scoring(), 100), lambda o: 1, hocket.TickDispatch(1), clock, ticks=25)
    # Two whole episodes of 2 wins, and 1 of the third after its fifth tick; nothing is caught.
    assert result.record.counts == {"won": 5, "caught": 0}
    assert "counts      won 5, caught 0" in str(result.summary())
    folder = result.save(tmp_path)
    assert hocket.load(folder).record.counts == result.record.counts
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<dt>won</dt><dd><b>5</b>" in page and "<dt>caught</dt><dd><b>0</b>" in page


def test_an_environment_that_counts_nothing():
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    result = hocket.run(gym.make("CartPole-v1"), lambda o: 1, hocket.TickDispatch(1), clock, ticks=5)
    assert result.record.counts == {} and "counts" not in str(result.summary())
