"""g(I, d) by linear programming on a model that is unrolled tick by tick: independent of hocket's solver.

A state is (phase in the cycle, world's state, what is scheduled for the next d ticks). Decisions are made in phase 0
and written d ticks ahead. The program is the multichain one: the least g with g ≥ P_a g and g + h ≥ r_a + P_a h
(Puterman 1994, section 9.3), minimised from the start.
"""

import numpy as np
from scipy import sparse
from scipy.optimize import linprog


def unrolled(mdp, interval, delay):
    """Transitions [(state, reward, {next state: chance})] and the start {state: chance}, states numbered."""
    numbers, queue, rows = {}, [], []

    def number(state):
        if state not in numbers:
            numbers[state] = len(numbers)
            queue.append(state)
        return numbers[state]

    start = {number((0, s, (None,) * delay)): c for s, c in enumerate(mdp.start) if c > 0}
    while queue:
        state = queue.pop()
        phase, world, ahead = state
        options = range(mdp.actions) if phase == 0 else [None]
        for decision in options:
            scheduled = (*ahead[:-1], decision) if phase == 0 else ahead
            acts = {scheduled[0]: 1.0} if scheduled[0] is not None else default(mdp, world)
            reward, after = 0.0, {}
            for action, weight in acts.items():
                reward += weight * mdp.rewards[world, action]
                for s, chance in enumerate(mdp.p[world, action]):
                    if chance > 0:
                        to = number(((phase + 1) % interval, s, (*scheduled[1:], None)))
                        after[to] = after.get(to, 0) + weight * chance
            rows.append((numbers[state], reward, after))
    return rows, start


def default(mdp, world):
    if isinstance(mdp.default, int):
        return {mdp.default: 1.0}
    return {a: c for a, c in enumerate(mdp.default[world]) if c > 0}


def best_average(mdp, interval, delay):
    rows, start = unrolled(mdp, interval, delay)
    size = 1 + max(state for state, _, _ in rows)
    entries, limits = [], []
    for state, reward, after in rows:
        for offset in (0, size):  # P_a g − g ≤ 0; P_a h − g − h ≤ −r_a
            row = len(limits)
            limits.append(-reward if offset else 0.0)
            entries += [(row, offset + to, chance) for to, chance in after.items()]
            entries.append((row, offset + state, -1.0))
            if offset:
                entries.append((row, state, -1.0))
    i, j, values = zip(*entries, strict=True)
    cost = np.zeros(2 * size)
    cost[list(start)] = list(start.values())
    table = sparse.csr_array((values, (i, j)), (len(limits), 2 * size))
    for presolve in (True, False):  # older versions of HiGHS sometimes need the second
        options = {"presolve": presolve, "primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        done = linprog(cost, A_ub=table, b_ub=limits, bounds=(None, None), method="highs", options=options)
        if done.success:
            return done.fun
    raise AssertionError(done.message)
