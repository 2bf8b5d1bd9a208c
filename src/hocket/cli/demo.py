"""``hocket demo``."""

from __future__ import annotations

from pathlib import Path

from hocket import demo as demonstration
from hocket.cli import show
from hocket.envs import make_atari


def demo(*, seconds: float = 20.0, out: Path = Path("runs/demo"), json: Path | None = None) -> None:
    """Play Boxing at 60 Hz with a network too slow for it: sequential, free-running, unstaggered, staggered.

    Args:
        seconds: how long each arm plays.
        out: where the runs and the picture go.
        json: also write the table to this file.
    """
    env = make_atari(demonstration.GAME)
    low, high = demonstration.TICKS_PER_FORWARD
    show.console.print(f"Looking for the network whose forward pass takes {low} to {high} ticks of 1/60 s here:")
    network = demonstration.choose_network(env, lambda line: show.console.print(f"  {line}", highlight=False))
    env.close()
    results = demonstration.play(network, seconds=seconds, watch=show.progress)
    rows = demonstration.figures(results)
    show.table(
        f"Boxing at {demonstration.HZ} Hz, {network.parameters / 1e6:.1f} million parameters, "
        f"{network.forward_s * demonstration.HZ:.2f} ticks a forward pass (realtime, true-size)",
        ("rule", "workers", "coverage", "mean delay (ticks)", "lateness p99"),
        [
            (
                str(row["rule"]),
                str(row["workers"]),
                f"{row['coverage']:.3f}",
                f"{row['delay_mean']:.2f}",
                show.milliseconds(row["lateness_p99_s"]),
            )
            for row in rows
        ],
    )
    show.console.print("coverage: the share of the game's frames on which the network itself acted", style="dim")
    picture = demonstration.save(results, network, out)
    show.write_json(json, rows)
    show.console.print(f"Runs saved in {out}, their schedules drawn in {picture}")
