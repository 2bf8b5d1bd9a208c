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
        bench_command,
        bench_gameboy,
        bench_live,
        decompose_command,
        demo_command,
        envs_command,
        plan_command,
        policies,
        report_command,
        run_command,
        states_command,
        train_command,
    )
    from hocket.cli.options import acting, run, train
    from hocket.cli.player import play_command

    benches = SubcommandApp()
    for command in (
        bench_command.overhead,
        bench_command.jitter,
        bench_command.rules,
        bench_command.virtual,
        bench_command.plan,
        bench_command.replay,
        bench_command.update,
        bench_command.train,
        bench_live.live,
        bench_gameboy.gameboy,
    ):
        benches.command(command)
    app = SubcommandApp()
    app.command(demo_command.demo)
    app.command(run_command.run)
    app.command(train_command.train)
    app.command(plan_command.plan)
    app.command(decompose_command.decompose)
    app.command(benches, name="bench", help="Measure hocket on this machine.")
    app.command(report_command.report)
    app.command(report_command.trace)
    app.command(play_command.play)
    app.command(states_command.states)
    app.command(envs_command.envs)
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
            args=policies.at_home(
                acting.with_config(arguments, {"run": run.RunArguments, "train": train.TrainArguments})
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
