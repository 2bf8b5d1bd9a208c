import re

import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.theory import AsyncMDP, random_mdp, recharge, ring

P = np.array([[[0.5, 0.5], [0, 1]], [[1, 0], [0.25, 0.75]]])
R = np.array([[1.0, 2], [3, 4]])


def test_properties_follow_from_the_tables():
    mdp = AsyncMDP(P, R, default=[[0.5, 0.5], [0, 1]], start=1, tick_s=0.02)
    assert (mdp.states, mdp.actions) == (2, 2)
    assert mdp.start.tolist() == [0, 1]
    assert mdp.default_p.tolist() == [[0.25, 0.75], [0.25, 0.75]]
    assert mdp.default_rewards.tolist() == [1.5, 4]
    assert mdp.p_minimax == 0.5


def test_rewards_by_next_state_are_averaged():
    mdp = AsyncMDP(P, [[[1, 3], [5, 7]], [[2, 9], [4, 8]]])
    assert mdp.rewards.tolist() == [[2, 7], [2, 7]]


def test_ticks_of_a_duration():
    mdp = AsyncMDP(P, R, tick_s=1 / 60)
    assert [mdp.ticks_of(s) for s in (0, 0.016, 1 / 60, 5 / 60, 0.2, 0.201)] == [1, 1, 1, 5, 12, 13]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p": P[0]}, r"p has shape (2, 2); it must be [state, action, next state]"),
        ({"p": P * 0.9}, "p[0, 0] sums to 0.9 with a least entry of 0.45; it must be a distribution"),
        ({"p": 2 * P - 0.5}, "p[0, 1] sums to 1 with a least entry of -0.5"),
        ({"p": P * np.nan}, "p[0, 0, 0] is nan; every entry must be a finite number"),
        ({"r": [1, 2]}, "r has shape (2,); with this p it must be (2, 2) or (2, 2, 2)"),
        ({"default": 2}, "default=2 is none of the 2 actions; try 0 to 1"),
        ({"default": [[1, 0]]}, "default has shape (1, 2); it must be (2, 2)"),
        ({"default": [[1, 1], [0, 1]]}, "default[0] sums to 2"),
        ({"start": -1}, "start=-1 is none of the 2 states"),
        ({"start": [0.5, 0.6]}, "start sums to 1.1"),
        ({"tick_s": 0}, "tick_s=0 must be a finite number of seconds above 0"),
    ],
)
def test_tables_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        AsyncMDP(**{"p": P, "r": R, **changes})


def test_tables_are_copied_and_cannot_be_changed():
    given = P.copy()
    mdp = AsyncMDP(given, R)
    given[0, 0] = [1, 0]
    assert mdp.p[0, 0].tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        mdp.p[0, 0] = [1, 0]


def test_the_ring():
    world = ring(4, 0.9)
    assert world.p[3, 2].tolist() == pytest.approx([0.925, 0.025, 0.025, 0.025])
    assert world.rewards.tolist() == np.eye(4).tolist()
    assert world.p_minimax == pytest.approx(0.925)
    assert ring(4, 1).p_minimax == 1


def test_a_random_model_reaches_everything_at_once():
    mdp = random_mdp(4, 3, 7)
    assert mdp.p.min() > 0
    assert np.array_equal(mdp.p, random_mdp(4, 3, 7).p)
    assert not np.array_equal(mdp.p, random_mdp(4, 3, 8).p)


def test_recharging_takes_three_ticks_a_shot():
    world = recharge()
    state, rewards = 0, []
    for _ in range(6):
        rewards.append(world.rewards[state, 1])
        state = int(world.p[state, 1].argmax())
    assert rewards == [1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("call", [lambda: ring(0, 0.5), lambda: ring(3, 1.1), lambda: random_mdp(2, 0, 1)])
def test_models_refuse_what_makes_no_sense(call):
    with pytest.raises(ConfigurationError, match="must"):
        call()
