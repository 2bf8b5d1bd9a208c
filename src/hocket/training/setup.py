"""The checked arguments of a training, and the parts that both clocks make of them."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from hocket.core.description import text
from hocket.core.rules import Rule
from hocket.drivers.realtime import Realtime
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError, check_whole
from hocket.hooks.dispatcher import Dispatcher
from hocket.hooks.instrument import Instrument
from hocket.learn.acting import Unchanging, Weights
from hocket.learn.algorithms.algorithm import Algorithm
from hocket.learn.algorithms.deep_q import DeepQ
from hocket.learn.algorithms.sac import SAC
from hocket.learn.algorithms.schedules import Linear
from hocket.learn.exploration import Drawn, EpsilonGreedy, Exploration, OwnNoise, TickCounter
from hocket.learn.head_versions import HeadVersions
from hocket.learn.learners.options import InLoop, Learners
from hocket.learn.policy import LearnedPolicy, late_head_s
from hocket.learn.replay.collector import Collector
from hocket.learn.replay.copies import ReplayOfCopies
from hocket.learn.replay.mixed_replay import MixedReplay, Samples
from hocket.learn.replay.replay import Replay
from hocket.models.actor_and_critics import ActorCritic, check_bounded
from hocket.models.qnetwork import QNetwork
from hocket.policies.base import PolicyFactory
from hocket.running.setup import CheckedRun, set_up
from hocket.spaces.checked_env import name_of
from hocket.spaces.codec import check_array_spaces
from hocket.spaces.defaults import Default
from hocket.training.evaluation import Evaluator
from hocket.training.options import ActingOptions, Checkpoints, DemonstrationOptions, EvaluationOptions, ReplayOptions
from hocket.training.pretraining import demonstration_replay


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """The arguments of `hocket.train`, checked, and the environments. ``evaluation`` is that under the clock."""

    make_env: Callable[[], gym.Env[Any, Any]]
    env: gym.Env[Any, Any]
    others: Sequence[gym.Env[Any, Any]] = ()
    """More copies of it, which play in lockstep with it."""
    network: QNetwork | ActorCritic
    algorithm: Algorithm
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
    demonstrations: DemonstrationOptions | None
    checkpoints: Checkpoints | None
    resume: str | os.PathLike[str] | None

    def __post_init__(self) -> None:
        for name, value, example in (("ticks", self.ticks, "100_000"), ("threads", self.threads, "1")):
            check_whole(name, value, example=example, numpy=True)
        if self.acting.late_binding and not self.network.pending and self.network.newest is None:
            raise ConfigurationError(
                "late_binding=True tells the network's head of the pending actions, and this one takes none; "
                "try a network with pending=n, or late_binding=False"
            )
        if isinstance(self.clock, Virtual):
            self.clock.check_head(self.head_s)
        if self.others:
            self._check_copies()
        check_array_spaces(self.env, "training")
        self._check_algorithm()
        if self.ticks <= self.learner.warm_up_ticks:
            warnings.warn(
                f"ticks={self.ticks} end before learning begins, after warm_up_ticks={self.learner.warm_up_ticks}: the "
                f"network stays as it is; try more than {self.learner.warm_up_ticks} ticks, or fewer warm_up_ticks",
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
        """The number of them."""
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

    def _check_algorithm(self) -> None:
        """Refuse an algorithm that does not fit the actions, and a network that does not fit it."""
        space, algorithm, network = self.env.action_space, self.algorithm, self.network
        if isinstance(algorithm, SAC):
            if not isinstance(network, ActorCritic):
                raise ConfigurationError(
                    f"SAC learns an ActorCritic, not a {type(network).__name__}; try "
                    "hocket.models.actor_critic(lambda: vector_trunk(n), env.action_space)"
                )
            space = check_bounded(space)
            if (network.low.tolist(), network.high.tolist()) != (space.low.tolist(), space.high.tolist()):
                raise ConfigurationError(
                    f"the network was made for actions from {network.low} to {network.high}, not for {space}; try "
                    "actor_critic(..., env.action_space)"
                )
            late = (0, False) if algorithm.undelayed_critic else (network.pending, network.newest is not None)
            if network.critics.late_inputs != late:
                raise ConfigurationError(
                    f"undelayed_critic={algorithm.undelayed_critic} needs critics of "
                    f"{'the observation alone' if algorithm.undelayed_critic else 'all that the actor takes'}, and "
                    f"these are others; try actor_critic(..., undelayed={algorithm.undelayed_critic})"
                )
            if self.demonstrations is not None:
                raise ConfigurationError(
                    "demonstrations are of Discrete actions, and SAC learns those of a Box; leave them out"
                )
            if self.acting.epsilon is not None:
                raise ConfigurationError(
                    f"epsilon={self.acting.epsilon!r} has no effect with SAC, whose actor draws its actions; leave it "
                    "out"
                )
        elif isinstance(algorithm, DeepQ):
            if not isinstance(space, gym.spaces.Discrete):
                raise ConfigurationError(
                    f"{type(algorithm).__name__} needs Discrete actions, not {space}; try hocket.learn.SAC for a Box, "
                    "or an environment that has them"
                )
            if not isinstance(network, QNetwork):
                raise ConfigurationError(
                    f"{type(algorithm).__name__} learns a QNetwork, not a {type(network).__name__}; try "
                    "hocket.models.q_network(...)"
                )
        else:
            raise ConfigurationError(
                f"algorithm={algorithm!r} is no algorithm of hocket.learn; try hocket.learn.DQN() or hocket.learn.SAC()"
            )

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
    def _unknown(self) -> int | None:
        """As of `TransitionBuilder`: None where critics see what happened, whatever the policy was told."""
        space = self.env.action_space
        if self.algorithm.needs_present:
            return None
        return int(space.n) if isinstance(space, gym.spaces.Discrete) else 0

    @property
    def first_action(self) -> int:
        """The number that Discrete actions begin with; 0 for those of a Box."""
        space = self.env.action_space
        return int(space.start) if isinstance(space, gym.spaces.Discrete) else 0

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

    def _empty_replay(self) -> Replay | ReplayOfCopies:
        """A replay for the environment's frames and the network's inputs; its transitions span n steps as they come."""
        observations, actions, algorithm = self.env.observation_space, self.env.action_space, self.algorithm
        assert isinstance(observations, gym.spaces.Box)
        capacity, shape = self.replay.capacity, observations.shape[1:] if self.stacked else observations.shape
        options: dict[str, Any] = {
            "stack": self.replay.frame_stack if self.stacked else None,
            "pending": self.network.pending,
            "newest": self.network.newest is not None,
            "present": algorithm.needs_present,
            "action_size": math.prod(actions.shape) if isinstance(actions, gym.spaces.Box) else 0,
        }
        if self.copies > 1:
            return ReplayOfCopies(self.copies, capacity, shape, observations.dtype, **options)
        return Replay(capacity, shape, observations.dtype, **options, alpha=algorithm.alpha)

    @contextmanager
    def replays(self) -> Iterator[tuple[Replay | ReplayOfCopies, Replay | None]]:
        """Inside, an empty replay, and that of the demonstrations if there are any; both are closed afterwards."""
        with ExitStack() as stack:
            replay = self._empty_replay()
            stack.callback(replay.close)
            shown = self._demonstration_replay()
            if shown is not None:
                stack.callback(shown.close)
            yield replay, shown

    def _demonstration_replay(self) -> Replay | None:
        shown = self.demonstrations
        if shown is None:
            return None
        space, frames = self.env.observation_space, shown.demonstrations.observations
        if frames.shape[1:] != space.shape or frames.dtype != space.dtype:
            raise ConfigurationError(
                f"demonstrations of {frames.dtype} {frames.shape[1:]} observations do not fit {name_of(self.env)}, "
                f"whose observations are {space.dtype} {space.shape}; give demonstrations of the same environment"
            )
        actions = self.env.action_space
        assert isinstance(actions, gym.spaces.Discrete) and isinstance(self.network, QNetwork)
        assert isinstance(self.algorithm, DeepQ)
        return demonstration_replay(shown, self.network, self.algorithm, actions=actions, options=self.replay)

    def sampled(self, replay: Samples, shown: Replay | None) -> Samples:
        """The source of the learners' batches: ``replay``, and with it a share of the demonstrations in ``shown``."""
        if shown is None:
            return replay
        assert self.demonstrations is not None
        return MixedReplay(replay, shown, self.demonstrations.share)

    def collector(self, replay: Replay, *, first_tick: int = 0) -> Collector:
        """Fills ``replay`` from a run that begins at ``first_tick`` of the training."""
        return Collector(
            replay,
            gamma=self.algorithm.gamma,
            first_action=self.first_action,
            stacked=self.stacked,
            first_tick=first_tick,
            rewards=self.replay.rewards,
            n_step=self.algorithm.n_step,
            unknown=self._unknown,
        )

    def exploration(self, ticks: TickCounter, seed: np.random.SeedSequence | None) -> Exploration:
        """By the actor's distributions, by the network's own noise if it has any, else ε-greedy."""
        space = self.env.action_space
        if isinstance(space, gym.spaces.Box):
            return Drawn(actions=space, random_ticks=self.learner.warm_up_ticks, ticks=ticks, seed=seed)
        if self.algorithm.noisy:
            return OwnNoise(seed=seed)
        epsilon = self.acting.epsilon
        if epsilon is None:
            epsilon = Linear(1.0, 0.05, max(1, self.ticks // 5))
        assert isinstance(space, gym.spaces.Discrete)
        return EpsilonGreedy(actions=int(space.n), epsilon=epsilon, ticks=ticks, seed=seed)

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
            first_action=self.first_action,
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
        return {
            name: text(getattr(self, name)) for name in ("learner", "acting", "replay", "evaluation", "demonstrations")
        }
