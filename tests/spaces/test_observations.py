"""Structures of observations: their forms, their copies, and the spaces that are refused."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, Sequence, Text, Tuple

from hocket.envs.verification import equal
from hocket.errors import ConfigurationError
from hocket.spaces.observations import (
    LeafForm,
    check_observation_space,
    copied,
    form_of,
    given,
    leaves,
    room_of,
    stored,
    zeros,
)

CAMERA, JOINTS = Box(0, 255, (2, 3), np.uint8), Box(-1, 1, (2,))
PAIR = Tuple([MultiBinary(2), MultiDiscrete([2, 3])])
ROBOT = Dict(cameras=Dict(wrist=CAMERA), joints=JOINTS, mode=Discrete(3), pair=PAIR, task=Text(9))
OBSERVATION = {
    "cameras": {"wrist": np.full((2, 3), 7, np.uint8)},
    "joints": np.array([0.5, -0.5], np.float32),
    "mode": 2,
    "pair": (np.array([0, 1], np.int8), np.array([1, 2])),
    "task": "fold it",
}


def arrays(observation):
    return [leaf for leaf in leaves(observation) if isinstance(leaf, np.ndarray)]


def test_each_leaf_has_a_form():
    assert form_of(ROBOT) == {
        "cameras": {"wrist": LeafForm("['cameras']['wrist']", (2, 3), np.dtype(np.uint8))},
        "joints": LeafForm("['joints']", (2,), np.dtype(np.float32)),
        "mode": LeafForm("['mode']", (), np.dtype(np.int64), scalar=True),
        "pair": (
            LeafForm("['pair'][0]", (2,), np.dtype(np.int8)),
            LeafForm("['pair'][1]", (2,), np.dtype(np.int64)),
        ),
        "task": LeafForm("['task']", (), np.dtype("U9"), scalar=True),
    }
    assert form_of(JOINTS) == LeafForm("", (2,), np.dtype(np.float32))


def test_zeros_are_an_observation():
    assert equal(
        zeros(form_of(ROBOT)),
        {
            "cameras": {"wrist": np.zeros((2, 3), np.uint8)},
            "joints": np.zeros(2, np.float32),
            "mode": 0,
            "pair": (np.zeros(2, np.int8), np.zeros(2, np.int64)),
            "task": "",
        },
    )


def test_a_copy_shares_nothing():
    copy = copied(OBSERVATION)
    assert equal(copy, OBSERVATION) and [*copy] == [*OBSERVATION]
    assert not any(np.shares_memory(one, other) for one, other in zip(arrays(copy), arrays(OBSERVATION), strict=True))
    assert copy["cameras"] is not OBSERVATION["cameras"]


def test_an_observation_is_stored_in_the_arrays_of_an_earlier_one():
    room = copied(OBSERVATION)
    kept = arrays(room)
    newer = {**copied(OBSERVATION), "mode": 1, "joints": np.float32([1, 1]), "task": "open it"}
    got = stored(newer, room)
    assert equal(got, newer) and not equal(got, OBSERVATION)
    assert all(one is other for one, other in zip(arrays(got), kept, strict=True))
    assert not np.shares_memory(got["joints"], newer["joints"])


def test_an_observation_comes_back_from_arrays_of_its_leaves():
    room = room_of(form_of(ROBOT), lambda leaf: np.zeros(leaf.shape, leaf.dtype))
    stored(OBSERVATION, room)
    back = given(room)
    assert equal(back, OBSERVATION)
    assert (type(back["mode"]), type(back["task"]), type(back["pair"])) == (int, str, tuple)
    stored({**OBSERVATION, "task": "go"}, room)
    assert given(room)["task"] == "go"  # nothing is left of the longer one


@pytest.mark.parametrize("space", [JOINTS, Discrete(2), MultiBinary(2), MultiDiscrete([2, 3]), Text(9), ROBOT])
def test_spaces_of_leaves_dicts_and_tuples_are_observed(space):
    check_observation_space(space)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Sequence(JOINTS), [" of Arm is not supported; Box, ", "FlattenObservation"]),
        (Dict(a=Tuple([JOINTS, Graph(JOINTS, None)])), ["Graph(", "[['a'][1]] of Arm is not supported"]),
        (Dict({1: JOINTS}), ["of Arm has the key 1; keys are texts; try '1'"]),
        (Dict(a=Dict()), ["[['a']] of Arm has no parts; one is needed"]),
    ],
)
def test_other_spaces_are_refused_by_their_path(space, words):
    with pytest.raises(ConfigurationError) as caught:
        check_observation_space(space, "Arm")
    for word in ("observation space ", *words):
        assert word in str(caught.value)
