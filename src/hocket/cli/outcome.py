"""Saves and prints a command's result, even if an error or a signal ended it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hocket.cli import console
from hocket.drivers.interrupt import between_ticks
from hocket.errors import HocketError
from hocket.ipc.signals import delayed_signals


def conclude(
    work: Callable[[], Any], *, save: Sequence[Callable[[Any], str | None]], show: Callable[[Any], None]
) -> Any:
    """Do ``work``, save its result, then print it.

    An error with a ``result``, such as `RunInterrupted`, is raised again after its result was saved and printed. A
    signal ends the work at once until its first run begins, then as it ends a run; after the run it waits for all this.

    Args:
        work: makes the result.
        save: functions that each save it in one place and return a line for the user.
        show: prints the result.

    Raises:
        HocketError: if it could not be saved, or ``work`` called `sys.exit`.
        KeyboardInterrupt: after a signal.
    """
    error: BaseException | None = None
    lines: list[str] = []
    problems: list[HocketError] = []
    with between_ticks() as interrupt:
        try:
            with interrupt.at_once():
                result = work()
        except BaseException as caught:
            error = caught
            if isinstance(caught, SystemExit):
                error = HocketError(f"the policy or the environment called sys.exit({caught.code!r}); try without that")
            result = getattr(caught, "result", None)
            if result is None:
                raise error from caught
        with delayed_signals():
            for each in save:
                try:
                    lines += filter(None, [each(result)])
                except HocketError as refused:
                    problems.append(refused)
        show(result)
        for line in lines:
            console.say(line)
        if error is None and interrupt.requested:
            error = interrupt.error()
    for problem in problems if error is not None else problems[1:]:
        console.warn(str(problem))
    if error is not None:
        raise error
    if problems:
        raise problems[0]
    return result
