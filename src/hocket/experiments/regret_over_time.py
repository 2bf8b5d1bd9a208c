"""Remarks 1 and 2 as an experiment: a tabular learner's regret per tick against total ticks (virtual).

    python -m hocket.experiments.regret_over_time \\
        --out docs/results/regret_over_time.csv --figure docs/images/regret_over_time.png

An inference takes four ticks. A sequential agent acts on every fourth tick, four ticks late: its regret levels off at
Δ_inaction + Δ_delay, however long it learns. Staggered workers act on every tick, four ticks late: theirs levels off
at Δ_delay. All arms learn alike: an optimistic table of visited states. Runs that are already in the CSV are not
repeated. Source: Riemer et al. 2025, Remarks 1 and 2.
"""

from __future__ import annotations

import argparse
import csv
import math
import multiprocessing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hocket
from hocket.core.rules import Rule
from hocket.hooks.record import Moment
from hocket.learn.replay.transitions import Decided, TransitionBuilder
from hocket.spaces.codec import NOTHING_PENDING, PendingActions
from hocket.theory import AsyncMDP, TabularEnv, default_of, exact_decomposition, random_mdp, ring

HZ = 50
LATE = 4
TICKS = 200_000
SEEDS = (0, 1, 2)
CHECKPOINTS = sorted({round(10 ** (k / 8)) for k in range(16, 8 * 5 + 1)} | {TICKS})
COLUMNS = ["world", "arm", "seed", "tick", "regret_per_tick", "recent_regret_per_tick", "limit"]
WORLDS = {"ring, ρ = 0.9": ring(4, 0.9), "random": random_mdp(4, 2, 1, default=1, concentration=0.2)}


@dataclass(frozen=True)
class RegretArm:
    """One way of acting."""

    name: str
    interval: int
    rule: Rule
    inference_ticks: float
    pending: int = 0


SEQUENTIAL = RegretArm("sequential", LATE, hocket.Sequential(), LATE)
STAGGERED = RegretArm("staggered, 4 workers", 1, hocket.TickDispatch(LATE), LATE)
KNOWING = RegretArm("staggered, pending actions known", 1, hocket.TickDispatch(1, min_delay_ticks=LATE), 0.9, LATE - 1)
ARMS = (SEQUENTIAL, STAGGERED, KNOWING)
COLORS = ("#c0392b", "#2471a3", "#1e8449")
PLAYED = [(w, a) for w in WORLDS for a in ARMS if a is not KNOWING or w == "random"]  # on the ring nothing is gained


class Optimist:
    """Plans for the average reward on the transitions seen, with optimistic values for unseen ones."""

    def __init__(self, mdp: AsyncMDP, arm: RegretArm) -> None:
        self._actions, self._kinds, self._interval = mdp.actions, mdp.actions + 1, arm.interval
        rows = mdp.states * self._kinds**arm.pending
        self._seen = np.zeros((rows, mdp.actions, rows))
        self._earned = np.zeros((rows, mdp.actions))
        self._bias = np.zeros(rows)
        self._table = np.zeros(rows, np.int64)
        self._builder = TransitionBuilder(1.0)
        self._states: dict[int, int] = {}
        self._learned = self._plan_at = 0

    def decide(self, observation: NDArray[Any], pending_actions: PendingActions = NOTHING_PENDING) -> int:
        """The policy of the newest plan."""
        return int(self._table[self._row(int(observation[0]), pending_actions)])

    def began(self, observation: Any) -> None:
        self._states[0] = int(observation[0])

    def ticked(self, moment: Moment) -> None:
        self._states[moment.tick] = int(moment.observation[0])
        decided = None
        if moment.decided_on >= 0:
            decided = Decided(
                tick=moment.tick, observation=moment.decided_on, action=moment.action, pending=moment.pending_actions
            )
        for done in self._builder.tick(moment.tick, moment.reward, decided=decided):
            row = self._row(self._states[done.decided.observation], done.decided.pending)
            after = self._row(self._states[done.next_observation], done.next_pending)
            self._seen[row, done.decided.action, after] += 1
            self._earned[row, done.decided.action] += done.reward
            self._learned += 1
        self._states.pop(moment.tick - 4 * LATE, None)
        if self._learned >= self._plan_at:
            self._plan()
            self._plan_at = self._learned + max(20, self._learned // 20)

    def _row(self, state: int, pending_actions: PendingActions) -> int:
        for action in pending_actions.tolist():
            state = state * self._kinds + action
        return state

    def _plan(self) -> None:
        met = np.flatnonzero(self._seen.sum(axis=(1, 2)) + self._seen.sum(axis=(0, 1)))
        if not met.size:
            return
        seen = self._seen[np.ix_(met, np.arange(self._actions), met)]
        visits = seen.sum(axis=2)
        known = np.maximum(visits, 1)
        bonus = np.where(visits > 0, np.sqrt(0.05 * math.log(self._learned + 2) / known), 1.0)
        merits = self._interval * np.minimum(self._earned[met] / known / self._interval + bonus, 1)
        stay = np.eye(len(met))[:, None, :]
        chances = np.where(visits[:, :, None] > 0, seen / known[:, :, None], stay)
        bias = self._bias[met]
        for _ in range(300):  # relative value iteration, damped against cycles
            bias = 0.5 * bias + 0.5 * (merits + chances @ bias).max(axis=1)
            bias = bias - bias.min()
        self._bias[met] = bias
        self._table[met] = (merits + chances @ bias).argmax(axis=1)


def play(task: tuple[str, RegretArm, int]) -> list[dict[str, Any]]:
    """Run one seed of one arm in one world; one row a checkpoint."""
    world, arm, seed = task
    mdp = WORLDS[world]
    parts = exact_decomposition(mdp, interval_ticks=arm.interval, delay_ticks=LATE)
    learner = Optimist(mdp, arm)
    result = hocket.run(
        TabularEnv(mdp),
        hocket.FunctionPolicy(learner.decide, pending=arm.pending),
        arm.rule,
        hocket.Virtual(hz=HZ, latency=hocket.Constant(arm.inference_ticks / HZ)),
        ticks=TICKS,
        default=default_of(mdp),
        seed=seed,
        listener=learner,
    )
    regret = np.concatenate([[0.0], np.cumsum(parts.ideal - np.asarray(result.record.rewards))])
    return [
        {
            "world": world,
            "arm": arm.name,
            "seed": seed,
            "tick": tick,
            "regret_per_tick": round(regret[tick] / tick, 6),
            "recent_regret_per_tick": round((regret[tick] - regret[tick // 2]) / (tick - tick // 2), 6),
            "limit": round(parts.realtime_regret, 6),
        }
        for tick in CHECKPOINTS
    ]


def draw(rows: list[dict[str, str]], path: Path) -> None:
    """One panel a world: the mean over seeds, each seed as a thin line, the exact limits dashed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, world in zip(np.atleast_1d(figure.subplots(1, len(WORLDS))), WORLDS, strict=True):
        for arm, color in zip(ARMS, COLORS, strict=True):
            if (world, arm) not in PLAYED:
                continue
            mine = [row for row in rows if row["world"] == world and row["arm"] == arm.name]
            curves = [
                [float(row["regret_per_tick"]) for row in mine if row["seed"] == seed]
                for seed in sorted({row["seed"] for row in mine})
            ]
            for curve in curves:
                axes.plot(CHECKPOINTS, curve, color=color, lw=0.6, alpha=0.4)
            axes.plot(CHECKPOINTS, np.mean(curves, axis=0), color=color, label=arm.name)
            axes.axhline(float(mine[0]["limit"]), color=color, ls="--", lw=0.9)
        axes.set(xscale="log", xlabel="ticks", ylabel="regret a tick so far", title=world, ylim=(0, None))
        axes.legend(frameon=False)
    figure.suptitle(
        "An inference of four ticks, learning as it goes (virtual). Dashed: the exact inaction and delay regret"
    )
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run what the CSV lacks, then draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("regret_over_time.csv"))
    parser.add_argument("--figure", type=Path, default=Path("regret_over_time.png"))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    rows: list[dict[str, str]] = []
    if options.out.exists():
        with options.out.open(newline="") as file:
            rows = list(csv.DictReader(file))
    done = {(row["world"], row["arm"], int(row["seed"])) for row in rows if int(row["tick"]) == TICKS}
    tasks = [(w, a, s) for s, (w, a) in product(SEEDS, PLAYED) if (w, a.name, s) not in done]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for found in pool.imap_unordered(play, tasks):
            rows += [{name: str(value) for name, value in row.items()} for row in found]
            with options.out.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(
                    sorted(rows, key=lambda row: (row["world"], row["arm"], row["seed"], int(row["tick"])))
                )
            last = found[-1]
            print(
                f"{last['world']}; {last['arm']}; seed {last['seed']}: {last['regret_per_tick']:.4f}, lately "
                f"{last['recent_regret_per_tick']:.4f}, limit {last['limit']:.4f}",
                flush=True,
            )
    draw(rows, options.figure)


if __name__ == "__main__":
    main()
