"""The command line. The only place where behaviour is chosen by words."""

from __future__ import annotations

import sys

from hocket.errors import HocketError


def main() -> None:
    """The ``hocket`` command."""
    from rich.console import Console
    from rich.text import Text
    from tyro.conf import FlagConversionOff, OmitArgPrefixes
    from tyro.extras import SubcommandApp

    from hocket.cli import bench, demo, envs, run

    benches = SubcommandApp()
    for command in (bench.overhead, bench.jitter, bench.rules, bench.virtual):
        benches.command(command)
    app = SubcommandApp()
    app.command(demo.demo)
    app.command(run.run)
    app.command(benches, name="bench", help="Measure hocket on this machine.")
    app.command(envs.envs)
    try:
        app.cli(
            prog="hocket",
            description="Realtime reinforcement learning: the world does not pause while an agent thinks.",
            args=run.with_config(sys.argv[1:]),
            config=(OmitArgPrefixes, FlagConversionOff),
        )
    except HocketError as error:
        Console(stderr=True).print(Text("hocket: ", style="bold red") + Text(str(error)))
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["main"]
