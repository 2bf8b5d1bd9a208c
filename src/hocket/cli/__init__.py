"""The command line. The only place where behaviour is chosen by words."""

from __future__ import annotations

import os
import sys

from hocket.errors import HocketError


def main() -> None:
    """The ``hocket`` command."""
    from importlib.metadata import version

    from rich.console import Console
    from rich.text import Text
    from tyro.conf import FlagConversionOff, OmitArgPrefixes
    from tyro.extras import SubcommandApp

    from hocket.cli import (
        bench,
        bench_gameboy,
        bench_live,
        decompose,
        demo,
        envs,
        learning,
        options,
        plan,
        play,
        report,
        run,
        run_options,
        states,
        train,
        trained,
    )

    benches = SubcommandApp()
    for command in (
        bench.overhead,
        bench.jitter,
        bench.rules,
        bench.virtual,
        bench.plan,
        bench.replay,
        bench.update,
        bench.train,
        bench_live.live,
        bench_gameboy.gameboy,
    ):
        benches.command(command)
    app = SubcommandApp()
    app.command(demo.demo)
    app.command(run.run)
    app.command(train.train)
    app.command(plan.plan)
    app.command(decompose.decompose)
    app.command(benches, name="bench", help="Measure hocket on this machine.")
    app.command(report.report)
    app.command(report.trace)
    app.command(play.play)
    app.command(states.states)
    app.command(envs.envs)
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print(f"hocket {version('hocket')}")
        return
    if arguments in ([], ["bench"]):
        arguments = [*arguments, "--help"]
    try:
        app.cli(
            prog="hocket",
            description="Realtime reinforcement learning: the world does not pause while an agent thinks.\n\n"
            "Start with: hocket demo. More: hocket COMMAND --help, hocket --version.",
            args=trained.at_home(
                options.with_config(arguments, {"run": run_options.RunOptions, "train": learning.TrainOptions})
            ),
            config=(OmitArgPrefixes, FlagConversionOff),
        )
    except HocketError as error:
        Console(stderr=True).print(Text("hocket: ", style="bold red") + Text(str(error)), soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # who read along, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


__all__ = ["main"]
