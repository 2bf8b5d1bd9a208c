"""The headline figures, the two stacked bars, and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from hocket.core.commands import Outcome
from hocket.core.description import with_names
from hocket.results.report.axes import number
from hocket.results.report.lanes import NAMES, STYLES
from hocket.results.report.svg import figure, legend

MOST_ITEMS = 8
"""The most items of a list in a configuration that are written out."""
REGRET_STYLES = ("r0", "r1", "r2")
REGRET_NAMES = ("not lost", "lost to delay", "lost to inaction")


def value(summary: Mapping[str, Any], name: str) -> float:
    """Return a figure of the summary; NaN if it is missing."""
    found = summary.get(name)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else math.nan


def milliseconds(seconds: float) -> str:
    """Format as ``1.23 ms``."""
    return "n/a" if math.isnan(seconds) else f"{seconds * 1e3:.3g} ms"


def cards(summary: Mapping[str, Any]) -> str:
    """Return the cards of the headline figures."""

    def of(name: str) -> float:
        return value(summary, name)

    regret = of("inaction_regret") + of("delay_regret")
    share = of("tick_loop_cpu_share")
    workers = summary.get("workers") or {}
    counted = f"{_count(len(workers), 'worker')}"
    missed = f"{_whole(of('missed')):,} missed" + ("" if math.isnan(share) else f"; loop uses {share:.1%} of a CPU")
    shown = [
        ("coverage", _percent(of("coverage")), f"{_percent(of('steady_coverage'))} once the first answer was due"),
        ("delay", f"{number(of('delay_mean'))} ticks", f"p50 {number(of('delay_p50'))}, p99 {number(of('delay_p99'))}"),
        *(
            [("age", milliseconds(of("age_p50_s")), f"of observations, p50; p99 {milliseconds(of('age_p99_s'))}")]
            if of("age_p50_s") >= 0
            else []
        ),
        ("interval", f"{number(of('interval_mean'))} ticks", f"p99 {number(of('interval_p99'))}"),
        ("regret", number(round(regret, 4)), f"a tick, at ρ = {number(of('predictability'))}"),
        ("inference", milliseconds(of("inference_mean_s")), f"p99 {milliseconds(of('inference_p99_s'))}, {counted}"),
        ("lateness p99", milliseconds(of("lateness_p99_s")), f"p50 {milliseconds(of('lateness_p50_s'))}"),
        ("return", number(of("return_mean")), f"mean of {_count(_whole(of('episodes')), 'episode')}"),
        ("ticks", number(of("ticks")), missed),
        *([("clipped", f"{of('clipped'):,.0f}", "ticks whose action was out of bounds")] * (of("clipped") > 0)),
        *_seams(summary),
        *((name.replace("_", " "), str(count), "in the run") for name, count in (summary.get("counts") or {}).items()),
    ]
    items = (
        f"<div><dt>{name}</dt><dd><b>{escape(main)}</b><span>{escape(more)}</span></dd></div>"
        for name, main, more in shown
    )
    return f'<dl class="cards">{"".join(items)}</dl>'


def _seams(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The card of the jumps where chunks hand over to others, if they do."""
    seams = summary.get("seams") or {}
    count, p50, p99, above = (value(seams, name) for name in ("count", "jump_p50", "jump_p99", "above"))
    if not count > 0:
        return []
    share = "" if math.isnan(above) else f", {_percent(above)} above {number(value(seams, 'jump_bound'))}"
    return [("jump p99", number(p99), f"p50 {number(p50)}, at {count:,.0f} seams{share}")]


def regret_shares(summary: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the shares of a tick that were not lost, lost to delay, and lost to inaction; NaN if not known."""
    inaction, delay = value(summary, "inaction_regret"), value(summary, "delay_regret")
    return 1 - inaction - delay, delay, inaction


def regret_figure(summaries: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a figure with a bar for each run."""
    rhos = sorted({number(value(summary, "predictability")) for _, summary in summaries})
    rows = [(name, regret_shares(summary)) for name, summary in summaries]
    note = f"J = 1 − mean of fresh·ρ^(delay − 1) a tick, at ρ = {', '.join(rhos)}: the two right parts together."
    return figure(
        "Regret shares",
        stacked(rows, REGRET_STYLES, lambda share: f"{share:.1%}")
        + legend(list(zip(REGRET_NAMES, REGRET_STYLES, strict=True))),
        note,
    )


def fates_figure(outcomes: Mapping[str, Any]) -> str:
    """Return a figure with the number of inferences of each outcome."""
    counts = {kind: int(outcomes.get(kind.name.lower(), 0)) for kind in Outcome}
    total = sum(counts.values())
    if not total:
        return figure("Outcomes of inferences", '<p class="nothing">No inference ended.</p>')
    kinds = [kind for kind in Outcome if counts[kind]]
    bar = stacked([("", [counts[kind] / total for kind in kinds])], [STYLES[kind] for kind in kinds], None)
    key = legend([(f"{NAMES[kind]} {counts[kind]:,} ({counts[kind] / total:.1%})", STYLES[kind]) for kind in kinds])
    return figure("Outcomes of inferences", bar + key, f"Each of {total:,} inferences ended in exactly one way.")


def stacked(rows: Sequence[tuple[str, Sequence[float]]], styles: Sequence[str], told: Any) -> str:
    """Draw rows of parts that add up to the whole width."""
    left = 150.0 if any(name for name, _ in rows) else 0.0
    width, lane = 560.0, 30.0
    parts = []
    for place, (name, shares) in enumerate(rows):
        at, y = left, place * (lane + 6)
        if name:
            short = name if len(name) <= 24 else name[:23] + "…"
            parts.append(
                f'<text class="tick" x="{left - 8}" y="{y + lane / 2 + 4}" text-anchor="end">{escape(short)}'
                f"<title>{escape(name)}</title></text>"
            )
        for share, style in zip(shares, styles, strict=True):
            if not share > 0:
                continue
            size = share * (width - left)
            parts.append(
                f'<rect class="{style}" x="{at:.1f}" y="{y}" width="{max(0.5, size - 1):.1f}" height="{lane}">'
                f"<title>{share:.2%}</title></rect>"
            )
            if told is not None and size > 44:
                parts.append(
                    f'<text class="on {style}" x="{at + size / 2:.1f}" y="{y + lane / 2 + 4}" text-anchor="middle">'
                    f"{told(share)}</text>"
                )
            at += size
    height = len(rows) * (lane + 6)
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img">{"".join(parts)}</svg>'


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested values to names such as ``clock.latency.mean_s`` and text."""
    table: dict[str, str] = {}
    for name, item in values.items():
        if isinstance(item, Mapping):
            table.update(flat(item, f"{prefix}{name}."))
        else:
            table[f"{prefix}{name}"] = "–" if item is None else with_names(words(item))
    return table


def words(item: Any) -> str:
    """Format a value of a configuration; a long list is shortened."""
    if isinstance(item, list) and len(item) > MOST_ITEMS:
        return f"[{', '.join(map(str, item[:MOST_ITEMS]))}, … {len(item)} in all]"
    return str(item)


def definitions(title: str, rows: Mapping[str, str], note: str = "") -> str:
    """Return a table of names and values."""
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
    content = f"<table>{cells}</table>" if cells else '<p class="nothing">Nothing is known.</p>'
    return figure(title, f'<div class="scroll">{content}</div>', note)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "figures") -> str:
    """Return a table of HTML cells; ``kind`` is ``figures`` (cells in one line) or ``words`` (cells that wrap)."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def section(title: str, *content: str, kind: str = "grid") -> str:
    """Return a titled part of the page; empty without content."""
    inside = "".join(content)
    return f'<section><h2>{escape(title)}</h2><div class="{kind}">{inside}</div></section>' if inside else ""


def _percent(share: float) -> str:
    return "n/a" if math.isnan(share) else f"{share:.1%}"


def _whole(number: float) -> int:
    return int(number) if math.isfinite(number) else 0


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
