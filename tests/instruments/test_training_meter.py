import math
from fractions import Fraction

import pytest
from recording_instruments import Notes

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument, LearnerFigures, RunView
from hocket.hooks.record import Moment
from hocket.instruments.training_meter import training_dispatcher
from hocket.spaces.codec import NOTHING_PENDING


def moment(tick, *, delay=0, reward=0.0, terminated=False, truncated=False):
    return Moment(
        tick=tick,
        decided_on=tick - delay if delay else -1,
        action=0,
        pending_actions=NOTHING_PENDING,
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        observation=None,
        final_observation=None,
        final_pending_actions=NOTHING_PENDING,
    )


def meter(*instruments, updates=0, **options):
    clock, figures = [100.0], [LearnerFigures(updates)]
    dispatcher = training_dispatcher(
        lambda: figures[0], instruments, now_s=lambda: clock[0], **{"every_s": 10.0, **options}
    )
    return dispatcher, clock, figures


def test_figures_of_each_stretch():
    notes = Notes()
    dispatcher, clock, figures = meter(notes)
    dispatcher.ticked(moment(1, reward=1.0))
    dispatcher.ticked(moment(2, delay=1, reward=2.0))
    dispatcher.ticked(moment(3, delay=3, reward=3.0, terminated=True))
    clock[0] = 109.9
    dispatcher.ticked(moment(4, reward=5.0, truncated=True))
    assert notes.progresses == []
    clock[0], figures[0] = 110.0, LearnerFigures(40, loss=0.5, staleness=2.0, epsilon=0.3)
    dispatcher.ticked(moment(5, delay=2, reward=7.0))
    (first,) = notes.progresses
    assert (first.tick, first.coverage, first.delay_ticks) == (5, 3 / 5, 6 / 3)
    assert (first.episodes, first.episode_return) == (2, (6 + 5) / 2)
    assert first.updates_per_s == 4.0 and first.learner == figures[0]
    clock[0], figures[0] = 130.0, LearnerFigures(50)
    dispatcher.ticked(moment(6, reward=2.0, terminated=True))
    second = notes.progresses[1]
    assert (second.tick, second.coverage, second.episodes) == (6, 0.0, 3)
    assert math.isnan(second.delay_ticks)
    assert second.episode_return == 9.0, "its first reward came before the last progress"
    assert second.updates_per_s == 0.5


def test_figures_without_data_are_nan():
    notes = Notes()
    dispatcher, clock, _ = meter(notes)
    clock[0] = 101.0
    dispatcher.stopped()
    (told,) = notes.progresses
    assert math.isnan(told.coverage) and math.isnan(told.episode_return) and math.isnan(told.learner.loss)
    assert told.updates_per_s == 0 and notes.stops == 1


def test_evaluations_are_passed_on():
    notes = Notes()
    meter(notes)[0].evaluated(10, 3.5)
    assert notes.evaluations == [(10, 3.5)]


def test_without_instruments_there_is_no_meter():
    assert meter()[0] is None


def test_an_instrument_that_raises_is_dropped_and_the_others_continue():
    class Broken(Notes):
        def on_training(self, progress):
            raise OSError("disk full")

    notes = Notes()
    dispatcher, clock, _ = meter(Broken(), notes)
    clock[0] = 110.0
    with pytest.warns(RuntimeWarning, match="disk full"):
        dispatcher.ticked(moment(1))
    clock[0] = 120.0
    dispatcher.ticked(moment(2))
    assert len(notes.progresses) == 2


def test_invalid_seconds_are_refused():
    with pytest.raises(ConfigurationError, match="every_s=0"):
        meter(Notes(), every_s=0)


def test_a_resumed_run():
    """Ticks count on; the updates before are not this run's rate, nor is the time before it began."""
    notes = Notes()
    dispatcher, clock, figures = meter(notes, updates=500, first_tick=2000)
    clock[0] = 105.0
    view = hocket.instruments.RunView(env=None, rule=hocket.Sequential(), hz=Fraction(50), ticks=9, realtime=True)
    dispatcher.started(view)
    clock[0], figures[0] = 115.0, LearnerFigures(530)
    dispatcher.ticked(moment(1))
    (progress,) = notes.progresses
    assert (progress.tick, progress.updates_per_s, progress.learner.updates) == (2001, 3.0, 530)


@pytest.mark.parametrize(("of_training", "of_run"), [(0, 0), (5000, 0), (0, 5000)])
def test_instruments_get_the_first_tick_of_a_resumed_training(of_training, of_run):
    """In virtual time the run's ticks count on from it, on the wall clock they begin at 1 again."""
    runs = []

    class Looking(Instrument):
        def on_start(self, run):
            runs.append((run.first_tick, run.resumed_tick))

    dispatcher = training_dispatcher(lambda: LearnerFigures(0), [Looking()], first_tick=of_training)
    rule = hocket.TickDispatch(1)
    view = RunView(env=NullEnv(), rule=rule, hz=Fraction(50), ticks=9, realtime=of_run == 0, first_tick=of_run)
    dispatcher.started(view)
    assert runs == [(of_run, of_training + of_run)]
