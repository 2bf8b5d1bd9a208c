"""MinAtar's Breakout played by hand under delay: a ceiling for delayed policies.

The player knows the game's rules. It takes the state of d ticks ago, rolls it forward through the actions executed
since (sticky actions are not foreseen), and moves the paddle to where the ball will come down.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPISODE_TICKS = 2500
STAY, LEFT, RIGHT = range(3)
"""The minimal action set, in its order."""
AWAY = -5
"""A paddle there catches nothing."""
LOOK_AHEAD_TICKS = 60


def returns(delay: int, *, episodes: int, seed: int, sticky: float = 0.1) -> NDArray[np.float64]:
    """The return of each episode at a delay of ``delay`` ticks, deciding at every tick; (episodes,).

    In the first ticks of an episode, before a state is old enough, no button is pressed.
    """
    game = import_module("minatar").Environment("breakout", sticky_action_prob=sticky)
    game.seed(seed)
    played = [_episode(game, game.minimal_action_set(), delay) for _ in range(episodes)]
    return np.array(played, np.float64)


def _episode(game: Any, buttons: list[int], delay: int) -> float:
    game.reset()
    states, actions, total = [_copied(game.env)], list[int](), 0.0
    while len(actions) < EPISODE_TICKS:
        action = STAY
        if len(states) >= delay:
            state = _copied(states[-delay])
            for past in actions[len(actions) - delay + 1 :]:
                state.act(buttons[past])
            if not state.terminal:
                action = _towards_the_ball(state)
        reward, ended = game.act(buttons[action])
        total += reward
        actions.append(action)
        states = [*states[1 - delay :], _copied(game.env)] if delay > 1 else [_copied(game.env)]
        if ended:
            break
    return total


def _copied(state: Any) -> Any:
    """The game's state; of its parts only the wall of bricks changes in place."""
    new = object.__new__(type(state))
    new.__dict__.update(vars(state))
    new.brick_map = state.brick_map.copy()
    return new


def _towards_the_ball(state: Any) -> int:
    """The action for where the ball would pass the paddle's row."""
    coming = _copied(state)
    for _ in range(LOOK_AHEAD_TICKS):
        column = coming.ball_x
        coming.pos = AWAY
        coming.act(0)
        if coming.terminal:
            # A ball that comes down diagonally is caught in the column that it leaves or in the one that it enters.
            target = min((column, coming.ball_x), key=lambda each: abs(each - state.pos))
            return STAY if target == state.pos else LEFT if target < state.pos else RIGHT
    return STAY
