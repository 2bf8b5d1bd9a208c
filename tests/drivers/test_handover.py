"""Actions and jumps where one chunk hands over to another."""

import time

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

import hocket
from hocket.drivers import Blend, Switch
from hocket.drivers.handover import ChunkBlender
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.spaces import ActionCodec
from hocket.testing import replay

HZ, HORIZON = 50, 8


class Counter(gym.Env):
    """Observes the number of the tick in its episode."""

    observation_space = Box(0, 10_000, (1,), np.int64)

    def __init__(self, action_space=Box(-1, 1, (2,), np.float32), episode_ticks=None):  # noqa: B008
        self.action_space = action_space
        self.episode_ticks = episode_ticks

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.tick = 0
        return np.array([0]), {}

    def step(self, action):
        self.tick += 1
        return np.array([self.tick]), 0.0, False, self.tick == self.episode_ticks, {}


def of_observation(observation):
    """A chunk whose actions are all a hundredth of the observation."""
    return np.full((HORIZON, 2), observation[0] / 100, np.float32)


def run(handover, *, policy=of_observation, rule=hocket.Unstaggered(1), clock=None, ticks=11, **options):  # noqa: B008
    clock = clock or hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05))
    env = Counter(**options)
    chunks = hocket.FunctionPolicy(policy, HORIZON)
    return hocket.run(env, chunks, rule, clock, ticks=ticks, handover=handover)


def executed(result):
    return [float(action[0]) for action in result.record.actions]


def test_by_hand():
    """Inferences of 2.5 ticks, one after the other: those of the observations 0, 2, 5 and 7 act from 3, 5, 8, 10 on.

    The chunk of 0 has actions for the ticks 1 to 8, that of 2 for 3 to 10, that of 5 for 6 to 13.
    """
    assert executed(run(Switch())) == pytest.approx([0, 0, 0, 0, *[0.02] * 3, *[0.05] * 2, *[0.07] * 2])
    # From tick 5 on half of 0 and of 2 (to tick 8, then 2 alone); from 8 on half of that and of 5; from 10 on of 7.
    blended = [0, 0, 0, 0, *[0.01] * 3, 0.03, 0.035, 0.0525, 0.06]
    assert executed(run(Blend(newest=0.5))) == pytest.approx(blended)
    # The weights of the newer one are a quarter, a half, three quarters and 1.
    ramp = [0, 0, 0, 0, 0.005, 0.01, 0.015, 0.75 * 0.02 + 0.25 * 0.05, 0.5 * 0.02 + 0.5 * 0.05]
    assert executed(run(Blend(newest=1, ramp_ticks=3)))[:9] == pytest.approx(ramp)


def test_aligned_to_the_release():
    """The chunks of 0, 2, 5 begin at the ticks 3, 5, 8: that of 0 has actions for 3 to 10, and so on."""
    chunks = hocket.FunctionPolicy(of_observation, HORIZON, alignment=hocket.Alignment.RELEASE)
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05))
    result = hocket.run(Counter(), chunks, hocket.Unstaggered(1), clock, ticks=9, handover=Blend(newest=0.5))
    assert executed(result) == pytest.approx([0, 0, 0, 0, *[0.01] * 3, *[0.03] * 2])


def test_a_chunk_whose_last_tick_was_missed():
    """Its last action is executed late, if it is aligned to its release; see `Scheduler`."""
    codec = ActionCodec(Box(-1, 1, (1,), np.float32), 3)
    blender = ChunkBlender(Blend(newest=0.5), codec)
    chunk = np.array([[0.25], [0.5], [0.75]], np.float32)
    assert blender.plan(5, 0, chunk)[0] == 0.25
    assert blender.plan(9, 0, chunk[2:]).tolist() == [[0.75]]
    assert blender.plan(10, 1, chunk).tolist() == chunk.tolist()  # nothing overlaps


def test_a_new_episode_forgets_the_chunks():
    """Episodes of 6 ticks: the chunk of observation 2 has acted at 5 and 6, and those of the next one begin anew."""
    twice = executed(run(Blend(newest=0.5), ticks=12, episode_ticks=6))
    assert twice[:6] == pytest.approx([0, 0, 0, 0, 0.01, 0.01]) and max(twice[6:8]) == 0


def test_a_head_corrects_the_blend():
    """It is given what is left of the blended chunk; see the test by hand."""
    lengths = []

    def head(plan):
        lengths.append(len(plan))
        return plan[0] + np.float32(0.5)

    policy = hocket.TwoStage(hocket.FunctionPolicy(of_observation, HORIZON), head)
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05))
    result = hocket.run(Counter(), policy, hocket.Unstaggered(1), clock, ticks=9, handover=Blend(newest=0.5))
    assert executed(result) == pytest.approx([0, 0, 0.5, 0.5, *[0.51] * 3, 0.53, 0.535])
    assert lengths == [6, 5, 6, 5, 4, 6, 5]  # to the ticks 8, 10 and 13


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_whole_numbers_are_rounded(dtype):
    space = Box(0, 10, (2,), dtype)
    result = run(Blend(newest=0.7), policy=lambda o: np.full((HORIZON, 2), min(o[0], 10)), action_space=space)
    assert executed(result)[:7] == [0, 0, 0, 0, 1, 1, 1]  # 0.7 · 2
    assert all(space.contains(action) for action in result.record.actions)


def test_bounds_hold_where_rounding_would_leave_them():
    space = Box(-0.1, 0.1, (2,), np.float32)
    result = run(
        Blend(newest=0.3),
        policy=lambda o: np.full((HORIZON, 2), np.float32(0.1)),
        action_space=space,
        ticks=50,
    )
    assert all(space.contains(action) for action in result.record.actions)


def wave(observation):
    ticks = observation[0] + 1 + np.arange(HORIZON)
    return np.stack([np.sin(ticks / 9 + observation[0]), np.cos(observation[0] * ticks)], axis=1).astype(np.float32)


def check_plan(result, newest):
    """The executed actions are those of a queue by tick, in which each chunk that takes over is averaged."""
    ticks, queue, current = result.metrics().ticks, {}, -1
    fresh = 0
    for row, tick in enumerate(ticks.tick.tolist()):
        inference = int(ticks.inference[row])
        if inference < 0:
            continue
        if inference != current:
            observation = tick - int(ticks.delay_ticks[row])
            chunk = dict(enumerate(wave([observation]).astype(float), observation + 1))
            queue = {
                each: action if each not in queue else (1 - newest) * queue[each] + newest * action
                for each, action in chunk.items()
                if each >= tick
            }
            current = inference
        assert result.record.actions[row] == pytest.approx(queue[tick], abs=1e-5)
        fresh += 1
    return fresh


RULES = [hocket.TickDispatch(3), hocket.TickDispatch(2, quantile="auto"), hocket.MaxTime(2), hocket.OneInFlight()]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_record_keeps_what_was_executed(rule):
    clock = hocket.Virtual(hz=HZ, latency=hocket.LogNormal(0.06, 0.4))
    result = run(Blend(), policy=wave, rule=rule, clock=clock, ticks=300)
    assert check_plan(result, 0.7) > 150
    replay(result.record.trace, validate=True)


@pytest.mark.realtime
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_on_the_wall_clock(executor):
    def slow(observation):
        time.sleep(0.06)
        return wave(observation)

    clock = hocket.Realtime(hz=HZ, executor=executor)
    assert check_plan(run(Blend(), policy=slow, rule=hocket.TickDispatch(3), clock=clock, ticks=50), 0.7) > 0


@pytest.mark.realtime
def test_in_an_own_loop():
    """Chunks of +1 and -1 in turns: a blend of two of them lies between."""
    signs = iter([1.0, -1.0] * 1000)
    chunks = hocket.FunctionPolicy(lambda o: np.full((HORIZON, 2), next(signs), np.float32), HORIZON)
    space = Box(-1, 1, (2,), np.float32)
    with hocket.StaggeredAgent(
        chunks,
        rule=hocket.TickDispatch(1),
        hz=100,
        default=hocket.Fixed([0, 0]),
        observation_space=space,
        action_space=space,
        executor="threads",
        handover=Blend(),
    ) as agent:
        action, give_up = np.zeros(2), time.monotonic() + 20
        while not 0 < abs(action[0]) < 0.99 and time.monotonic() < give_up:
            action = agent.act(np.zeros(2, np.float32))
            time.sleep(0.01)
    assert 0 < abs(action[0]) < 0.99


def test_jumps():
    """As by hand: sources change at 3 (from the default), 5, 8 and 10; nothing changes elsewhere."""
    result = run(Switch(jump_bound=0.025))
    seams = result.metrics().seams
    assert seams.tick.tolist() == [3, 5, 8, 10]
    assert seams.jump == pytest.approx([0, 0.02, 0.03, 0.02])
    assert seams.elsewhere == pytest.approx([0, 0, 0, 0, 0])  # ticks 4, 6, 7, 9 and 11
    assert seams.share_above(0.025) == 0.25
    figures = {"count": 4, "jump_p50": 0.02, "jump_p99": 0.0297, "elsewhere_p50": 0, "elsewhere_p99": 0}
    assert result.summary().seams == pytest.approx({**figures, "jump_bound": 0.025, "above": 0.25})
    line = "seams       4, jump p50 0.02, p99 0.0297, 25.0% above 0.025; elsewhere p50 0, p99 0"
    assert line in str(result.summary()).splitlines()
    assert run(Blend(newest=0.5)).metrics().seams.jump == pytest.approx([0, 0.01, 0.02, 0.0175])


def test_jumps_end_with_an_episode_and_leave_out_a_warm_up():
    """Tick 7 begins an episode. The worker is busy with an observation of the old one to 7.5, and acts from 10 on."""
    result = run(Switch(), ticks=12, episode_ticks=6)
    assert result.metrics().seams.tick.tolist() == [3, 5, 10]
    assert result.metrics(after_tick=4).seams.tick.tolist() == [10]


def test_jumps_are_saved(tmp_path):
    result = run(Blend(newest=0.5, jump_bound=0.015))
    result.save(tmp_path)
    loaded = hocket.load(tmp_path)
    assert loaded.summary().seams == result.summary().seams and result.summary().seams["above"] > 0
    assert loaded.metrics().seams.jump.tolist() == result.metrics().seams.jump.tolist()
    assert loaded.config["handover"] == "Blend(jump_bound=0.015, newest=0.5)"
    report = (tmp_path / "report.html").read_text()
    assert "at 4 seams, 50.0% above 0.015" in report and "Jumps at seams" in report


def test_where_there_are_no_seams():
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05))
    single = hocket.run(Counter(), lambda o: [0, 0], hocket.TickDispatch(3), clock, ticks=20)
    chunks = hocket.FunctionPolicy(lambda o: [1] * HORIZON, HORIZON)
    discrete = hocket.run(NullEnv(actions=3), chunks, hocket.Unstaggered(1), clock, ticks=20)
    for result in (single, discrete):
        assert result.summary().seams == {} and np.isnan(result.metrics().seams.share_above(0))
        assert "seams" not in str(result.summary())


def test_what_cannot_be_blended_is_refused():
    clock = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05))
    chunks = hocket.FunctionPolicy(lambda o: [1] * HORIZON, HORIZON)
    with pytest.raises(ConfigurationError, match=r"Blend\(.*\) cannot blend actions of Discrete\(3\); a Box is needed"):
        hocket.run(NullEnv(actions=3), chunks, hocket.Unstaggered(1), clock, ticks=20, handover=Blend())
    told = hocket.FunctionPolicy(lambda o, pending: [[0, 0]], HORIZON, pending=2)
    with pytest.raises(ConfigurationError, match="other actions than those that this policy is told as pending"):
        hocket.run(Counter(), told, hocket.Unstaggered(1), clock, ticks=20, handover=Blend())
    with pytest.raises(ConfigurationError, match="has no effect on single actions"):
        hocket.run(Counter(), lambda o: [0, 0], hocket.Unstaggered(1), clock, ticks=20, handover=Blend())
    with pytest.raises(ConfigurationError, match=r"handover='blend' must be a Handover; try hocket\.drivers\.Blend"):
        hocket.run(Counter(), lambda o: [0, 0], hocket.Unstaggered(1), clock, ticks=20, handover="blend")
    with pytest.raises(ConfigurationError, match="cannot blend actions of Discrete"):
        hocket.StaggeredAgent(
            chunks,
            rule=hocket.TickDispatch(1),
            hz=50,
            default=hocket.Fixed(0),
            observation_space=Box(0, 1, (1,)),
            action_space=Discrete(3),
            handover=Blend(),
        )
    for options in ({"newest": 0}, {"newest": 1.5}, {"ramp_ticks": -1}, {"jump_bound": -1}):
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            Blend(**options)
