"""A comparison of runs: a table, overlaid curves, lanes below each other.

Runs that differ only in their seed are pooled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.results.intervals import interval
from hocket.results.metrics import Ints, Metrics
from hocket.results.report import bins
from hocket.results.report.headline import definitions, flat, regret_figure, section, table
from hocket.results.report.lanes import excerpt, kinds_in, window_ticks
from hocket.results.report.pooling import OWN, Group, grouped, pooled, pooled_summary, pooled_text, without
from hocket.results.report.single_run import problems
from hocket.results.report.svg import Chart, Line, figure, key, legend, series
from hocket.results.report.time_axis import Scale, scale_of
from hocket.results.run_folder import SavedRun

Floats = NDArray[np.float64]
FIGURES: tuple[tuple[str, str, float, str], ...] = (
    ("coverage", "coverage (%)", 100, ".1f"),
    ("delay_mean", "delay, mean (ticks)", 1, ".2f"),
    ("delay_p99", "delay, p99 (ticks)", 1, ".4g"),
    ("interval_mean", "interval, mean (ticks)", 1, ".3f"),
    ("regret", "regret (a tick)", 1, ".3f"),
    ("inference_mean_s", "inference, mean (ms)", 1e3, ".3g"),
    ("lateness_p99_s", "lateness, p99 (ms)", 1e3, ".3g"),
    ("missed", "missed ticks", 1, ",.4g"),
    ("return_mean", "return, mean", 1, ".4g"),
    ("final", "final evaluation", 1, ".4g"),
    ("ticks", "ticks", 1, ",.0f"),
)
"""Name in the summary, table head, factor, format."""
DULL = ("lateness_p99_s", "missed", "return_mean")
"""Figures that are left out if all are 0."""


def several(runs: Sequence[SavedRun]) -> str:
    """Return the body of the page."""
    groups = grouped(runs)
    envs = sorted({str(run.config.get("env", "unknown")) for run in runs})
    pooling = any(len(group.runs) > 1 for group in groups)
    told = f"{len(groups)} configuration{'s' * (len(groups) != 1)}"
    modes = sorted({str(run.config["mode"]) for run in runs if "mode" in run.config})
    told += "".join(f" · {mode}" for mode in modes)
    told += "; where one has several runs, their mean and its 95 % interval" if pooling else ""
    summaries = [(group.name, pooled_summary(group)) for group in groups]
    evaluated, along = list(evaluations(groups)), list(over_time(groups))
    (evaluated or along).extend(episodes(groups))
    parts = [
        f"<header><h1>{escape(', '.join(envs))}: {len(runs)} runs compared</h1><p>{escape(told)}</p></header>",
        problems(list(runs)),
        section("Figures", figures_table(groups), kind="wide"),
        section("What differs", differences(groups), kind="wide"),
        section("Learning", *evaluated),
        section("Regret", regret_figure(summaries)),
        section("Over time", *along),
        section("Distributions", *distributions(groups)),
        section("Schedules", schedules(groups), kind="wide"),
        section("Machines", machines(runs)),
    ]
    return "".join(parts)


def figures_table(groups: Sequence[Group]) -> str:
    """Return a table with a row for each group; figures that no run has are left out."""
    cells = {name: [pooled(group, name) for group in groups] for name, _, _, _ in FIGURES}

    def told(name: str) -> bool:
        means = [mean for mean, _ in cells[name] if math.isfinite(mean)]
        return any(means) if name in DULL else bool(means)

    shown = [each for each in FIGURES if told(each[0])]
    rows = []
    for place, group in enumerate(groups):
        row = [key(series(place)) + escape(group.name)]
        for name, _, factor, form in shown:
            mean, half = cells[name][place]
            text = format(mean * factor, form) if math.isfinite(mean) else "n/a"
            row.append(text + (f" <small>± {half * factor:.2g}</small>" if half > 0 else ""))
        rows.append(row)
    return table(["run", *(escape(head) for _, head, _, _ in shown)], rows)


def differences(groups: Sequence[Group]) -> str:
    """Return the configuration values that differ, a column for each group."""
    configs = [
        {name: pooled_text(text) for name, text in flat(without(group.runs[0].config, OWN)).items()} for group in groups
    ]
    names = list(dict.fromkeys(name for config in configs for name in config))
    names = [name for name in names if len({config.get(name) for config in configs}) > 1]
    if not names:
        return '<p class="nothing">All runs have the same configuration.</p>'
    rows = [[escape(name), *(escape(config.get(name, "–")) for config in configs)] for name in names]
    return table(["", *(escape(group.name) for group in groups)], rows, kind="words")


def _over_seeds(curves: Iterable[Floats]) -> tuple[Floats, Floats | None, Floats | None]:
    """Return the mean of curves point by point, and the band of its 95 % interval if there are several."""
    stack = np.array(list(curves))
    pairs = np.array([interval(column[np.isfinite(column)].tolist()) for column in stack.T]).reshape(-1, 2)
    if len(stack) < 2:
        return pairs[:, 0], None, None
    return pairs[:, 0], pairs[:, 0] - pairs[:, 1], pairs[:, 0] + pairs[:, 1]


def axis_of(groups: Sequence[Group]) -> tuple[Scale, tuple[float, float]] | None:
    """Return the unit of time for the longest run and the range of all; None if no schedule can be read."""
    scales = [
        scale_of(run.metrics, first_tick_of(run))
        for group in groups
        for run in group.runs
        if run.metrics is not None and len(run.metrics.ticks.tick)
    ]
    if not scales:
        return None
    unit = max(scales, key=lambda scale: (scale.first_tick + scale.last_tick) * scale.period_s)
    own = [replace(scale, unit=unit.unit, unit_s=unit.unit_s) for scale in scales]
    return unit, (min(scale.range[0] for scale in own), max(scale.range[1] for scale in own))


def first_tick_of(run: SavedRun) -> int:
    """Return the training tick at which the run starts."""
    return run.learning.first_tick if run.learning is not None else 0


def own_scale(group: Group, unit: Scale) -> Scale:
    """Return the axis for the ticks of a group's runs, in the common unit."""
    first = next(run for run in group.runs if run.metrics is not None and len(run.metrics.ticks.tick))
    assert first.metrics is not None
    return replace(scale_of(first.metrics, first_tick_of(first)), unit=unit.unit, unit_s=unit.unit_s)


def over_time(groups: Sequence[Group]) -> Iterable[str]:
    """Yield charts of coverage and delay, a line for each group."""
    axis = axis_of(groups)
    if axis is None:
        return
    unit, x_range = axis

    def lines(curve: Callable[[Metrics, Ints], Floats], most: int = 80) -> list[Line]:
        found = []
        for place, group in enumerate(groups):
            if group.measured:
                edges = bins.tick_edges(max(map(bins.last_tick, group.measured)), most)
                mean, low, high = _over_seeds(curve(m, edges) for m in group.measured)
                found.append(Line(group.name, own_scale(group, unit).middles(edges), mean, series(place), low, high))
        return found

    def delay(m: Metrics, edges: Ints) -> Floats:
        return bins.spread(m.ticks.tick[m.ticks.fresh], m.ticks.delay_ticks[m.ticks.fresh], edges).mean

    yield Chart(
        title="Coverage over time",
        x=unit.label,
        x_range=x_range,
        y="fresh ticks / all ticks",
        lines=lines(bins.coverage),
        to=1.0,
    ).html()
    yield Chart(
        title="Delay over time", x=unit.label, x_range=x_range, y="mean delay (ticks)", lines=lines(delay)
    ).html()


def distributions(groups: Sequence[Group]) -> Iterable[str]:
    """Yield histograms of delay and inference time, outlines over each other."""
    some = [(place, group) for place, group in enumerate(groups) if group.measured]
    delays = {place: np.concatenate([m.delays for m in group.measured]) for place, group in some}
    seconds = {place: np.concatenate([m.inferences.durations_s for m in group.measured]) * 1e3 for place, group in some}
    yield _outlines("Delay", "delay (ticks)", "% of executed actions", groups, delays, whole=True)
    yield _outlines("Inference time", "inference time (ms)", "% of inferences", groups, seconds, whole=False)


def _outlines(title: str, x: str, y: str, groups: Sequence[Group], values: dict[int, Any], *, whole: bool) -> str:
    there = [each for each in values.values() if len(each)]
    every = np.concatenate(there) if there else np.empty(0)
    edges, _, beyond = bins.whole_histogram(every.astype(np.int64)) if whole else bins.histogram(every)
    lines = []
    for place, own in values.items():
        if len(own) and not whole and own.min() == own.max():
            lines.append(Line(groups[place].name, [own[0], own[0]], [0.0, 100.0], series(place)))
        elif len(own):
            counts, _ = np.histogram(np.clip(own, edges[0], edges[-1]), edges)
            share = 100 * counts / len(own)
            lines.append(Line(groups[place].name, np.repeat(edges, 2)[1:-1], np.repeat(share, 2), series(place)))
    note = f"The last step has {beyond:,} that {'was' if beyond == 1 else 'were'} longer." if beyond else ""
    margin = 0.0 if whole else 0.03 * (edges[-1] - edges[0])
    x_range = (float(edges[0]) - margin, float(edges[-1]) + margin) if there else None
    return Chart(title=title, x=x, y=y, lines=lines, note=note, whole=whole, x_range=x_range).html()


def evaluations(groups: Sequence[Group]) -> Iterable[str]:
    """Yield the evaluations of trainings; the band is over seeds, or over the episodes of a single run."""
    evaluated: list[Line] = []
    axis = axis_of(groups)
    for place, group in enumerate(groups):
        learned = [run.learning for run in group.runs if run.learning is not None and run.learning.evaluations]
        if not learned:
            continue
        ticks = sorted({each.tick for one in learned for each in one.evaluations})
        if len(learned) == 1:
            pairs = [interval(each.returns.tolist()) for each in learned[0].evaluations]
        else:
            means = [{each.tick: float(each.returns.mean()) for each in one.evaluations} for one in learned]
            pairs = [interval([own[tick] for own in means if tick in own]) for tick in ticks]
        mean, half = np.array(pairs).T
        timed = axis is not None and group.measured
        at = own_scale(group, axis[0]).at_training(ticks) if axis is not None and timed else np.array(ticks, float)
        evaluated.append(Line(group.name, at, mean, series(place), mean - half, mean + half, points=len(ticks) < 40))
    if evaluated:
        yield Chart(
            title="Evaluations",
            x=axis[0].label if axis is not None else "tick of the training",
            x_range=_widened(axis[1], evaluated) if axis is not None else None,
            y="mean return of an episode",
            lines=evaluated,
            from_zero=False,
            note="Whole episodes by the greedy policy; bands are 95 % intervals over the runs of a configuration, or "
            "over the episodes of a single run.",
        ).html()


def _widened(x_range: tuple[float, float], lines: Sequence[Line]) -> tuple[float, float]:
    """Widen ``x_range`` to hold all ``lines``, such as evaluations before the first tick of a resumed run."""
    every = np.concatenate([np.asarray(line.x, float) for line in lines])
    return min(x_range[0], float(every.min())), max(x_range[1], float(every.max()))


def episodes(groups: Sequence[Group]) -> Iterable[str]:
    """Yield returns of the episodes that ended during training."""
    lines: list[Line] = []
    axis = axis_of(groups)
    if axis is None:
        return
    unit, x_range = axis
    for place, group in enumerate(groups):
        with_returns = [run for run in group.runs if run.metrics is not None and len(run.metrics.episode_returns) > 1]
        if not with_returns:
            continue
        last = max(bins.last_tick(run.metrics) for run in with_returns if run.metrics is not None)
        edges = bins.tick_edges(last, 40)
        mean, low, high = _over_seeds(
            bins.spread(bins.episode_ends(run.metrics), run.metrics.episode_returns, edges).mean
            for run in with_returns
            if run.metrics is not None
        )
        lines.append(Line(group.name, own_scale(group, unit).middles(edges), mean, series(place), low, high))
    if lines:
        yield Chart(
            title="Returns of episodes in the run",
            x=unit.label,
            x_range=x_range,
            y="mean return of an episode",
            lines=lines,
            from_zero=False,
        ).html()


def schedules(groups: Sequence[Group]) -> str:
    """Return an excerpt from the middle of each group's first run."""
    parts, styles = [], {("tick: fresh action", "fresh"): None, ("tick: default", "default"): None}
    for group in groups:
        if group.measured:
            metrics = group.measured[0]
            last = bins.last_tick(metrics)
            count = min(60, window_ticks(metrics), last)
            first = max(0, (last - count) // 2)
            styles.update(dict.fromkeys(kinds_in(metrics)))
            parts.append(figure(f"{group.name}: {count} ticks from the middle", excerpt(metrics, first, count)))
    return legend(list(styles)) + "".join(parts) if parts else ""


def machines(runs: Sequence[SavedRun]) -> str:
    """Return a table for each distinct machine."""
    seen: dict[str, tuple[dict[str, str], list[str]]] = {}
    for run in runs:
        rows = flat(run.config.get("machine") or {})
        seen.setdefault(json.dumps(rows), (rows, []))[1].append(run.name)
    if len(seen) == 1:
        ((rows, _),) = seen.values()
        return definitions("The machine of all runs", rows)
    return "".join(definitions(f"Machine of {', '.join(names)}", rows) for rows, names in seen.values())
