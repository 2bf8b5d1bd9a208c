"""Pools runs of one configuration: their common name, and the means of their figures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hocket.core.description import without_addresses
from hocket.results.intervals import interval
from hocket.results.metrics import Metrics
from hocket.results.report.headline import value
from hocket.results.run_folder import SavedRun

SEED = re.compile(r"\bseed=\d+")
"""In a policy's text; it may differ between pooled runs."""
OWN = ("seed", "machine", "first_tick", "checkpoint", "default_fields")
"""The entries of a configuration and of its options that may differ between pooled runs."""
OPTIONS_OWN = ("seed", "out", "json", "resume", "tensorboard", "ticks")


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one configuration."""

    name: str
    runs: tuple[SavedRun, ...]

    @property
    def measured(self) -> list[Metrics]:
        """The metrics of the runs whose schedule can be read."""
        return [run.metrics for run in self.runs if run.metrics is not None and len(run.metrics.ticks.tick)]


def grouped(runs: Sequence[SavedRun]) -> list[Group]:
    """Group runs of the same configuration, in the given order."""
    groups: dict[str, list[SavedRun]] = {}
    for place, run in enumerate(runs):
        key = _key(run) if run.config else f"unknown {place}"
        groups.setdefault(key, []).append(run)
    named = []
    for own in groups.values():
        name = own[0].name
        if len(own) > 1:
            seeds = {str(run.config.get("seed")) for run in own}
            what = "seeds" if len(seeds) == len(own) else "runs"
            name = f"{_common([run.name for run in own])} ({len(own)} {what})"
        named.append(Group(name, tuple(own)))
    return named


def pooled_text(words: str) -> str:
    """``words`` of a configuration without what may differ between pooled runs."""
    return SEED.sub("", without_addresses(words))


def _key(run: SavedRun) -> str:
    config = without(run.config, OWN)
    if isinstance(config.get("options"), dict):
        config["options"] = without(config["options"], OPTIONS_OWN)
    return pooled_text(json.dumps(config, sort_keys=True, default=str))


def without(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the entries that have none of these names."""
    return {name: item for name, item in config.items() if name not in names}


def _common(names: Sequence[str]) -> str:
    """Return the common beginning of the names, or the first name."""
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:length].rstrip("-_ 0123456789") or first


def _figure(run: SavedRun, name: str) -> float:
    if name == "regret":
        return value(run.summary, "inaction_regret") + value(run.summary, "delay_regret")
    if name == "final":
        final = run.learning.final if run.learning is not None else None
        return float(final.returns.mean()) if final is not None and len(final.returns) else math.nan
    return value(run.summary, name)


def pooled(group: Group, name: str) -> tuple[float, float]:
    """Return the mean over the group's runs and half its 95 % interval."""
    found = [_figure(run, name) for run in group.runs]
    return interval([x for x in found if math.isfinite(x)])


def pooled_summary(group: Group) -> dict[str, float]:
    """Return the means of the figures that the regret's shares need."""
    return {name: pooled(group, name)[0] for name in ("inaction_regret", "delay_regret", "predictability")}
