"""``--live``: a page that shows runs while they go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import tyro

from hocket.cli import console
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import Instrument
from hocket.instruments.live.live_page import LOOPBACK, USUAL_PORT, LivePage

Flag = Annotated[tyro.conf.UseCounterAction[int], tyro.conf.arg(help_behavior_hint="")]
"""An option without a value, where others want True or False: how often it was given."""

NOT_SAVED = ("live", "live_port", "live_host")


@contextmanager
def live_page(live: int, port: int, host: str) -> Iterator[list[Instrument]]:
    """The page as an instrument, if ``--live`` asks for it, and where it is, said.

    Raises:
        ConfigurationError: if it cannot be served there, or the other options stand without ``--live``.
    """
    if not live:
        for name, given, usual in (("live-port", port, USUAL_PORT), ("live-host", host, LOOPBACK)):
            if given != usual:
                raise ConfigurationError(f"--{name} {given} needs --live; give it, or leave this out")
        yield []
        return
    with LivePage(port, host=host) as page:
        console.say(f"Live at {page.url}")
        yield [page]
