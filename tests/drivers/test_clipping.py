"""Actions outside the action space, under each executor: refused, or clipped and counted."""

import gymnasium as gym
import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError
from hocket.spaces import OutOfBounds

SPACE = gym.spaces.Box(-1, 1, (2,), np.float32)


class Arm(gym.Env):
    """Observes the number of the tick."""

    observation_space = gym.spaces.Box(0, 1000, (1,), np.int64)
    action_space = SPACE

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.tick = 0
        return np.array([0]), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.tick += 1
        return np.array([self.tick]), 0.0, False, False, {}


def policy(observation):
    """For every fourth tick an action out of bounds."""
    return [3, 0.5] if (observation[0] + 1) % 4 == 0 else [0.25, 0.5]


def run(clock, **options):
    return hocket.run(Arm(), policy, hocket.TickDispatch(1), clock, ticks=20, **options)


def test_clipped_actions_are_counted(tmp_path):
    result = run(hocket.Virtual(hz=50, latency=hocket.Constant(0.01)), out_of_bounds=OutOfBounds.CLIP)
    actions = [action.tolist() for action in result.record.actions]
    assert actions == [[0.25, 0.5], [0.25, 0.5], [0.25, 0.5], [1, 0.5]] * 5
    assert result.summary().clipped == 5 and "clipped     the actions of 5 ticks" in str(result.summary())
    assert result.config["out_of_bounds"] == "clip"
    result.save(tmp_path)
    assert hocket.load(tmp_path).summary().clipped == 5
    assert "ticks whose action was out of bounds" in (tmp_path / "report.html").read_text()


def test_of_a_chunk_only_what_is_executed_counts():
    """Chunks of 2 that last a tick; of each the second action is out of bounds, and a newer chunk replaces it."""
    chunks = hocket.FunctionPolicy(lambda observation: [[0, 0], [5, 0]], chunk_length=2)
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    for rule, clipped in ((hocket.TickDispatch(1), 0), (hocket.OneInFlight(0), 10)):
        result = hocket.run(Arm(), chunks, rule, clock, ticks=20, out_of_bounds=OutOfBounds.CLIP)
        assert result.record.clipped == clipped


def test_of_a_head_on_a_chunk_its_own_action_is_clipped():
    """It is given the plan within the bounds, and what it makes of it is out of them at every other tick."""
    trunk = hocket.FunctionPolicy(lambda observation: [[5, 0]] * 8, chunk_length=8)
    policy = hocket.TwoStage(trunk, lambda plan, newest: [newest[0] % 2 * 3, plan[0, 0] - 1], newest=True)
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    result = hocket.run(Arm(), policy, hocket.TickDispatch(1), clock, ticks=20, out_of_bounds=OutOfBounds.CLIP)
    assert [action.tolist() for action in result.record.actions] == [[0, 0], [1, 0]] * 10
    assert result.record.clipped == 10 and result.record.uncorrected == 0


def test_where_a_head_fails_the_clipped_action_of_its_chunk_counts():
    trunk = hocket.FunctionPolicy(lambda observation: [[5, 0]] * 8, chunk_length=8)
    policy = hocket.TwoStage(trunk, lambda plan, newest: plan[0] / (newest[0] % 2), newest=True)  # NaN if that is even
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    with np.errstate(invalid="ignore", divide="ignore"):
        result = hocket.run(Arm(), policy, hocket.TickDispatch(1), clock, ticks=20, out_of_bounds=OutOfBounds.CLIP)
    assert [action.tolist() for action in result.record.actions] == [[1, 0]] * 20
    assert result.record.clipped == result.record.uncorrected == 10


def test_otherwise_they_are_refused():
    result = run(hocket.Virtual(hz=50, latency=hocket.Constant(0.01)))
    assert result.summary().outcomes["failed"] == 5 and result.summary().clipped == 0
    assert "clip" not in str(result.summary()) and "out_of_bounds" not in result.config


@pytest.mark.realtime
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_on_the_wall_clock(executor):
    result = run(hocket.Realtime(hz=50, executor=executor), out_of_bounds=OutOfBounds.CLIP)
    assert result.record.clipped == sum(action[0] == 1 for action in result.record.actions) > 0


@pytest.mark.realtime
def test_in_an_own_loop():
    with hocket.StaggeredAgent(
        lambda observation: [-7, 7],
        rule=hocket.TickDispatch(1),
        hz=100,
        default=hocket.Fixed([0, 0]),
        observation_space=Arm.observation_space,
        action_space=SPACE,
        executor="threads",
        out_of_bounds=OutOfBounds.CLIP,
    ) as agent:
        while not agent.last.fresh:
            action = agent.act(np.array([0]))
        assert action.tolist() == [-1, 1] and agent.counts()["clipped"] == 1


def test_discrete_actions_cannot_be_clipped(null_run):
    with pytest.raises(ConfigurationError, match="has no bounds to clip to"):
        null_run(
            hocket.TickDispatch(1),
            hocket.Virtual(hz=50, latency=hocket.Constant(0.01)),
            5,
            out_of_bounds=OutOfBounds.CLIP,
        )
