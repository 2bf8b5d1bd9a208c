"""The report's charts of one run. Each one also handles a run without such data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.results.intervals import interval
from hocket.results.metrics import Ints, Metrics, Seams, percentiles
from hocket.results.report import bins
from hocket.results.report.axes import number
from hocket.results.report.svg import Bars, Boxes, Chart, Line, figure
from hocket.results.report.time_axis import scale_of
from hocket.results.training_log import TrainingLog

LEAST_BARS = 8
"""The least number of bars that a histogram of ticks has room for."""
MOST_POINTS = 60
"""The most means with intervals along a training."""
EPISODES_A_POINT = 8
"""The least number of episodes in a mean; with fewer its interval has no meaning."""


def over_time(metrics: Metrics, first_tick: int = 0) -> Iterator[str]:
    """Yield coverage, delay and lateness along the run."""
    edges = bins.tick_edges(bins.last_tick(metrics))
    scale = scale_of(metrics, first_tick)
    ticks = metrics.ticks
    width = f"each point is the mean of {scale.length(edges)}"
    yield Chart(
        title="Coverage over time",
        x=scale.label,
        x_range=scale.range,
        y="fresh ticks / all ticks",
        lines=[Line("coverage", scale.middles(edges), bins.coverage(metrics, edges), "s0 d0")],
        to=1.0,
        note=f"The share of ticks on which the policy itself acted; {width}.",
    ).html()
    delay = bins.spread(ticks.tick[ticks.fresh], ticks.delay_ticks[ticks.fresh], edges)
    yield Chart(
        title="Delay over time",
        x=scale.label,
        x_range=scale.range,
        y="delay (ticks)",
        lines=[Line("mean delay", scale.middles(edges), delay.mean, "s1 d0", delay.low, delay.high)],
        note=f"How many ticks old the observation was that was acted on; {width}, the band is the 5th to 95th "
        "percentile.",
    ).html()
    late_ticks, late_s = np.frombuffer(metrics.record.ticks, np.int64), metrics.lateness_s
    if np.any(late_s != 0):
        late = bins.spread(late_ticks, late_s * 1e3, edges, 50, 99)
        yield Chart(
            title="Lateness over time",
            x=scale.label,
            x_range=scale.range,
            y="lateness (ms)",
            lines=[
                Line("99th percentile", scale.middles(edges), late.high, "s3 d1"),
                Line("median", scale.middles(edges), late.low, "s2 d0"),
            ],
            note="How long after its deadline the environment was stepped.",
        ).html()


def distributions(metrics: Metrics) -> Iterator[str]:
    """Yield histograms of delay, interval, jumps at seams, lateness and inference time."""
    yield whole_bars(metrics.delays, "Delay", "delay (ticks)", "executed actions", "s1")
    yield whole_bars(metrics.intervals, "Interval", "ticks between fresh actions", "intervals", "s2")
    if len(metrics.seams.jump):
        yield jumps(metrics.seams)
    late = metrics.lateness_s * 1e3
    if np.any(late != 0):
        edges, shares, beyond = bins.log_histogram(late)
        yield Chart(
            title="Lateness",
            x="lateness (ms), logarithmic",
            y="% of ticks",
            bars=[Bars("ticks", edges, 100 * shares, "s3 fill")],
            log=True,
            legend=False,
            note=_tail(beyond, "later"),
        ).html()
    yield inference_times(metrics.inferences.durations_s * 1e3)
    yield by_worker(metrics)


def jumps(seams: Seams) -> str:
    """Return a histogram of the jumps where one chunk hands over to another."""
    edges, shares, beyond = bins.histogram(seams.jump)
    p50, p99 = percentiles(seams.elsewhere, 50, 99)
    elsewhere = f"Between steps of one chunk: p50 {number(p50)}, p99 {number(p99)}." if len(seams.elsewhere) else ""
    return Chart(
        title="Jumps at seams",
        x="largest change of an element of the action",
        y="% of seams",
        bars=[Bars("seams", edges, 100 * shares, "s1 fill")],
        legend=False,
        note=" ".join(filter(None, (elsewhere, _tail(beyond, "larger")))),
    ).html()


def inference_times(values_ms: NDArray[np.float64]) -> str:
    """Return a histogram, or one line if all values are the same."""
    if len(values_ms) and values_ms.min() == values_ms.max():
        same_ms = float(values_ms[0])
        return Chart(
            title="Inference time",
            x="inference time (ms)",
            y="% of inferences",
            lines=[Line("inferences", [same_ms, same_ms], [0.0, 100.0], "s0 d0")],
            x_range=(0.0, 2 * same_ms or 1.0),
            to=100.0,
            legend=False,
            note=f"All {len(values_ms):,} took {number(same_ms)} ms.",
        ).html()
    edges, shares, beyond = bins.histogram(values_ms)
    return Chart(
        title="Inference time",
        x="inference time (ms)",
        y="% of inferences",
        bars=[Bars("inferences", edges, 100 * shares, "s0 fill")],
        legend=False,
        note=_tail(beyond, "longer"),
    ).html()


def whole_bars(values: Ints, title: str, x: str, of: str, style: str) -> str:
    """Return a histogram of ticks."""
    edges, shares, beyond = bins.whole_histogram(values)
    room = max(0.0, LEAST_BARS - (edges[-1] - edges[0])) / 2
    return Chart(
        title=title,
        x=x,
        y=f"% of {of}",
        bars=[Bars(of, edges, 100 * shares, f"{style} fill")],
        x_range=(max(-0.5, edges[0] - room), edges[-1] + room) if len(values) else None,
        whole=True,
        legend=False,
        note=_tail(beyond, "longer"),
    ).html()


def by_worker(metrics: Metrics) -> str:
    """Return the inference time of every worker: median, quartiles and tails."""
    every = metrics.inferences
    done = every.finished_ns >= 0
    workers, values = every.worker[done], every.needed_ns[done] / NS_PER_S * 1e3
    known = np.unique(workers).tolist()
    if not known:
        return figure("Inference time by worker", '<p class="nothing">No inference finished.</p>')
    order = np.argsort(workers, kind="stable")
    parts = np.split(values[order], np.flatnonzero(np.diff(workers[order])) + 1)
    quantiles = np.array([np.percentile(part, (1, 25, 50, 75, 99)) for part in parts])
    return Chart(
        title="Inference time by worker",
        x="worker",
        y="inference time (ms)",
        boxes=[Boxes("inference time", known, quantiles, "s0")],
        from_zero=False,
        whole=True,
        legend=False,
        note="Boxes are quartiles with the median, lines go from the 1st to the 99th percentile.",
    ).html()


def learning(metrics: Metrics, learned: TrainingLog) -> Iterator[str]:
    """Yield evaluations, returns of episodes, losses and staleness."""
    scale = scale_of(metrics, learned.first_tick)
    if learned.evaluations:
        pairs = [interval(each.returns.tolist()) for each in learned.evaluations]
        means, halves = np.array(pairs).T
        final = learned.final
        after = ""
        if final is not None and len(final.returns):
            after = f" The final one, of the best weights on separate episodes: {number(float(final.returns.mean()))}."
        at = scale.at_training([each.tick for each in learned.evaluations])
        yield Chart(
            title="Evaluations",
            x=scale.label,
            x_range=(min(scale.range[0], at[0]), max(scale.range[1], at[-1])),
            y="mean return of an episode",
            lines=[Line("greedy policy", at, means, "s0 d0", means - halves, means + halves, points=True)],
            from_zero=False,
            note=f"Whole episodes by the greedy policy; the band is a 95 % interval over the "
            f"{len(learned.evaluations[0].returns)} episodes of each.{after}",
        ).html()
    yield from episodes(metrics, learned.first_tick)
    if len(learned.losses):
        edges = bins.tick_edges(bins.last_tick(metrics))
        landed = learned.landed_ns / metrics.record.trace.cadence.period_ns
        at = scale.middles(edges)
        loss, stale = bins.spread(landed, learned.losses, edges), bins.spread(landed, learned.stalenesses, edges)
        yield Chart(
            title="Loss",
            x=scale.label,
            x_range=scale.range,
            y="loss",
            lines=[Line("mean loss", at, loss.mean, "s3 d0", loss.low, loss.high)],
            note=f"Of {learned.updates:,} updates, at the time when they landed; the band is the 5th to 95th "
            "percentile.",
        ).html()
        if learned.stalenesses.any():
            yield Chart(
                title="Staleness",
                x=scale.label,
                x_range=scale.range,
                y="updates by others",
                lines=[Line("mean staleness", at, stale.mean, "s4 d0", stale.low, stale.high)],
                note="How many others landed between an update's start and its landing; the band is the 5th to 95th "
                "percentile.",
            ).html()


def episodes(metrics: Metrics, first_tick: int = 0) -> Iterator[str]:
    """Yield returns of the episodes that ended, along the run."""
    returns = metrics.episode_returns
    if not len(returns):
        return
    scale, ends = scale_of(metrics, first_tick), bins.episode_ends(metrics)
    if len(returns) <= MOST_POINTS:
        line = Line("return", scale.at(ends), returns, "s2 d0", points=True)
        note = "Each point is an episode, default ticks' rewards included."
    else:
        edges = bins.tick_edges(bins.last_tick(metrics), min(MOST_POINTS, len(returns) // EPISODES_A_POINT))
        means, halves = bins.mean_and_interval(ends, returns, edges)
        line = Line("mean return", scale.middles(edges), means, "s2 d0", means - halves, means + halves)
        note = "Means of neighbouring episodes, with 95 % intervals; default ticks' rewards included."
    yield Chart(
        title="Returns of episodes in the run",
        x=scale.label,
        x_range=scale.range,
        y="return of an episode",
        lines=[line],
        from_zero=False,
        note=note,
    ).html()


def _tail(beyond: int, what: str) -> str:
    return f"The last bar has {beyond:,} that {'was' if beyond == 1 else 'were'} {what}." if beyond else ""
