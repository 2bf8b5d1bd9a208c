import math
from dataclasses import asdict, replace

import by_hand
import numpy as np
import pytest
from strict_html import Page

import hocket
from hocket.core.cadence import Cadence
from hocket.core.rules import TickDispatch
from hocket.core.trace import Trace
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.hooks.record import RunRecord
from hocket.results.metrics import Metrics
from hocket.results.report import write_report
from hocket.results.report.comparison import figures_table
from hocket.results.report.page import page
from hocket.results.report.pooling import grouped, pooled
from hocket.results.run_folder import SavedRun, read_run
from hocket.results.summary import Summary
from hocket.results.training_log import Evaluated, TrainingLog
from hocket.running.result import RunResult


def saved(record, name="a run", **config):
    return SavedRun(
        name=name, config=config, summary=asdict(Summary.of(record)), metrics=Metrics(record), learning=None
    )


def played(workers=2, seed=0, ticks=600, rule=None, episode_ticks=50):
    return hocket.run(
        NullEnv(episode_ticks=episode_ticks),
        lambda observation: 0,
        rule or TickDispatch(workers),
        hocket.Virtual(hz=60, latency=hocket.LogNormal(0.03, 0.3)),
        ticks=ticks,
        seed=seed,
    )


def long_run(ticks, workers=4):
    """Every tick starts an inference that tick + 3 executes, but each tenth is late; as rows, so that it is quick."""
    period = 10_000_000
    record = RunRecord(Trace(TickDispatch(workers), Cadence(100)))
    k = np.arange(1, ticks + 1)
    zero = np.zeros_like(k)
    done = k - 3  # the inference that finishes before tick k
    late = done % 10 == 0
    table = np.stack(
        [
            np.stack([zero + 4, k * period - period // 2, np.maximum(done, 0), zero + 1, zero], 1),
            np.stack([zero + 2, k * period, k, zero, zero], 1),
            np.where(
                (late | (done < 0))[:, None],
                np.stack([zero + 102, k, zero, zero, zero], 1),
                np.stack([zero + 101, k, np.maximum(done, 0), zero, zero + 3], 1),
            ),
            np.stack([zero + 103, np.maximum(done, 0), np.where(late, 2, 0), zero, zero], 1),
            np.stack([zero + 3, k * period, k, zero, zero], 1),
            np.stack([zero + 100, k, k % workers, k, k + 3], 1),
        ],
        1,
    )
    table[:3, 0] = table[:3, 3] = (6, 0, 0, 0, 0)
    first = [(0, 0, worker, 0, 0) for worker in range(workers)] + [(3, 0, 0, 0, 0), (100, 0, 0, 0, 3)]
    rows = np.concatenate([np.array(first), table.reshape(-1, 5)]).astype(np.int64)
    record.trace.rows.frombytes(rows.tobytes())
    record.ticks.extend(k.tolist())
    for name, value in (("rewards", 1.0), ("terminated", 0), ("lateness_ns", 1000), ("step_ns", 5000)):
        getattr(record, name).extend([value] * ticks)
    record.truncated.extend((k % 500 == 0).astype(int).tolist())
    record.actions = [0] * ticks
    return record


# -- one run ---------------------------------------------------------------------------------------------------


def test_a_report_is_one_file_that_needs_nothing_else(tmp_path):
    path = played().save(tmp_path) / "report.html"
    found = Page(path.read_text()).check()
    for heading in ("Schedule", "Regret and outcomes", "Over time", "Distributions", "Configuration", "Machine"):
        assert heading in found.texts
    for axis in ("delay (ticks)", "time (s)", "inference time (ms)", "fresh ticks / all ticks"):
        assert axis in found.texts


def test_a_report_shows_the_figures_of_the_summary():
    result = played()
    summary = result.summary()
    found = Page(page([saved(result.record, **result.config)])).check()
    for words in (
        f"{summary.coverage:.1%}",
        f"{summary.delay_mean:.4g} ticks",
        f"p99 {summary.interval_p99:.4g}",
        f"executed {summary.outcomes['executed']:,} ",
        f"discarded {summary.outcomes['discarded']:,} ",
        "NullEnv · TickDispatch(2) · Virtual, 60 Hz",
        "0.03",
    ):
        assert words in found.said, words


def test_lanes_have_a_bar_for_each_inference_and_a_mark_for_each_tick():
    found = Page(page([saved(by_hand.story())])).check()
    told = [text for text in found.texts if text.startswith("inference ") and ":" in text]
    assert told == [
        "inference 0: observation 0, executed at tick 1, 8.0 ms",
        "inference 1: observation 0, duplicate, 15.0 ms",
        "inference 2: observation 1, executed at tick 3, 12.0 ms",
        "inference 3: observation 1, duplicate, 10.0 ms",
        "inference 4: observation 2, executed at tick 5, 17.0 ms",
        "inference 5: observation 2, failed, 14.0 ms",
        "inference 6: observation 3, discarded, 21.0 ms",
        "inference 7: observation 3, discarded, 21.0 ms",
    ]
    fresh, default = (
        [a["d"] for t, a in found.tags if t == "path" and a.get("class") == style][1] for style in ("fresh", "default")
    )  # after the legend's
    assert fresh.count("z") == 3 and default.count("M") == 2


def test_the_scrolling_view_holds_the_whole_schedule():
    from base64 import b64decode
    from zlib import decompress

    def unpacked(text):
        return np.cumsum(np.frombuffer(decompress(b64decode(text)), "<i4")).tolist()

    found = Page(page([saved(by_hand.story())]))
    (view,) = [data for data in found.data if "workers" in data]
    assert [start * view["unit_s"] * 1e3 for start in unpacked(view["start"])] == pytest.approx(
        [0, 0, 10, 15, 22, 25, 39, 39]
    )
    assert unpacked(view["worker"]) == [0, 1, 0, 1, 0, 1, 0, 1]
    assert unpacked(view["executed"]) == [1, -1, 3, -1, 5, -1, -1, -1]
    assert unpacked(view["fate"]) == [0, 3, 0, 3, 0, 5, 4, 4]
    assert unpacked(view["tick"]) == [1, 2, 3, 5, 6] and unpacked(view["delay"]) == [1, 0, 2, 3, 0]


@pytest.mark.slow
def test_an_hour_is_small_and_no_bigger_than_it_must_be(tmp_path):
    short, hour = long_run(21_600), long_run(216_000)
    assert Metrics(hour).coverage == pytest.approx(0.9, abs=1e-4)
    write_report([saved(hour)], tmp_path / "hour.html")
    text = (tmp_path / "hour.html").read_text()
    assert len(text) < 5_000_000
    found, small = Page(text).check(), Page(page([saved(short)])).check()
    assert len(found.tags) < 1.2 * len(small.tags) < 6000
    assert "time (min)" in found.texts and "first 30,000 of 216,001 inferences" in found.said
    (curve,) = [data for data in found.data if data.get("label") == "time (min)" and "coverage" in str(data["series"])]
    points = [y for y in curve["series"][0]["y"]]
    assert len(points) == 160 and points[1:] == pytest.approx([0.9] * 159, abs=1e-3)


def test_runs_with_little_in_them():
    slow = hocket.Virtual(hz=60, latency=hocket.Constant(100.0))
    nothing = hocket.run(NullEnv(), lambda o: 0, TickDispatch(2), slow, ticks=3)
    Page(page([saved(nothing.record)])).check()
    single = hocket.run(NullEnv(), lambda o: 0, TickDispatch(1), slow, ticks=1)
    Page(page([saved(single.record)])).check()
    Page(page([SavedRun(name="bare", summary={"coverage": 0.5}, problems=("trace.bin is missing",))])).check()


def test_texts_from_outside_are_escaped():
    nasty = "<!--</script><script>alert(1)</script>&<b>"
    record = by_hand.story()
    record.errors = [nasty]
    run = replace(saved(record, name=nasty, env=nasty, policy=nasty), problems=(nasty,))
    for text in (page([run]), page([run, saved(by_hand.story(), name="x")])):
        found = Page(text).check()
        assert found.count("b") == text.count("<b>") and "alert(1)" in found.said
        assert found.count("script") == text.count("<script") and "<script>alert" not in text


def test_errors_of_inferences_and_of_learning_are_told_apart():
    record = by_hand.story()
    record.learning_errors = ["diverged"]
    said = Page(page([saved(record)])).check().said
    assert "Errors of failed learning diverged" in " ".join(said.split()) and "failed inferences" not in said
    record.errors = ["no network"]
    said = " ".join(Page(page([saved(record)])).check().said.split())
    assert said.index("Errors of failed inferences no network") < said.index("Errors of failed learning diverged")


def test_problems_are_reported_and_the_rest_is_shown(tmp_path):
    folder = played().save(tmp_path / "x")
    (folder / "trace.bin").unlink()
    found = Page(page([read_run(folder)])).check()
    assert "trace.bin is missing" in found.said and "Distributions" in found.texts
    (folder / "inferences.npz").unlink()
    found = Page(page([read_run(folder)])).check()
    assert "inferences.npz is missing" in found.said and "Distributions" not in found.texts
    assert "Regret and outcomes" in found.texts and "Configuration" in found.texts


def test_no_run_is_no_report(tmp_path):
    with pytest.raises(ConfigurationError, match="give at least one"):
        write_report([], tmp_path / "x.html")


def series_of(found, name):
    """The data of a page's charts under a name."""
    return [series for data in found.data for series in data.get("series", ()) if series["name"] == name]


# -- trainings -------------------------------------------------------------------------------------------------


def learned(seed, first_tick=0, error=None):
    returns = np.random.default_rng(seed).normal(20, 5, 8)
    return TrainingLog(
        evaluations=tuple(Evaluated(tick, returns + tick / 10) for tick in (100, 200, 300)),
        final=Evaluated(300, returns),
        updates=500,
        losses=np.linspace(1, 0.1, 200),
        stalenesses=np.arange(200) % 3,
        started_ns=np.arange(200) * 10_000_000,
        landed_ns=np.arange(200) * 10_000_000 + 5,
        first_tick=first_tick,
        error=error,
    )


def test_a_training_has_learning_curves_with_intervals():
    run = replace(saved(played().record), learning=learned(0, error="loss is NaN"))
    found = Page(page([run])).check()
    for words in ("Evaluations", "Loss", "Staleness", "Returns of episodes in the run", "Learning stopped."):
        assert words in found.texts
    assert "loss is NaN" in found.said
    (curve,) = series_of(found, "greedy policy")
    mean = float(np.random.default_rng(0).normal(20, 5, 8).mean())
    hz = float(run.metrics.record.trace.cadence.hz)
    assert curve["x"] == pytest.approx([100 / hz, 200 / hz, 300 / hz], rel=1e-4)
    assert curve["y"] == pytest.approx([mean + 10, mean + 20, mean + 30], abs=1e-2)
    assert found.count("path", "band") >= 1
    (losses,) = series_of(found, "mean loss")
    known = [(x, y) for x, y in zip(losses["x"], losses["y"], strict=True) if y is not None]
    assert known[0][1] > 0.9 and known[-1][1] < 0.2 and 1.7 < known[-1][0] < 2.3, "they landed in the first 2 s"
    assert "Of 500 updates" in found.said


def test_all_plots_along_a_run_have_one_time_axis():
    run = replace(saved(played().record), learning=learned(0, first_tick=1000))
    hz, last = float(run.metrics.record.trace.cadence.hz), int(run.metrics.ticks.tick[-1])
    axes = [
        (data["label"], data["x"])
        for data in Page(page([run])).check().data
        if data.get("label", "").startswith("time (")
    ]
    wanted = pytest.approx([1000 / hz, (1000 + last) / hz])
    assert len(axes) >= 5 and {label for label, _ in axes} == {"time (s)"}
    assert [found for _, found in axes if found != wanted] == [
        pytest.approx([100 / hz, (1000 + last) / hz])
    ]  # evaluations
    several = Page(page([run, replace(run, name="other", config={"seed": 9, "width": 2})])).check()
    axes = [data["x"] for data in several.data if data.get("label") == "time (s)"]
    assert len(axes) >= 4 and [found for found in axes if found != wanted] == [
        pytest.approx([100 / hz, wanted.expected[1]])
    ]


def test_constant_inference_times_are_a_line():
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    run = hocket.run(NullEnv(), lambda _: 0, hocket.TickDispatch(2), clock, ticks=100)
    found = Page(page([saved(run.record)])).check()
    (line,) = series_of(found, "inferences")
    assert (line["x"], line["y"]) == ([30, 30], [0, 100]) and "took 30 ms." in found.said
    boxes = [
        attributes["class"] for tag, attributes in found.tags if tag == "path" and attributes.get("class") == "median"
    ]
    assert boxes == [], "a box without height has its median as a line of its own colour"
    other = hocket.run(
        NullEnv(), lambda _: 0, hocket.TickDispatch(2), hocket.Virtual(hz=50, latency=hocket.Constant(0.06)), ticks=100
    )
    found = Page(page([saved(run.record, "a", width=1), saved(other.record, "b", width=2)])).check()
    times = next(data for data in found.data if data["label"] == "inference time (ms)")
    assert [(one["x"], one["y"]) for one in times["series"]] == [([30, 30], [0, 100]), ([60, 60], [0, 100])]
    assert times["x"][0] < 30 < 60 < times["x"][1]


def test_the_configuration_hides_defaults_shortens_lists_and_has_no_addresses():
    config = {
        "policy": "FunctionPolicy(function=<function f.<locals>.g at 0x7fd0946c0900>)",
        "default": "<my.Default object at 0x7f00>",
        "rule": {"name": "TickDispatch", "workers": 4, "hold": True},
        "clock": {"hz": 60, "head": {"name": "Constant"}, "latency": {"durations_s": [0.5] * 100}},
        "default_fields": ["rule.hold", "clock.head"],
        "mode": "true-size, virtual",
    }
    text = page([saved(by_hand.story(), "a", **config)])
    assert "0x7f" not in text and "FunctionPolicy(function=f.g)" in text and ">my.Default<" in text
    assert "rule.workers" in text and "rule.hold" not in text and "clock.head" not in text
    assert "2 more have their defaults." in text and "default_fields" not in text
    assert "[" + "0.5, " * 8 + "… 100 in all]" in text
    assert "a · true-size, virtual" in text
    compared = page([saved(by_hand.story(), "a", **config), saved(by_hand.story(), "b", **{**config, "env": "E"})])
    assert "2 configurations · true-size, virtual" in compared


# -- several runs ----------------------------------------------------------------------------------------------


def test_runs_of_one_configuration_are_pooled_and_others_are_not():
    def run(name, coverage, **config):
        return SavedRun(name=name, config=config, summary={"coverage": coverage})

    where = "Policy(<function f at 0x7f{0}>, seed={0})".format
    runs = [
        run("a-0", 0.5, env="E", seed=0, policy=where(10), options={"seed": 0, "out": "x", "width": 1}),
        run("b", 0.9, env="E", seed=0, policy=where(10), options={"seed": 0, "out": "x", "width": 2}),
        run("a-1", 0.6, env="E", seed=1, policy=where(11), options={"seed": 1, "out": "y", "width": 1}),
        run("a-2", 0.7, env="E", seed=2, policy=where(12), options={"seed": 2, "out": "z", "width": 1}),
        run("lost", 0.1),
        run("lost too", 0.2),
    ]
    groups = grouped(runs)
    assert [group.name for group in groups] == ["a (3 seeds)", "b", "lost", "lost too"]
    assert pooled(groups[0], "coverage") == pytest.approx((0.6, 4.303 * 0.1 / math.sqrt(3)))
    assert pooled(groups[1], "coverage")[0] == 0.9 and math.isnan(pooled(groups[1], "coverage")[1])
    cells = figures_table(groups)
    assert "60.0 <small>± 25</small>" in cells and "<td>90.0</td>" in cells


def test_a_comparison_has_a_line_and_a_lane_for_each_configuration():
    runs = [saved(played(seed=s).record, f"two-{s}", env="E", seed=s, workers=2) for s in range(3)]
    runs += [saved(played(4).record, "four", env="E", seed=0, workers=4)]
    runs += [saved(played(rule=hocket.Sequential()).record, "alone", env="E", seed=0, workers=1)]
    found = Page(page(runs)).check()
    assert "E: 5 runs compared" in found.said and "3 configurations" in found.said
    coverage = next(data for data in found.data if data["label"] == "time (s)")
    assert [series["name"] for series in coverage["series"]] == ["two (3 seeds)", "four", "alone"]
    mean = np.mean([np.mean(coverage["series"][0]["y"])])
    assert mean == pytest.approx(np.mean([run.metrics.coverage for run in runs[:3]]), abs=1e-3)
    assert found.count("svg", "lanes") == 3 and found.count("path", "band") >= 1
    assert {"two (3 seeds): 40 ticks from the middle", "What differs", "workers"} <= set(found.texts)


def test_trainings_are_compared_over_seeds():
    runs = [replace(saved(played(seed=s).record, f"r{s}", seed=s), learning=learned(s)) for s in range(3)]
    found = Page(page(runs)).check()
    (curve,) = [data["series"][0] for data in found.data if len(data["series"][0]["x"]) == 3]
    means = [np.random.default_rng(s).normal(20, 5, 8).mean() for s in range(3)]
    assert curve["y"][0] == pytest.approx(np.mean(means) + 10, abs=1e-2)
    assert f"{np.mean(means):.4g}" in found.said  # the final evaluations


def test_many_runs_have_lines_that_differ():
    runs = [saved(by_hand.story(), f"run {k}", width=k) for k in range(20)]
    found = Page(page(runs)).check()
    styles = {a["class"] for t, a in found.tags if t == "path" and (a.get("class") or "").endswith(" line")}
    assert len(styles) >= 16


def test_a_saved_result_has_the_report_that_the_folder_gives(tmp_path):
    path = RunResult(played().record, {"env": "E"}).save(tmp_path / "x")
    assert page([read_run(path)]) == (path / "report.html").read_text()
