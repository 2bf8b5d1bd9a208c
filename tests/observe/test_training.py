import math

import pytest

from hocket.errors import ConfigurationError
from hocket.observe.training import LearnerFigures, Meter
from hocket.record import Moment


def moment(tick, *, delay=0, reward=0.0, terminated=False, truncated=False):
    return Moment(
        tick=tick,
        decided_on=tick - delay if delay else -1,
        action=0,
        codes=(),
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        observation=None,
        final_observation=None,
        final_codes=(),
    )


class Notes:
    def __init__(self):
        self.progresses, self.evaluations = [], []

    def progressed(self, progress):
        self.progresses.append(progress)

    def evaluated(self, tick, mean_return):
        self.evaluations.append((tick, mean_return))


class Broken(Notes):
    def progressed(self, progress):
        raise OSError("disk full")


def meter(*instruments, every_s=10.0):
    clock, figures = [100.0], [LearnerFigures(0)]
    return Meter(lambda: figures[0], instruments, every_s=every_s, now_s=lambda: clock[0]), clock, figures


def test_figures_of_each_stretch():
    notes = Notes()
    counter, clock, figures = meter(notes)
    counter.ticked(moment(1, reward=1.0))
    counter.ticked(moment(2, delay=1, reward=2.0))
    counter.ticked(moment(3, delay=3, reward=3.0, terminated=True))
    clock[0] = 109.9
    counter.ticked(moment(4, reward=5.0, truncated=True))
    assert notes.progresses == []
    clock[0], figures[0] = 110.0, LearnerFigures(40, loss=0.5, staleness=2.0, epsilon=0.3)
    counter.ticked(moment(5, delay=2, reward=7.0))
    (first,) = notes.progresses
    assert (first.tick, first.coverage, first.delay_ticks) == (5, 3 / 5, 6 / 3)
    assert (first.episodes, first.episode_return) == (2, (6 + 5) / 2)
    assert first.updates_per_s == 4.0 and first.learner == figures[0]
    clock[0], figures[0] = 130.0, LearnerFigures(50)
    counter.ticked(moment(6, reward=2.0, terminated=True))
    second = notes.progresses[1]
    assert (second.tick, second.coverage, second.episodes) == (6, 0.0, 3)
    assert math.isnan(second.delay_ticks)
    assert second.episode_return == 9.0, "its first reward came before the last progress"
    assert second.updates_per_s == 0.5


def test_nothing_to_say_is_not_a_number():
    notes = Notes()
    counter, clock, _ = meter(notes)
    clock[0] = 101.0
    counter.tell()
    (told,) = notes.progresses
    assert math.isnan(told.coverage) and math.isnan(told.episode_return) and math.isnan(told.learner.loss)
    assert told.updates_per_s == 0


def test_evaluations_are_passed_on():
    notes = Notes()
    meter(notes)[0].evaluated(10, 3.5)
    assert notes.evaluations == [(10, 3.5)]


def test_an_instrument_that_raises_is_dropped_and_the_others_go_on():
    notes = Notes()
    counter, _, _ = meter(Broken(), notes)
    with pytest.warns(RuntimeWarning, match="disk full"):
        counter.tell()
    counter.tell()
    assert len(notes.progresses) == 2


def test_seconds_that_cannot_be():
    with pytest.raises(ConfigurationError, match="every_s=0"):
        meter(every_s=0)


def test_a_run_that_was_gone_on_with():
    """Ticks count on; the updates before are not this run's rate, nor is the time before it began."""
    notes, clock, updates = Notes(), [100.0], [500]
    counter = Meter(lambda: LearnerFigures(updates[0]), [notes], every_s=10.0, first_tick=2000, now_s=lambda: clock[0])
    clock[0] = 105.0
    counter.began(None)
    clock[0], updates[0] = 115.0, 530
    counter.ticked(moment(1))
    (progress,) = notes.progresses
    assert (progress.tick, progress.updates_per_s, progress.learner.updates) == (2001, 3.0, 530)
