"""Policies that no short lookahead finds: distant rewards, and smaller ones on the way."""

import numpy as np
import pytest

from hocket.errors import NotSolvedError
from hocket.theory import AsyncMDP, InducedDelayedSemiMDP
from hocket.theory.augmented import Augmented
from hocket.theory.policy_iteration import best_average


def corridor(length, temptation=0.0):
    """From state 0, action 0 leads to a state that pays 1 for ever, after paying ``temptation`` once; action 1 into a
    corridor that pays nothing until its end, which pays 2 for ever."""
    states = length + 2
    p, r = np.zeros((states, 2, states)), np.zeros((states, 2))
    p[0, 0, 1] = p[0, 1, 2] = 1
    r[0, 0] = temptation
    p[1, :, 1] = 1
    r[1] = 1
    for place in range(2, states):
        p[place, :, min(place + 1, states - 1)] = 1
    r[-1] = 2
    return AsyncMDP(p, r)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_reward_at_the_end_of_a_corridor_is_found(delay):
    # Where the first decision comes too late, β (action 0) has led to the state that pays 1.
    best = InducedDelayedSemiMDP(corridor(200), 1, delay).best()
    assert best.value == pytest.approx(2 if delay == 1 else 1, abs=1e-12)
    assert best.values.ravel()[-1] == pytest.approx(2, abs=1e-12)


def test_a_temptation_is_not_worth_a_lower_gain():
    best = InducedDelayedSemiMDP(corridor(5, temptation=10_000), 1, 1).best()
    assert best.value == pytest.approx(2, abs=1e-12)
    assert best.policy.table[0] == 1
    assert best.values.tolist() == pytest.approx([2, 1, 2, 2, 2, 2, 2])


def test_among_equal_gains_the_better_way_there_is_taken():
    # Both actions lead to the same place; one pays on the way.
    model = Augmented(np.array([[[0, 1], [0, 1]], [[0, 1], [0, 1]]], float), np.array([[3.0, 5], [1, 1]]), 0)
    found = best_average(model)
    assert found.gain.tolist() == [1, 1]
    assert found.policy[0] == 1
    assert found.bias.tolist() == [4, 0]


def test_an_iteration_that_does_not_end_is_refused(monkeypatch):
    monkeypatch.setattr("hocket.theory.policy_iteration.MOST_POLICIES", 1)
    with pytest.raises(NotSolvedError, match="among the first 1 that were tried"):
        InducedDelayedSemiMDP(corridor(200), 1, 1).best()
