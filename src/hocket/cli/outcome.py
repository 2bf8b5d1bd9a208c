"""Saves and prints a command's result, even if an error or a signal ended it."""

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
    """Delay Ctrl-C and the other signals that end a process until the end of this context."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def conclude(
    work: Callable[[], Any], *, save: Sequence[Callable[[Any], str | None]], show: Callable[[Any], None]
) -> Any:
    """Do ``work``, save its result, then print it.

    An error with a ``result``, such as `RunInterrupted`, is raised again after its result was saved and printed.

    Args:
        work: makes the result.
        save: functions that each save it in one place and return a line for the user.
        show: prints the result.

    Raises:
        HocketError: if it could not be saved, or ``work`` called `sys.exit`.
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
