"""MuJoCo under delay with soft actor-critic (virtual, delay-only): beside the literature of delayed control.

    python -m hocket.experiments.mujoco_delay --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.mujoco_delay --out FOLDER --collect   tables and figure of the finished tasks

InvertedDoublePendulum-v5 (100,000 ticks) and HalfCheetah-v5 (300,000) at their own 20 Hz, with delays of 1, 5 and 25
ticks; a worker a tick, so every tick but an episode's first d - 1 has an action of the network. In those β applies no
force, or in *newest* the head acts alone. Soft actor-critic with the published settings (Haarnoja et al. 2018: two
layers of 256 units, batches of 256, an update a tick), after 5,000 ticks at random. Arms at a delay of d ticks:

- *blind*: the actor sees the observation of d ticks ago and nothing else, and so do the critics;
- *actions*: the head is told the d - 1 actions executed since (late binding): the augmented state of the literature;
- *undelayed critic*: likewise, and the critics learn on the environment's own transitions (Kim et al. 2023, BPQL);
- *newest*: as *actions*, and the head also sees the newest observation, through a layer of 32 units;
- *newest, undelayed critic*: both.

*no delay* is the same network at a delay of 1. *head alone* is the encoder and the head of *newest* without a trunk, at
a delay of 1: with vectors as observations the head is as large as the trunk, so it shows what is left to learn for a
trunk. The delayed literature forbids *newest*: there observations arrive late, here inference is slow. *random* draws
its actions. Two comparisons were chosen before the runs: *actions* with *undelayed critic*, and *newest* with *head
alone*, both on HalfCheetah at 5.

Returns are normalised as R = (arm - random) / (no delay - random). ``final`` is the greedy play of the weights with
the best evaluation, in episodes of its own; ``training`` is the last tenth of the training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import hocket
from hocket.experiments.figures import draw_against_delay, reference_values, values_of
from hocket.experiments.tables import KINDS, against_delay
from hocket.experiments.tasks import OneSeed, Row, command, write_rows
from hocket.experiments.training_rows import COLUMNS, rows_of
from hocket.learn.algorithms.sac import SAC
from hocket.models.actor_and_critics import ActorCritic, actor_critic
from hocket.training.training import train

HZ = 20
TICKS = {"InvertedDoublePendulum-v5": 100_000, "HalfCheetah-v5": 300_000}
DELAYS = (1, 5, 25)
UNDER_DELAY = ("blind", "actions", "undelayed critic", "newest", "newest, undelayed critic")
WITHOUT_DELAY = ("no delay", "head alone")
RANDOM = "random"
SEEDS = (0, 1, 2)
UNITS, NEWEST_UNITS = 256, 32
RANDOM_TICKS = 20_000

LEARNER = hocket.RoundRobin(update_every_ticks=1, warm_up_ticks=5000)
REPLAY = hocket.ReplayOptions(capacity=300_000)
EVALUATIONS, EPISODES = 20, 10
"""Evaluations in a training, and the episodes of each."""

KNOWN = ("game", "delay", "arm", "seed")
ANY = "any"
TABLE = Path("docs/results/mujoco_delay.csv")
FIGURE = Path("docs/images/mujoco_delay.png")


def make_world(name: str) -> gym.Env[Any, Any]:
    """The environment ``name`` with observations of 32 bits."""
    env = gym.make(name)
    assert isinstance(env.observation_space, gym.spaces.Box)
    space = gym.spaces.Box(-np.inf, np.inf, env.observation_space.shape, np.float32)
    return gym.wrappers.TransformObservation(env, lambda observation: observation.astype(np.float32), space)


def layer(inputs: int, units: int) -> Callable[[], tuple[nn.Module, int]]:
    """Makes a layer of ``units``, and says how many."""
    return lambda: (nn.Sequential(nn.Linear(inputs, units), nn.ReLU()), units)


@dataclass(frozen=True)
class MujocoRun(OneSeed):
    """One seed of one learning arm."""

    game: str
    delay: int
    arm: str
    seed: int
    ticks: int

    @property
    def cell(self) -> str:
        return f"{self.game}-{self.shown_delay}-{self.arm.replace(', ', '_').replace(' ', '_')}"

    @property
    def shown_delay(self) -> str:
        """As it is entered into the table."""
        return str(self.delay) if self.arm in UNDER_DELAY else ANY

    @property
    def undelayed_critic(self) -> bool:
        """True if the critics learn on the environment's own transitions."""
        return "undelayed critic" in self.arm

    def network(self) -> ActorCritic:
        """A layer of trunk and one of head, so without delay the published network."""
        env = make_world(self.game)
        observations, actions = env.observation_space, env.action_space
        env.close()
        assert isinstance(observations, gym.spaces.Box) and isinstance(actions, gym.spaces.Box)
        (inputs,) = observations.shape
        return actor_critic(
            layer(inputs, NEWEST_UNITS if self.arm == "head alone" else UNITS),
            actions,
            pending=0 if self.arm in ("blind", *WITHOUT_DELAY) else self.delay - 1,
            newest=layer(inputs, NEWEST_UNITS) if "newest" in self.arm else None,
            undelayed=self.undelayed_critic,
            hidden=(UNITS,),
        )

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        network = self.network()
        result = train(
            lambda: make_world(self.game),
            network,
            SAC(undelayed_critic=self.undelayed_critic),
            hocket.TickDispatch(self.delay),
            hocket.Virtual(hz=HZ, latency=hocket.Constant((self.delay - 0.25) / HZ)),
            ticks=self.ticks,
            learner=LEARNER,
            acting=hocket.ActingOptions(late_binding=network.pending > 0),
            replay=REPLAY,
            evaluation=hocket.EvaluationOptions(every_ticks=self.ticks // EVALUATIONS, episodes=EPISODES),
            default=hocket.Fixed(np.zeros_like(network.low)),
            seed=self.seed,
        )
        known = {"game": self.game, "delay": self.shown_delay, "arm": self.arm, "seed": self.seed}
        return [{**known, **row} for row in rows_of(result)]


@dataclass(frozen=True)
class RandomRun(OneSeed):
    """One seed of random actions."""

    game: str
    seed: int

    @property
    def cell(self) -> str:
        return f"{self.game}-{ANY}-{RANDOM}"

    def play(self) -> list[Row]:
        env = make_world(self.game)
        env.action_space.seed(self.seed)
        result = hocket.run(
            env,
            lambda observation: env.action_space.sample(),
            hocket.TickDispatch(1),
            hocket.Virtual(hz=HZ, latency=hocket.Constant(0.5 / HZ)),
            ticks=RANDOM_TICKS,
            seed=self.seed,
        )
        env.close()
        summary = result.summary()
        known = {"game": self.game, "delay": ANY, "arm": RANDOM, "seed": self.seed, "kind": "final", "tick": 0}
        figures = {"mean_return": round(summary.return_mean, 4), "episodes": summary.episodes}
        run = {"coverage": summary.coverage, "delay_mean": summary.delay_mean, "updates": 0, "ticks": summary.ticks}
        return [{**known, **figures, **run}]


def tasks() -> list[MujocoRun | RandomRun]:
    """The tasks of every cell: all of a seed before the next seed, the shorter trainings and delays first."""
    every: list[MujocoRun | RandomRun] = []
    for seed, (game, ticks) in product(SEEDS, TICKS.items()):
        every.append(RandomRun(game, seed))
        every += [MujocoRun(game, 1, arm, seed, ticks) for arm in WITHOUT_DELAY]
        every += [MujocoRun(game, delay, arm, seed, ticks) for delay in DELAYS[1:] for arm in UNDER_DELAY]
    return every


def normalised(rows: list[Row]) -> list[Row]:
    """The rows of learning arms with R in the place of returns, where both references have been played."""
    every = []
    for row in rows:
        wanted: dict[str, Any] = {"game": row["game"], "kind": row["kind"]}
        low = reference_values(rows, arm=RANDOM, **wanted)
        high = values_of(rows, arm="no delay", **wanted)
        if row["kind"] in KINDS and low and high:
            lowest, highest = float(np.mean(low)), float(np.mean(high))
            every.append({**row, "mean_return": (float(row["mean_return"]) - lowest) / (highest - lowest)})
    return every


def collect(rows: list[Row]) -> None:
    """Write the table, draw the figure, print returns and normalised returns."""
    write_rows(TABLE, rows, (*KNOWN, *COLUMNS))
    games = [game for game in TICKS if any(row["game"] == game and row["arm"] in UNDER_DELAY for row in rows)]
    if games:
        drawn: dict[str, Any] = {"arms": UNDER_DELAY, "references": (*WITHOUT_DELAY, RANDOM), "games": games}
        draw_against_delay(rows, FIGURE, title="MuJoCo under delay (delay-only, virtual)", hz=HZ, **drawn)
        for kind in KINDS:
            print(against_delay(rows, **drawn, kind=kind), end="\n\n")
            print("R = (arm - random) / (no delay - random)\n")
            print(against_delay(normalised(rows), **drawn, kind=kind), end="\n\n")
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), (*KNOWN, *COLUMNS), collect)
