import numpy as np
import pytest
from gymnasium.spaces import Discrete

import hocket
from hocket.core import events as e
from hocket.core.cadence import Cadence, exact_hz
from hocket.drivers.engine import Engine, EngineSetup
from hocket.drivers.executors.base import Executor
from hocket.spaces.codec import ActionCodec

TICK_NS = 10**9


class Noting(Executor):
    """Records its calls and does nothing."""

    def __init__(self):
        self.started = []
        self.orders = []

    def start(self, inference, worker, inputs, now_ns):
        self.started.append((inference, worker, int(inputs[0][0])))

    def bind(self, inference, worker, inputs, now_ns):
        self.orders.append(("bind", inference, worker, [array.tolist() for array in inputs]))

    def add_worker(self, now_ns):
        self.orders.append("add")

    def retire(self, worker):
        self.orders.append(("retire", worker))

    def learn(self, now_ns):
        self.orders.append("learn")


def engine_of(rule, **options):
    executor = Noting()
    setup = EngineSetup(
        policy=hocket.FunctionPolicy(int),
        rule=rule,
        default=lambda observation, last: (int(observation[0]), last),
        codec=ActionCodec(Discrete(10)),
    )
    engine = Engine(setup, Cadence(exact_hz(1)), executor, **options)
    for worker in range(rule.initial_workers):
        engine.feed(e.WorkerJoined(0, worker))
    return engine, executor


def test_an_answer_is_executed_and_forgotten():
    engine, executor = engine_of(hocket.Unstaggered(1))
    engine.observed(0, 0, np.array([5]))
    assert executor.started == [(0, 0, 5)]
    engine.finished(e.InferenceFinished(10, 0), np.array([7]))
    assert engine.deadline(1, TICK_NS) == 7
    assert engine.last.fresh and engine.last.delay_ticks == 1
    assert 0 not in engine._answers


def test_the_default_sees_the_newest_observation_and_the_last_action():
    engine, _ = engine_of(hocket.Unstaggered(1))
    engine.observed(0, 0, np.array([5]))
    assert engine.deadline(1, TICK_NS) == (5, None)
    assert not engine.last.fresh and engine.last.delay_ticks == 0
    engine.observed(1, TICK_NS, np.array([6]))
    assert engine.deadline(2, 2 * TICK_NS) == (6, (5, None))


def test_the_observations_buffer_may_be_reused():
    engine, _ = engine_of(hocket.Unstaggered(1))
    buffer = np.array([5])
    engine.observed(0, 0, buffer)
    buffer[0] = 9
    assert engine.deadline(1, TICK_NS)[0] == 5


def test_observations_are_recycled_also_across_missed_ticks():
    engine, _ = engine_of(hocket.TickDispatch(1))
    engine.observed(0, 0, np.array([0]))
    tick = 0
    for missed in (0, 0, 3, 0, 10**9, 0):  # a long suspension costs no loop over its ticks
        tick += 1 + missed
        engine.deadline(tick, tick * TICK_NS)
        engine.observed(tick, tick * TICK_NS, np.array([tick]))
        assert len(engine._observations) + len(engine._spare) <= 8
    assert tick in engine._observations


def test_an_answer_to_an_ended_episode_is_not_kept():
    engine, _ = engine_of(hocket.Unstaggered(1))
    engine.observed(0, 0, np.array([0]))
    engine.deadline(1, TICK_NS)
    engine.observed(1, TICK_NS, np.array([1]), episode_ended=True)
    engine.finished(e.InferenceFinished(TICK_NS + 1, 0), np.array([7]))
    assert list(engine._answers) == [1]  # the one that runs now


def test_the_trace_can_be_left_out():
    engine, _ = engine_of(hocket.Unstaggered(1), keep_trace=False)
    engine.observed(0, 0, np.array([0]))
    assert len(engine.trace) == 0


def test_a_head_is_given_what_has_been_executed_since_its_observation():
    executor = Noting()
    setup = EngineSetup(
        policy=hocket.TwoStage(int, int, pending=4, head_s=0.1, newest=True),
        rule=hocket.TickDispatch(4, min_delay_ticks=4),
        default=lambda observation, last: int(observation[0]),
        codec=ActionCodec(Discrete(10)),
    )
    engine = Engine(setup, Cadence(exact_hz(1)), executor)
    for worker in range(4):
        engine.feed(e.WorkerJoined(0, worker))
    engine.observed(0, 0, np.array([5]))
    assert executor.started == [(0, 0, 5)]
    engine.feed(e.TrunkFinished(1, 0))
    for tick in (1, 2, 3):
        engine.deadline(tick, tick * TICK_NS)  # the default repeats the observation before
        engine.observed(tick, tick * TICK_NS, np.array([5 + tick]))
    assert engine.wake_ns == 39 * TICK_NS // 10 and executor.orders == []
    engine.timer_due()
    assert executor.orders == [("bind", 0, 0, [[5, 6, 7, 10], [8]])]  # from tick 4 on nothing is known
    engine.finished(e.InferenceFinished(4 * TICK_NS, 0), np.array([9]))
    assert engine.deadline(4, 4 * TICK_NS) == 9
    assert engine.last_pending_actions.tolist() == [5, 6, 7, 10]


def test_actions_are_kept_for_heads_and_no_longer():
    executor = Noting()
    setup = EngineSetup(
        policy=hocket.TwoStage(int, int, pending=3, head_s=0.1),
        rule=hocket.TickDispatch(4, min_delay_ticks=4),
        default=lambda observation, last: 0,
        codec=ActionCodec(Discrete(10)),
    )
    engine = Engine(setup, Cadence(exact_hz(1)), executor)
    for worker in range(4):
        engine.feed(e.WorkerJoined(0, worker))
    engine.observed(0, 0, np.array([0]))
    for tick in range(1, 200):
        for inference in range(4):
            if (tick, inference) in ((1, 0), (2, 1), (3, 2)):
                engine.feed(e.TrunkFinished(tick * TICK_NS - 1, inference))
        engine.deadline(tick, tick * TICK_NS)
        engine.observed(tick, tick * TICK_NS, np.array([tick]), episode_ended=tick == 100)
        while engine.wake_ns is not None and engine.wake_ns < (tick + 1) * TICK_NS:
            engine.timer_due()
    assert [inputs for _, _, _, inputs in executor.orders] == [[[0, 0, 0]]] * 3
    # No head has answered, so their workers are busy; inference 3, discarded at tick 100, is no reason to keep more.
    assert engine._unbound == {} and len(engine._pending._executed) <= 6


def test_an_event_whose_handling_was_interrupted_is_settled_from_the_trace_if_there_is_one(monkeypatch):
    class Interrupting(Noting):
        def start(self, inference, worker, inputs, now_ns):
            raise KeyboardInterrupt

    for keep_trace in (True, False):
        engine, executor = engine_of(hocket.Unstaggered(1), keep_trace=keep_trace)
        monkeypatch.setattr(executor, "start", Interrupting().start)
        with pytest.raises(KeyboardInterrupt):
            engine.observed(0, 0, np.array([5]))
        engine.scheduler.handle = None  # what it left may fail
        engine.end(TICK_NS)
        assert len(engine.trace) == (5 if keep_trace else 0)  # joined, ticked, started; ended, discarded
