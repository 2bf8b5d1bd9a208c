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
        (EvaluationOptions, {"every": 0}, "every=0 must be a whole number from 1; try 10_000"),
        (EvaluationOptions, {"episodes": -1}, "episodes=-1 must be a whole number from 0; try 20"),
        (EvaluationOptions, {"episodes": 2.0}, "episodes=2.0 must be a whole number"),
        (EvaluationOptions, {"good_enough": "all"}, "good_enough='all' must be a mean return or None; try"),
        (EvaluationOptions, {"good_enough": float("nan")}, "good_enough=nan must be a mean return"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_made(make, options, message):
    with pytest.raises(ConfigurationError, match=message):
        make(**options)


def test_what_can_work_is_kept():
    assert ActingOptions(epsilon=Linear(1.0, 0.1, 10), charge=hocket.Constant(0.1)).epsilon.end == 0.1
    assert ReplayOptions(capacity=np.int64(5), frame_stack=4).capacity == 5
    assert EvaluationOptions(every=1, episodes=0, good_enough=-3).good_enough == -3


@pytest.mark.parametrize("options", [ActingOptions(), ReplayOptions(), EvaluationOptions()])
def test_they_cannot_be_changed(options):
    name = dataclasses.fields(options)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(options, name, None)
    with pytest.raises(TypeError):
        type(options)(getattr(options, name))  # by name only


def test_evaluations_have_the_usual_values_of_their_clock():
    assert EvaluationOptions().under(VIRTUAL) == EvaluationOptions(every=10_000, episodes=20)
    assert EvaluationOptions().under(REALTIME) == EvaluationOptions(every=None, episodes=1)
    given = EvaluationOptions(every=7, episodes=3, good_enough=2.0)
    assert given.under(VIRTUAL) == given
    assert EvaluationOptions(episodes=0).under(REALTIME).episodes == 0


def test_a_clock_refuses_evaluations_that_it_cannot_have():
    for options, message in (({"every": 5}, "every=5: a world that does not"), ({"good_enough": 0.0}, "good_enough=0")):
        with pytest.raises(ConfigurationError, match=message):
            EvaluationOptions(**options).under(REALTIME)
    with pytest.raises(ConfigurationError, match="episodes=0 must be at least 1 in virtual time; try 20"):
        EvaluationOptions(episodes=0).under(VIRTUAL)
