"""What a training is made of, under either clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.analysis.inference_times import mode_of
from hocket.core.rules import Rule
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument
from hocket.latency.laws import LatencyModel
from hocket.learn.algorithms.deep_q import DeepQ
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.exploration import EpsilonGreedy, Exploration, OwnNoise, TickCounter
from hocket.learn.learners.options import Learners
from hocket.learn.policy import LearnedPolicy, Unchanging, Weights, late_head_s
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.replay import Replay
from hocket.models.qnetwork import QNetwork
from hocket.policies.base import PolicyFactory
from hocket.spaces.codec import check_spaces
from hocket.spaces.defaults import Default
from hocket.training.evaluation import Evaluator
from hocket.training.resumption import Checkpoints


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """The arguments of `hocket.train` that mean the same under either clock, checked, and an environment."""

    make_env: Callable[[], gym.Env[Any, Any]]
    env: gym.Env[Any, Any]
    network: QNetwork
    algorithm: DeepQ
    rule: Rule
    clock: Virtual | Realtime
    charge: LatencyModel | None
    ticks: int
    learner: Learners
    default: Default | None
    update_every: int | None
    warm_up: int
    epsilon: Linear | None
    capacity: int
    frame_stack: int
    late_binding: bool
    evaluation_episodes: int
    threads: int
    seed: int
    instruments: Sequence[Instrument]
    checkpoints: Checkpoints | None
    resume: str | os.PathLike[str] | None

    def __post_init__(self) -> None:
        for name in ("ticks", "threads", "capacity", "warm_up", "frame_stack"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ConfigurationError(f"{name}={value!r} must be a whole number from 1")
        if self.evaluation_episodes < 0:
            raise ConfigurationError(f"evaluation_episodes={self.evaluation_episodes!r} must be 0 or more; try 20")
        if self.late_binding and not self.network.pending:
            raise ConfigurationError(
                "late_binding=True tells the network's head of the pending actions, and this one takes none; "
                "try q_network(..., pending=n), or late_binding=False"
            )
        check_spaces(self.env)
        if not isinstance(self.env.action_space, gym.spaces.Discrete):
            raise ConfigurationError(
                f"learning needs Discrete actions, not {self.env.action_space}; try an environment that has them"
            )

        shape = self.env.observation_space.shape
        if self.stacked and (not shape or shape[0] != self.frame_stack):
            raise ConfigurationError(
                f"frame_stack={self.frame_stack}, and observations have the shape {shape}; stacks of so many frames "
                "along the first axis are allowed; try hocket.envs.make_env(..., frame_stack=4), or leave it out"
            )

    @property
    def stacked(self) -> bool:
        """Whether observations are stacks of frames."""
        return self.frame_stack > 1

    @property
    def mode(self) -> str:
        """Whose inference times the network acts under, its own (*true-size*) or others', and under which clock."""
        return mode_of(self.clock, self.charge)

    @property
    def head_s(self) -> float:
        """How long before its tick the network's head starts; 0 if it does not start late."""
        if not self.late_binding:
            return 0.0
        return late_head_s(float(self.clock.hz), realtime=isinstance(self.clock, Realtime))

    @property
    def actions(self) -> gym.spaces.Discrete:
        """The environment's."""
        assert isinstance(self.env.action_space, gym.spaces.Discrete)
        return self.env.action_space

    def replay(self) -> Replay:
        """An empty one for the environment's frames and the network's pending actions."""
        observations, algorithm = self.env.observation_space, self.algorithm
        assert isinstance(observations, gym.spaces.Box)
        return Replay(
            self.capacity,
            observations.shape[1:] if self.stacked else observations.shape,
            observations.dtype,
            stack=self.frame_stack if self.stacked else None,
            n_step=algorithm.n_step,
            pending=self.network.pending,
            alpha=algorithm.alpha,
        )

    def collector(self, replay: Replay, *, first_tick: int = 0) -> Collector:
        """Fills ``replay`` from a run that begins at ``first_tick`` of the training."""
        return Collector(
            replay,
            gamma=self.algorithm.gamma,
            first_action=int(self.actions.start),
            stacked=self.stacked,
            first_tick=first_tick,
        )

    def exploration(self, ticks: TickCounter, seed: np.random.SeedSequence | None) -> Exploration:
        """By the network's own noise if it has any, else ε-greedy."""
        if self.algorithm.noisy:
            return OwnNoise(seed=seed)
        epsilon = Linear(1.0, 0.05, max(1, self.ticks // 5)) if self.epsilon is None else self.epsilon
        return EpsilonGreedy(actions=int(self.actions.n), epsilon=epsilon, ticks=ticks, seed=seed)

    def policy(
        self, exploration: Exploration | None, weights: Weights | None = None, *, in_place: bool
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
        )

    def evaluator(self, policy: PolicyFactory, **options: Any) -> Evaluator:
        """Plays ``policy`` under this rule and clock; ``options`` as of `Evaluator`."""
        return Evaluator(
            make_env=self.make_env,
            policy=policy,
            rule=self.rule,
            clock=self.clock,
            default=self.default,
            episodes=self.evaluation_episodes,
            seed=self.seed,
            **options,
        )

    def options(self, **more: Any) -> dict[str, str]:
        """What a checkpoint must agree with besides environment, algorithm, network, rule and default.

        An ``epsilon`` that nobody asked for goes with ``ticks``, in which a checkpoint need not agree.
        """
        names = ("update_every", "warm_up", "capacity", "late_binding", "evaluation_episodes", "epsilon")
        said = {**{name: getattr(self, name) for name in names}, **more}
        return {"learner": repr(self.learner), "options": ", ".join(f"{n}={value!r}" for n, value in said.items())}
