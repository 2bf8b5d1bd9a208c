"""`hocket.train`: learn while acting, in virtual time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from hocket.core.rules import Rule
from hocket.defaults import Default
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.evaluation import Evaluation, Evaluator
from hocket.learn.learners import Learners, ParallelBatch, RoundRobin, check_learners
from hocket.learn.replay import Replay
from hocket.learn.schedules import Linear
from hocket.observe.training import Instrument
from hocket.resume import Checkpoints
from hocket.run import RunResult, set_up
from hocket.spaces import check_spaces

if TYPE_CHECKING:
    from hocket.learn.acting import LearnedPolicy
    from hocket.learn.collector import Collector
    from hocket.learn.deep_q import DeepQ
    from hocket.learn.exploring import Exploration
    from hocket.models.qnetwork import QNetwork

__all__ = ["Evaluation", "TrainResult", "train"]

_ONE = RoundRobin(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What training came to. Columns have a row for each update that landed, in the order of landing."""

    run: RunResult
    """The training run itself; short of its ticks if it was good enough before."""
    network: QNetwork
    """With the best weights, by ``evaluations``."""
    evaluations: list[Evaluation]
    """On the way, on episodes of their own."""
    final: Evaluation
    """The best weights, on episodes that had no part in choosing them."""
    updates: int
    losses: Sequence[float] = field(repr=False)
    stalenesses: Sequence[int] = field(repr=False)
    """How many others landed between an update's start and its landing."""
    started_ns: Sequence[int] = field(repr=False)
    landed_ns: Sequence[int] = field(repr=False)
    error: str | None = None
    """Why learning stopped before the end, if it did; acting went on."""


def train(
    make_env: Callable[[], gym.Env[Any, Any]],
    network: QNetwork,
    algorithm: DeepQ,
    rule: Rule,
    clock: Virtual,
    *,
    ticks: int,
    learner: Learners = _ONE,
    default: Default | None = None,
    update_every: int | None = 4,
    warm_up: int = 1000,
    epsilon: Linear | None = None,
    capacity: int = 100_000,
    late_binding: bool = False,
    evaluate_every: int = 10_000,
    evaluation_episodes: int = 20,
    good_enough: float | None = None,
    threads: int = 1,
    seed: int = 0,
    told: Callable[[Evaluation], None] | None = None,
    instruments: Sequence[Instrument] = (),
    checkpoints: Checkpoints | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Let an agent act for ``ticks`` ticks and learn from them as they pass.

    An update starts from the weights as they are and lands as long after as the clock's ``learning`` law says: at once
    by default. The policy sees as many codes of pending actions as ``network`` was made for.

    Args:
        make_env: makes the environment; called again for evaluations. Discrete actions.
        network: see `hocket.models.qnetwork.q_network`; trained in place.
        algorithm: `hocket.learn.dqn.DQN` or `hocket.learn.rainbow.Rainbow`.
        rule, clock, default: as for `hocket.run`; the clock is `Virtual`.
        ticks: how many at most.
        learner: `RoundRobin` or `ParallelBatch`, beside the acting; `InLoop` with a `Sequential` rule that learns.
        update_every: ticks for each update, all learners together; one that is due waits for a free learner. None: as
            many as they can. `InLoop` learns when its rule says so, whatever is said here.
        warm_up: ticks before the first update.
        epsilon: of ε-greedy, by tick; from 1 to 0.05 over a fifth of ``ticks`` if None. A noisy network needs none.
        capacity: transitions that the replay keeps.
        late_binding: the network's trunk runs as an inference starts, its head just before the inference's tick, on
            the pending actions as they are known then.
        evaluate_every: ticks between two evaluations of the greedy policy.
        evaluation_episodes: episodes of each.
        good_enough: stop at the first evaluation whose mean return reaches this.
        threads: torch threads of this process; small networks are slower with more.
        seed: of everything. Evaluations and the final one have episodes of their own.
        told: given each evaluation as it is there.
        instruments: told every second how training stands, and of each evaluation.
        checkpoints: where and how often to save. An environment that cannot be saved in the middle of an episode
            begins a new one, with a seed of its own, before each.
        resume: a checkpoint, or a folder of them for its newest, of a training with the same arguments: all but
            ``ticks``, ``threads`` and what only looks on. It goes on bit for bit.

    Raises:
        ConfigurationError: if something does not fit.
        CheckpointError: if a checkpoint cannot be written or gone on from.
        RunInterrupted: on Ctrl-C, once it is saved if there are checkpoints.
    """
    import torch

    from hocket.course import Course
    from hocket.learn.acting import HEAD_S, LearnedPolicy
    from hocket.learn.collector import Collector
    from hocket.learn.updates import Updates
    from hocket.learn.virtual_learners import VirtualLearners

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
    check_learners(learner, rule)
    if late_binding and not network.pending:
        raise ConfigurationError(
            "late_binding=True tells the network's head of the pending actions, and this one takes none; "
            "try q_network(..., pending=n), or late_binding=False"
        )
    torch.set_num_threads(threads)
    env = make_env()
    actions = _discrete(env)
    exploring, sampling, durations = np.random.SeedSequence(seed).spawn(3)
    replay = _replay(env, algorithm, network, capacity)
    collector = Collector(replay, gamma=algorithm.gamma, first_action=int(actions.start))
    updates = Updates(
        algorithm=algorithm,
        network=network,
        replay=replay,
        seed=sampling,
        batch_size=algorithm.batch_size * (learner.learners if isinstance(learner, ParallelBatch) else 1),
    )
    learners = VirtualLearners(
        learner,
        updates=updates,
        collector=collector,
        durations=clock.learning,
        seed=durations,
        update_every=update_every,
        warm_up=warm_up,
    )

    def policy(exploration: Exploration | None) -> LearnedPolicy:
        return LearnedPolicy(
            network=network,
            weights=learners,
            in_place=True,
            exploration=exploration,
            first_action=int(actions.start),
            pending=network.pending,
            head_s=HEAD_S if late_binding else 0.0,
        )

    exploration = _exploration(algorithm, collector, int(actions.n), epsilon or _usual_epsilon(ticks), exploring)
    evaluator = Evaluator(
        make_env=make_env,
        policy=policy(None),
        rule=rule,
        clock=clock,
        default=default,
        episodes=evaluation_episodes,
        seed=seed,
    )
    try:
        course = Course(
            setup=set_up(env, policy(exploration), rule, clock, ticks=ticks, default=default, seed=seed),
            algorithm=algorithm,
            network=network,
            replay=replay,
            updates=updates,
            learners=learners,
            exploration=exploration,
            evaluator=evaluator,
            evaluate_every=evaluate_every,
            good_enough=good_enough,
            options={
                "learner": repr(learner),
                "options": f"{update_every=}, {warm_up=}, {epsilon=}, {capacity=}, {late_binding=}, {evaluate_every=}, "
                f"{evaluation_episodes=}, {good_enough=}",
            },
            told=told,
            instruments=instruments,
        )
        result = course.play(checkpoints=checkpoints, resume=None if resume is None else Path(resume))
    finally:
        env.close()
        replay.close()
    learners, judge = course.learners, course.judge
    log = learners.log
    return TrainResult(
        run=result,
        network=network,
        evaluations=judge.evaluations,
        final=judge.final(),
        updates=len(log),
        losses=log.losses,
        stalenesses=log.stalenesses,
        started_ns=log.started_ns,
        landed_ns=log.landed_ns,
        error=learners.error,
    )


def _discrete(env: gym.Env[Any, Any]) -> gym.spaces.Discrete:
    """The actions of ``env``, if they can be learned."""
    check_spaces(env)
    actions = env.action_space
    if not isinstance(actions, gym.spaces.Discrete):
        raise ConfigurationError(f"learning needs Discrete actions, not {actions}; try an environment that has them")
    return actions


def _replay(env: gym.Env[Any, Any], algorithm: DeepQ, network: QNetwork, capacity: int) -> Replay:
    observations = env.observation_space
    assert isinstance(observations, gym.spaces.Box)
    return Replay(
        capacity,
        observations.shape,
        observations.dtype,
        n_step=algorithm.n_step,
        pending=network.pending,
        alpha=algorithm.alpha,
    )


def _usual_epsilon(ticks: int) -> Linear:
    return Linear(1.0, 0.05, max(1, ticks // 5))


def _exploration(
    algorithm: DeepQ, collector: Collector, actions: int, epsilon: Linear, seed: np.random.SeedSequence
) -> Exploration:
    from hocket.learn.exploring import EpsilonGreedy, OwnNoise

    if algorithm.noisy:
        return OwnNoise(seed=seed)
    return EpsilonGreedy(actions=actions, epsilon=epsilon, ticks=collector, seed=seed)
