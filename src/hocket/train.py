"""`hocket.train`: learn while acting, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.core.rules import Rule
from hocket.defaults import Default
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.learn.replay import Replay
from hocket.learn.schedules import Linear
from hocket.policy import FunctionPolicy
from hocket.record import Moment, RunRecord
from hocket.run import RunResult, run
from hocket.spaces import check_spaces

if TYPE_CHECKING:
    from hocket.learn.background import BackgroundLearner
    from hocket.learn.deep_q import DeepQ
    from hocket.models.qnetwork import QNetwork

LONGEST = 10_000_000
"""Ticks that an evaluation may take at most."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Returns of whole episodes under the greedy policy and the same delay."""

    tick: int
    """Of the training run."""
    returns: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """The mean return."""
        return float(self.returns.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What training came to."""

    run: RunResult
    """The training run itself; short of its ticks if it was good enough before."""
    network: QNetwork
    """With the best weights, by ``evaluations``."""
    evaluations: list[Evaluation]
    """On the way, on episodes of their own."""
    final: Evaluation
    """The best weights, on episodes that had no part in choosing them."""
    updates: int
    losses: list[float] = field(repr=False)


def train(
    make_env: Callable[[], gym.Env[Any, Any]],
    network: QNetwork,
    algorithm: DeepQ,
    rule: Rule,
    clock: Virtual,
    *,
    ticks: int,
    default: Default | None = None,
    update_every: int = 4,
    warm_up: int = 1000,
    epsilon: Linear | None = None,
    capacity: int = 100_000,
    evaluate_every: int = 10_000,
    evaluation_episodes: int = 20,
    good_enough: float | None = None,
    threads: int = 1,
    seed: int = 0,
    told: Callable[[Evaluation], None] | None = None,
) -> TrainResult:
    """Let an agent act for ``ticks`` ticks and learn from them as they pass.

    Learning runs in the background: it takes no virtual time and stops nobody. The policy sees as many codes of
    pending actions as ``network`` was made for.

    Args:
        make_env: makes the environment; called again for evaluations. Discrete actions.
        network: see `hocket.models.qnetwork.q_network`; trained in place.
        algorithm: `hocket.learn.dqn.DQN` or `hocket.learn.rainbow.Rainbow`.
        rule, clock, default: as for `hocket.run`; the clock is `Virtual`.
        ticks: how many at most.
        update_every: ticks between two updates.
        warm_up: ticks before the first update.
        epsilon: of ε-greedy, by tick; from 1 to 0.05 over a fifth of ``ticks`` if None.
        capacity: transitions that the replay keeps.
        evaluate_every: ticks between two evaluations of the greedy policy.
        evaluation_episodes: episodes of each.
        good_enough: stop at the first evaluation whose mean return reaches this.
        threads: torch threads of this process; small networks are slower with more.
        seed: of everything. Evaluations and the final one have episodes of their own.
        told: given each evaluation as it is there.

    Raises:
        ConfigurationError: if something does not fit.
        DivergenceError: if a loss or a gradient is no number.
    """
    import torch

    from hocket.learn.background import BackgroundLearner

    if not isinstance(clock, Virtual):
        raise ConfigurationError(
            f"clock={clock!r}: training runs in virtual time; try hocket.Virtual(hz=50, latency=...)"
        )
    for name, value in (
        ("evaluate_every", evaluate_every),
        ("evaluation_episodes", evaluation_episodes),
        ("threads", threads),
    ):
        if value < 1:
            raise ConfigurationError(f"{name}={value!r} must be at least 1")
    torch.set_num_threads(threads)
    env = make_env()
    check_spaces(env)
    actions, observations = env.action_space, env.observation_space
    if not isinstance(actions, gym.spaces.Discrete):
        raise ConfigurationError(f"learning needs Discrete actions, not {actions}; try an environment that has them")
    assert isinstance(observations, gym.spaces.Box)
    replay = Replay(
        capacity,
        observations.shape,
        observations.dtype,
        n_step=algorithm.n_step,
        pending=network.pending,
        alpha=algorithm.alpha,
    )
    first = int(actions.start)
    learner = BackgroundLearner(
        algorithm=algorithm,
        network=network,
        actions=int(actions.n),
        replay=replay,
        first_action=first,
        update_every=update_every,
        warm_up=warm_up,
        epsilon=epsilon if epsilon is not None else Linear(1.0, 0.05, max(1, ticks // 5)),
        seed=seed,
    )

    def enough_episodes(record: RunRecord) -> bool:
        return len(record.final_observations) >= evaluation_episodes

    def evaluate(tick: int, episode_seed: int) -> Evaluation:
        from hocket.learn.background import greedy_policy

        network.quieten()
        played = make_env()
        try:
            policy = FunctionPolicy(greedy_policy(network, first), pending=network.pending)
            result = run(
                played, policy, rule, clock, ticks=LONGEST, default=default, seed=episode_seed, until=enough_episodes
            )
        finally:
            played.close()
        return Evaluation(tick, result.metrics().episode_returns)

    judge = _Judge(learner, evaluate, evaluate_every, good_enough, seed, told)
    policy = FunctionPolicy(learner.exploring_policy(), pending=network.pending)
    try:
        result = run(
            env, policy, rule, clock, ticks=ticks, default=default, seed=seed, listener=judge, until=judge.enough
        )
    finally:
        env.close()
        replay.close()
    judge.restore()
    return TrainResult(
        run=result,
        network=network,
        evaluations=judge.evaluations,
        final=evaluate(judge.best_tick, _episodes_of(seed, -1)),
        updates=learner.updates,
        losses=learner.losses,
    )


class _Judge:
    """Listens in front of the learner; evaluates now and then and keeps the best weights."""

    def __init__(
        self,
        learner: BackgroundLearner,
        evaluate: Callable[[int, int], Evaluation],
        every: int,
        good_enough: float | None,
        seed: int,
        told: Callable[[Evaluation], None] | None,
    ) -> None:
        self._learner = learner
        self._evaluate = evaluate
        self._every = every
        self._good_enough = good_enough
        self._seed = seed
        self._told = told
        self._best: tuple[float, dict[str, Any]] | None = None
        self.best_tick = 0
        self.evaluations: list[Evaluation] = []

    def began(self, observation: Any) -> None:
        self._learner.began(observation)

    def ticked(self, moment: Moment) -> None:
        self._learner.ticked(moment)
        if moment.tick % self._every:
            return
        evaluation = self._evaluate(moment.tick, _episodes_of(self._seed, len(self.evaluations)))
        self.evaluations.append(evaluation)
        if self._best is None or evaluation.mean > self._best[0]:
            weights = self._learner.network.state_dict()
            self._best = evaluation.mean, {name: value.clone() for name, value in weights.items()}
            self.best_tick = moment.tick
        if self._told is not None:
            self._told(evaluation)

    def enough(self, record: RunRecord) -> bool:
        """Whether the last evaluation was good enough."""
        return (
            self._good_enough is not None and bool(self.evaluations) and self.evaluations[-1].mean >= self._good_enough
        )

    def restore(self) -> None:
        """Put the best weights back."""
        if self._best is not None:
            self._learner.network.load_state_dict(self._best[1])


def _episodes_of(seed: int, number: int) -> int:
    """The seed of evaluation ``number``, or of the final one (-1); none is a training seed of a small number."""
    return int(np.random.SeedSequence((seed, number + 1)).generate_state(1)[0])
