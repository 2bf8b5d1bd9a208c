"""The report of one run: headline, lanes, curves, distributions, learning, configuration."""

from __future__ import annotations

from html import escape
from typing import Any

from hocket.core.cadence import NS_PER_S
from hocket.results.metrics import Metrics
from hocket.results.report import bins, figures
from hocket.results.report.axes import number
from hocket.results.report.headline import cards, definitions, fates_figure, flat, regret_figure, section, value
from hocket.results.report.lanes import MOST_SCROLLED, excerpt, kinds_in, scrolled, window_ticks
from hocket.results.report.svg import embedded, figure, legend
from hocket.results.run_folder import SavedRun


def title_of(run: SavedRun) -> str:
    """Return a line with environment, policy and clock of the run."""
    config = run.config
    parts = [str(config[key]) for key in ("env",) if key in config]
    rule, clock = config.get("rule"), config.get("clock")
    if isinstance(rule, dict):
        parts.append(f"{rule.get('name')}({rule['workers']})" if "workers" in rule else str(rule.get("name")))
    if isinstance(clock, dict):
        parts.append(f"{clock.get('name')}, {str(clock.get('hz')).removesuffix('.0')} Hz")
    return " · ".join(parts) or run.name


def one(run: SavedRun) -> str:
    """Return the body of the page."""
    parts = [f"<header><h1>{escape(title_of(run))}</h1><p>{escape(_subtitle(run))}</p></header>"]
    parts.append(problems([run]))
    if run.learning is not None and run.learning.error:
        parts.append(f'<div class="problem"><b>Learning stopped.</b> {escape(run.learning.error)}</div>')
    if run.summary:
        parts.append(cards(run.summary))
    if run.metrics is not None and len(run.metrics.ticks.tick):
        parts.append(section("Schedule", schedule(run.metrics), kind="wide"))
    if run.summary:
        parts.append(
            section(
                "Regret and outcomes",
                regret_figure([("", run.summary)]),
                fates_figure(run.summary.get("outcomes") or {}),
            )
        )
    if run.metrics is not None and len(run.metrics.ticks.tick):
        along = list(figures.over_time(run.metrics, 0 if run.learning is None else run.learning.first_tick))
        if run.learning is not None:
            parts.append(section("Learning", *figures.learning(run.metrics, run.learning)))
        else:
            along += figures.episodes(run.metrics)
        parts.append(section("Over time", *along))
        parts.append(section("Distributions", *figures.distributions(run.metrics)))
    parts.append(section("Setting", *settings(run)))
    if run.metrics is not None:
        record = run.metrics.record
        for title, errors in (("inferences", record.errors), ("learning", record.learning_errors)):
            if errors:
                told = "".join(f"<pre>{escape(error)}</pre>" for error in errors)
                parts.append(section(f"Errors of failed {title}", told, kind="wide"))
    return "".join(parts)


def schedule(metrics: Metrics) -> str:
    """Return the beginning and the worst stretch; with JavaScript, also the whole as a scrolling view."""
    count = window_ticks(metrics)
    last = bins.last_tick(metrics)
    count = min(count, last)
    period_s = metrics.record.trace.cadence.period_ns / NS_PER_S
    key = legend([("tick: fresh action", "fresh"), ("tick: default", "default"), *kinds_in(metrics)])
    worst = bins.worst_stretch(metrics, count)
    parts = [figure(f"The first {count} ticks", excerpt(metrics, 0, count))]
    if last > count:
        parts.append(
            figure(
                f"The {count} ticks with the fewest fresh actions, from {number(round(worst * period_s, 2))} s on",
                excerpt(metrics, worst, count),
            )
        )
    note = "A bar is an inference from its start to its end; the thin line after it is the wait for its tick."
    shown = len(metrics.inferences.worker)
    part = "" if shown <= MOST_SCROLLED else f" The view holds the first {MOST_SCROLLED:,} of {shown:,} inferences."
    held = {**scrolled(metrics), "worst_s": worst * period_s, "window_s": count * period_s}
    viewer = figure(
        "The whole schedule",
        '<div class="bar"></div><canvas tabindex="0"></canvas><p class="readout">&nbsp;</p>'
        f'<script type="application/json">{embedded(held)}</script>',
        f"Drag or use the arrow keys to move, the wheel or + and − to zoom.{part}",
        kind="viewer",
    )
    return key + "".join(parts) + f'<p class="note">{escape(note)}</p>' + viewer


def settings(run: SavedRun) -> list[str]:
    """Return configuration and machine."""
    config = dict(run.config)
    machine: dict[str, Any] = config.pop("machine", None) or {}
    hidden = config.pop("default_fields", None)
    usual = {str(name) for name in hidden} if isinstance(hidden, list) else set()
    every = flat(config)
    shown = {name: text for name, text in every.items() if not _is_under(name, usual)}
    left_out = len(every) - len(shown)
    note = f"{left_out} more {'has its default' if left_out == 1 else 'have their defaults'}." if left_out else ""
    return [definitions("Configuration", shown, note), definitions("Machine", flat(machine))]


def _is_under(name: str, parts: set[str]) -> bool:
    """Return True if ``clock.head.name`` is one of ``parts`` or inside one, such as ``clock.head``."""
    words = name.split(".")
    return any(".".join(words[:count]) in parts for count in range(1, len(words) + 1))


def problems(runs: list[SavedRun]) -> str:
    """Return the problems of reading the runs."""
    told = [(run.name, problem) for run in runs for problem in run.problems]
    if not told:
        return ""
    items = "".join(
        f"<li>{escape(f'{name}: ' if len(runs) > 1 else '')}{escape(problem)}</li>" for name, problem in told
    )
    return f'<div class="problem"><b>Not all of it could be read.</b> The rest is shown.<ul>{items}</ul></div>'


def _subtitle(run: SavedRun) -> str:
    parts = [run.name]
    if "mode" in run.config:
        parts.append(str(run.config["mode"]))
    if "seed" in run.config:
        parts.append(f"seed {run.config['seed']}")
    ticks = value(run.summary, "ticks")
    if run.metrics is not None and ticks > 0:
        seconds = ticks * run.metrics.record.trace.cadence.period_ns / NS_PER_S
        parts.append(f"{ticks:,.0f} ticks, {number(round(seconds, 1))} s")
    if run.summary.get("interrupted"):
        parts.append("interrupted")
    return " · ".join(parts)
