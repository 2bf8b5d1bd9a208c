import dataclasses

import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError
from hocket.learn.algorithms.schedules import Linear
from hocket.training.options import ActingOptions, EvaluationOptions, ReplayOptions

REALTIME = hocket.Realtime(hz=50, executor="threads")
VIRTUAL = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (ActingOptions, {"epsilon": 0.1}, "epsilon=0.1 must be a Linear schedule or None; try"),
        (ActingOptions, {"late_binding": 1}, "late_binding=1 must be True or False; try False"),
        (ActingOptions, {"charge": 0.1}, "charge=0.1 is not a latency model; try"),
        (ReplayOptions, {"capacity": 0}, "capacity=0 must be a whole number from 1; try"),
        (ReplayOptions, {"capacity": 1e5}, "capacity=100000.0 must be a whole number"),
        (ReplayOptions, {"frame_stack": 0}, "frame_stack=0 must be a whole number from 1; try"),
        (ReplayOptions, {"frame_stack": True}, "frame_stack=True must be a whole number"),
        (EvaluationOptions, {"every_ticks": 0}, "every_ticks=0 must be a whole number from 1; try 10_000"),
        (EvaluationOptions, {"episodes": -1}, "episodes=-1 must be a whole number from 0; try 20"),
        (EvaluationOptions, {"episodes": 2.0}, "episodes=2.0 must be a whole number"),
        (EvaluationOptions, {"max_ticks": 0}, "max_ticks=0 must be a whole number from 1; try 10_000"),
        (EvaluationOptions, {"good_enough": "all"}, "good_enough='all' must be a mean return or None; try"),
        (EvaluationOptions, {"good_enough": float("nan")}, "good_enough=nan must be a mean return"),
    ],
)
def test_invalid_options_are_refused_when_made(make, options, message):
    with pytest.raises(ConfigurationError, match=message):
        make(**options)


def test_valid_options_are_kept():
    assert ActingOptions(epsilon=Linear(1.0, 0.1, 10), charge=hocket.Constant(0.1)).epsilon.end == 0.1
    assert ReplayOptions(capacity=np.int64(5), frame_stack=4).capacity == 5
    assert EvaluationOptions(every_ticks=1, episodes=1, good_enough=-3).good_enough == -3


@pytest.mark.parametrize("options", [ActingOptions(), ReplayOptions(), EvaluationOptions()])
def test_they_cannot_be_changed(options):
    name = dataclasses.fields(options)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(options, name, None)
    with pytest.raises(TypeError):
        type(options)(getattr(options, name))  # by name only


def test_evaluations_have_the_usual_values_of_their_clock():
    assert EvaluationOptions().under(VIRTUAL) == EvaluationOptions(every_ticks=10_000, episodes=20)
    assert EvaluationOptions().under(REALTIME) == EvaluationOptions(every_ticks=None, episodes=1)
    given = EvaluationOptions(every_ticks=7, episodes=3, good_enough=2.0)
    assert given.under(VIRTUAL) == given
    assert EvaluationOptions(episodes=0).under(REALTIME).episodes == 0


def test_a_clock_refuses_evaluations_that_it_cannot_have():
    for options, message in (
        ({"every_ticks": 5}, "every_ticks=5: a training on the wall clock"),
        ({"good_enough": 0.0}, "good_enough=0"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            EvaluationOptions(**options).under(REALTIME)


def test_no_episodes_switch_evaluations_off_under_either_clock():
    off = EvaluationOptions(episodes=0)
    assert off.under(VIRTUAL) == off.under(REALTIME) == off
    for given in ({"every_ticks": 5}, {"good_enough": 1.0}, {"max_ticks": 7}):
        with pytest.raises(ConfigurationError, match=r"=\S+ has no effect with episodes=0, which switches evaluations"):
            EvaluationOptions(episodes=0, **given)


@pytest.mark.parametrize(
    ("options", "ticks", "during", "final"),
    [
        ({}, 1_000_000, 10_000, 1_000_000),
        ({}, 50, 600, 600),  # an evaluation needs some ticks
        ({}, 9_999, 9_999, 9_999),
        ({"every_ticks": 50_000}, 200_000, 50_000, 200_000),
        ({"every_ticks": 50_000}, 20_000, 20_000, 20_000),
        ({"every_ticks": 100}, 500, 600, 600),
        ({"every_ticks": 100}, 5_000, 5_000, 5_000),
        ({"every_ticks": 100}, 20_000, 10_000, 20_000),
        ({"every_ticks": 100, "max_ticks": 9_000}, 500, 9_000, 9_000),
        ({"max_ticks": 70}, 1_000_000, 70, 70),
    ],
)
def test_an_evaluation_is_bounded_by_what_it_evaluates(options, ticks, during, final):
    evaluation = EvaluationOptions(**options).under(VIRTUAL)
    assert evaluation.tick_limit(ticks, final=False) == during
    assert evaluation.tick_limit(ticks, final=True) == final
    assert EvaluationOptions().under(REALTIME).tick_limit(100, final=True) == 600
    assert EvaluationOptions().under(REALTIME).tick_limit(70_000, final=True) == 70_000
