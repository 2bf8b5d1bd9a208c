import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import hocket
from hocket.errors import ActionError, ConfigurationError, HocketError
from hocket.spaces.defaults import neutral

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
    with pytest.raises(ActionError):
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
