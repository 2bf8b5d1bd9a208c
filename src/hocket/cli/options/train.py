"""Options of ``hocket train``, and the rules, learners, algorithms and networks made from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gymnasium as gym

import hocket
from hocket.cli.options.acting import ACTING_NEEDS, ActingArguments, make_rule, make_world
from hocket.cli.options.typed import Need, given, need
from hocket.core.rules import Learn, Rule
from hocket.errors import ConfigurationError
from hocket.learn.learners.options import InLoop, Learners, ParallelBatch, RoundRobin
from hocket.spaces.codec import check_array_spaces

if TYPE_CHECKING:
    from torch import nn

    from hocket.learn.algorithms.algorithm import Algorithm
    from hocket.learn.algorithms.deep_q import DeepQ
    from hocket.learn.replay.reward_scaling import RewardScaling
    from hocket.models.actor_and_critics import ActorCritic
    from hocket.models.qnetwork import QNetwork

PICTURE, MINATAR = (84, 84), (10, 10)
HIDDEN = 256
"""Units of each hidden layer of an actor and a critic."""
PICTURE_UPDATE_TICKS = 4
"""Ticks between two updates where observations are pictures, as on Atari; else 1, and for sac always."""
SUPPORT_TICKS = 1000
"""Ticks of random play that Rainbow's first support is fitted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainArguments(ActingArguments):
    """The options of ``hocket train``; the config.json beside its checkpoints keeps them."""

    ticks: int = 100_000
    """Greatest length of the training in ticks."""
    envs: int = 1
    """Copies of the environment that tick in lockstep (virtual); all numbers of ticks count those of all copies."""
    algorithm: Literal["dqn", "rainbow", "sac"] | None = None
    """Double DQN, Rainbow with distributions, noise and priorities, or for Box actions soft actor-critic; dqn or sac
    if not given, as the actions are."""
    learner: Literal["round-robin", "parallel-batch", "in-loop"] = "round-robin"
    """Asynchronous learners, learners that share one larger batch, or the classical loop (--rule sequential)."""
    learners: int = 1
    """Number of learners."""
    update_latency: str | None = None
    """Durations of one update in virtual time, in the forms of --latency; zero by default."""
    update_every: int | None = None
    """Ticks between two updates; 0 for updates as often as the learners can. By default 4 where observations are
    pictures (84x84, or MinAtar's 10x10), else 1, and with sac always 1."""
    warm_up: int = 1000
    """Ticks before the first update; with sac their actions are random."""
    epsilon_ticks: int | None = None
    """Ticks in which the share of random actions falls from 1 to 0.05 (dqn); a fifth of --ticks by default."""
    head: Literal["auto", "none", "actions", "newest"] = "auto"
    """Inputs of the network's head just before its tick (late binding): the actions executed since its observation,
    or these and the newest observation; none runs the network in one stage. By default newest at a delay above 1 tick,
    but for the classical loop (--rule sequential)."""
    pending: int | None = None
    """Ticks of pending actions in the network's input; by default as many as lie within the delay with a late head,
    else 0."""
    newest_units: int | None = None
    """Units of the encoder of the newest observation; by default 32, or fewer if the head would be too slow."""
    undelayed_critic: bool = False
    """Teach the critics by what happened, and only the actor by what it knew (sac)."""
    capacity: int = 100_000
    """Transitions that the replay keeps."""
    gamma: float | None = None
    """Discount per tick; the algorithm's default if not given, as for the next four."""
    learning_rate: float | None = None
    """Learning rate of Adam."""
    batch_size: int | None = None
    """Transitions of one gradient."""
    n_step: int | None = None
    """Transitions that one sample spans."""
    target_ticks: int | None = None
    """Ticks between two target networks."""
    reward_scale: float = 1.0
    """A reward is learned as so many times itself; results keep the environment's rewards."""
    clip_reward: float | None = None
    """Limit of a reward as it is learned, after --reward-scale, in both directions."""
    bfloat16: bool = False
    """Run the network's trunk in bfloat16, on devices that support it."""
    demonstrations: Path | None = None
    """File of hocket.Demonstrations to pre-train on, and to keep in every batch afterwards (dqn)."""
    demonstration_delay: int = 1
    """Delay in ticks that --demonstrations are read with, as if they had been played under it."""
    demonstration_interval: int = 1
    """Ticks between two decisions that --demonstrations are read with: the delay for --rule sequential, if they were
    recorded so."""
    demonstration_share: float = 0.25
    """Share of --demonstrations in every batch of the training; 0 forgets them after the pre-training."""
    pretrain_updates: int = 16_000
    """Updates on --demonstrations before the training."""
    margin: float = 0.8
    """Margin by which the value of a demonstrated action is to exceed the others; 0 for plain DQN."""
    evaluate_every: int | None = None
    """Ticks between two evaluations of the greedy policy; 10,000 by default (virtual)."""
    evaluation_episodes: int | None = None
    """Episodes of each evaluation and of the final one; 20 by default, 1 in realtime; 0 for no evaluations."""
    good_enough: float | None = None
    """Stop at the first evaluation whose mean return reaches this (virtual)."""
    out: Path | None = None
    """Save the training into this folder, with checkpoints during it and at its end."""
    save_every: int = 10_000
    """Ticks between two checkpoints."""
    resume: Path | None = None
    """Resume from a checkpoint, or the newest one in a folder, saved under the same options."""
    tensorboard: Path | None = None
    """Write TensorBoard's event files into this folder."""


USUAL = TrainArguments()
DEMONSTRATIONS = Need("demonstrations", given, "--demonstrations")
SEVERAL_LEARNERS = need("learner", "round-robin", "parallel-batch", agreeing=(1,))
NEEDS = {
    **{name: condition for name, condition in ACTING_NEEDS.items() if name != "latency"},
    "update_latency": need("clock", "virtual"),
    "envs": need("clock", "virtual", agreeing=(1,)),
    "evaluate_every": need("clock", "virtual"),
    "good_enough": need("clock", "virtual"),
    "epsilon_ticks": need("algorithm", "dqn"),
    "demonstrations": need("algorithm", "dqn"),
    "target_ticks": need("algorithm", "dqn", "rainbow"),
    "bfloat16": need("algorithm", "dqn", "rainbow"),
    "undelayed_critic": need("algorithm", "sac"),
    "newest_units": need("algorithm", "dqn", "rainbow"),
    "demonstration_delay": DEMONSTRATIONS,
    "demonstration_interval": DEMONSTRATIONS,
    "demonstration_share": DEMONSTRATIONS,
    "pretrain_updates": DEMONSTRATIONS,
    "margin": DEMONSTRATIONS,
    "learners": SEVERAL_LEARNERS,
    "update_every": SEVERAL_LEARNERS,
    "save_every": Need("out", given, "--out"),
}
"""Options that have no effect without a value of another option."""
NOT_KEPT = ("out", "resume", "tensorboard", "json")
"""Options that a training's config.json does not keep."""


def make_learning_rule(options: TrainArguments) -> Rule:
    """The rule that the options name; for ``in-loop``, one that learns in the loop."""
    in_loop = options.learner == "in-loop"
    if in_loop and options.rule != "sequential":
        raise ConfigurationError(
            f"--learner in-loop needs --rule sequential, not {options.rule}; try --learner round-robin"
        )
    return hocket.Sequential(Learn.AFTER_INFERENCE) if in_loop else make_rule(options)


def make_learner(options: TrainArguments) -> Learners:
    """The learners that the options name, with their schedule of updates."""
    if options.learner == "in-loop":
        return InLoop(warm_up_ticks=options.warm_up)
    kind = RoundRobin if options.learner == "round-robin" else ParallelBatch
    every = options.update_every
    if every is None:
        shape, _ = check_learnable(options)
        pictures = options.algorithm != "sac" and (are_pictures(shape) or are_minatar(shape))
        every = PICTURE_UPDATE_TICKS if pictures else 1
    return kind(options.learners, update_every_ticks=every or None, warm_up_ticks=options.warm_up)


def with_algorithm(options: TrainArguments) -> TrainArguments:
    """``options`` with the usual algorithm for the environment's actions, and its default behaviour, if not named."""
    if options.algorithm is None:
        env = make_world(options)
        env.close()
        options = replace(options, algorithm="sac" if isinstance(env.action_space, gym.spaces.Box) else "dqn")
    if options.default is None:
        options = replace(options, default="repeat" if options.algorithm == "sac" else "noop")
    return options


def make_replay_options(options: TrainArguments) -> hocket.ReplayOptions:
    """The replay's options that the options name."""
    return hocket.ReplayOptions(
        capacity=options.capacity,
        frame_stack=options.frame_stack,
        reward_scale=options.reward_scale,
        clip_reward=options.clip_reward,
    )


def make_algorithm(options: TrainArguments) -> Algorithm:
    """The algorithm, with its own defaults for options that are not given."""
    from hocket.learn.algorithms.dqn import DQN
    from hocket.learn.algorithms.imitating_dqn import ImitatingDQN
    from hocket.learn.algorithms.rainbow import Rainbow
    from hocket.learn.algorithms.sac import SAC

    names = ("gamma", "learning_rate", "batch_size", "n_step", "target_ticks")
    given: dict[str, Any] = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.algorithm == "sac":
        return SAC(**given, undelayed_critic=options.undelayed_critic)
    given["bfloat16"] = options.bfloat16
    if options.algorithm == "rainbow":
        return Rainbow(**given)
    if options.demonstrations is None:
        return DQN(**given)
    return ImitatingDQN(**given, margin=options.margin, margin_weight=float(options.margin > 0))


def check_learnable(options: TrainArguments) -> tuple[tuple[int, ...], gym.spaces.Discrete | gym.spaces.Box]:
    """The shape of the observations and the space of the actions, checked: a network can be made for them.

    Raises:
        ConfigurationError: if no network fits them.
    """
    env = make_world(options)
    env.close()
    check_array_spaces(env, "training")
    shape, space = env.observation_space.shape, env.action_space
    wanted: Any = gym.spaces.Box if options.algorithm == "sac" else gym.spaces.Discrete
    if shape is None or not isinstance(space, wanted):
        other = "dqn" if options.algorithm == "sac" else "sac"
        raise ConfigurationError(
            f"--algorithm {options.algorithm} needs {wanted.__name__} actions, and {options.env} has {space}; try "
            f"--algorithm {other}"
        )
    if options.deep and not are_pictures(shape):
        raise ConfigurationError(f"--deep needs 84x84 pictures; {options.env} gives observations of {shape}")
    if are_minatar(shape) and options.width != USUAL.width:
        raise ConfigurationError(f"--width {options.width}: the network for 10x10 observations has one; leave it out")
    assert isinstance(space, gym.spaces.Discrete | gym.spaces.Box)
    return shape, space


def are_pictures(shape: tuple[int, ...]) -> bool:
    """True for stacks of 84x84 pictures."""
    return len(shape) == 3 and shape[1:] == PICTURE


def are_minatar(shape: tuple[int, ...]) -> bool:
    """True for MinAtar's 10x10 planes."""
    return len(shape) == 3 and shape[:2] == MINATAR


def make_network(options: TrainArguments, algorithm: Algorithm) -> QNetwork | ActorCritic:
    """A network for the environment's observations, seeded."""
    shape, space = check_learnable(options)
    import torch

    from hocket.learn.algorithms.deep_q import DeepQ
    from hocket.learn.algorithms.rainbow import Rainbow
    from hocket.models.actor_and_critics import actor_critic, vector_trunk
    from hocket.models.qnetwork import UNITS, impala_trunk, minatar_trunk, mlp_trunk, newest_encoder, q_network
    from hocket.policies.devices import usable_device

    device = usable_device(options.device)
    support = None
    if isinstance(algorithm, Rainbow):
        env = make_world(options)
        try:
            support = first_support(env, algorithm, options.seed, make_replay_options(options).rewards)
        finally:
            env.close()
    torch.manual_seed(options.seed)
    pictures = are_pictures(shape)
    if isinstance(space, gym.spaces.Box):

        def trunk_of() -> tuple[nn.Module, int]:
            if pictures:
                return impala_trunk(options.width, frames=shape[0], deep=options.deep)
            return vector_trunk(math.prod(shape))

        units = HIDDEN if pictures else max(1, round(HIDDEN * options.width))

        def encoder_of() -> tuple[nn.Module, int]:
            return newest_encoder(shape) if pictures else vector_trunk(math.prod(shape))

        return actor_critic(
            trunk_of,
            space,
            pending=options.pending or 0,
            newest=encoder_of if options.head == "newest" else None,
            undelayed=options.undelayed_critic,
            hidden=(units, units),
        ).to(device)
    assert isinstance(algorithm, DeepQ)
    if pictures:
        trunk, features = impala_trunk(options.width, frames=shape[0], deep=options.deep)
    elif are_minatar(shape):
        trunk, features = minatar_trunk(shape[2])
    else:
        trunk, features = mlp_trunk(math.prod(shape), hidden=max(1, round(64 * options.width)))
    network = q_network(
        trunk,
        features,
        int(space.n),
        pending=options.pending or 0,
        newest=newest_encoder(shape, units=options.newest_units or UNITS) if options.head == "newest" else None,
        dueling=algorithm.dueling,
        noisy=algorithm.noisy,
        support=support,
        atoms=algorithm.atoms if isinstance(algorithm, Rainbow) else 51,
    ).to(device)
    return network.for_learning(bfloat16=options.bfloat16) if pictures or options.bfloat16 else network


def first_support(env: gym.Env[Any, Any], algorithm: DeepQ, seed: int, scaling: RewardScaling) -> tuple[float, float]:
    """The range of returns in a thousand ticks of random play; learning extends it."""
    from hocket.learn.algorithms.value_support import Support, discounted_returns

    env.reset(seed=seed)
    env.action_space.seed(seed)
    rewards, discounts = [], []
    for _ in range(SUPPORT_TICKS):
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        rewards.append(scaling(float(reward)))
        discounts.append(0.0 if terminated or truncated else algorithm.gamma)
        if terminated or truncated:
            env.reset()
    support = Support.fit(discounted_returns(rewards, discounts))
    return support.v_min, support.v_max
