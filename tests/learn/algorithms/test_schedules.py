import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.learn.algorithms.schedules import Linear, by_chance, constant, over_ticks


@pytest.mark.parametrize(
    ("tick", "value"), [(-5, 1.0), (0, 1.0), (25, 0.7625), (50, 0.525), (100, 0.05), (101, 0.05), (10**9, 0.05)]
)
def test_a_line_between_its_ends(tick, value):
    # 1 − 0.95·tick/100
    assert Linear(1.0, 0.05, 100).at(tick) == pytest.approx(value)


def test_beta_rises_and_ends_exactly():
    beta = Linear(0.6, 1.0, 7)
    assert [beta.at(0), beta.at(7)] == [0.6, 1.0]
    assert all(beta.at(t) < beta.at(t + 1) for t in range(7))


def test_no_ticks_at_all():
    assert Linear(1.0, 0.1, 0).at(0) == 0.1
    assert constant(0.3).at(0) == constant(0.3).at(99) == 0.3


@pytest.mark.parametrize("options", [(1.1, 0.0, 1), (0.0, float("nan"), 1), (-0.1, 1.0, 1), (0.0, 1.0, -1)])
def test_invalid_arguments_are_refused(options):
    with pytest.raises(ConfigurationError, match="try"):
        Linear(*options)


def test_by_chance_frequencies():
    rng = np.random.default_rng(0)
    drawn = [by_chance(4, 0.4, rng) for _ in range(20_000)]
    # None, for the greedy action, with 0.6, each action with 0.4/4; the standard error is at most 0.0035.
    shares = [drawn.count(action) / 20_000 for action in (None, 0, 1, 2, 3)]
    assert shares == pytest.approx([0.6, 0.1, 0.1, 0.1, 0.1], abs=0.015)


def test_chance_at_its_ends_and_equal_draws():
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    assert {by_chance(3, 0.0, one) for _ in range(100)} == {None}
    assert {by_chance(3, 1.0, other) for _ in range(100)} == {0, 1, 2}
    assert one.random() == other.random()


def test_decisions_of_any_length_explore_alike_a_tick():
    """With 0.1 a tick: 1 − 0.9² = 0.19, 1 − 0.9⁴ = 0.3439; of 8 ticks 0.9⁸ = 0.43 is free of chance in each way."""
    assert over_ticks(0.1, 1) == pytest.approx(0.1) and over_ticks(0.1, 2) == pytest.approx(0.19)
    assert over_ticks(0.1, 4) == pytest.approx(0.3439)
    for ticks in (1, 2, 4, 8):
        assert (1 - over_ticks(0.1, ticks)) ** (8 // ticks) == pytest.approx(0.43046721)
    assert over_ticks(0.0, 70) == 0.0 and over_ticks(1.0, 70) == 1.0
