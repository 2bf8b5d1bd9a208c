"""What ``hocket run`` can be told; ``hocket plan`` and ``hocket decompose`` make theirs of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from hocket.cli.options.acting import ACTING_NEEDS, ActingArguments
from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments(ActingArguments):
    """What ``hocket run`` can be told; a run folder's config.json keeps it."""

    seconds: float = 20.0
    """How long, in the environment's own time."""
    ticks: int | None = None
    """How many ticks, instead of --seconds."""
    policy: str = "network"
    """What acts: an untrained network (an IMPALA net on 84x84 pictures, else two hidden layers), random actions,
    FILE.py:NAME for a policy of your own, or what hocket train has saved: its folder, or one of its checkpoints."""
    bfloat16: bool = False
    """Run the network in bfloat16."""
    out: Path | None = None
    """Save the run into this folder."""


USUAL = RunArguments()
NEEDS = {
    **ACTING_NEEDS,
    "width": ("policy", "network"),
    "deep": ("policy", "network"),
    "bfloat16": ("policy", "network"),
    "threads": ("policy", "network"),
    "device": ("policy", "network"),
}
"""Options that say something only beside another one's value."""


def ticks_of(options: RunArguments, hz: float) -> int:
    """How many ticks the options name.

    Raises:
        ConfigurationError: if there are none, or both ways of saying it are used.
    """
    if options.ticks is None:
        if not (math.isfinite(options.seconds) and options.seconds > 0):
            raise ConfigurationError(f"--seconds {options.seconds} must be greater than 0; try --seconds 20")
        return max(1, round(options.seconds * hz))
    if options.seconds != USUAL.seconds:
        raise ConfigurationError(f"--ticks {options.ticks} and --seconds {options.seconds} say it twice; give one")
    if options.ticks < 1:
        raise ConfigurationError(f"--ticks {options.ticks} must be at least 1; try --ticks 1200")
    return options.ticks
