"""Learning with bfloat16 trunks against float32: DQN with the k=1 IMPALA net on a game of catch in pictures.

    python -m hocket.experiments.bfloat16_catch --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.bfloat16_catch --out FOLDER --collect   table and figure of the finished tasks

84x84 grey pictures of a ball that falls through 7 rows with a sidewise drift and bounces off the walls, and a bat of
two columns below: +1 if it is caught, -1 if not, an episode a ball. Delay 1 (virtual, 60 Hz, delay-only), an update of
32 transitions every 4 ticks; the two arms differ only in precision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

import hocket
from hocket.experiments.figures import draw_learning_curves
from hocket.experiments.tables import by_arm
from hocket.experiments.tasks import OneSeed, Row, command, write_rows
from hocket.experiments.training_rows import COLUMNS, rows_of
from hocket.learn.algorithms.dqn import DQN
from hocket.learn.algorithms.schedules import Linear
from hocket.models.impala import SIDE
from hocket.models.qnetwork import impala_trunk, q_network
from hocket.training.training import train

SEEDS = (0, 1, 2)
CELL = 12
ROWS = SIDE // CELL
TICKS = 12_000
HZ = 60
ALGORITHM = DQN(gamma=0.97, learning_rate=2.5e-4, batch_size=32, target_ticks=800, n_step=3)
LEARNER = hocket.RoundRobin(update_every_ticks=4, warm_up_ticks=1000)
ACTING = hocket.ActingOptions(epsilon=Linear(1.0, 0.05, 6000))
REPLAY = hocket.ReplayOptions(capacity=12_000)
EVALUATION = hocket.EvaluationOptions(every_ticks=2000, episodes=30)
ARMS = ("float32", "bfloat16")
TABLE = Path("docs/results/bfloat16_catch.csv")
FIGURE = Path("docs/images/bfloat16_catch.png")


class Catch(gym.Env[NDArray[np.uint8], Any]):
    """The game of catch. Actions: left, stay, right."""

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0, 255, (1, SIDE, SIDE), np.uint8)
        self.action_space = spaces.Discrete(3)
        self._row = self._column = self._drift = self._bat = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self._row, self._bat = 0, ROWS // 2
        self._column, self._drift = int(self.np_random.integers(ROWS)), int(self.np_random.integers(-1, 2))
        return self._picture(), {}

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        self._bat = min(max(self._bat + int(action) - 1, 0), ROWS - 2)
        self._row += 1
        if not 0 <= self._column + self._drift < ROWS:
            self._drift = -self._drift
        self._column += self._drift
        over = self._row == ROWS - 1
        reward = (1.0 if self._column - self._bat in (0, 1) else -1.0) if over else 0.0
        return self._picture(), reward, over, False, {}

    def _picture(self) -> NDArray[np.uint8]:
        cells = np.zeros((ROWS, ROWS), np.uint8)
        cells[ROWS - 1, self._bat : self._bat + 2] = 128
        cells[self._row, self._column] = 255
        return np.kron(cells, np.ones((CELL, CELL), np.uint8))[None]


@dataclass(frozen=True)
class CatchRun(OneSeed):
    """One seed of one arm."""

    arm: str
    seed: int
    ticks: int = TICKS

    @property
    def cell(self) -> str:
        return self.arm

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        bfloat16 = self.arm == "bfloat16"
        result = train(
            Catch,
            q_network(*impala_trunk(1), 3).for_learning(bfloat16=bfloat16),
            replace(ALGORITHM, bfloat16=bfloat16),
            hocket.TickDispatch(1),
            hocket.Virtual(hz=HZ, latency=hocket.Constant(0.75 / HZ)),
            ticks=self.ticks,
            learner=LEARNER,
            acting=ACTING,
            replay=REPLAY,
            evaluation=EVALUATION,
            default=hocket.Fixed(1),
            seed=self.seed,
        )
        return [{"arm": self.arm, "seed": self.seed, **row} for row in rows_of(result)]


def tasks() -> list[CatchRun]:
    """The tasks of both arms, ordered by seed."""
    return [CatchRun(arm, seed) for seed in SEEDS for arm in ARMS]


def collect(rows: list[Row]) -> None:
    """Write the table and draw the figure."""
    write_rows(TABLE, rows, ("arm", "seed", *COLUMNS))
    draw_learning_curves(rows, FIGURE, arms=ARMS, title="Catch in 84x84 pictures, IMPALA k=1, delay 1 (virtual)")
    print(by_arm(rows, arms=ARMS))
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), ("arm", "seed", *COLUMNS), collect)
