import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import hocket
from hocket.errors import ActionError, ConfigurationError, HocketError
from hocket.spaces.defaults import Foreseeable, neutral
from hocket.spaces.defaults import bound as bound_for_one_run

SEEN = np.array([0.25])
BOX = Box(-1, 1, (2,), np.float32)


def bound(default, space, seed=0):
    return default.bind(space, np.random.default_rng(seed))


def test_fixed():
    assert bound(hocket.Fixed(2), Discrete(3))(SEEN, 1) == 2
    action = bound(hocket.Fixed([0.5, -0.5]), BOX)(SEEN, None)
    assert action.dtype == np.float32 and action.tolist() == [0.5, -0.5]


def test_repeat_last():
    act = bound(hocket.RepeatLast(), Discrete(3, start=5))
    assert act(SEEN, None) == 5 and act(SEEN, 7) == 7
    assert bound(hocket.RepeatLast(6), Discrete(3, start=5))(SEEN, None) == 6
    assert bound(hocket.RepeatLast(), BOX)(SEEN, None).tolist() == [0, 0]


def test_random_is_seeded():
    def draw(seed):
        act = bound(hocket.RandomDefault(), Discrete(1000), seed)
        return [int(act(SEEN, None)) for _ in range(20)]

    assert draw(1) == draw(1) != draw(2)
    assert all(0 <= action < 1000 for action in draw(3))
    act = bound(hocket.RandomDefault(), BOX)
    assert all(BOX.contains(act(SEEN, None)) for _ in range(20))


def test_fallback_sees_the_newest_observation():
    act = bound(hocket.Fallback(lambda o: [o[0], -o[0]]), BOX)
    assert act(SEEN, None).tolist() == [0.25, -0.25]


def test_fallback_answers_are_checked():
    with pytest.raises(ActionError, match=r"default=Fallback\(.*NaN or infinity, outside Box"):
        bound(hocket.Fallback(lambda o: [np.nan, 0]), BOX)(SEEN, None)
    with pytest.raises(ActionError):
        bound(hocket.Fallback(lambda o: 3), Discrete(3))(SEEN, None)


@pytest.mark.parametrize(
    ("default", "space"),
    [
        (hocket.Fixed(3), Discrete(3)),
        (hocket.Fixed(0), Discrete(3, start=1)),
        (hocket.Fixed(0.5), Discrete(3)),
        (hocket.Fixed([0, 2]), BOX),
        (hocket.Fixed([0, 0, 0]), BOX),
        (hocket.Fixed([0, float("nan")]), BOX),
        (hocket.RepeatLast(9), Discrete(3)),
    ],
    ids=repr,
)
def test_actions_outside_the_space_are_refused(default, space):
    with pytest.raises(HocketError, match=r"try|needs"):
        bound(default, space)


def test_neutral():
    assert neutral(Discrete(3, start=1)) == 1
    assert neutral(Box(np.float32(0.5), np.float32(1), (2,))).tolist() == [0.5, 0.5]
    with pytest.raises(ConfigurationError):
        neutral(MultiDiscrete([2, 2]))


def test_fallback_needs_a_function():
    with pytest.raises(ConfigurationError):
        hocket.Fallback(3)


class Own(hocket.Default):
    """A default of the user's: gives ``answer``, whatever the space."""

    def __init__(self, answer, foreseeable=False):
        self.answer, self.foreseeable = answer, foreseeable

    def __repr__(self):
        return "Own()"

    def bind(self, action_space, rng):
        if self.foreseeable:
            return Foreseeable(lambda last: self.answer, self.answer)
        return lambda observation, last: self.answer


@pytest.mark.parametrize(
    ("answer", "space", "message"),
    [
        (7, Discrete(2), r"default=.*Own.*: action 7 is outside Discrete\(2\)"),
        (0.5, Discrete(2), r"default=.*Own.*: action 0.5 is not an integer as Discrete\(2\) needs"),
        ([50.0, 0], BOX, r"default=.*Own.*: action \[50.0, 0\] is outside Box"),
        (None, BOX, r"default=.*Own.*: action None"),
    ],
)
@pytest.mark.parametrize("foreseeable", [False, True])
def test_actions_of_other_classes_are_checked(answer, space, message, foreseeable):
    with pytest.raises(ActionError, match=message):
        bound_for_one_run(Own(answer, foreseeable), space, np.random.default_rng(0))(SEEN, None)


def test_what_other_classes_foresee_is_checked():
    act = bound_for_one_run(Own(1, foreseeable=True), Discrete(2), np.random.default_rng(0))
    assert act.initial == act(SEEN, None) == act.foresee(0) == 1


def test_a_default_without_a_function_is_refused():
    class Number(hocket.Default):
        def bind(self, action_space, rng):
            return 3

    with pytest.raises(ConfigurationError, match=r"Number.*bind gave 3; a function"):
        bound_for_one_run(Number(), Discrete(4), np.random.default_rng(0))


def test_the_users_space_is_neither_seeded_nor_drawn_from():
    space, same = Discrete(1000), Discrete(1000)
    space.seed(5)
    same.seed(5)
    act = bound_for_one_run(hocket.RandomDefault(), space, np.random.default_rng(1))
    other = bound_for_one_run(hocket.RandomDefault(), space, np.random.default_rng(1))
    assert [act(SEEN, None) for _ in range(9)] == [other(SEEN, None) for _ in range(9)]
    assert [space.sample() for _ in range(9)] == [same.sample() for _ in range(9)]


@pytest.mark.parametrize(
    "default", [hocket.Fixed(1), hocket.RepeatLast(), hocket.RandomDefault(), hocket.Fallback(lambda o: 1)]
)
def test_those_of_this_package_are_not_checked_twice(default):
    kind = type(default.bind(Discrete(2), np.random.default_rng(0)))
    assert type(bound_for_one_run(default, Discrete(2), np.random.default_rng(0))) is kind
