"""The checked arguments of a training, and the parts that both clocks make of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.core.description import text
from hocket.core.rules import Rule
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.instrument import Instrument
from hocket.learn.algorithms.deep_q import DeepQ
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.exploration import EpsilonGreedy, Exploration, OwnNoise, TickCounter
from hocket.learn.learners.options import InLoop, Learners
from hocket.learn.policy import HeadVersions, LearnedPolicy, Unchanging, Weights, late_head_s
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.copies import ReplayOfCopies
from hocket.learn.replay.replay import Replay
from hocket.models.qnetwork import QNetwork
from hocket.policies.base import PolicyFactory
from hocket.running.setup import CheckedRun, set_up
from hocket.spaces.checked_env import name_of
from hocket.spaces.codec import check_spaces
from hocket.spaces.defaults import Default
from hocket.training.evaluation import Evaluator
from hocket.training.options import ActingOptions, Checkpoints, EvaluationOptions, ReplayOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """The arguments of `hocket.train`, checked, and the environments. ``evaluation`` is that under the clock."""

    make_env: Callable[[], gym.Env[Any, Any]]
    env: gym.Env[Any, Any]
    others: Sequence[gym.Env[Any, Any]] = ()
    """More copies of it, which play in lockstep with it."""
    network: QNetwork
    algorithm: DeepQ
    rule: Rule
    clock: Virtual | Realtime
    ticks: int
    learner: Learners
    acting: ActingOptions
    replay: ReplayOptions
    evaluation: EvaluationOptions
    default: Default | None
    threads: int
    seed: int
    instruments: Sequence[Instrument]
    checkpoints: Checkpoints | None
    resume: str | os.PathLike[str] | None

    def __post_init__(self) -> None:
        for name, value, example in (("ticks", self.ticks, "100_000"), ("threads", self.threads, "1")):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ConfigurationError(f"{name}={value!r} must be a whole number from 1; try {example}")
        if self.acting.late_binding and not self.network.pending and self.network.newest is None:
            raise ConfigurationError(
                "late_binding=True tells the network's head of the pending actions, and this one takes none; "
                "try q_network(..., pending=n), or late_binding=False"
            )
        if self.others:
            self._check_copies()
        check_spaces(self.env)
        if not isinstance(self.env.action_space, gym.spaces.Discrete):
            raise ConfigurationError(
                f"learning needs Discrete actions, not {self.env.action_space}; try an environment that has them"
            )
        if self.ticks <= self.learner.warm_up:
            warnings.warn(
                f"ticks={self.ticks} end before learning begins, which takes warm_up={self.learner.warm_up} ticks: the "
                f"network stays as it is; try more than {self.learner.warm_up} ticks, or a smaller warm_up",
                RuntimeWarning,
                stacklevel=4,
            )
        shape, frames = self.env.observation_space.shape, self.replay.frame_stack
        if self.stacked and (not shape or shape[0] != frames):
            raise ConfigurationError(
                f"frame_stack={frames}, and observations have the shape {shape}; stacks of so many frames "
                "along the first axis are allowed; try hocket.envs.make_env(..., frame_stack=4), or leave it out"
            )

    def _check_copies(self) -> None:
        """Refuse copies that are one object, and what is of one environment."""
        envs = self.environments
        if len({id(env.unwrapped) for env in envs}) < len(envs):
            raise ConfigurationError(
                f"make_env returned the same {name_of(self.env)} object twice, and envs={len(envs)} copies play at the "
                "same time; make_env must make a new one at each call; try lambda: gymnasium.make(...)"
            )
        for env in self.others:
            for name in ("observation_space", "action_space"):
                if getattr(env, name) != getattr(self.env, name):
                    raise ConfigurationError(
                        f"make_env made copies with {name} {getattr(self.env, name)} and {getattr(env, name)}; "
                        "one for all is allowed; try a make_env that makes the same at each call"
                    )
        if isinstance(self.learner, InLoop):
            raise ConfigurationError(
                f"envs={len(envs)} with InLoop: a learner inside one loop has one environment; try "
                "hocket.RoundRobin(), or envs=1"
            )
        if self.algorithm.alpha is not None:
            raise ConfigurationError(
                f"envs={len(envs)} with alpha={self.algorithm.alpha}: a replay of copies keeps no priorities; try "
                "alpha=None, or envs=1"
            )

    @property
    def environments(self) -> list[gym.Env[Any, Any]]:
        """All copies."""
        return [self.env, *self.others]

    @property
    def copies(self) -> int:
        """How many there are."""
        return 1 + len(self.others)

    @property
    def ticks_of_each(self) -> int:
        """The ticks that each copy plays, at most: all together are the training's."""
        return -(-int(self.ticks) // self.copies)

    @property
    def seeds(self) -> list[int]:
        """Of each copy's run; that of the training if there is one."""
        if self.copies == 1:
            return [self.seed]
        return [int(np.random.SeedSequence((self.seed, 1, copy)).generate_state(1)[0]) for copy in range(self.copies)]

    @property
    def stacked(self) -> bool:
        """True if observations are stacks of frames."""
        return self.replay.frame_stack > 1

    @property
    def head_s(self) -> float:
        """Seconds before its tick at which the network's head starts; 0 without late binding.

        A network whose head sees the newest observation always acts by late binding.
        """
        if not (self.acting.late_binding or self.network.newest is not None):
            return 0.0
        return late_head_s(float(self.clock.hz), realtime=isinstance(self.clock, Realtime))

    @property
    def actions(self) -> gym.spaces.Discrete:
        """The environment's."""
        assert isinstance(self.env.action_space, gym.spaces.Discrete)
        return self.env.action_space

    def check_env_is_new(self) -> None:
        """Refuse a ``make_env`` that returns the training's environment again: evaluations and checks would play it.

        Raises:
            ConfigurationError: if it does.
        """
        other = self.make_env()
        if other.unwrapped is self.env.unwrapped:
            raise ConfigurationError(
                f"make_env returned the same {name_of(self.env)} object twice, and evaluations and checkpoints in "
                "virtual time need environments of their own while the training's is being played; make_env must make "
                "a new one at each call; try lambda: gymnasium.make(...), or hocket.EvaluationOptions(episodes=0) "
                "without checkpoints"
            )
        other.close()

    def empty_replay(self) -> Replay:
        """A replay for the environment's frames and the network's inputs; its transitions span n steps as they come."""
        shape, options = self._frames()
        return Replay(self.replay.capacity, *shape, **options, alpha=self.algorithm.alpha)

    def empty_replay_of_copies(self) -> ReplayOfCopies:
        """Likewise, of all copies."""
        shape, options = self._frames()
        return ReplayOfCopies(self.copies, self.replay.capacity, *shape, **options)

    def _frames(self) -> tuple[tuple[Any, Any], dict[str, Any]]:
        """The shape and type of one frame, and what else a replay keeps."""
        observations = self.env.observation_space
        assert isinstance(observations, gym.spaces.Box)
        shape = observations.shape[1:] if self.stacked else observations.shape
        return (shape, observations.dtype), {
            "stack": self.replay.frame_stack if self.stacked else None,
            "pending": self.network.pending,
            "newest": self.network.newest is not None,
        }

    def collector(self, replay: Replay, *, first_tick: int = 0) -> Collector:
        """Fills ``replay`` from a run that begins at ``first_tick`` of the training."""
        return Collector(
            replay,
            gamma=self.algorithm.gamma,
            first_action=int(self.actions.start),
            stacked=self.stacked,
            first_tick=first_tick,
            n_step=self.algorithm.n_step,
            unknown=int(self.actions.n),
        )

    def exploration(self, ticks: TickCounter, seed: np.random.SeedSequence | None) -> Exploration:
        """By the network's own noise if it has any, else ε-greedy."""
        if self.algorithm.noisy:
            return OwnNoise(seed=seed)
        epsilon = self.acting.epsilon
        if epsilon is None:
            epsilon = Linear(1.0, 0.05, max(1, self.ticks // 5))
        return EpsilonGreedy(actions=int(self.actions.n), epsilon=epsilon, ticks=ticks, seed=seed)

    def policy(
        self,
        exploration: Exploration | None,
        weights: Weights | None = None,
        *,
        in_place: bool,
        heads: HeadVersions | None = None,
    ) -> LearnedPolicy:
        """By the network; see `LearnedPolicy`."""
        return LearnedPolicy(
            network=self.network,
            weights=Unchanging() if weights is None else weights,
            in_place=in_place,
            exploration=exploration,
            first_action=int(self.actions.start),
            pending=self.network.pending,
            head_s=self.head_s,
            threads=self.threads,
            heads=heads,
        )

    def checked(self, policy: PolicyFactory, copy: int = 0) -> CheckedRun:
        """The run of ``policy`` in the environment numbered ``copy``, checked.

        Raises:
            ConfigurationError: if something does not fit.
        """
        return set_up(
            self.environments[copy],
            policy,
            self.rule,
            self.clock,
            ticks=self.ticks_of_each,
            default=self.default,
            seed=self.seeds[copy],
        )

    def evaluator(self, policy: PolicyFactory, dispatcher: Dispatcher | None) -> Evaluator:
        """Plays ``policy`` under this rule and clock, and reports progress to ``dispatcher``."""
        evaluation, ticks = self.evaluation, int(self.ticks)
        assert evaluation.episodes is not None
        return Evaluator(
            make_env=self.make_env,
            policy=policy,
            rule=self.rule,
            clock=self.clock,
            default=self.default,
            episodes=evaluation.episodes,
            tick_limit=evaluation.tick_limit(ticks, final=False),
            final_tick_limit=evaluation.tick_limit(ticks, final=True),
            seed=self.seed,
            on_progress=None if dispatcher is None else dispatcher.evaluating,
        )

    def options(self) -> dict[str, str]:
        """The options that a resumed training must share with its checkpoint, besides environment, algorithm and so on.

        The usual ``epsilon`` depends on ``ticks``, in which a checkpoint need not agree; it stays None here.
        """
        return {name: text(getattr(self, name)) for name in ("learner", "acting", "replay", "evaluation")}
