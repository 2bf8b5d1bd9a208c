"""Instruments get the events that the record holds; a failing instrument is dropped alone."""

import numpy as np
import pytest
from recording_instruments import Notes

import hocket
from hocket.core.commands import EndInference, Outcome, StartInference
from hocket.core.events import InferenceFinished, Ticked, WorkerLost
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.hooks.dispatcher import HOOKS, Dispatcher
from hocket.hooks.instrument import Instrument
from hocket.spaces.codec import NOTHING_PENDING

VIRTUAL = hocket.Virtual(hz=60, latency=hocket.LogNormal(0.05, 0.5))
OF_TRAINING = ("on_training", "on_evaluation_progress", "on_evaluation")
CLOCKS = {"virtual": VIRTUAL, "realtime": hocket.Realtime(hz=200, executor="threads")}


def policy(observation):
    return 1


def unreliable(observation):
    if observation[0] % 7 == 6:
        raise ValueError("no idea")
    return 1


def play(*instruments, rule=None, clock=VIRTUAL, policy=policy, ticks=300, episode_ticks=40):
    env = NullEnv((2,), episode_ticks=episode_ticks)
    return hocket.run(env, policy, rule or hocket.Unstaggered(3), clock, ticks=ticks, instruments=instruments)


@pytest.mark.realtime
@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS.keys())
def test_instruments_get_the_events_of_the_record(clock):
    notes = Notes()
    result = play(notes, clock=clock, policy=unreliable)
    record, inferences, ticks = result.record, result.metrics().inferences, result.metrics().ticks
    (run,) = notes.runs
    assert (run.name, run.hz, run.ticks, run.rule) == ("NullEnv", clock.hz, 300, hocket.Unstaggered(3))
    assert run.realtime == isinstance(clock, hocket.Realtime) and notes.stops == 1
    moments = notes.moments
    assert [m.tick for m in moments] == ticks.tick.tolist()
    assert [m.inference for m in moments] == ticks.inference.tolist()
    assert [m.lateness_ns for m in moments] == record.lateness_ns.tolist()
    assert [m.deadline_ns for m in moments] == [record.trace.cadence.deadline_ns(m.tick) for m in moments]
    assert [m.tick - m.decided_on if m.decided_on >= 0 else 0 for m in moments] == ticks.delay_ticks.tolist()
    assert sum(m.truncated for m in moments) == len(result.metrics().episode_returns) == 7
    numbers = list(range(len(inferences.worker)))
    assert [one.number for one in notes.started] == numbers
    assert all(one.outcome is None and one.finished_ns == one.executed_tick == -1 for one in notes.started)
    assert [one.started_ns for one in notes.started] == inferences.started_ns.tolist()
    ended = sorted(notes.ended)
    assert [one.number for one in ended] == numbers, "each ends exactly once"
    for column in ("worker", "observation", "target", "started_ns", "executed_tick", "ended_ns", "outcome"):
        assert [getattr(one, column) for one in ended] == getattr(inferences, column).tolist(), column
    counts = {kind.name.lower(): sum(one.outcome is kind for one in ended) for kind in Outcome}
    assert counts == result.summary().outcomes and counts["failed"] and counts["executed"] and counts["discarded"]
    finished = {one.number: one.finished_ns for one in notes.finished}
    assert len(finished) == len(notes.finished)
    answered = np.flatnonzero(inferences.finished_ns >= 0)
    assert [finished[number] for number in answered.tolist()] == inferences.finished_ns[answered].tolist()
    failed = {one.number for one in ended if one.outcome is Outcome.FAILED}
    # whose worker continued after an episode's end may fail later
    assert failed <= finished.keys() - set(answered.tolist())


def test_only_overridden_hooks_are_called_and_without_instruments_there_is_no_dispatcher():
    assert Dispatcher(()).or_none() is None and Dispatcher([Instrument()]).of_inferences is False
    assert {hook for hook in dir(Instrument) if hook.startswith("on_")} == set(HOOKS)

    class Ticks(Instrument):
        seen = 0

        def on_tick(self, moment):
            self.seen += 1

    ticks = Ticks()
    dispatcher = Dispatcher([ticks])
    assert dispatcher.or_none() is dispatcher and not dispatcher.of_inferences
    play(ticks)
    assert ticks.seen == 300


def test_instruments_do_not_change_a_run():
    looked_at, alone = play(Notes()), play()
    assert looked_at.record.trace.rows == alone.record.trace.rows


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook not in ("on_starting", "on_worker_up", *OF_TRAINING)])
def test_a_failing_instrument_is_dropped_and_the_run_continues(hook):
    calls = []

    def fail(*what):
        calls.append(what)
        raise OSError("disk full")

    broken, notes = type("Broken", (Instrument,), {hook: lambda self, *what: fail(*what)})(), Notes()
    with pytest.warns(RuntimeWarning, match=rf"(?s)Broken.*failed in {hook}.*Traceback.*OSError: disk full") as warned:
        result = play(broken, notes)
    assert len(warned) == len(calls) == 1
    assert result.summary().ticks == len(notes.moments) == 300 and notes.stops == 1


def test_instruments_are_stopped_after_an_interrupted_or_failed_run():
    class Breaking(hocket.Default):
        def bind(self, space, rng):
            raise_after = iter(range(3))

            def act(observation, last):
                if next(raise_after, None) is None:
                    raise ZeroDivisionError
                return 0

            return act

    notes = Notes()
    with pytest.raises(ZeroDivisionError):
        hocket.run(
            NullEnv(),
            policy,
            hocket.Unstaggered(1),
            hocket.Virtual(hz=60, latency=hocket.Constant(5.0)),
            ticks=100,
            default=Breaking(),
            instruments=[notes],
        )
    assert len(notes.moments) == 3 and notes.stops == 1


def test_other_objects_are_refused_as_instruments():
    with pytest.raises(ConfigurationError, match=r"instruments=\[\.\.\., <built-in function print>\].*on_tick"):
        play(print)


def moment(tick):
    return hocket.instruments.Moment(
        tick=tick,
        decided_on=-1,
        action=0,
        pending_actions=NOTHING_PENDING,
        reward=0.0,
        terminated=False,
        truncated=False,
        observation=None,
        final_observation=None,
        final_pending_actions=NOTHING_PENDING,
    )


def test_a_lost_worker_ends_its_inference():
    """The inference of a lost worker fails, or had ended with its episode before."""
    notes = Notes()
    dispatcher = Dispatcher([notes])
    for number in range(2):
        dispatcher.handled(Ticked(10, number), [StartInference(number, 5 + number, number, -1)])
    dispatcher.handled(Ticked(20, 2, True), [EndInference(0, Outcome.DISCARDED)])
    dispatcher.ticked(moment(2))
    assert [one.number for one in notes.ended] == [0] and notes.finished == []
    dispatcher.handled(WorkerLost(30, 5), [])
    dispatcher.handled(WorkerLost(40, 6), [EndInference(1, Outcome.FAILED)])
    dispatcher.ticked(moment(3))
    assert [(one.number, one.finished_ns, one.outcome) for one in notes.finished] == [
        (0, 30, Outcome.DISCARDED),
        (1, 40, Outcome.FAILED),
    ]
    assert [(one.number, one.ended_ns) for one in notes.ended] == [(0, 20), (1, 40)]
    assert dispatcher._views == {}, "nothing is kept of ended inferences"
    dispatcher.handled(InferenceFinished(50, 9), [EndInference(9, Outcome.DROPPED)])
    dispatcher.ticked(moment(4))
    assert len(notes.finished) == len(notes.ended) == 2, "that one began before the run was resumed"
