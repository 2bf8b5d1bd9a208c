"""Q-learning on hocket's transitions finds the exact values of the induced delayed semi-MDP.

Rewards. A decision on observation o is executed by tick t = o + delay; a transition pays what ticks t ... t' − 1 pay,
t' the next decision's tick. Hence Q counts rewards from the decision's own execution on, while its state is what is
known at o: with s(k) the world after tick k, tick t pays r(s(t − 1), a), and s(t − 1) is reached from s(o) through the
pending actions, which are part of the state.

- (1, 1): Q(s, a) = r(s, a) + γ Σ P(s'|s, a) V(s').
- (1, 3): x = (s, b, c) with b, c pending at o + 1, o + 2. Q(x, a) = E r(s(o + 2), a) + γ E V(s(o + 1), c, a).
- (1, 3) blind, at random: x = s, since nothing is told of b and c. A transition ends where its action shows, at the
  decision on observation t = o + 3: Q(s, a) = E[r(s(o + 2), a) + γ r(s(t)) + γ² r(s(t + 1)) + γ³ V(s(t))], with b, c
  and the actions of t + 1 and t + 2 at random, as they were.
- Newest observation in the head: it is s(t − 1), so Q(x, a) = Q(s(t − 1), a) of (1, 1), whatever else is told.
- (4, 4): β in o + 1 ... o + 3, a in o + 4, which yields the next decision's observation, then β again for three
  ticks, which belong to a. Q(s, a) = E[r(s₃, a) + γ rβ(s₄) + γ² rβ(s₅) + γ³ rβ(s₆) + γ⁴ V(s₄)], s₃ from s by Pβ³.
"""

from itertools import combinations, product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import hocket
from hocket.learn.replay.transitions import Decided, TransitionBuilder
from hocket.policies.base import FunctionPolicy

STATES, ACTIONS = 3, 2
GAMMA = 0.9
BETA = 1
HZ = 50
CASES = {
    # (interval, delay): rule, inference in ticks, pending, ticks played
    (1, 1): (hocket.TickDispatch(workers=1), 0.9, 0, 8_000),
    (1, 3): (hocket.TickDispatch(workers=1, min_delay_ticks=3), 0.9, 2, 20_000),
    (4, 4): (hocket.Sequential(), 4.0, 3, 20_000),
}


class Tables:
    """A random MDP: ``chances[s, a, s']`` and ``rewards[s, a]``."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.chances = rng.dirichlet(np.full(STATES, 0.3), (STATES, ACTIONS))
        self.rewards = rng.uniform(0, 1, (STATES, ACTIONS))


class Tabular(gym.Env):
    """Never ends, or is truncated after every ``length`` ticks; observes its state."""

    observation_space = spaces.Box(0, STATES - 1, (1,), np.int64)
    action_space = spaces.Discrete(ACTIONS)

    def __init__(self, tables, length=None):
        self.length = length
        self.rewards = tables.rewards.tolist()
        self.steps = np.cumsum(tables.chances, axis=-1).tolist()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state, self.age = 0, 0
        if seed is not None:
            self.draws = iter(())
        return np.array([0]), {}

    def step(self, action):
        draw = next(self.draws, None)
        if draw is None:
            self.draws = iter(self.np_random.random(4096).tolist())
            draw = next(self.draws)
        reward = self.rewards[self.state][action]
        first, second, _ = self.steps[self.state][action]
        self.state = 0 if draw < first else 1 if draw < second else 2
        self.age += 1
        return np.array([self.state]), reward, False, self.age == self.length, {}


# -- the independent solver ----------------------------------------------------------------------------------


def exact(tables, interval, delay):
    """Q by (state, pending actions) and action."""
    p, r = tables.chances, tables.rewards
    if (interval, delay) == (1, 1):
        return {(s, ()): q for s, q in enumerate(iterate(p, r, GAMMA))}
    if (interval, delay) == (1, 3):
        states = list(product(range(STATES), range(ACTIONS), range(ACTIONS)))
        where = {state: i for i, state in enumerate(states)}
        chances = np.zeros((len(states), ACTIONS, len(states)))
        rewards = np.zeros((len(states), ACTIONS))
        for (s, b, c), a in product(states, range(ACTIONS)):
            i = where[s, b, c]
            rewards[i, a] = p[s, b] @ p[:, c] @ r[:, a]
            for after in range(STATES):
                chances[i, a, where[after, c, a]] += p[s, b, after]
        return {(s, (b, c)): q for (s, b, c), q in zip(states, iterate(chances, rewards, GAMMA), strict=True)}
    assert (interval, delay) == (4, 4)
    idle, idle_rewards = p[:, BETA], r[:, BETA]
    thrice = np.linalg.matrix_power(idle, 3)
    afterwards = sum(GAMMA ** (k + 1) * np.linalg.matrix_power(idle, k) @ idle_rewards for k in range(3))
    rewards = thrice @ (r + p @ afterwards)
    chances = np.einsum("ij,jak->iak", thrice, p)
    return {(s, (BETA,) * 3): q for s, q in enumerate(iterate(chances, rewards, GAMMA**4))}


def iterate(chances, rewards, discount):
    """Value iteration: Q, (states, actions)."""
    values = np.zeros(rewards.shape)
    while True:
        better = rewards + discount * chances @ values.max(axis=1)
        if np.abs(better - values).max() < 1e-12:
            return better
        values = better


# -- the values by hocket ------------------------------------------------------------------------------------


class Collector:
    """Transitions, with what each decision was told in place of the ticks: an observation, pending actions and, of a
    head that sees it, the newest observation."""

    def __init__(self, **options):
        self.builder = TransitionBuilder(GAMMA, **options)
        self.states, self.transitions, self.rows = [], [], []
        self.began_at = 0

    def began(self, observation):
        self.states.append(int(observation[0]))

    def ticked(self, moment):
        ended = moment.final_observation is not None
        self.states.append(int((moment.final_observation if ended else moment.observation)[0]))
        decided = final = None
        if moment.decided_on >= 0 or moment.newest >= 0:
            decided = self.told(moment, moment.decided_on, moment.newest, moment.pending_actions)
        if ended:
            final = self.told(moment, moment.final_decided_on, moment.final_newest, moment.final_pending_actions)
        closed = self.builder.tick(moment.tick, moment.reward, decided=decided, truncated=moment.truncated, final=final)
        self.transitions += closed
        for t in closed:
            before = self.key(t.decided.observation, t.decided.pending, t.decided.newest)
            after = self.key(t.next_observation, t.next_pending, t.next_newest)
            self.rows.append((before, t.decided.action, t.reward, t.discount, after))
        if ended:
            self.states[-1], self.began_at = int(moment.observation[0]), moment.tick

    def told(self, moment, observation, newest, pending):
        if newest >= 0 and observation < 0:  # the head alone
            observation = self.began_at
        return Decided(tick=moment.tick, observation=observation, action=moment.action, pending=pending, newest=newest)

    def key(self, observation, pending, newest):
        seen = self.states[observation], tuple(pending.tolist())
        return seen if newest < 0 else (*seen, self.states[newest])


LATE = (hocket.TickDispatch(workers=3), 2.9, 2, 20_000)
"""(1, 3) by late binding: an inference of three ticks, its head given the actions executed meanwhile."""


def collected(tables, seed, rule, inference_ticks, pending, ticks, *, late=False, newest=False, length=None, **options):
    """The transitions of a run under a policy that acts at random."""
    choices = iter(np.random.default_rng(seed).integers(0, ACTIONS, 2 * ticks + 8).tolist())
    collector = Collector(**options)
    hocket.run(
        Tabular(tables, length),
        hocket.TwoStage(
            lambda observation: None,
            lambda features, *told: next(choices),
            pending=pending,
            newest=newest,
            delay_told=newest,
        )
        if late
        else FunctionPolicy(lambda observation, pending_actions=(): next(choices), pending=pending),
        rule,
        hocket.Virtual(hz=HZ, latency=hocket.Constant(inference_ticks / HZ)),
        ticks=ticks,
        default=hocket.Fixed(BETA),
        seed=seed,
        listener=collector,
    )
    return collector


def q_learning(collector, least_visits=100):
    """Tabular Q-learning, replayed: in each sweep every transition is one update towards the table of the sweep
    before, with step size 1/(visits in this sweep), done for all at once."""
    rows = {}
    data = [
        (rows.setdefault(before, len(rows)), action, reward, discount, rows.setdefault(after, len(rows)))
        for before, action, reward, discount, after in collector.rows
    ]
    before, actions, rewards, discounts, after = map(np.array, zip(*data, strict=True))
    pairs = before * ACTIONS + actions
    visits = np.bincount(pairs, minlength=len(rows) * ACTIONS)
    assert visits.min() >= least_visits, "every state and action is visited"
    table = np.zeros((len(rows), ACTIONS))
    for _ in range(1000):
        targets = rewards + discounts * table.max(axis=1)[after]
        better = (np.bincount(pairs, targets, len(visits)) / visits).reshape(table.shape)
        converged = np.abs(better - table).max() < 1e-5
        table = better
        if converged:
            return {state: table[row] for state, row in rows.items()}
    raise AssertionError("Q-learning does not converge")


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "delay", "seed"), [(1, 1, 1), (1, 3, 1), (4, 4, 3)])
def test_q_learning_finds_the_exact_values(interval, delay, seed, record_property):
    tables = Tables(seed)
    case = f"(interval, delay) = {interval, delay}, MDP {seed}"
    check(tables, interval, delay, collected(tables, seed, *CASES[interval, delay]), case, record_property)


@pytest.mark.slow
def test_late_binding_finds_them_too(record_property):
    seed = 1
    tables = Tables(seed)
    collector = collected(tables, seed, *LATE, late=True)
    check(tables, 1, 3, collector, f"(1, 3) by late binding, MDP {seed}", record_property)


def check(tables, interval, delay, collector, case, record_property):
    assert all(t.decided.tick - t.decided.observation == delay for t in collector.transitions)
    assert all(t.ticks == interval for t in collector.transitions)
    compare(q_learning(collector), exact(tables, interval, delay), case, record_property)


def compare(learned, truth, case, record_property):
    assert learned.keys() == truth.keys()
    error = max(np.abs(learned[state] / values - 1).max() for state, values in truth.items())
    record_property("error", float(error))
    print(f"{case}: max relative error {error:.3%}")
    assert error <= 0.01


@pytest.mark.slow
def test_late_binding_finds_them_in_truncated_episodes(record_property):
    """Every 8 ticks: the last decision leads to what the next one would have been told, not to unknown actions."""
    seed = 1
    tables = Tables(seed)
    rule, inference_ticks, pending, _ = LATE
    collector = collected(tables, seed, rule, inference_ticks, pending, 24_000, late=True, length=8)
    assert sum(t.final for t in collector.transitions) == 3_000
    check(tables, 1, 3, collector, f"(1, 3) by late binding, truncated, MDP {seed}", record_property)


def with_a_head_that_sees_the_newest(tables, seed, ticks, length):
    """The transitions, and those of them that the head decided alone: in the first two ticks of each episode."""
    rule, inference_ticks, pending, _ = LATE
    options = {"late": True, "newest": True, "length": length, "unknown": ACTIONS}
    collector = collected(tables, seed, rule, inference_ticks, pending, ticks, **options)
    assert all(t.ticks == 1 for t in collector.transitions)
    return collector, [t for t in collector.transitions if ACTIONS in t.decided.pending.tolist()]


@pytest.mark.slow
def test_the_newest_observation_is_the_state(record_property):
    """A head that sees it has the values of no delay, whatever its features and pending actions are."""
    seed = 2
    tables = Tables(seed)
    collector, alone = with_a_head_that_sees_the_newest(tables, seed, 40_000, length=8)
    assert len(alone) == 2 * 5_000
    truth = exact(tables, 1, 1)
    learned = q_learning(collector, least_visits=5)
    compare(learned, {state: truth[state[2], ()] for state in learned}, f"newest, MDP {seed}", record_property)
    states = product(range(STATES), product(range(ACTIONS), repeat=2), range(STATES))
    assert learned.keys() == {*states, *((0, (ACTIONS, ACTIONS), s) for s in range(STATES))}


def test_where_no_episode_ends_the_head_decides_alone_at_the_start_only():
    collector, alone = with_a_head_that_sees_the_newest(Tables(2), 2, 500, length=None)
    assert alone == collector.transitions[:2]


@pytest.mark.slow
def test_a_blind_policy_learns_over_as_many_ticks_as_its_delay(record_property):
    seed = 9
    tables = Tables(seed)
    rule = hocket.TickDispatch(workers=3)
    collector = collected(tables, seed, rule, 2.9, 0, 30_000, unknown=ACTIONS)
    assert all(t.decided.tick - t.decided.observation == t.ticks == 3 for t in collector.transitions)
    compare(q_learning(collector), blind(tables), f"(1, 3) blind, MDP {seed}", record_property)


def blind(tables):
    """The values of deciding late and blindly once, with all other actions up to the next decision at random."""
    p, r = tables.chances, tables.rewards
    at_random, paid = p.mean(axis=1), r.mean(axis=1)
    before = at_random @ at_random
    rewards = before @ (r + p @ (GAMMA * paid + GAMMA**2 * at_random @ paid))
    chances = np.einsum("ij,jak->iak", before, p)
    return {(s, ()): q for s, q in enumerate(iterate(chances, rewards, GAMMA**3))}


@pytest.mark.training
def test_from_one_blind_decision_to_the_next_there_is_nothing_to_learn():
    """The next decision's observation is older than the action: only the action's own reward can tell two apart."""
    seed = 9
    tables = Tables(seed)
    learned = q_learning(collected(tables, seed, hocket.TickDispatch(workers=3), 2.9, 0, 60_000))
    at_random = tables.chances.mean(axis=1)
    own = at_random @ at_random @ tables.rewards
    truth = blind(tables)
    for s in range(STATES):
        assert np.ptp(learned[s, ()]) == pytest.approx(np.ptp(own[s]), abs=0.02)
        assert abs(np.ptp(truth[s, ()]) - np.ptp(own[s])) > 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_proof_can_fail(seed):
    """The cases differ by more than the tolerance, so one case's values cannot pass for another's."""
    tables = Tables(seed)
    plain, delayed, slow = (exact(tables, *case) for case in CASES)
    values = [
        np.array([[table[s, pending]] for s in range(STATES)])
        for table, pending in ((plain, ()), (delayed, (BETA, BETA)), (slow, (BETA,) * 3))
    ]
    for one, other in combinations(values, 2):
        assert np.abs(one / other - 1).max() > 0.02
