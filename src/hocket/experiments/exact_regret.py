"""Exact inaction and delay regret against interval and delay, beside the cited bounds.

    python -m hocket.experiments.exact_regret --out docs/results/exact_regret.csv --figure docs/images/exact_regret.png

The bounds are worst-case orders whose constants are not known: they are drawn with constant 1 to show how they grow,
and bound no single world.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from hocket.theory import delay_order, exact_decomposition, inaction_order, random_mdp, recharge, ring
from hocket.theory.bounds import LABEL

WORLDS = {
    "ring, ρ = 0.99": ring(3, 0.99),
    "ring, ρ = 0.9": ring(3, 0.9),
    "random": random_mdp(4, 2, 1, default=1, concentration=0.2),
    "recharge": recharge(),
}
LONGEST = 9
COLUMNS = ["world", "what", "ticks", "exact", "order"]


def rows() -> list[dict[str, Any]]:
    """Regret a tick: Δ_inaction by interval, Δ_delay by delay at interval 1."""
    found = []
    for world, mdp in WORLDS.items():
        for ticks in range(1, LONGEST + 1):
            slow = exact_decomposition(mdp, interval_ticks=ticks, delay_ticks=1).inaction_regret
            late = exact_decomposition(mdp, interval_ticks=1, delay_ticks=ticks).delay_regret
            orders = float(inaction_order(1, ticks)), float(delay_order(1, 1, ticks, mdp.p_minimax))
            for what, exact, order in zip(("inaction", "delay"), (slow, late), orders, strict=True):
                found.append({"world": world, "what": what, "ticks": ticks, "exact": exact, "order": order})
    return found


def draw(found: list[dict[str, Any]], path: Path) -> None:
    """Two panels: inaction and delay."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, what in zip(figure.subplots(1, 2), ("inaction", "delay"), strict=True):
        for number, world in enumerate(WORLDS):
            mine = [row for row in found if row["world"] == world and row["what"] == what]
            ticks = [row["ticks"] for row in mine]
            axes.plot(ticks, [row["exact"] for row in mine], "o-", ms=4, color=f"C{number}", label=world)
            if what == "delay" or not number:
                orders = [row["order"] for row in mine]
                color, name = (f"C{number}", None) if what == "delay" else ("gray", LABEL)
                axes.plot(ticks, orders, ":", color=color, label=name)
        if what == "delay":
            axes.plot([], [], ":", color="gray", label=f"{LABEL}, by world")
        axes.set(xlabel="interval (ticks), delay 1" if what == "inaction" else "delay (ticks), interval 1")
        axes.set(ylabel=f"{what} regret a tick")
        axes.legend(frameon=False, fontsize="small")
    figure.suptitle("Exact regret; dotted: recalled worst-case orders with constant 1, which bind no single world")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Compute the regrets, write the table, draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("exact_regret.csv"))
    parser.add_argument("--figure", type=Path, default=Path("exact_regret.png"))
    options = parser.parse_args()
    found = rows()
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        rounded = ({**row, "exact": f"{row['exact']:.9f}", "order": f"{row['order']:.9f}"} for row in found)
        writer.writerows(rounded)
    draw(found, options.figure)


if __name__ == "__main__":
    main()
