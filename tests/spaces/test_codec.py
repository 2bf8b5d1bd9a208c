import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from hocket.errors import ActionError, ConfigurationError
from hocket.spaces.codec import ActionCodec, OutOfBounds, check_spaces

DISCRETE = spaces.Discrete(3)
FROM_ONE = spaces.Discrete(3, start=1)
ARM = spaces.Box(np.array([-1, -2], np.float32), np.array([1, 2], np.float32))
BYTES = spaces.Box(0, 200, (2,), np.uint8)


class Shaped(gym.Env):
    def __init__(self, observation_space, action_space):
        self.observation_space = observation_space
        self.action_space = action_space


@pytest.mark.parametrize("actions", [DISCRETE, FROM_ONE, ARM, BYTES])
def test_box_observations_with_discrete_or_box_actions_are_run(actions):
    check_spaces(Shaped(ARM, actions))


@pytest.mark.parametrize(
    ("observations", "actions", "hint"),
    [
        (spaces.Sequence(ARM), DISCRETE, "FlattenObservation"),
        (spaces.Dict(a=spaces.Graph(ARM, DISCRETE)), DISCRETE, "FlattenObservation"),
        (ARM, spaces.MultiDiscrete([2, 3]), "TransformAction"),
        (ARM, spaces.Tuple([DISCRETE, ARM]), "TransformAction"),
        (ARM, spaces.Box(0, 1, (2,), np.bool_), "TransformAction"),
    ],
)
def test_other_spaces_are_refused_with_a_way_out(observations, actions, hint):
    with pytest.raises(ConfigurationError, match=hint):
        check_spaces(Shaped(observations, actions))


def test_the_room_for_the_longest_answer():
    assert (ActionCodec(DISCRETE, 4).shape, ActionCodec(DISCRETE, 4).dtype) == ((4,), np.int64)
    assert ActionCodec(DISCRETE, 4).nbytes == 4 * 8
    assert (ActionCodec(ARM, 5).shape, ActionCodec(ARM, 5).dtype) == ((5, 2), np.float32)
    assert ActionCodec(ARM, 5).nbytes == 5 * 2 * 4
    assert ActionCodec(BYTES, 1).nbytes == 2


@pytest.mark.parametrize("chunk_length", [0, -1, 1.5, None])
def test_a_chunk_length_below_one_is_refused(chunk_length):
    with pytest.raises(ConfigurationError, match="chunk_length"):
        ActionCodec(DISCRETE, chunk_length)


def test_an_action_space_of_another_kind_is_refused():
    with pytest.raises(ConfigurationError, match="MultiDiscrete"):
        ActionCodec(spaces.MultiDiscrete([2, 3]), 1)


@pytest.mark.parametrize(
    "answer",
    [
        2,
        np.int64(2),
        np.uint8(2),
        np.array(2),
        np.array([2], np.int32),
        [2],
        torch.tensor(2),
        torch.tensor([2]),
    ],
)
def test_one_discrete_action_in_any_form(answer):
    encoded = ActionCodec(DISCRETE, 1).encode(answer)
    assert encoded.tolist() == [2]
    assert encoded.dtype == np.int64
    assert encoded.flags.c_contiguous


def test_truth_values_are_the_actions_0_and_1():
    codec = ActionCodec(DISCRETE, 2)
    assert codec.encode(True).tolist() == [1]
    assert codec.encode(np.array([True, False])).tolist() == [1, 0]


@pytest.mark.parametrize("answer", [[0, 1, 2], np.array([0, 1, 2], np.int8), torch.tensor([0, 1, 2])])
def test_a_chunk_of_discrete_actions(answer):
    assert ActionCodec(DISCRETE, 4).encode(answer).tolist() == [0, 1, 2]


def test_actions_are_numbered_as_the_space_numbers_them():
    codec = ActionCodec(FROM_ONE, 1)
    assert codec.decode(codec.encode(3)[0]) == 3
    assert FROM_ONE.contains(codec.decode(codec.encode(1)[0]))
    with pytest.raises(ActionError, match="1 to 3"):
        codec.encode(0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (3, "outside"),
        (-1, "outside"),
        (np.int64(3), "outside"),
        ([-1], "outside"),
        (np.uint64(2**63), "outside"),
        (1.0, "integer"),
        (float("nan"), "integer"),
        (np.array([0.1, 0.7, 0.2]), "argmax"),
        ("up", "integer"),
        (None, "integer"),
        ([], "0 actions"),
        ([0, 1, 2], "3 actions"),
        ([[0]], "shape"),
        ([[0], [1, 2]], "array"),
    ],
)
def test_invalid_discrete_actions_are_refused(answer, message):
    with pytest.raises(ActionError, match=message) as caught:
        ActionCodec(DISCRETE, 2).encode(answer)
    assert "Discrete(3)" in str(caught.value)
    assert "try" in str(caught.value)


def test_box_actions_come_as_the_spaces_type():
    codec = ActionCodec(ARM, 3)
    encoded = codec.encode([0.5, -1.5])
    assert encoded.tolist() == [[0.5, -1.5]]
    assert encoded.dtype == np.float32
    assert codec.encode(torch.tensor([[0.5, -1.5], [0.0, 2.0]])).tolist() == [[0.5, -1.5], [0.0, 2.0]]


def test_encoding_copies_and_makes_contiguous():
    codec = ActionCodec(ARM, 3)
    answer = np.zeros((2, 3), np.float32).T
    encoded = codec.encode(answer)
    answer[0, 0] = 1.0
    assert encoded.flags.c_contiguous
    assert encoded[0, 0] == 0.0
    row = codec.decode(encoded[0])
    encoded[0, 0] = 0.5
    assert row.tolist() == [0.0, 0.0]
    assert ARM.contains(row)


def test_a_bound_rounds_as_the_action_that_means_it():
    # 0.1 in float32 is 0.1000000015: greater than in float64, so a lower bound of 0.1 would refuse 0.1.
    space = spaces.Box(np.float32(0.1), np.float32(0.7), (1,))
    assert ActionCodec(space, 1).encode([0.1]).tolist() == [[float(np.float32(0.1))]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([np.nan, 0.0], "NaN"),
        ([np.inf, 0.0], "NaN or infinity"),
        ([1.01, 0.0], "numpy.clip"),
        ([0.0, -2.5], "numpy.clip"),
        (0.0, "shape"),
        ([0.0, 0.0, 0.0], "shape"),
        (np.zeros((1, 1, 2)), "shape"),
        (np.zeros((0, 2)), "0 actions"),
        (np.zeros((3, 2)), "3 actions"),
        (["a", "b"], "numbers"),
        (torch.zeros(2, requires_grad=True), "detach"),
        (torch.zeros(2, dtype=torch.bfloat16), "float"),
    ],
)
def test_invalid_box_actions_are_refused(answer, message):
    with pytest.raises(ActionError, match=message) as caught:
        ActionCodec(ARM, 2).encode(answer)
    assert "Box(" in str(caught.value)


def test_infinity_is_refused_even_where_the_space_is_unbounded():
    codec = ActionCodec(spaces.Box(-np.inf, np.inf, (1,), np.float32), 1)
    assert codec.encode([1e30]).dtype == np.float32
    for answer in ([np.inf], [1e300]):  # 1e300 overflows float32
        with pytest.raises(ActionError):
            codec.encode(answer)


def test_whole_numbers_do_not_wrap():
    codec = ActionCodec(BYTES, 1)
    assert codec.encode([3.0, 200]).tolist() == [[3, 200]]
    assert codec.encode([3, 200]).dtype == np.uint8
    for answer in ([-1, 0], [256, 0], [201, 0], [0.5, 0.0]):
        with pytest.raises(ActionError):
            codec.encode(answer)


def test_a_box_without_axes():
    codec = ActionCodec(spaces.Box(-1.0, 1.0, (), np.float64), 2)
    assert codec.encode(0.25).tolist() == [0.25]
    assert codec.encode([0.25, 0.5]).tolist() == [0.25, 0.5]
    assert codec.decode(codec.encode(0.25)[0]).shape == ()


@pytest.mark.parametrize("space", [FROM_ONE, ARM])
def test_decoded_actions_are_in_the_space_and_the_codec_can_be_pickled(space):
    space.seed(0)
    codec = pickle.loads(pickle.dumps(ActionCodec(space, 2)))
    assert codec.shape == ActionCodec(space, 2).shape
    for _ in range(20):
        action = space.sample()
        back = codec.decode(codec.encode(action)[0])
        assert space.contains(back)
        assert np.array_equal(back, action)


def test_a_long_answer_is_shown_short():
    with pytest.raises(ActionError) as caught:
        ActionCodec(DISCRETE, 1).encode(list(range(5000)))
    assert len(str(caught.value)) < 500


def test_clipping():
    codec = ActionCodec(ARM, 3, OutOfBounds.CLIP)
    within, outside = codec.clip(codec.encode([[0.5, -2], [3, -2.5], [-1e300, 1e300]]))
    assert within.dtype == np.float32 and within.tolist() == [[0.5, -2], [1, -2], [-1, 2]]
    assert outside.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("space", "answer", "within"),
    [
        (BYTES, [300, -5], [200, 0]),
        (BYTES, np.array([1e30, 250.0]), [200, 200]),
        (spaces.Box(-5, 5, (2,), np.int64), np.array([1e30, -1e30]), [5, -5]),
        (spaces.Box(-5, 5, (2,), np.int64), np.array([7, -7], np.int8), [5, -5]),
        (spaces.Box(0, 5, (2,), np.uint64), np.array([-7.0, 1e20]), [0, 5]),
    ],
)
def test_clipping_of_integers(space, answer, within):
    codec = ActionCodec(space, 1, OutOfBounds.CLIP)
    actions, outside = codec.clip(codec.encode(answer))
    assert actions.dtype == space.dtype and actions.tolist() == [within] and outside.tolist() == [True]


def test_what_clipping_does_not_take():
    codec = ActionCodec(ARM, 1, OutOfBounds.CLIP)
    for answer in ([np.nan, 0], [np.inf, 0], [1, 2, 3]):
        with pytest.raises(ActionError):
            codec.encode(answer)
    with pytest.raises(ConfigurationError, match=r"Discrete\(3\) has no bounds to clip to; try OutOfBounds.REFUSE"):
        ActionCodec(DISCRETE, 1, OutOfBounds.CLIP)
    with pytest.raises(ConfigurationError, match=r"out_of_bounds=.clip. is none of OutOfBounds\.REFUSE, "):
        ActionCodec(ARM, 1, "clip")
