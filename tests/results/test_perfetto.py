import json
from collections import Counter
from fractions import Fraction

import by_hand
import pytest
from trace_events import BrokenRuleError, validate

import hocket
from hocket.core import events as e
from hocket.core.rules import TickDispatch
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, TraceError
from hocket.results import perfetto
from hocket.results.metrics import Metrics
from hocket.results.perfetto import write_trace_json
from hocket.results.run_folder import SavedRun

MS = by_hand.MS


def saved(record, **config):
    return SavedRun(name="by hand", config=config, metrics=Metrics(record))


def written(record, tmp_path, **options):
    write_trace_json(saved(record), tmp_path / "t.json", **options)
    return validate(tmp_path / "t.json")


def slices(events, category):
    return [event for event in events if event["ph"] == "X" and event["cat"] == category]


def test_the_story(tmp_path):
    events = written(by_hand.story(), tmp_path)
    inferences = slices(events, "inference")
    table = [
        (x["tid"], x["args"]["observation"], x["ts"] / 1000, (x["ts"] + x["dur"]) / 1000, x["name"]) for x in inferences
    ]
    assert table == [
        (10, 0, 0, 8, "executed"),
        (11, 0, 0, 15, "duplicate"),
        (10, 1, 10, 22, "executed"),
        (11, 1, 15, 25, "duplicate"),
        (10, 2, 22, 39, "executed"),
        (11, 2, 25, 39, "failed"),
        (10, 3, 39, 60, "discarded"),
        (11, 3, 39, 60, "discarded"),
    ]
    ticks = slices(events, "tick")
    assert [(x["args"]["tick"], x["name"]) for x in ticks] == [
        (0, "reset"), (1, "fresh"), (2, "default"), (3, "fresh"), (5, "fresh"), (6, "default"),
    ]  # fmt: skip
    assert [x["ts"] for x in ticks[1:]] == [10_010, 20_020, 30_030, 50_050, 60_060]  # deadline + 10·k µs
    assert [x["args"]["lateness_us"] for x in ticks[1:]] == [10, 20, 30, 50, 60]
    flows = [(x["id"], x["ph"], x["tid"], x["ts"]) for x in events if x["ph"] in "stf"]
    assert flows == [
        (0, "s", 1, 0), (0, "t", 10, 0), (0, "f", 1, 10_010),
        (2, "s", 1, 10_010), (2, "t", 10, 10_010), (2, "f", 1, 30_030),
        (4, "s", 1, 20_020), (4, "t", 10, 22_000), (4, "f", 1, 50_050),
    ]  # fmt: skip


def test_times_are_exact_to_the_nanosecond(tmp_path):
    hz = Fraction("59.7275")
    result = hocket.run(
        NullEnv(), lambda o: 0, TickDispatch(2), hocket.Virtual(hz="59.7275", latency=hocket.Constant(0.02)), ticks=50
    )
    ticks = slices(written(result.record, tmp_path), "tick")[1:]
    assert [int(x["ts"] * 1000) for x in ticks] == [k * 10**9 // hz for k in range(1, 51)]


@pytest.fixture(scope="module")
def minute(tmp_path_factory):
    """60 s at 60 Hz with 72 workers."""
    law = hocket.HeavyTail(1.0, 0.01, 3)
    result = hocket.run(
        NullEnv(episode_ticks=500), lambda o: 0, TickDispatch(72), hocket.Virtual(hz=60, latency=law), ticks=3600
    )
    return result, result.save(tmp_path_factory.mktemp("minute")) / "trace.json"


@pytest.mark.slow
def test_a_minute_of_72_workers_is_valid_and_small_and_counts_as_the_summary_does(minute):
    result, path = minute
    summary = result.summary()
    assert path.stat().st_size < 20_000_000
    events = validate(path)
    inferences, ticks = slices(events, "inference"), slices(events, "tick")
    assert Counter(x["args"]["fate"] for x in inferences) == Counter(
        {fate: count for fate, count in summary.outcomes.items() if count}
    )
    assert len(inferences) == sum(summary.outcomes.values())
    counted = Counter(x["name"] for x in ticks)
    assert counted["fresh"] / 3600 == summary.coverage and counted["default"] == 3600 - counted["fresh"]
    assert counted["reset"] == 1
    assert {x["tid"] for x in inferences} == {10 + int(worker) for worker in summary.workers}
    named = {x["args"]["name"] for x in events if x["ph"] == "M" and x["name"] == "thread_name"}
    assert named == {"ticks", *(f"worker {worker}" for worker in summary.workers)}
    arrows = Counter(x["ph"] for x in events if x["ph"] in "stf")
    assert arrows == dict.fromkeys("stf", summary.outcomes["executed"])
    delays = [x["args"]["delay_ticks"] for x in ticks if x["name"] == "fresh"]
    assert sum(delays) / len(delays) == pytest.approx(summary.delay_mean)


def test_counters(minute):
    _, path = minute
    counters = {}
    for event in validate(path):
        if event["ph"] == "C":
            counters.setdefault(event["name"], []).append((event["ts"], event["args"]["value"]))
    assert counters.keys() == {"coverage of 60 ticks (%)", "delay (ticks)", "inferences in flight"}
    flying = [value for _, value in counters["inferences in flight"]]
    assert max(flying) <= 72 and min(flying) == 0 == flying[-1]
    assert all(0 <= value <= 100 for _, value in counters["coverage of 60 ticks (%)"])
    assert counters["coverage of 60 ticks (%)"][0][1] == 0


def test_a_piece_of_it(minute, tmp_path):
    result, path = minute
    write_trace_json(saved(result.record), tmp_path / "x.json", start_s=10, duration_s=2)
    piece = validate(tmp_path / "x.json")
    ticks = [x["args"]["tick"] for x in slices(piece, "tick")]
    assert ticks == list(range(600, 720))
    whole = slices(validate(path), "inference")
    over = [x for x in whole if x["ts"] < 12_000_000 and x["ts"] + x["dur"] >= 10_000_000]
    assert [x["args"]["inference"] for x in slices(piece, "inference")] == [x["args"]["inference"] for x in over]
    with pytest.raises(ConfigurationError, match=r"nothing happened in 2 s from 100 s on; the run has 60 s"):
        write_trace_json(saved(result.record), tmp_path / "x.json", start_s=100, duration_s=2)


def test_two_stages_have_their_trunk_inside(tmp_path):
    record = by_hand.played(
        [
            e.WorkerJoined(0, 0),
            e.Ticked(0, 0),
            e.TrunkFinished(6 * MS, 0),
            e.TimerDue(9 * MS),
            e.InferenceFinished(10 * MS, 0),
            e.DeadlineReached(10 * MS, 1),
            e.RunEnded(10 * MS),
        ],
        hocket.Unstaggered(1),
        head_ns=MS,
    )
    (trunk,) = slices(written(record, tmp_path), "stage")
    assert (trunk["name"], trunk["ts"], trunk["dur"]) == ("trunk", 0, 6000)


def test_a_run_without_an_inference(tmp_path):
    record = by_hand.played([e.Ticked(0, 0), e.DeadlineReached(10 * MS, 1), e.Ticked(10 * MS, 1), e.RunEnded(11 * MS)])
    events = written(record, tmp_path)
    assert not slices(events, "inference") and len(slices(events, "tick")) == 2


def test_names_from_outside_stay_json(tmp_path):
    run = SavedRun(
        name="x", config={"env": 'a"b\\</script>\n', "rule": {"name": "é"}}, metrics=Metrics(by_hand.story())
    )
    write_trace_json(run, tmp_path / "t.json")
    (name,) = [x["args"]["name"] for x in validate(tmp_path / "t.json") if x["name"] == "process_name"]
    assert name == 'hocket: a"b\\</script>\n é'


def test_long_runs_are_not_written_unasked(tmp_path, monkeypatch):
    from hocket.running.result import RunResult

    result = RunResult(by_hand.story())
    assert (result.save(tmp_path) / "trace.json").exists()
    monkeypatch.setattr(perfetto, "SMALL", 5)
    assert not (result.save(tmp_path) / "trace.json").exists()


def test_without_a_schedule_there_is_no_trace(tmp_path):
    with pytest.raises(TraceError, match=r"x has no schedule that can be read: trace.bin is missing"):
        write_trace_json(SavedRun(name="x", problems=("trace.bin is missing",)), tmp_path / "t.json")


# -- the validator finds faults --------------------------------------------------------------------------------


def broken(events, kind, **changes):
    event = next(x for x in events if x["ph"] == kind)
    event.update(changes)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda events: broken(events, "X", dur=-1),
        lambda events: broken(events, "X", ts="0"),
        lambda events: broken(events, "X", tid=999),
        lambda events: broken(events, "X", cname="blue"),
        lambda events: broken(events, "X", colour="good"),
        lambda events: next(x for x in events if x.get("cat") == "inference").update(dur=12_000),
        lambda events: broken(events, "C", args={"value": "many"}),
        lambda events: broken(events, "M", args={}),
        lambda events: broken(events, "s", id=99),
        lambda events: broken(events, "s", ts=10_010),
        lambda events: broken(events, "f", ts=15_000),
        lambda events: broken(events, "t", tid=1, ts=500_000),
        lambda events: events.append({"ph": "Q", "name": "x", "pid": 1, "tid": 1, "ts": 0}),
        lambda events: events.remove(next(x for x in events if x["ph"] == "M")),
        lambda events: broken(events, "X", ts=0.0001),
    ],
)
def test_the_validator_is_strict(tmp_path, spoil):
    path = tmp_path / "t.json"
    write_trace_json(saved(by_hand.story()), path)
    content = json.loads(path.read_text())
    spoil(content["traceEvents"])
    path.write_text(json.dumps(content))
    with pytest.raises(BrokenRuleError):
        validate(path)
