"""Dicts and tuples of observations in every driver and executor: the same structure, and copies of all parts."""

import pickle
import threading
import time

import numpy as np
import pytest
from structured_robot import SPACE, Robot, naming, tick_of

import hocket
from hocket.envs.verification import equal

HZ = 50
LATE = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05))
CLOCKS = [
    pytest.param(LATE, id="virtual"),
    pytest.param(hocket.Realtime(hz=HZ, executor="threads"), id="threads", marks=pytest.mark.realtime),
    pytest.param(hocket.Realtime(hz=HZ, executor="processes"), id="processes", marks=pytest.mark.realtime),
]
RULE = hocket.TickDispatch(3)


def run(clock=LATE, policy=naming, ticks=45, env=None, **options):
    return hocket.run(Robot() if env is None else env, policy, RULE, clock, ticks=ticks, **options)


def executed(result):
    """Tick and action of each fresh tick, and the tick of its observation."""
    ticks = result.metrics().ticks
    of = dict(zip(result.record.ticks, result.record.actions, strict=True))
    fresh = ticks.fresh
    return [
        (tick, of[tick], tick - delay) for tick, delay in zip(ticks.tick[fresh], ticks.delay_ticks[fresh], strict=True)
    ]


@pytest.mark.parametrize("clock", CLOCKS)
def test_policies_get_the_structure_of_the_space(clock, nothing_left):
    result = run(clock)
    assert result.record.errors == [] and len(executed(result)) >= (20 if clock is LATE else 1)
    assert all(action == seen for _, action, seen in executed(result))
    finals = result.record.final_observations
    assert [tick_of(finals[tick]) for tick in (20, 40)] == [20, 40] and [*finals] == [20, 40]


@pytest.mark.parametrize("clock", CLOCKS)
def test_heads_get_the_newest_observation(clock, nothing_left):
    def head(features, newest):
        assert features <= tick_of(newest)
        return naming(newest)

    result = run(clock, hocket.TwoStage(tick_of, head, newest=True, head_s=0.004), ticks=25)
    assert result.record.errors == []
    acted = [(tick, action) for tick, action, _ in executed(result)]
    assert acted and all(action < tick for tick, action in acted)
    if clock is LATE:
        assert len(acted) >= 10 and all(tick - 10 <= action for tick, action in acted)


def test_heads_of_chunks_get_the_newest_observation():
    chunks = hocket.FunctionPolicy(lambda observation: [naming(observation)] * 6, chunk_length=6)
    result = run(policy=hocket.TwoStage(chunks, lambda plan, newest: naming(newest), newest=True), ticks=25)
    assert result.record.errors == [] and len(executed(result)) >= 15
    assert all(action == tick - 1 for tick, action, _ in executed(result))


class Spoiling:
    """A listener that spoils what it is shown, and keeps the ticks."""

    def __init__(self):
        self.ticks = []

    def began(self, observation):
        self.ticks.append(naming(observation))

    def ticked(self, moment):
        if moment.final_observation is not None:
            assert naming(moment.final_observation) == moment.tick
        self.ticks.append(naming(moment.observation))


@pytest.mark.parametrize("default", [hocket.Fixed(0), hocket.Fallback(naming)], ids=["fixed", "fallback"])
def test_listeners_and_defaults_may_change_what_they_are_shown(default):
    listener = Spoiling()
    result = run(default=default, listener=listener)
    assert listener.ticks == list(range(46))
    assert executed(result) == executed(run(default=default)) != []
    assert [tick_of(final) for final in result.record.final_observations.values()] == [20, 40]


def test_a_saved_run_has_its_final_observations(tmp_path):
    result = run(env=Robot(age_s=0.25))
    loaded = hocket.load(result.save(tmp_path))
    assert loaded.summary() == result.summary() and loaded.record.ages_ns == result.record.ages_ns
    finals, kept = loaded.record.final_observations, result.record.final_observations
    assert finals.keys() == kept.keys() and all(equal(finals[tick], kept[tick]) for tick in kept)
    assert (type(finals[20]["pair"]), str(finals[20]["pair"][1])) == (tuple, "tick 20")


def test_a_suspended_run_continues_alike():
    checked = hocket.running.setup.set_up(Robot(), naming, RULE, LATE, ticks=45)
    suspended = LATE.begin(checked.setup())
    suspended.play(30)
    resumed = pickle.loads(pickle.dumps(suspended))
    resumed.play(45)
    assert resumed.record.actions == run().record.actions


def test_the_age_that_an_environment_says_counts():
    """50 ms are 2.5 ticks, so an action of 3 ticks' delay is from an observation that is 60 ms + its own age old."""
    plain, aged = run(), run(env=Robot(age_s={"cameras": {"wrist": 0.1}, "joints": 0.002}))
    assert plain.summary().age_p50_s is None and "\nage " not in str(plain.summary())
    assert aged.summary().age_p50_s == pytest.approx(0.16) and aged.summary().delay_p50 == 3
    assert "age         p50 160 ms, p99 160 ms of the observation behind an action" in str(aged.summary())
    seen = [observation for _, _, observation in executed(aged)]
    assert len(aged.metrics().ages_s) == len([one for one in seen if one not in (0, 20, 40)]) > 30  # resets say no age


def test_an_induced_delay_is_the_driver_s():
    env = hocket.InducedDelay(Robot(), delay_ticks=3, default=hocket.Fixed(0), pending_actions=False)
    observation, _ = env.reset(seed=0)
    actions = []
    while len(actions) < 45:
        observation, _, _, ended, info = env.step(naming(observation))
        actions += info["induced_delay"]["actions"]
        if ended:
            observation, _ = env.reset()
    assert actions == run().record.actions
    told = hocket.InducedDelay(Robot(), delay_ticks=3, pending_actions=True)
    assert told.observation_space["observation"] == SPACE and tick_of(told.reset(seed=0)[0]["observation"]) == 0


@pytest.mark.parametrize("age_s", [-0.1, "old", {"joints": float("nan")}, {}])
def test_an_age_that_is_none_is_refused(age_s):
    with pytest.raises(hocket.EnvError, match=r"info\['observation_age_s'\]=.* of Robot must be a number of seconds"):
        run(env=Robot(age_s=age_s))


@pytest.mark.parametrize(
    "learn",
    [
        lambda: hocket.demonstrate(Robot(), naming, episodes=1),
        lambda: hocket.estimate_predictability(Robot, policy=naming),
    ],
    ids=["demonstrations", "predictability"],
)
def test_one_array_is_needed_to_learn(learn):
    with pytest.raises(hocket.ConfigurationError, match=r"needs observations of one Box, and Robot has Dict.*Flatten"):
        learn()


# -- a loop of one's own ---------------------------------------------------------------------------------------


def agent_of(policy, executor="threads", **options):
    usual = {"rule": RULE, "hz": HZ, "default": hocket.Fixed(0), "observation_space": SPACE, "executor": executor}
    return hocket.StaggeredAgent(policy, **{**usual, "action_space": Robot.action_space, **options})


@pytest.mark.realtime
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_loop_of_ones_own_reuses_its_buffers(executor, nothing_left):
    robot, acted = Robot(), []
    with agent_of(naming, executor) as agent:
        agent.observe(robot.reset()[0])
        for _ in range(30):
            time.sleep(1 / HZ)
            action = agent.act()
            if agent.last.fresh:
                acted.append(action)
                ages = agent.last_ages_s
                assert 0 < ages["joints"] == ages["cameras"]["wrist"] == ages["pair"][1] < 20
            else:
                assert agent.last_ages_s is None
            agent.observe(robot.step(0)[0])
    assert acted and acted == sorted(set(acted)) and acted[0] >= 0 and acted[-1] < 30


@pytest.mark.realtime
def test_sensors_have_rates_of_their_own(nothing_left):
    """A camera is 200 ms late and slower than the loop; its thread reuses its buffer."""
    names = {}
    robot, stop = Robot(), threading.Event()
    robot.reset()

    def policy(observation):
        names[int(observation["joints"][0])] = int(observation["cameras"]["wrist"][0, 0, 0])
        return int(observation["joints"][0])

    def camera():
        picture = np.zeros((8, 8, 3), np.uint8)
        while not stop.wait(0.05):
            picture += 1
            agent.update({"cameras": {"wrist": picture}}, taken_ns=time.monotonic_ns() - 200_000_000)

    with agent_of(policy) as agent:
        agent.update({"mode": 1, "pair": (0, "look")})
        with pytest.raises(hocket.EnvError, match=r"\['cameras'\] of the loop is missing"):
            agent.observe({"joints": np.zeros(7)})
        thread = threading.Thread(target=camera)
        agent.update({"cameras": {"wrist": np.zeros((8, 8, 3), np.uint8)}})
        thread.start()
        try:
            agent.observe({"joints": np.zeros(7)})
            ages = []
            for cycle in range(1, 40):
                time.sleep(1 / HZ)
                agent.act()
                ages.append(agent.last_ages_s)
                agent.observe({"joints": np.full(7, cycle)})
        finally:
            stop.set()
            thread.join()
    pictures = [names[joint] for joint in sorted(names)]
    assert len(names) >= 10 and pictures == sorted(pictures) and 1 < len(set(pictures)) < len(pictures)
    newest = [each for each in ages if each is not None][-1]
    assert newest["cameras"]["wrist"] >= 0.2 + 1 / HZ and newest["pair"] == (newest["mode"], newest["mode"])
    assert newest["joints"] < newest["cameras"]["wrist"] and newest["joints"] < newest["mode"]


@pytest.mark.realtime
def test_readings_that_cannot_be_used_are_refused(nothing_left):
    with agent_of(naming) as agent:
        for part, words in (
            ({"camera": 1}, r"observation\['camera'\] 1 of the loop is not declared"),
            ({"joints": [0, 1]}, r"observation\['joints'\] \[0, 1\] of the loop has shape \(2,\), not \(7,\)"),
        ):
            with pytest.raises(hocket.EnvError, match=words):
                agent.update(part)
        for taken_ns in (time.time_ns(), -1, 0.5, "now"):
            with pytest.raises(hocket.ConfigurationError, match=r"taken_ns=.* must be a time of time.monotonic_ns\(\)"):
                agent.update({"mode": 1}, taken_ns=taken_ns)
        with pytest.raises(hocket.ConfigurationError, match="taken_ns=1 is of no observation"):
            agent.act(taken_ns=1)
    with agent_of(lambda seen: 0, observation_space=SPACE["joints"]) as agent:
        for part in (np.zeros(7), {"joints": np.zeros(7)}):
            with pytest.raises(hocket.ConfigurationError, match=r"update\(.*\) needs a Dict of observations"):
                agent.update(part)
