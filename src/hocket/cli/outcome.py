"""Saves what a command has made, whatever ended it, and prints it afterwards."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hocket.cli import console
from hocket.errors import HocketError

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C and the other signals that end a process until this is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def conclude(
    work: Callable[[], Any], *, save: Sequence[Callable[[Any], str | None]], show: Callable[[Any], None]
) -> Any:
    """Do ``work``, save its result, then print it.

    An error that carries a ``result``, such as `RunInterrupted`, is raised again once that has been saved and printed.

    Args:
        work: makes the result.
        save: each saves it in one place, and returns the line that says so.
        show: prints it.

    Raises:
        HocketError: if it could not be saved; or ``work`` called `sys.exit`.
    """
    error: BaseException | None = None
    try:
        result = work()
    except BaseException as caught:
        error = caught
        if isinstance(caught, SystemExit):
            error = HocketError(f"the policy or the environment called sys.exit({caught.code!r}); try without that")
        result = getattr(caught, "result", None)
        if result is None:
            raise error from caught
    lines: list[str] = []
    problems: list[HocketError] = []
    with uninterrupted():
        for each in save:
            try:
                lines += filter(None, [each(result)])
            except HocketError as refused:
                problems.append(refused)
    show(result)
    for line in lines:
        console.say(line)
    for problem in problems if error is not None else problems[1:]:
        console.warn(str(problem))
    if error is not None:
        raise error
    if problems:
        raise problems[0]
    return result
