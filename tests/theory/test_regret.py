"""Sums, signs and prints; and Monte-Carlo runs of the virtual driver against the exact values."""

import numpy as np
import pytest

import hocket
from hocket.errors import ConfigurationError
from hocket.theory import (
    AsyncMDP,
    DelayedPolicy,
    InducedDelayedSemiMDP,
    TabularEnv,
    achieved_in,
    default_of,
    exact_decomposition,
    random_mdp,
    ring,
)

HZ = 50
TICKS = 10_000
RULES = {
    # (interval, delay): rule, inference and learning in ticks
    (1, 1): (hocket.TickDispatch(workers=1), 0.9, 0),
    (1, 2): (hocket.TickDispatch(workers=1, min_delay_ticks=2), 0.9, 0),
    (1, 4): (hocket.TickDispatch(workers=1, min_delay_ticks=4), 0.9, 0),
    (3, 3): (hocket.Sequential(), 3.0, 0),
    (3, 1): (hocket.Sequential(hocket.Learn.AFTER_INFERENCE), 1.0, 2),
    (4, 2): (hocket.Sequential(hocket.Learn.AFTER_INFERENCE), 2.0, 2),
}


def played(mdp, policy, interval, delay, seed):
    semi = InducedDelayedSemiMDP(mdp, interval, delay)
    rule, inference, learning = RULES[interval, delay]
    laws = {"learning": hocket.Constant(learning / HZ)} if learning else {}
    result = hocket.run(
        TabularEnv(mdp),
        semi.agent(policy),
        rule,
        hocket.Virtual(hz=HZ, latency=hocket.Constant(inference / HZ), **laws),
        ticks=TICKS,
        default=default_of(mdp, seed),
        seed=seed,
    )
    ticks = result.metrics().ticks
    fresh = ticks.inference >= 0
    assert set(ticks.delay_ticks[fresh].tolist()) == {delay}
    assert set(np.diff(ticks.tick[fresh]).tolist()) == {interval}
    return achieved_in(result.record)


def by_next_state(seed):
    """Rewards that depend on where the step leads, with a default at random and a start at random."""
    rng = np.random.default_rng(seed)
    base = random_mdp(3, 2, seed)
    return AsyncMDP(
        base.p, rng.uniform(size=(3, 2, 3)), default=rng.dirichlet([1, 1], 3), start=rng.dirichlet(np.ones(3))
    )


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "delay"), RULES)
@pytest.mark.parametrize(
    "world", [random_mdp(4, 2, 1, default=1, concentration=0.2), ring(3, 0.8)], ids=["random", "ring"]
)
def test_the_virtual_driver_earns_the_solvers_gain(world, interval, delay):
    best = InducedDelayedSemiMDP(world, interval, delay).best()
    seen = played(world, best.policy, interval, delay, seed=1)
    assert seen.standard_error < 0.01
    assert abs(seen.mean - best.value) <= 3 * seen.standard_error + 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "delay"), [(1, 1), (3, 3), (4, 2)])
def test_it_does_so_too_under_a_default_at_random(interval, delay):
    world = by_next_state(2)
    best = InducedDelayedSemiMDP(world, interval, delay).best()
    seen = played(world, best.policy, interval, delay, seed=3)
    assert abs(seen.mean - best.value) <= 3 * seen.standard_error


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "delay"), [(1, 4), (3, 3)])
def test_a_policy_that_is_not_the_best_earns_its_stationary_distribution(interval, delay):
    world = random_mdp(4, 2, 4, default=1, concentration=0.2)
    semi = InducedDelayedSemiMDP(world, interval, delay)
    table = np.random.default_rng(1).integers(0, 2, semi.shape)
    exact = semi.average_of(table)
    seen = played(world, DelayedPolicy(table), interval, delay, seed=2)
    assert abs(seen.mean - exact) <= 3 * seen.standard_error
    parts = exact_decomposition(world, interval_ticks=interval, delay_ticks=delay, achieved=exact)
    assert parts.learning_regret >= 0
    assert exact_decomposition(
        world, interval_ticks=interval, delay_ticks=delay, achieved=seen
    ).learning_regret == pytest.approx(parts.learning_regret, abs=3 * seen.standard_error)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [70, 596])
@pytest.mark.parametrize("predictability", [0.99, 0.9])
def test_the_ring_under_the_driver_at_delays_that_are_too_large_for_tables(predictability, delay):
    states = 4
    result = hocket.run(
        TabularEnv(ring(states, predictability)),
        lambda observation: int((observation[0] + delay - 1) % states),
        hocket.TickDispatch(workers=1, min_delay_ticks=delay),
        hocket.Virtual(hz=HZ, latency=hocket.Constant(0.9 / HZ)),
        ticks=20_000,
        seed=1,
    )
    seen = achieved_in(result.record, after_tick=delay)
    expected = (1 - predictability ** (delay - 1)) * (1 - 1 / states)
    assert seen.standard_error < 0.1 * expected
    assert abs(1 - seen.mean - expected) <= 3 * seen.standard_error


def test_the_parts_sum_to_the_whole_and_print():
    parts = exact_decomposition(ring(4, 0.9), interval_ticks=4, delay_ticks=4, achieved=0.3)
    sum_of_parts = parts.inaction_regret + parts.delay_regret + parts.learning_regret
    assert sum_of_parts == pytest.approx(parts.realtime_regret, abs=1e-15)
    # Three ticks of four are β's, right in one state of four; the fourth is decided 3 steps ahead.
    assert parts.inaction_regret == pytest.approx(3 / 4 * 3 / 4)
    assert parts.delay_regret == pytest.approx((1 - 0.9**3) * 3 / 4 / 4)
    assert str(parts) == (
        "reward a tick\n"
        "  best at interval 1, delay 1       1.0000\n"
        "  lost to inaction (interval 4)     0.5625\n"
        "  lost to delay (delay 4)           0.0508\n"
        "  lost by the policy                0.0867\n"
        "  regret                            0.7000\n"
        "  achieved                          0.3000"
    )


def test_without_an_agent_nothing_is_lost_by_learning():
    parts = exact_decomposition(random_mdp(4, 2, 1, concentration=0.2), interval_ticks=2, delay_ticks=3)
    assert parts.learning_regret == 0
    assert parts.inaction_regret > 0 < parts.delay_regret


def test_a_short_record_has_no_interval():
    result = hocket.run(
        TabularEnv(ring(3, 0.9)),
        lambda o: 0,
        hocket.Sequential(),
        hocket.Virtual(hz=1, latency=hocket.Constant(1)),
        ticks=40,
    )
    with pytest.raises(ConfigurationError, match="20 ticks after tick 20 are too few"):
        achieved_in(result.record, after_tick=20)
    assert achieved_in(result.record).ticks == 40
