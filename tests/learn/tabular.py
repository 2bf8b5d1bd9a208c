"""A small problem with known values, as batches, and tables as networks: one-hot states, linear heads."""

from typing import NamedTuple

import numpy as np

GAMMA = 0.8
ACTIONS = 2
#            state, action: reward, ticks, next state (None: terminated)
TRANSITIONS = [
    (0, 0, -1.0, 1, 1),
    (0, 1, 0.5, 3, 0),
    (1, 0, 0.0, 2, 2),
    (1, 1, -3.0, 1, None),
    (2, 0, 2.0, 1, 0),
    (2, 1, 1.0, 1, None),
]
STATES = 3


class Batch(NamedTuple):
    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    discounts: np.ndarray
    next_states: np.ndarray
    pending: np.ndarray
    next_pending: np.ndarray
    newest: np.ndarray
    next_newest: np.ndarray
    delays: np.ndarray
    next_delays: np.ndarray
    weights: np.ndarray
    indices: np.ndarray
    demonstrated: np.ndarray | None = None


def batch_of(transitions, states=STATES):
    """Of (state, action, reward, ticks, next state or None)."""
    states_of = np.eye(states, dtype=np.float32)
    count = len(transitions)
    before, actions, rewards, ticks, after = zip(*transitions, strict=True)
    ended = np.array([state is None for state in after])
    return Batch(
        states=states_of[list(before)],
        actions=np.array(actions),
        rewards=np.array(rewards, np.float32),
        discounts=np.where(ended, 0, GAMMA ** np.array(ticks)).astype(np.float32),
        next_states=states_of[[state or 0 for state in after]],
        pending=np.zeros((count, 0), np.int64),
        next_pending=np.zeros((count, 0), np.int64),
        newest=np.zeros((count, 0), np.float32),
        next_newest=np.zeros((count, 0), np.float32),
        delays=np.zeros(count, np.int64),
        next_delays=np.zeros(count, np.int64),
        weights=np.ones(count, np.float32),
        indices=np.arange(count),
    )


def exact_values():
    """By value iteration on the semi-MDP, (states, actions)."""
    values = np.zeros((STATES, ACTIONS))
    for _ in range(200):
        for state, action, reward, ticks, after in TRANSITIONS:
            values[state, action] = reward + (0 if after is None else GAMMA**ticks * values[after].max())
    return values


def learn(algorithm, online, batch, updates):
    """The target network and all results after so many updates, one a tick."""
    target, optimizer = algorithm.target_of(online), algorithm.optimizer(online)
    results, sync = [], algorithm.target_sync()
    for tick in range(updates):
        sync.before_update(online, target, tick, tick)
        results.append(algorithm.update(online, target, optimizer, batch))
    return target, results
