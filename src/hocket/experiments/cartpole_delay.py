"""CartPole at 50 Hz under delay (virtual, delay-only): the value of pending actions in the input.

    python -m hocket.experiments.cartpole_delay --out docs/results/cartpole_delay.csv

Four arms, the same network and learning in each: an inference of a quarter tick (delay 1); the same held to a delay
of 4 ticks, the pending actions in the input; an inference of 4 ticks, without them; and the same with late binding,
whose head gets the actions executed since, just before the tick. A run stops when an evaluation reaches 495; the
final figure is of 20 other episodes with the best weights.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

import hocket
from hocket.core.rules import Rule
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.schedules import Linear
from hocket.models.qnetwork import mlp_trunk, q_network
from hocket.training.training import train

HZ = 50
TICKS = 100_000
SEEDS = (0, 1, 2)
ALGORITHM = DQN(learning_rate=5e-4, batch_size=64, target_ticks=500, n_step=3)
EPSILON = Linear(1.0, 0.04, 8000)


@dataclass(frozen=True)
class CartPoleArm:
    """One way of acting under delay."""

    name: str
    rule: Rule
    inference_s: float
    pending: int = 0
    late_binding: bool = False


ARMS = (
    CartPoleArm("delay 1", hocket.TickDispatch(2), 0.005),
    CartPoleArm(
        "delay 4, short inference held, pending actions in the input",
        hocket.TickDispatch(2, min_delay_ticks=4),
        0.005,
        3,
    ),
    CartPoleArm("delay 4, inference of 4 ticks, no pending actions", hocket.TickDispatch(5), 0.08),
    CartPoleArm("delay 4, inference of 4 ticks, late binding", hocket.TickDispatch(5), 0.075, 3, late_binding=True),
)


def play(task: tuple[CartPoleArm, int]) -> list[dict[str, Any]]:
    """Train one seed of one arm; one row an evaluation, the final one last."""
    arm, seed = task
    torch.manual_seed(seed)
    result = train(
        lambda: gym.make("CartPole-v1"),
        q_network(*mlp_trunk(4, hidden=128), 2, pending=arm.pending),
        ALGORITHM,
        arm.rule,
        hocket.Virtual(hz=HZ, latency=hocket.Constant(arm.inference_s)),
        ticks=TICKS,
        learner=hocket.RoundRobin(update_every_ticks=1),
        acting=hocket.ActingOptions(epsilon=EPSILON, late_binding=arm.late_binding),
        replay=hocket.ReplayOptions(capacity=50_000),
        evaluation=hocket.EvaluationOptions(every_ticks=5000, good_enough=495),
        default=hocket.Fixed(0),
        seed=seed,
    )
    summary = result.run.summary()
    known = {"arm": arm.name, "seed": seed}
    rows = [{**known, "kind": "choosing", "tick": e.tick, "mean_return": e.mean} for e in result.evaluations]
    final = {**known, "kind": "final", "tick": result.final.tick, "mean_return": result.final.mean}
    return [*rows, {**final, "coverage": summary.coverage, "delay_mean": summary.delay_mean}]


def main() -> None:
    """Run every arm and seed; write the rows as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("cartpole_delay.csv"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--arms", type=int, nargs="+", choices=range(len(ARMS)), default=range(len(ARMS)))
    options = parser.parse_args()
    tasks = [(ARMS[number], seed) for number in reversed(options.arms) for seed in SEEDS]
    columns = ["arm", "seed", "kind", "tick", "mean_return", "coverage", "delay_mean"]
    with (
        options.out.open("w", newline="") as file,
        multiprocessing.get_context("spawn").Pool(options.processes) as pool,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for rows in pool.imap_unordered(play, tasks):
            writer.writerows(rows)
            file.flush()
            final = rows[-1]
            print(
                f"{final['arm']}, seed {final['seed']}: {final['mean_return']:.1f} with the weights of {final['tick']}"
            )


if __name__ == "__main__":
    main()
