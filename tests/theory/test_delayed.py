"""g(I, d) against linear programs on a model unrolled tick by tick, against closed forms, and its monotonicity."""

from itertools import product

import linear_programs
import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.theory import AsyncMDP, DelayedPolicy, InducedDelayedSemiMDP, random_mdp, recharge, ring, ring_delay_regret

SMALL = list(product(range(1, 5), range(1, 5)))


def g(mdp, interval, delay):
    return InducedDelayedSemiMDP(mdp, interval, delay).best().value


def deterministic(states, actions, seed):
    """Communicating, since action 0 goes round; the other actions lead anywhere."""
    rng = np.random.default_rng(seed)
    after = rng.integers(0, states, (states, actions))
    after[:, 0] = (np.arange(states) + 1) % states
    return AsyncMDP(np.eye(states)[after], rng.uniform(size=(states, actions)), default=int(rng.integers(actions)))


def anything(seed):
    """Few successors each: several recurrent classes, cycles, transient states; β at random for odd seeds."""
    rng = np.random.default_rng(seed)
    states, actions = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    p = np.zeros((states, actions, states))
    for s, a in product(range(states), range(actions)):
        after = rng.choice(states, int(rng.integers(1, 3)), replace=False)
        p[s, a, after] = rng.dirichlet(np.ones(len(after)))
    default = rng.dirichlet(np.ones(actions), states) if seed % 2 else int(rng.integers(actions))
    rewards = rng.integers(0, 4, (states, actions)) / 3
    return AsyncMDP(p, rewards, default=default, start=rng.dirichlet(np.ones(states)))


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.slow if seed < 40 else pytest.mark.training) for seed in range(100)]
)
def test_g_equals_the_linear_program_on_random_unichain_models(seed):
    mdp = random_mdp(2 + seed % 2, 2 + seed % 5 // 4, seed, default=seed // 2 % 2)
    worst = max(abs(g(mdp, i, d) - linear_programs.best_average(mdp, i, d)) for i, d in SMALL)
    assert worst <= 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_g_equals_the_linear_program_on_models_of_any_chain_structure(seed):
    mdp = anything(seed)
    for i, d in ((1, 1), (1, 3), (2, 1), (2, 2), (2, 4), (3, 2), (4, 4)):
        assert abs(g(mdp, i, d) - linear_programs.best_average(mdp, i, d)) <= 1e-8, (i, d)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_regrets_are_monotonic(seed):
    mdp = random_mdp(3, 2, seed, default=seed % 2)
    table = {(i, d): g(mdp, i, d) for i, d in product(range(1, 9), range(1, 7))}
    ideal = table[1, 1]
    for i, d in table:
        assert ideal - table[i, 1] >= -1e-9
        assert table[i, 1] - table[i, d] >= -1e-9
        assert d == 1 or table[i, d] <= table[i, d - 1] + 1e-9, "Δ_delay never falls with the delay"
    for i, factor in ((1, 2), (2, 2), (2, 3), (2, 4), (3, 2), (4, 2)):
        assert table[factor * i, 1] <= table[i, 1] + 1e-9, "Δ_inaction never falls from an interval to its multiple"


def test_a_longer_interval_may_lose_less_if_it_is_no_multiple():
    # Firing on every third tick meets the device ready each time; on every second, once in two.
    found = [g(recharge(), i, 1) for i in (1, 2, 3, 4)]
    assert found == pytest.approx([1 / 3, 1 / 4, 1 / 3, 1 / 4], abs=1e-12)


def test_a_delay_may_gain_where_the_phase_of_a_cycle_never_changes():
    # Seen every fourth tick from state 0, a ring of four is always in state 0, where β is right anyway; two ticks
    # late is in state 1, where it is not. One point of four against two.
    world = ring(4, 1.0)
    still = AsyncMDP(world.p, world.r, default=0, start=0)
    assert g(still, 4, 1) == pytest.approx(1 / 4, abs=1e-12)
    assert g(still, 4, 2) == pytest.approx(2 / 4, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_a_deterministic_communicating_world_forgives_any_delay(seed):
    mdp = deterministic(2 + seed % 5, 2, seed)
    ideal = g(mdp, 1, 1)
    for delay in range(2, 9):
        assert abs(ideal - g(mdp, 1, delay)) <= 1e-9


@pytest.mark.parametrize("predictability", [1, 0.999, 0.99, 0.9])
def test_the_ring_loses_by_its_formula(predictability):
    for states in (2, 3):
        world = ring(states, predictability)
        assert g(world, 1, 1) == pytest.approx(1, abs=1e-12)
        for delay in range(1, 9):
            assert 1 - g(world, 1, delay) == pytest.approx(
                ring_delay_regret(states, predictability, delay), abs=1e-9 if predictability == 1 else 1e-10
            )


@pytest.mark.slow
@pytest.mark.parametrize(("predictability", "delay"), list(product([0.999, 0.99, 0.9], [70, 596])))
def test_the_ring_by_simulation_where_it_is_too_large(predictability, delay):
    """Many rings at once, from their observation to the state that the action meets, d − 1 ticks later."""
    states, rings = 4, 200_000
    rng = np.random.default_rng(delay)
    seen = rng.integers(0, states, rings)
    now = seen.copy()
    for _ in range(delay - 1):
        jumps = rng.random(rings) >= predictability
        now = (now + 1) % states
        now[jumps] = rng.integers(0, states, int(jumps.sum()))
    wrong = ((seen + delay - 1) % states != now).mean()
    expected = ring_delay_regret(states, predictability, delay)
    assert abs(wrong - expected) <= 3 * np.sqrt(expected * (1 - expected) / rings)
    assert wrong == pytest.approx(expected, rel=0.02)


def test_pending_decisions_and_the_tick_that_executes_one():
    world = random_mdp(3, 2, 0)
    for interval, delay in product(range(1, 6), range(1, 14)):
        semi = InducedDelayedSemiMDP(world, interval, delay)
        executed = {o + delay for o in range(0, 200, interval)}
        at = 100 * interval // interval  # a decision tick long after the start
        at -= at % interval
        inside = [t for t in range(at + 1, at + interval + 1) if t in executed]
        assert inside == [at + semi.offset]
        assert semi.pending == sum(o + delay > at for o in range(0, at, interval))


def test_intervals_and_delays_from_seconds():
    world = random_mdp(3, 2, 0, tick_s=0.02)
    slow = InducedDelayedSemiMDP.sequential(world, inference_s=0.05, learning_s=0.02)
    assert (slow.interval_ticks, slow.delay_ticks, slow.states) == (4, 3, 3)
    even = InducedDelayedSemiMDP.staggered(world, inference_s=0.06)
    assert (even.interval_ticks, even.delay_ticks, even.states) == (1, 3, 12)


def test_one_cycle_by_hand():
    # Two states that swap under 1 and stay under 0; β = 1; reward 1 in state 1, under any action.
    p = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], float)
    semi = InducedDelayedSemiMDP(AsyncMDP(p, [[0, 0], [1, 1]], default=1), 3, 2)
    chances, rewards, idle, idle_rewards = semi.cycle(0.5)
    # From 0: β to 1 (0), then a, paid in state 1 (1 · ½), then β: paid (¼) only if a stayed.
    assert np.array_equal(chances, [[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
    assert np.allclose(rewards, [[0.75, 0.5], [1.0, 1.25]])
    assert np.array_equal(idle, [[0, 1], [1, 0]])
    assert np.allclose(idle_rewards, [0.5, 1.25])


@pytest.mark.parametrize(("interval", "delay"), [(1, 1), (1, 4), (2, 3), (3, 2), (2, 5), (4, 4)])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_the_discounted_value_equals_long_enough_dynamic_programming(interval, delay, seed):
    mdp, discount = anything(seed), 0.8
    rows, start = linear_programs.unrolled(mdp, interval, delay)
    size = 1 + max(state for state, _, _ in rows)
    values = np.zeros(size)
    for _ in range(150):  # 0.8^150 < 1e-14
        better = np.full(size, -np.inf)
        for state, reward, after in rows:
            better[state] = max(better[state], reward + discount * sum(c * values[s] for s, c in after.items()))
        values = better
    expected = sum(chance * values[state] for state, chance in start.items())
    assert InducedDelayedSemiMDP(mdp, interval, delay).best_discounted(discount).value == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_the_best_policy_earns_the_solvers_gain_and_no_other_earns_more(seed):
    mdp = anything(seed) if seed < 6 else random_mdp(3, 2, seed)
    rng = np.random.default_rng(seed)
    for interval, delay in ((1, 1), (1, 3), (2, 3), (3, 2)):
        semi = InducedDelayedSemiMDP(mdp, interval, delay)
        best = semi.best()
        assert semi.average_of(best.policy) == pytest.approx(best.value, abs=1e-9)
        for _ in range(5):
            table = rng.integers(0, mdp.actions, semi.shape)
            chances = rng.dirichlet(np.ones(mdp.actions), semi.shape)
            for policy in (table, chances):
                warm_up = tuple(policy[(slice(None),) + (0,) * (semi.pending - m)] for m in range(semi.pending))
                assert semi.average_of(DelayedPolicy(policy, warm_up)) <= best.value + 1e-9


def test_under_a_fixed_default_a_bare_table_starts_with_its_action_pending():
    mdp = deterministic(4, 2, 3)
    semi = InducedDelayedSemiMDP(mdp, 1, 4)
    best = semi.best()
    assert semi.average_of(best.policy.table) == pytest.approx(best.value, abs=1e-9)


@pytest.mark.slow
def test_a_hundred_thousand_states_are_solved():
    mdp = random_mdp(10, 10, 0)
    semi = InducedDelayedSemiMDP(mdp, 1, 5)
    best = semi.best()
    assert semi.states == 100_000
    # Optimality, checked from outside: no state gains more than g a tick on any one step from these values.
    assert np.ptp(best.values) <= 1e-9 and best.error <= 1e-9
    assert semi.average_of(best.policy) == pytest.approx(best.value, abs=1e-9)


def test_sizes_are_refused_with_the_number_of_states_and_what_to_try():
    with pytest.raises(ConfigurationError, match=r"4·4\^69 = 1\.4e\+42 augmented states.*try a longer interval"):
        InducedDelayedSemiMDP(ring(4, 0.9), 1, 70)
    with pytest.raises(ConfigurationError, match=r"3·2\^5 = 96 augmented states, more than largest=95"):
        InducedDelayedSemiMDP(random_mdp(3, 2, 0), 1, 6, largest=95)
    dense = AsyncMDP(np.full((600, 2, 600), 1 / 600), np.zeros((600, 2)))
    with pytest.raises(ConfigurationError, match=r"307,200 augmented states with 184,320,000 transitions.*try"):
        InducedDelayedSemiMDP(dense, 1, 10).best()


@pytest.mark.parametrize(("interval", "delay"), [(0, 1), (1, 0), (1.5, 1), (1, True)])
def test_intervals_and_delays_are_whole_ticks(interval, delay):
    with pytest.raises(ConfigurationError, match=r"=.* must be a whole number from 1"):
        InducedDelayedSemiMDP(recharge(), interval, delay)


def test_policies_that_do_not_fit_are_refused():
    semi = InducedDelayedSemiMDP(recharge(), 1, 2)
    with pytest.raises(ConfigurationError, match=r"integers of shape \(3, 2\) or chances of shape \(3, 2, 2\)"):
        semi.average_of(np.zeros(3, int))
    with pytest.raises(ConfigurationError, match="decisions 0 to 2"):
        semi.average_of([[0, 1], [2, 1], [0, 0]])
    with pytest.raises(ConfigurationError, match="sum to 1"):
        semi.average_of(np.full((3, 2, 2), 0.4))
    drifting = AsyncMDP(recharge().p, recharge().r, default=np.full((3, 2), 0.5))
    with pytest.raises(ConfigurationError, match="warm_up tables"):
        InducedDelayedSemiMDP(drifting, 1, 2).average_of(np.zeros((3, 2), int))
    with pytest.raises(ConfigurationError, match=r"discount=1"):
        semi.best_discounted(1)
