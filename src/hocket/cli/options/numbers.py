"""Allowed numbers of options."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from hocket.cli.options.typed import flag
from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Bounds:
    """The allowed numbers of one option."""

    example: str
    least: float = -math.inf
    most: float = math.inf
    above: float | None = None
    """An open lower bound."""

    def check(self, name: str, value: float) -> None:
        """Refuse a number out of bounds.

        Raises:
            ConfigurationError: naming the option, the value and the bounds.
        """
        inside = self.least <= value <= self.most and (self.above is None or value > self.above)
        if inside and math.isfinite(value):
            return
        if self.above is not None:
            allowed = f"greater than {self.above:g}" + (f" and at most {self.most:g}" if self.most < math.inf else "")
        elif self.least == -math.inf:
            allowed = "a finite number"
        elif self.most < math.inf:
            allowed = f"from {self.least:g} to {self.most:g}"
        else:
            allowed = f"at least {self.least:g}"
        raise ConfigurationError(f"{flag(name)} {value} must be {allowed}; try {flag(name)} {self.example}")


BOUNDS = {
    "seed": Bounds("0", least=0),
    "hz": Bounds("60", above=0),
    "seconds": Bounds("20", above=0),
    "limit_seconds": Bounds("18", above=0),
    "ticks": Bounds("1200", least=1),
    "runs": Bounds("20", least=1),
    "width": Bounds("1", above=0),
    "frame_stack": Bounds("1", least=1),
    "threads": Bounds("1", least=1),
    "repeat_action_probability": Bounds("0.25", least=0, most=1),
    "priority": Bounds("1", least=0, most=99),
    "live_port": Bounds("0", least=0, most=65535),
    "learners": Bounds("1", least=1),
    "update_every": Bounds("4", least=0),
    "warm_up": Bounds("1000", least=0),
    "epsilon_ticks": Bounds("20000", least=0),
    "pending": Bounds("0", least=0),
    "newest_units": Bounds("32", least=1),
    "capacity": Bounds("100000", least=1),
    "gamma": Bounds("0.99", above=0, most=1),
    "learning_rate": Bounds("0.0001", above=0),
    "batch_size": Bounds("32", least=1),
    "n_step": Bounds("1", least=1),
    "target_ticks": Bounds("1000", least=1),
    "reward_scale": Bounds("1", above=0),
    "clip_reward": Bounds("1", above=0),
    "pretrain_updates": Bounds("16000", least=1),
    "demonstration_delay": Bounds("1", least=1),
    "demonstration_interval": Bounds("1", least=1),
    "demonstration_share": Bounds("0.25", least=0, most=0.99),
    "margin": Bounds("0.8", least=0),
    "evaluate_every": Bounds("10000", least=1),
    "evaluation_episodes": Bounds("20", least=0),
    "good_enough": Bounds("195"),
    "save_every": Bounds("10000", least=1),
    "cores": Bounds("2", above=0),
    "memory_gb": Bounds("2", above=0),
    "worker_price": Bounds("0.001", least=0),
    "max_workers": Bounds("16", least=1),
    "count": Bounds("20", least=1),
    "every": Bounds("600", least=1),
    "hold": Bounds("8", least=1),
}
"""By name of the option, for every command."""


def check_numbers(options: Any) -> None:
    """Refuse numbers out of bounds.

    Raises:
        ConfigurationError: for the first one.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in BOUNDS and isinstance(value, int | float):
            BOUNDS[field.name].check(field.name, value)
