"""Observations of dicts and tuples are checked leaf by leaf; the faults of one array: `test_checked_env.py`."""

import pickle

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple

import hocket
from hocket.envs.verification import equal
from hocket.spaces import ObservationCheck

SPACE = Dict(
    arm=Dict(joints=Box(-1, 1, (2,)), mode=Discrete(3)), pair=Tuple([Box(0, 1, (1,)), Discrete(2)]), task=Text(9)
)


def arm(joints, **mode):
    return observation(arm={"joints": joints, **mode})


def observation(**changes):
    usual = {"arm": {"joints": np.float32([0, 1]), "mode": 2}, "pair": (np.float32([0.5]), 1), "task": "fold it"}
    return {**usual, **changes}


@pytest.fixture(params=[False, True], ids=["here", "pickled"])
def check(request):
    made = ObservationCheck(SPACE, "Robot-v0")
    return pickle.loads(pickle.dumps(made)) if request.param else made


def test_what_fits_keeps_its_arrays(check):
    given = observation()
    checked = check(given)
    assert equal(checked, given) and checked["arm"]["joints"] is given["arm"]["joints"]


def test_harmless_differences_are_converted(check):
    given = {"task": np.str_("go"), "pair": [0.5, np.True_], "arm": {"mode": np.array([1]), "joints": [0, 1]}}
    checked = check(given)
    assert [*checked] == ["arm", "pair", "task"] and [*checked["arm"]] == ["joints", "mode"]  # in the space's order
    assert checked["arm"]["joints"].dtype == np.float32 and checked["arm"]["joints"].tolist() == [0, 1]
    assert type(checked["arm"]["mode"]) is int and checked["arm"]["mode"] == 1
    assert type(checked["pair"]) is tuple and checked["pair"][0].tolist() == [0.5] and checked["pair"][1] == 1
    assert type(checked["task"]) is str and checked["task"] == "go"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            arm([0, 1]),
            ["['arm']['mode'] of Robot-v0 is missing", "['joints'] are given", "Discrete(3)"],
        ),
        (
            arm([0, 1, 2], mode=0),
            ["['arm']['joints'] [0, 1, 2] ", "has shape (3,), not (2,)"],
        ),
        (
            arm([0, np.nan], mode=0),
            ["['arm']['joints']", "NaN or infinity, first at index [1]"],
        ),
        (
            arm([0, 1], mode=0.5),
            ["['arm']['mode'] 0.5 ", "is no whole number", "return int("],
        ),
        (observation(arm=3), ["['arm'] 3 ", "is no dict; ", "return {'joints': …, 'mode': …}"]),
        (observation(pair=(0.5,)), ["['pair'] (0.5,) ", "has 1 parts, not 2"]),
        (observation(pair=0.5), ["['pair'] 0.5 ", "is no tuple", "a tuple of 2 parts"]),
        (observation(pair=("a", 1)), ["['pair'][0] 'a' ", "not numbers"]),
        (observation(task=3), ["['task'] 3 ", "is int, not a text", "return a str"]),
        (observation(task="0123456789"), ["['task']", "has 10 characters, more than 9", "Text(10)"]),
        (observation(task="a\0"), ["['task']", "ends with a null character", ".rstrip('\\0')"]),
        (observation(camera=3), ["['camera'] 3 ", "is not declared", "has the keys ['arm', 'pair', 'task']"]),
    ],
)
def test_a_fault_names_the_path_of_its_leaf(check, given, words):
    with pytest.raises(hocket.EnvError) as caught:
        check(given)
    for word in ("Robot-v0", *words):
        assert word in str(caught.value)


def test_a_part_may_lack_keys_and_the_whole_may_not(check):
    part = check({"task": "go", "arm": {"mode": 1}}, partial=True)
    assert part == {"arm": {"mode": 1}, "task": "go"}
    with pytest.raises(hocket.EnvError, match=r"\['pair'\] of Robot-v0 is missing"):
        check.whole({**part, "arm": observation()["arm"]})
    with pytest.raises(hocket.EnvError, match=r"\['arm'\]\['joints'\] of Robot-v0 is missing"):
        check.whole({**observation(), **part})
    with pytest.raises(hocket.EnvError, match=r"\['arm'\]\['torques'\] 3 of Robot-v0 is not declared"):
        check({"arm": {"torques": 3}}, partial=True)
    mixed = dict(reversed(observation().items()))
    assert [*check.whole(mixed)] == ["arm", "pair", "task"]
