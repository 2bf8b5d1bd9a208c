"""The command line. Only here are classes and functions chosen by names in text."""

from __future__ import annotations

import signal
import sys
import warnings
from typing import Any

from hocket.errors import HocketError, MissingExtraError

EXTRAS = {
    "train": ("torch", "safetensors", "tensorboard"),
    "atari": ("ale_py", "cv2"),
    "gameboy": ("pyboy", "sdl2"),
    "live": ("starlette", "uvicorn", "websockets"),
    "report": ("matplotlib",),
    "remote": ("msgpack", "h11"),
    "theory": ("scipy",),
}
"""The modules that each extra of the package brings."""
REFUSED, LOST_OUTPUT = 2, 1
"""Exit statuses; that of a signal is 128 plus its number."""


def main() -> None:
    """The ``hocket`` command."""
    from hocket.cli.output import safe_output

    with safe_output() as output, warnings.catch_warnings():
        warnings.showwarning = _warn
        status = _status()
        output.flush()
        if output.lost is not None and status == 0:
            status = LOST_OUTPUT
            if not isinstance(output.lost, BrokenPipeError):  # the reader of a pipe, such as head, may stop
                _complain(f"standard output cannot be written ({output.lost.strerror or output.lost})")
    if status:
        sys.exit(status)


def _status() -> int:
    """Run the command of ``sys.argv``; return its exit status."""
    try:
        _dispatch(sys.argv[1:])
    except HocketError as error:
        _complain(str(error))
        return REFUSED
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        for extra, modules in EXTRAS.items():
            if module in modules:
                _complain(str(MissingExtraError(f"This command ({module})", extra)))
                return REFUSED
        raise
    except KeyboardInterrupt as error:
        return 128 + int(getattr(error, "signal", signal.SIGINT))
    except SystemExit as exit:  # of the parser
        return exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    return 0


def _complain(text: str) -> None:
    from rich.text import Text

    from hocket.cli.console import errors

    errors.print(Text("hocket: ", style="bold red") + Text(text), soft_wrap=True)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Prints a warning of the library, without the source line."""
    from hocket.cli import console

    console.warn(str(message))


def _dispatch(arguments: list[str]) -> None:
    from importlib.metadata import version

    from tyro.conf import OmitArgPrefixes
    from tyro.extras import SubcommandApp

    from hocket.cli import (
        bench_chunks,
        bench_command,
        bench_gameboy,
        bench_live,
        bench_outage,
        bench_plan,
        bench_remote,
        bench_servers,
        console,
        decompose_command,
        demo_command,
        envs_command,
        plan_command,
        policies,
        report_command,
        run_command,
        serve_command,
        states_command,
        train_command,
    )
    from hocket.cli.options import run, train
    from hocket.cli.options.config_file import with_config
    from hocket.cli.options.typed import options_in, typed
    from hocket.cli.player import play_command

    benches = SubcommandApp()
    for command in (
        bench_command.overhead,
        bench_command.jitter,
        bench_command.rules,
        bench_command.adapt,
        bench_command.virtual,
        bench_plan.plan,
        bench_command.replay,
        bench_command.update,
        bench_command.train,
        bench_live.live,
        bench_gameboy.gameboy,
        bench_remote.remote,
        bench_chunks.chunks,
        bench_outage.outage,
        bench_servers.servers,
    ):
        benches.command(command)
    app = SubcommandApp()
    app.command(demo_command.demo)
    app.command(run_command.run)
    app.command(train_command.train)
    app.command(serve_command.serve)
    app.command(plan_command.plan)
    app.command(decompose_command.decompose)
    app.command(benches, name="bench", help="Measure hocket on this machine.")
    app.command(report_command.report)
    app.command(report_command.trace)
    app.command(play_command.play)
    app.command(states_command.states)
    app.command(envs_command.envs)
    if arguments == ["--version"]:
        console.say(f"hocket {version('hocket')}")
        return
    if arguments in ([], ["bench"]):
        arguments = [*arguments, "--help"]
    kinds = {
        "run": (run.USUAL, run.NEEDS, run.NOT_KEPT),
        "train": (train.USUAL, train.NEEDS, train.NOT_KEPT),
    }
    with typed(options_in(arguments)):
        app.cli(
            prog="hocket",
            description="Realtime reinforcement learning: the world does not pause while an agent thinks.\n\n"
            "Start with: hocket demo. More: hocket COMMAND --help, hocket --version.",
            args=policies.at_home(with_config(arguments, kinds)),
            config=(OmitArgPrefixes,),
        )


__all__ = ["main"]
