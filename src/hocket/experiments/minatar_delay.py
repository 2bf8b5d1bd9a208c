"""MinAtar at 60 Hz under delay (virtual, delay-only): returns of each way of acting under delay.

    python -m hocket.experiments.minatar_delay --out FOLDER             run the tasks that are not done
    python -m hocket.experiments.minatar_delay --out FOLDER --collect   table and figure of the finished tasks

Breakout and Asterix; every inference takes a constant time of (d − 1/4) ticks, so that its action is executed with a
delay of d. The network is small, whatever the delay. Every arm learns in the background with one
update every 4 ticks, and is evaluated under the same rule and delay. In ticks without a fresh action β presses
nothing; the first d ticks of every episode are such ticks.

Only late binding gives its network the pending actions: in the other arms an inference lasts longer than a tick, so
all actions before its own are still unknown when it starts.

With constant times ``MaxTime(d)`` and ``TickDispatch(d)`` act alike in every tick, and so learn the same from the
same seed; at a delay of 1 all arms do (tested). Such cells are played once and entered under each name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import hocket
from hocket.core.rules import Rule
from hocket.experiments.figures import draw_against_delay
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
from hocket.experiments.tables import KINDS, against_delay
from hocket.experiments.tasks import Row, command, write_rows
from hocket.learn.algorithms.dqn import DQN
from hocket.training.training import train

GAMES = ("breakout", "asterix")
DELAYS = (1, 2, 4, 8, 16)
SEEDS = (0, 1, 2, 3, 4)
STILL = hocket.Fixed(0)
NEVER_S = 1e6
"""An inference time longer than any run: the default acts in every tick."""
DEFAULT_ONLY = {"noop": STILL, "random": hocket.RandomDefault()}
DEFAULT_ONLY_TICKS = 30_000
ALGORITHM = DQN(**DQN_OPTIONS, n_step=3)
ARMS = ("sequential", "MaxTime", "TickDispatch", "TickDispatch, late binding")
TABLE = Path("docs/results/minatar_delay.csv")
FIGURE = Path("docs/images/minatar_delay.png")


def rule_of(arm: str, delay: int) -> Rule:
    """The rule of ``arm``, with the workers that a delay of ``delay`` ticks needs."""
    if arm == "sequential":
        return hocket.Sequential()
    return hocket.MaxTime(delay) if arm == "MaxTime" else hocket.TickDispatch(delay)


def played_as(arm: str, delay: int) -> str:
    """The arm that is identical at this delay and is played for both."""
    return "TickDispatch" if delay == 1 or arm == "MaxTime" else arm


@dataclass(frozen=True)
class MinAtarRun:
    """One seed of one learning arm."""

    game: str
    delay: int
    arm: str
    seed: int
    ticks: int = TICKS

    @property
    def cell(self) -> str:
        return f"{self.game}-{self.delay}-{self.arm.replace(', ', '_').replace(' ', '_')}"

    @property
    def name(self) -> str:
        return f"{self.cell}-seed{self.seed}"

    def play(self) -> list[Row]:
        torch.manual_seed(self.seed)
        pending = self.delay - 1 if self.arm == "TickDispatch, late binding" else 0
        result = train(
            lambda: make_game(self.game),
            network_for(self.game, pending=pending),
            ALGORITHM,
            rule_of(self.arm, self.delay),
            hocket.Virtual(hz=HZ, latency=hocket.Constant((self.delay - 0.25) / HZ)),
            ticks=self.ticks,
            learner=LEARNER,
            acting=replace(ACTING, late_binding=pending > 0),
            replay=REPLAY,
            evaluation=EVALUATION,
            default=STILL,
            seed=self.seed,
        )
        known = {"game": self.game, "delay": self.delay, "arm": self.arm, "seed": self.seed}
        return [{**known, **row} for row in rows_of(result)]


@dataclass(frozen=True)
class DefaultOnly:
    """One seed of a reference without a policy, and so without delay."""

    game: str
    arm: str
    seed: int

    @property
    def cell(self) -> str:
        return f"{self.game}-any-{self.arm}"

    @property
    def name(self) -> str:
        return f"{self.cell}-seed{self.seed}"

    def play(self) -> list[Row]:
        env = make_game(self.game)
        result = hocket.run(
            env,
            lambda observation: 0,
            hocket.Sequential(),
            hocket.Virtual(hz=HZ, latency=hocket.Constant(NEVER_S)),
            ticks=DEFAULT_ONLY_TICKS,
            default=DEFAULT_ONLY[self.arm],
            seed=self.seed,
        )
        env.close()
        summary = result.summary()
        known = {"game": self.game, "delay": "any", "arm": self.arm, "seed": self.seed, "kind": "final", "tick": 0}
        figures = {"mean_return": round(summary.return_mean, 4), "episodes": summary.episodes}
        run = {"coverage": summary.coverage, "delay_mean": "", "updates": 0, "ticks": summary.ticks}
        return [{**known, **figures, **run}]


def tasks() -> list[MinAtarRun | DefaultOnly]:
    """The tasks of every cell, ordered by seed."""
    every: list[MinAtarRun | DefaultOnly] = []
    for seed in SEEDS:
        every += [
            MinAtarRun(game, delay, arm, seed)
            for delay in DELAYS
            for arm in ARMS
            for game in GAMES
            if played_as(arm, delay) == arm
        ]
        every += [DefaultOnly(game, arm, seed) for arm in DEFAULT_ONLY for game in GAMES]
    return every


def with_twins(rows: list[Row]) -> list[Row]:
    """``rows``, with the rows of shared cells repeated under each arm's name."""
    every = list(rows)
    for row in rows:
        if row["arm"] in ARMS:
            twins = [arm for arm in ARMS if arm != row["arm"] and played_as(arm, int(row["delay"])) == row["arm"]]
            every += [{**row, "arm": arm} for arm in twins]
    return every


def collect(rows: list[Row]) -> None:
    """Write the table and draw the figure."""
    every = with_twins(rows)
    delays, arms = [*map(str, DELAYS), "any"], [*ARMS, *DEFAULT_ONLY]
    every.sort(key=lambda row: (row["game"], delays.index(row["delay"]), arms.index(row["arm"])))
    write_rows(TABLE, every, ("game", "delay", "arm", "seed", *COLUMNS))
    title = "MinAtar under delay (delay-only, virtual)"
    shown: dict[str, Any] = {"arms": ARMS, "references": tuple(DEFAULT_ONLY), "games": GAMES}
    draw_against_delay(every, FIGURE, title=title, **shown)
    for kind in KINDS:
        print(against_delay(every, **shown, kind=kind), end="\n\n")
    print(f"{TABLE}, {FIGURE}")


if __name__ == "__main__":
    assert __doc__ is not None
    command(__doc__, tasks(), ("game", "delay", "arm", "seed", *COLUMNS), collect)
