"""Options of ``hocket train``, and what they stand for: rules that learn, learners, algorithms and networks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import gymnasium as gym

import hocket
from hocket.cli.options.acting import ACTING_NEEDS, ActingArguments, make_rule, make_world
from hocket.cli.options.typed import Need, given, need
from hocket.core.rules import Learn, Rule
from hocket.errors import ConfigurationError
from hocket.learn.learners.options import InLoop, Learners, ParallelBatch, RoundRobin
from hocket.spaces.codec import check_spaces

if TYPE_CHECKING:
    from hocket.learn.algorithms.deep_q import DeepQ
    from hocket.models.qnetwork import QNetwork

PICTURE, MINATAR = (84, 84), (10, 10)
SUPPORT_TICKS = 1000
"""Of random play, from which Rainbow's first support is fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainArguments(ActingArguments):
    """What ``hocket train`` can be told; the config.json beside its checkpoints keeps it."""

    ticks: int = 100_000
    """How many, at most."""
    algorithm: Literal["dqn", "rainbow"] = "dqn"
    """Double DQN; or Rainbow, with distributions, noise and priorities."""
    learner: Literal["round-robin", "parallel-batch", "in-loop"] = "round-robin"
    """Asynchronous learners, one batch that is several times larger, or the classical loop (--rule sequential)."""
    learners: int = 1
    """How many learn."""
    update_latency: str | None = None
    """Virtual time's durations of one update, in the forms of --latency; none at all by default."""
    update_every: int = 4
    """Ticks for each update; 0 for as many as the learners can."""
    warm_up: int = 1000
    """Ticks before the first update."""
    epsilon_ticks: int | None = None
    """Ticks in which the share of actions by chance falls from 1 to 0.05 (dqn); a fifth of --ticks by default."""
    pending: int = 0
    """How many ticks of pending actions the network is told."""
    late_binding: bool = False
    """Run the network's head just before its tick, on the pending actions as they are known then."""
    capacity: int = 100_000
    """Transitions that the replay keeps."""
    gamma: float | None = None
    """Discount per tick; the algorithm's own by default, like the next four."""
    learning_rate: float | None = None
    """Of Adam."""
    batch_size: int | None = None
    """Transitions of one learner's update."""
    n_step: int | None = None
    """Transitions that one sample spans."""
    target_every: int | None = None
    """Updates between two target networks."""
    bfloat16: bool = False
    """Run the network's trunk in bfloat16, on processors that have it."""
    demonstrations: Path | None = None
    """Learn from recorded episodes first: a file of hocket.Demonstrations (dqn)."""
    pretrain_updates: int = 16_000
    """How many updates from --demonstrations."""
    pretrain_delay: int = 1
    """Ticks between seeing and acting, as if --demonstrations had been played so."""
    margin: float = 0.8
    """By how much demonstrated actions are to be worth more than others in --demonstrations; 0 for plain DQN."""
    evaluate_every: int | None = None
    """Ticks between two evaluations of the greedy policy; 10,000 by default (virtual)."""
    evaluation_episodes: int | None = None
    """Episodes of each, and of the final one; 20 by default, 1 in realtime; 0 for no evaluations."""
    good_enough: float | None = None
    """Stop at the first evaluation whose mean return reaches this (virtual)."""
    out: Path | None = None
    """Save the training into this folder, with checkpoints at the end and on the way."""
    save_every: int = 10_000
    """Ticks between two checkpoints."""
    resume: Path | None = None
    """Go on from a checkpoint, or from the newest in a folder, that was saved under the same options."""
    tensorboard: Path | None = None
    """Write TensorBoard's event files into this folder."""


USUAL = TrainArguments()
DEMONSTRATIONS = Need("demonstrations", given, "--demonstrations")
SEVERAL_LEARNERS = need("learner", "round-robin", "parallel-batch", agreeing=(1,))
NEEDS = {
    **{name: condition for name, condition in ACTING_NEEDS.items() if name != "latency"},
    "update_latency": need("clock", "virtual"),
    "evaluate_every": need("clock", "virtual"),
    "good_enough": need("clock", "virtual"),
    "epsilon_ticks": need("algorithm", "dqn"),
    "demonstrations": need("algorithm", "dqn"),
    "pretrain_updates": DEMONSTRATIONS,
    "pretrain_delay": DEMONSTRATIONS,
    "margin": DEMONSTRATIONS,
    "learners": SEVERAL_LEARNERS,
    "update_every": SEVERAL_LEARNERS,
    "save_every": Need("out", given, "--out"),
}
"""Options that change something only beside another option's value."""
NOT_KEPT = ("out", "resume", "tensorboard", "json")
"""Options that a training's config.json does not keep."""


def make_learning_rule(options: TrainArguments) -> Rule:
    """The rule that the options name; one that learns if the loop is to."""
    in_loop = options.learner == "in-loop"
    if in_loop and options.rule != "sequential":
        raise ConfigurationError(
            f"--learner in-loop needs --rule sequential, not {options.rule}; try --learner round-robin"
        )
    return hocket.Sequential(Learn.AFTER_INFERENCE) if in_loop else make_rule(options)


def make_learner(options: TrainArguments) -> Learners:
    """Who learns, and when."""
    if options.learner == "in-loop":
        return InLoop(warm_up=options.warm_up)
    kind = RoundRobin if options.learner == "round-robin" else ParallelBatch
    return kind(options.learners, update_every=options.update_every or None, warm_up=options.warm_up)


def make_algorithm(options: TrainArguments) -> DeepQ:
    """The algorithm, with its own usual options where none are given."""
    from hocket.learn.algorithms.dqn import DQN
    from hocket.learn.algorithms.rainbow import Rainbow

    names = ("gamma", "learning_rate", "batch_size", "n_step", "target_every")
    given: dict[str, Any] = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    given["bfloat16"] = options.bfloat16
    return DQN(**given) if options.algorithm == "dqn" else Rainbow(**given)


def check_learnable(options: TrainArguments) -> tuple[tuple[int, ...], gym.spaces.Discrete]:
    """The shape of the observations and the space of the actions, which a network can be made for.

    Raises:
        ConfigurationError: if there is no such network.
    """
    env = make_world(options)
    env.close()
    check_spaces(env)
    shape, space = env.observation_space.shape, env.action_space
    if shape is None or not isinstance(space, gym.spaces.Discrete):
        raise ConfigurationError(f"learning needs Discrete actions, not {space}; {options.env} has others")
    if options.deep and not are_pictures(shape):
        raise ConfigurationError(f"--deep needs 84x84 pictures; {options.env} gives observations of {shape}")
    if are_minatar(shape) and options.width != USUAL.width:
        raise ConfigurationError(f"--width {options.width}: the network for 10x10 observations has one; leave it out")
    return shape, space


def are_pictures(shape: tuple[int, ...]) -> bool:
    """True for stacks of 84x84 pictures."""
    return len(shape) == 3 and shape[1:] == PICTURE


def are_minatar(shape: tuple[int, ...]) -> bool:
    """True for MinAtar's 10x10 planes."""
    return len(shape) == 3 and shape[:2] == MINATAR


def make_network(options: TrainArguments, algorithm: DeepQ) -> QNetwork:
    """A network for the environment's observations, seeded."""
    shape, space = check_learnable(options)
    import torch

    from hocket.learn.algorithms.rainbow import Rainbow
    from hocket.models.qnetwork import impala_trunk, minatar_trunk, mlp_trunk, q_network
    from hocket.policies.devices import usable_device

    device = usable_device(options.device)
    support = None
    if isinstance(algorithm, Rainbow):
        env = make_world(options)
        try:
            support = first_support(env, algorithm, options.seed)
        finally:
            env.close()
    torch.manual_seed(options.seed)
    pictures = are_pictures(shape)
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
        pending=options.pending,
        dueling=algorithm.dueling,
        noisy=algorithm.noisy,
        support=support,
        atoms=algorithm.atoms if isinstance(algorithm, Rainbow) else 51,
    ).to(device)
    return network.for_learning(bfloat16=options.bfloat16) if pictures or options.bfloat16 else network


def first_support(env: gym.Env[Any, Any], algorithm: DeepQ, seed: int) -> tuple[float, float]:
    """What covers the returns of a thousand ticks of random play; it grows as learning goes on."""
    from hocket.learn.algorithms.value_support import Support, discounted_returns

    env.reset(seed=seed)
    env.action_space.seed(seed)
    rewards, discounts = [], []
    for _ in range(SUPPORT_TICKS):
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        rewards.append(float(reward))
        discounts.append(0.0 if terminated or truncated else algorithm.gamma)
        if terminated or truncated:
            env.reset()
    support = Support.fit(discounted_returns(rewards, discounts))
    return support.v_min, support.v_max
