"""`hocket.train`: learn while acting."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from hocket.core.rules import Rule
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument
from hocket.latency.laws import LatencyModel
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.learners.options import Learners, RoundRobin, check_learners
from hocket.spaces.defaults import Default
from hocket.training.result import TrainResult
from hocket.training.resumption import Checkpoints

if TYPE_CHECKING:
    from hocket.learn.algorithms.deep_q import DeepQ
    from hocket.models.qnetwork import QNetwork

_ONE = RoundRobin(1)


def train(
    make_env: Callable[[], gym.Env[Any, Any]],
    network: QNetwork,
    algorithm: DeepQ,
    rule: Rule,
    clock: Virtual | Realtime,
    *,
    ticks: int,
    learner: Learners = _ONE,
    default: Default | None = None,
    update_every: int | None = 4,
    warm_up: int = 1000,
    epsilon: Linear | None = None,
    capacity: int = 100_000,
    frame_stack: int = 1,
    late_binding: bool = False,
    charge: LatencyModel | None = None,
    evaluate_every: int | None = None,
    evaluation_episodes: int | None = None,
    good_enough: float | None = None,
    threads: int = 1,
    seed: int = 0,
    instruments: Sequence[Instrument] = (),
    checkpoints: Checkpoints | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Let an agent act for ``ticks`` ticks and learn from them as they pass.

    In virtual time an update starts from the weights as they are and lands as long after as the clock's ``learning``
    law says: at once by default. On the wall clock learners are processes beside the tick loop, which waits for none.
    The policy sees as many pending actions as ``network`` was made for.

    Args:
        make_env: makes the environment; called again for evaluations. Discrete actions.
        network: see `hocket.models.qnetwork.q_network`; trained in place, on the device where it is.
        algorithm: `hocket.learn.algorithms.dqn.DQN` or `hocket.learn.algorithms.rainbow.Rainbow`.
        rule, clock, default: as for `hocket.run`.
        ticks: how many at most.
        learner: `RoundRobin` or `ParallelBatch`, beside the acting; `InLoop` with a `Sequential` rule that learns.
        update_every: ticks for each update, all learners together; one that is due waits for a free learner. None: as
            many as they can. `InLoop` learns when its rule says so, whatever is said here.
        warm_up: ticks before the first update.
        epsilon: of ε-greedy, by tick; from 1 to 0.05 over a fifth of ``ticks`` if None. A noisy network needs none.
        capacity: transitions that the replay keeps.
        frame_stack: observations are stacks of so many frames, oldest first, the first one of an episode repeated
            (`hocket.envs.make_env`, Gymnasium's ``FrameStackObservation``): the replay then keeps each frame once.
        late_binding: the network's trunk runs as an inference starts, its head just before the inference's tick, on
            the pending actions as they are known then.
        charge: on the wall clock, another network's inference times, which this one's workers are charged with
            (*delay-only*). In virtual time the clock's ``latency`` says them.
        evaluate_every: ticks between two evaluations of the greedy policy, 10,000 by default. In virtual time only: a
            world that does not wait does not wait for evaluations either, so on the wall clock the weights of the end
            are the ones that count.
        evaluation_episodes: episodes of each, and of the final one: 20 by default, 1 on the wall clock, where they
            take as long as they take, if not longer than the training. 0 for none (wall clock).
        good_enough: stop at the first evaluation whose mean return reaches this (virtual time).
        threads: torch threads of this process, or of each worker and learner; small networks are slower with more.
        seed: of everything. Evaluations and the final one have episodes of their own.
        instruments: look on, as for `hocket.run`; told every second how training stands, and of each evaluation.
        checkpoints: where and how often to save. An environment that cannot be saved in the middle of an episode
            begins a new one, with a seed of its own, before each.
        resume: a checkpoint, or a folder of them for its newest, of a training with the same arguments: all but
            ``ticks``, ``threads`` and what only looks on. In virtual time it goes on bit for bit, on a device of the
            same type. On the wall clock a new episode begins, and inference times are measured anew.

    On the wall clock the agent acts on whatever goes wrong beside it: a learner that dies, learning that diverges, a
    checkpoint that cannot be written. Each is told in a RuntimeWarning.

    Raises:
        ConfigurationError: if something does not fit.
        CheckpointError: if there is no checkpoint to go on from; in virtual time also if one cannot be written.
        RunInterrupted: on Ctrl-C, once it is saved if there are checkpoints.
    """
    from hocket.training.realtime import train_realtime
    from hocket.training.setup import TrainingSetup
    from hocket.training.virtual import train_virtual

    if not isinstance(clock, Virtual | Realtime):
        raise ConfigurationError(f"clock={clock!r} is not a clock; try hocket.Virtual(hz=50, latency=...)")
    check_learners(learner, rule)
    realtime = isinstance(clock, Realtime)
    if realtime:
        for name, value in (("evaluate_every", evaluate_every), ("good_enough", good_enough)):
            if value is not None:
                raise ConfigurationError(
                    f"{name}={value!r}: a world that does not wait is not stopped for evaluations; leave it out, or "
                    "try hocket.Virtual"
                )
    elif charge is not None:
        raise ConfigurationError(
            f"charge={charge!r}: virtual time charges its own law; try hocket.Virtual(hz=..., latency=charge)"
        )
    env = make_env()
    try:
        training = TrainingSetup(
            make_env=make_env,
            env=env,
            network=network,
            algorithm=algorithm,
            rule=rule,
            clock=clock,
            charge=charge,
            ticks=ticks,
            learner=learner,
            default=default,
            update_every=update_every,
            warm_up=warm_up,
            epsilon=epsilon,
            capacity=capacity,
            frame_stack=frame_stack,
            late_binding=late_binding,
            evaluation_episodes=(1 if realtime else 20) if evaluation_episodes is None else evaluation_episodes,
            threads=threads,
            seed=seed,
            instruments=instruments,
            checkpoints=checkpoints,
            resume=resume,
        )
        if realtime:
            return train_realtime(training)
        every = 10_000 if evaluate_every is None else evaluate_every
        return train_virtual(training, evaluate_every=every, good_enough=good_enough)
    finally:
        env.close()
