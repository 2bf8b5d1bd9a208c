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
from hocket.learn.learners.options import Learners, RoundRobin, check_learners
from hocket.spaces.defaults import Default
from hocket.training.options import ActingOptions, Checkpoints, DemonstrationOptions, EvaluationOptions, ReplayOptions
from hocket.training.result import TrainResult

if TYPE_CHECKING:
    from hocket.learn.algorithms.algorithm import Algorithm
    from hocket.models.actor_and_critics import ActorCritic
    from hocket.models.qnetwork import QNetwork

_ACTING, _REPLAY, _EVALUATION = ActingOptions(), ReplayOptions(), EvaluationOptions()


def train(
    make_env: Callable[[], gym.Env[Any, Any]],
    network: QNetwork | ActorCritic,
    algorithm: Algorithm,
    rule: Rule,
    clock: Virtual | Realtime,
    *,
    ticks: int,
    envs: int = 1,
    learner: Learners | None = None,
    acting: ActingOptions = _ACTING,
    replay: ReplayOptions = _REPLAY,
    evaluation: EvaluationOptions = _EVALUATION,
    default: Default | None = None,
    threads: int = 1,
    seed: int = 0,
    instruments: Sequence[Instrument] = (),
    demonstrations: DemonstrationOptions | None = None,
    checkpoints: Checkpoints | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Let an agent act for ``ticks`` ticks and learn from them as they pass.

    In virtual time an update starts from the weights as they are and lands as long after as the clock's ``learning``
    law says: at once by default. On the wall clock learners are processes beside the tick loop, which waits for none.
    The policy sees as many pending actions as ``network`` was made for.

    Args:
        make_env: makes a new environment at each call, for the training and for each evaluation.
        network: see `hocket.models.qnetwork.q_network` and `hocket.models.actor_and_critics.actor_critic`; trained in
            place, on the device where it is.
        algorithm: `hocket.learn.algorithms.dqn.DQN` or `hocket.learn.algorithms.rainbow.Rainbow` for Discrete actions,
            `hocket.learn.algorithms.sac.SAC` for those of a bounded Box.
        rule, clock, default: as for `hocket.run`.
        ticks: how many at most, of all copies together.
        envs: copies of the environment in one training, in virtual time: they tick in lockstep, each with a schedule,
            a seed and episodes of its own, and share network, replay and learners. All numbers of ticks (``ticks``,
            ``update_every_ticks``, ``warm_up_ticks``, ``every_ticks``, …) count those of all copies; inferences that
            start at one instant are computed in one call. Each is saved in the middle of its episode.
        learner: the kind and number of learners, and their pace: `RoundRobin` or `ParallelBatch`, beside the acting;
            `InLoop` with a `Sequential` rule that learns. By default one, with an update every 4 ticks, every tick for
            SAC. SAC's actions are random during the ``warm_up_ticks``.
        acting: exploration, late binding, and charged inference times; see `ActingOptions`.
        replay: its capacity, and stacked frames; see `ReplayOptions`.
        evaluation: of the greedy policy, during the training and at its end; see `EvaluationOptions`.
        threads: torch threads of this process, or of each worker and learner; small networks are slower with more.
        seed: of all random numbers. Evaluations have other episodes than the training.
        instruments: as for `hocket.run`; called every second with the progress of training, and with each evaluation.
        demonstrations: kept in every batch; see `DemonstrationOptions`, and `hocket.pretrain` to begin with them.
        checkpoints: the folder, and how often to save. In virtual time, an environment that cannot be saved in the
            middle of an episode is saved where the next one begins, with a seed of its own; a warning at the start
            names the reason.
        resume: a checkpoint, or a folder of them for its newest, of a training with the same arguments: all but
            ``ticks``, ``threads`` and instruments. In virtual time it continues bit for bit, on a device of the same
            type. On the wall clock a new episode begins, and inference times are measured anew.

    On the wall clock the agent keeps acting whatever fails beside it: a learner that dies, learning that diverges, a
    checkpoint that cannot be written. Each failure is a RuntimeWarning.

    Raises:
        ConfigurationError: if something does not fit.
        CheckpointError: if there is no checkpoint to resume; in virtual time also if one cannot be written.
        EnvError: if the environment gives something else than it declares; with ``result``.
        RunInterrupted: on Ctrl-C, with ``result``; the training is saved before if there are checkpoints.

    Whatever ends the training once its run has begun leaves with the `TrainResult` so far as its attribute ``result``;
    if it was the final evaluation that was ended, only that is missing there.
    """
    from hocket.training.realtime import train_realtime
    from hocket.training.setup import TrainingSetup
    from hocket.training.virtual import train_virtual

    if not isinstance(clock, Virtual | Realtime):
        raise ConfigurationError(f"clock={clock!r} is not a clock; try hocket.Virtual(hz=50, latency=...)")
    if learner is None:
        learner = RoundRobin(1, update_every_ticks=getattr(algorithm, "update_every_ticks", 4))
    check_learners(learner, rule)
    for name, value, kind in (
        ("acting", acting, ActingOptions),
        ("replay", replay, ReplayOptions),
        ("evaluation", evaluation, EvaluationOptions),
    ):
        if not isinstance(value, kind):
            raise ConfigurationError(f"{name}={value!r} must be {kind.__name__}(...); try hocket.{kind.__name__}()")
    evaluation = evaluation.under(clock)
    if demonstrations is not None and not isinstance(demonstrations, DemonstrationOptions):
        raise ConfigurationError(
            f"demonstrations={demonstrations!r} must be DemonstrationOptions(...); try "
            "hocket.DemonstrationOptions(hocket.Demonstrations.load(FILE))"
        )
    if acting.charge is not None and isinstance(clock, Virtual):
        raise ConfigurationError(
            f"charge={acting.charge!r}: virtual time charges its own law; try hocket.Virtual(hz=..., latency=charge)"
        )
    if not callable(make_env):
        raise ConfigurationError(
            f"make_env={make_env!r} must be a function that makes an environment; try lambda: gymnasium.make(...)"
        )
    if isinstance(envs, bool) or not isinstance(envs, int) or envs < 1:
        raise ConfigurationError(f"envs={envs!r} must be a whole number from 1; try envs=8")
    if envs > 1 and isinstance(clock, Realtime):
        raise ConfigurationError(
            f"envs={envs}: on the wall clock a training has one environment, whose ticks do not wait for others; try "
            "hocket.Virtual(hz=..., latency=...), or envs=1"
        )
    made: list[gym.Env[Any, Any]] = []
    try:
        for _ in range(envs):
            env = make_env()
            if not isinstance(env, gym.Env):
                raise ConfigurationError(
                    f"make_env returned {env!r}, which is no gymnasium.Env; try lambda: gymnasium.make('CartPole-v1')"
                )
            made.append(env)
        training = TrainingSetup(
            make_env=make_env,
            env=made[0],
            others=made[1:],
            network=network,
            algorithm=algorithm,
            rule=rule,
            clock=clock,
            ticks=ticks,
            learner=learner,
            acting=acting,
            replay=replay,
            evaluation=evaluation,
            default=default,
            threads=threads,
            seed=seed,
            instruments=instruments,
            demonstrations=demonstrations,
            checkpoints=checkpoints,
            resume=resume,
        )
        if evaluation.episodes or (checkpoints is not None and isinstance(clock, Virtual)):
            training.check_env_is_new()
        return train_realtime(training) if isinstance(clock, Realtime) else train_virtual(training)
    finally:
        for env in made:
            env.close()
