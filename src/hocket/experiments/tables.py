"""The experiments' tables in Markdown: means over seeds, with half the width of a 95 % interval by Student's t."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from hocket.experiments.figures import reference_values, values_of
from hocket.experiments.tasks import Row
from hocket.results.intervals import interval

KINDS = {"final": "greedy, best weights", "training": "last tenth of training"}


def against_delay(
    rows: list[Row],
    *,
    arms: Sequence[str],
    references: Sequence[str],
    games: Sequence[str],
    kind: str = "final",
    column: str = "mean_return",
) -> str:
    """Returns, or another ``column``, by game and delay.

    Args:
        arms: one column each.
        references: one column each; without delay and training.
    """

    def lines() -> Iterator[str]:
        delays = sorted({int(row["delay"]) for row in rows if row["arm"] in arms})
        yield f"| {KINDS[kind]} | delay | " + " | ".join((*arms, *references)) + " |"
        yield "|---" * (2 + len(arms) + len(references)) + "|"
        for game in games:
            marks = [cell(reference_values(rows, column, game=game, arm=arm, kind=kind)) for arm in references]
            for delay in delays:
                own = [cell(values_of(rows, column, game=game, delay=delay, arm=arm, kind=kind)) for arm in arms]
                yield f"| {game} | {delay} | " + " | ".join((*own, *marks)) + " |"

    return "\n".join(lines())


def by_arm(rows: list[Row], *, arms: Sequence[str]) -> str:
    """Returns by arm, greedy and in training."""

    def lines() -> Iterator[str]:
        yield "| | " + " | ".join(KINDS.values()) + " | seeds |"
        yield "|---" * (2 + len(KINDS)) + "|"
        for arm in arms:
            found = [values_of(rows, arm=arm, kind=kind) for kind in KINDS]
            yield f"| {arm} | " + " | ".join(map(cell, found)) + f" | {len(found[0])} |"

    return "\n".join(lines())


def cell(values: Sequence[float]) -> str:
    """``mean ± half``; without ``half`` for one value, empty for none."""
    mean, half = interval(values)
    if math.isnan(mean):
        return ""
    return f"{mean:.2f}" if math.isnan(half) else f"{mean:.2f} ± {half:.2f}"
