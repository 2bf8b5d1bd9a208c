"""``--live``: a page that shows runs as they happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hocket.cli import console
from hocket.cli.options.typed import was_typed
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument
from hocket.instruments.live.live_page import LOOPBACK, USUAL_PORT, LivePage

NOT_SAVED = ("live", "live_port", "live_host")


def check_live(live: bool, port: int, host: str) -> None:
    """Refuse options of the page without ``--live``.

    Raises:
        ConfigurationError: naming the option.
    """
    if not live:
        for name, value, usual in (("live_port", port, USUAL_PORT), ("live_host", host, LOOPBACK)):
            if was_typed(name) or value != usual:
                raise ConfigurationError(f"--{name.replace('_', '-')} {value} needs --live; give it, or leave this out")


@contextmanager
def live_page(live: bool, port: int, host: str) -> Iterator[list[Instrument]]:
    """Serve the page and print its address, if ``--live`` is given; the page as an instrument.

    Raises:
        ConfigurationError: if it cannot be served there, or its options are given without ``--live``.
    """
    check_live(live, port, host)
    if not live:
        yield []
        return
    with LivePage(port, host=host) as page:
        console.say(f"Live at {page.url}")
        yield [page]
