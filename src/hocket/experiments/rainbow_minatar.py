"""Rainbow beside DQN on MinAtar's Breakout at a delay of 1 (virtual, 60 Hz).

    python -m hocket.experiments.rainbow_minatar --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.rainbow_minatar --out FOLDER --collect   table and figure of the finished tasks

The same trunk, hidden layer, replay size, learning rate and one update every 4 ticks. Rainbow has all six of its
parts: double, dueling, noisy (in place of ε), n = 3, prioritised with α 0.5 and β from 0.4 to 1 over the run, and
distributions of returns on 51 atoms from 0 to 20: Breakout pays +1 a brick and has no negative rewards, and discounted
returns stay below 20 (one brick every five ticks); the support would grow otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

import hocket
from hocket.experiments.figures import draw_learning_curves
from hocket.experiments.minatar import (
    ACTING,
    COLUMNS,
    DQN_OPTIONS,
    EVALUATION,
    HZ,
    LEARNER,
    REPLAY,
    TICKS,
    make_game,
    network_for,
    rows_of,
)
from hocket.experiments.tables import by_arm
from hocket.experiments.tasks import Row, command, write_rows
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.rainbow import Rainbow
from hocket.learn.algorithms.schedules import Linear
from hocket.training.training import train

GAME = "breakout"
SEEDS = (0, 1, 2, 3, 4)
SUPPORT = (0.0, 20.0)
ALGORITHM = DQN(**DQN_OPTIONS)
RAINBOW = Rainbow(**{**DQN_OPTIONS, "n_step": 3}, alpha=0.5, beta=Linear(0.4, 1.0, TICKS))
ARMS = ("DQN", "Rainbow")
TABLE = Path("docs/results/rainbow_minatar.csv")
FIGURE = Path("docs/images/rainbow_minatar.png")


@dataclass(frozen=True)
class RainbowRun:
    """One seed of one algorithm."""

    arm: str
    seed: int
    ticks: int = TICKS

    @property
    def cell(self) -> str:
        return self.arm.lower()

    @property
    def name(self) -> str:
        return f"{self.cell}-seed{self.seed}"

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        rainbow = self.arm == "Rainbow"
        options = {"dueling": True, "noisy": True, "support": SUPPORT, "atoms": RAINBOW.atoms} if rainbow else {}
        result = train(
            lambda: make_game(GAME),
            network_for(GAME, **options),
            RAINBOW if rainbow else ALGORITHM,
            hocket.TickDispatch(1),
            hocket.Virtual(hz=HZ, latency=hocket.Constant(0.75 / HZ)),
            ticks=self.ticks,
            learner=LEARNER,
            acting=ACTING,
            replay=REPLAY,
            evaluation=EVALUATION,
            default=hocket.Fixed(0),
            seed=self.seed,
        )
        return [{"arm": self.arm, "seed": self.seed, **row} for row in rows_of(result)]


def tasks() -> list[RainbowRun]:
    """The tasks of both algorithms, ordered by seed."""
    return [RainbowRun(arm, seed) for seed in SEEDS for arm in ARMS]


def collect(rows: list[Row]) -> None:
    """Write the table and draw the figure."""
    write_rows(TABLE, rows, ("arm", "seed", *COLUMNS))
    draw_learning_curves(rows, FIGURE, arms=ARMS, title="MinAtar Breakout, delay 1 (virtual)")
    print(by_arm(rows, arms=ARMS))
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), ("arm", "seed", *COLUMNS), collect)
