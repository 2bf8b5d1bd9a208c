"""Learners in turn beside one with a larger batch, on MinAtar's Breakout (virtual, 60 Hz, delay 1).

    python -m hocket.experiments.learners_table --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.learners_table --out FOLDER --collect   table of the finished tasks

A gradient of 32 transitions takes one learner 33 ticks. ``RoundRobin(n)`` starts one every 33/n ticks, evenly: n = 33
gives an update a tick. ``ParallelBatch(n)`` spends the same learners on one update of 32·n transitions every 33 ticks.
Both see the same number of transitions, and renew the target network every 1,000 ticks; they differ in the number of
updates and in staleness.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import hocket
from hocket.experiments.minatar import (
    DQN_OPTIONS,
    HZ,
    LEARNER,
    REPLAY,
    make_game,
    network_for,
)
from hocket.experiments.tasks import OneSeed, Row, command, write_rows
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.schedules import Linear
from hocket.results.intervals import interval
from hocket.training.training import train

GAME = "breakout"
TICKS = 100_000
UPDATE_TICKS = 33
EVALUATION = hocket.EvaluationOptions(every_ticks=50_000, episodes=20)
ACTING = hocket.ActingOptions(epsilon=Linear(1.0, 0.1, 50_000))
NUMBERS = (1, 3, 33)
SEEDS = (0, 1, 2)
ALGORITHM = DQN(**DQN_OPTIONS, n_step=1)
"""Of one step; its target network is renewed every 1,000 ticks, whatever the number of updates."""
KINDS = ("RoundRobin", "ParallelBatch")
COLUMNS = (
    "learner",
    "n",
    "seed",
    "updates",
    "staleness_mean",
    "staleness_max",
    "return_per_tick",
    "mean_return",
    "ticks",
)
TABLE = Path("docs/results/learners_table.csv")


@dataclass(frozen=True)
class LearnersRun(OneSeed):
    """One seed of one kind and number of learners."""

    kind: str
    n: int
    seed: int
    ticks: int = TICKS

    @property
    def cell(self) -> str:
        return f"{self.kind}-{self.n}"

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        in_turn = self.kind == "RoundRobin"
        kind = hocket.RoundRobin if in_turn else hocket.ParallelBatch
        every = UPDATE_TICKS // self.n if in_turn else UPDATE_TICKS
        result = train(
            lambda: make_game(GAME),
            network_for(GAME),
            ALGORITHM,
            hocket.TickDispatch(1),
            hocket.Virtual(
                hz=HZ,
                latency=hocket.Constant(0.75 / HZ),
                learning=hocket.Constant((UPDATE_TICKS - 0.25) / HZ),
            ),
            ticks=self.ticks,
            learner=kind(self.n, update_every_ticks=every, warm_up_ticks=LEARNER.warm_up_ticks),
            acting=ACTING,
            replay=REPLAY,
            evaluation=EVALUATION,
            default=hocket.Fixed(0),
            seed=self.seed,
        )
        summary = result.run.summary()
        row: Row = {"learner": self.kind, "n": self.n, "seed": self.seed, "updates": result.updates}
        row["staleness_mean"] = round(float(np.mean(result.stalenesses)), 3)
        row["staleness_max"] = max(result.stalenesses)
        row["return_per_tick"] = round(summary.reward_total / summary.ticks, 5)
        return [{**row, "mean_return": round(result.final.mean, 4), "ticks": summary.ticks}]


def tasks() -> list[LearnersRun]:
    """The tasks of every kind and number, ordered by seed; one learner alone is played once for both kinds."""
    return [
        LearnersRun(kind, n, seed)
        for seed in SEEDS
        for n in reversed(NUMBERS)
        for kind in KINDS
        if n > 1 or kind == KINDS[0]
    ]


def collect(rows: list[Row]) -> None:
    """Write the table, and its means over seeds in Markdown."""
    rows += [{**row, "learner": KINDS[1]} for row in rows if row["n"] == "1"]
    rows.sort(key=lambda row: (int(row["n"]), KINDS.index(row["learner"]), int(row["seed"])))
    write_rows(TABLE, rows, COLUMNS)
    print("| n | learner | updates | staleness mean / max | return per 1,000 ticks | return, best weights |")
    print("|---|---|---|---|---|---|")
    for n in NUMBERS:
        for kind in KINDS:
            own = [row for row in rows if (row["learner"], row["n"]) == (kind, str(n))]
            if not own:
                continue

            def mean(column: str, own: list[Row] = own) -> float:
                return interval([float(row[column]) for row in own])[0]

            most = max(int(row["staleness_max"]) for row in own)
            print(
                f"| {n} | {kind} | {mean('updates'):,.0f} | {mean('staleness_mean'):.2f} / {most} "
                f"| {1000 * mean('return_per_tick'):.1f} | {mean('mean_return'):.2f} |"
            )
    print(TABLE)


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), COLUMNS, collect)
