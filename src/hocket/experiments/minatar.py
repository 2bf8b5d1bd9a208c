"""The common parts of the MinAtar experiments: games, learning, and the rows of a run.

Young & Tian 2019, *MinAtar*: sticky actions with probability 0.1 and difficulty ramping, as in its defaults; the
minimal action sets (its ``-v1``). Their network with one more layer of 128 units, which takes the pending actions, and
their settings of DQN: replay of 100,000, batches of 32, γ 0.99, a target network every 1,000 frames,
learning rate 2.5e-4. Unlike theirs: Adam, double selection, an update every 4 ticks, and ε at 0.1 after 50,000 ticks,
because runs are shorter.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np

import hocket
from hocket.experiments.tasks import Row
from hocket.learn.algorithms.schedules import Linear
from hocket.models.qnetwork import QNetwork, minatar_trunk, q_network
from hocket.training.evaluation import Evaluation
from hocket.training.result import TrainResult

HZ = 60
TICKS = 300_000
EPISODE_TICKS = 2500
HIDDEN = 128
DQN_OPTIONS: dict[str, Any] = {"gamma": 0.99, "learning_rate": 2.5e-4, "batch_size": 32, "target_ticks": 250}
LEARNER = hocket.RoundRobin(update_every=4, warm_up=5000)
ACTING = hocket.ActingOptions(epsilon=Linear(1.0, 0.1, 50_000))
REPLAY = hocket.ReplayOptions(capacity=100_000)
EVALUATION = hocket.EvaluationOptions(every=50_000, episodes=20)
COLUMNS = ("kind", "tick", "mean_return", "episodes", "coverage", "delay_mean", "updates", "ticks")


def make_game(game: str) -> gym.Env[Any, Any]:
    """``"breakout"``, ``"asterix"``, …; truncated after `EPISODE_TICKS`."""
    env = import_module("minatar.gym").BaseEnv(game=game, use_minimal_action_set=True)
    return gym.wrappers.TimeLimit(env, EPISODE_TICKS)


def network_for(game: str, **options: Any) -> QNetwork:
    """The network for ``game``; options as for `q_network`."""
    env = make_game(game)
    observations, actions = env.observation_space, env.action_space
    env.close()
    assert isinstance(observations, gym.spaces.Box) and isinstance(actions, gym.spaces.Discrete)
    return q_network(*minatar_trunk(observations.shape[-1]), int(actions.n), hidden=HIDDEN, **options)


def rows_of(result: TrainResult) -> list[Row]:
    """One row an evaluation, one for the last tenth of training, and the final evaluation last."""
    summary = result.run.summary()
    run = {
        "coverage": round(summary.coverage, 4),
        "delay_mean": summary.delay_mean,
        "updates": result.updates,
        "ticks": summary.ticks,
    }

    def row(kind: str, evaluation: Evaluation) -> Row:
        figures = {"mean_return": round(evaluation.mean, 4), "episodes": len(evaluation.returns)}
        return {"kind": kind, "tick": evaluation.tick, **figures, **run}

    last_tenth = result.run.metrics(summary.ticks * 9 // 10).episode_returns
    training = Evaluation(summary.ticks, last_tenth if len(last_tenth) else np.array([np.nan]))
    return [
        *(row("choosing", evaluation) for evaluation in result.evaluations),
        {**row("training", training), "episodes": len(last_tenth)},
        row("final", result.final),
    ]
