import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual import play, ticks_s

import hocket
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.rules import ExpectedTime, Learn, MaxTime, OneInFlight, Sequential, TickDispatch, Unstaggered
from hocket.core.rules.baselines import _UnstaggeredSchedule
from hocket.core.trace import OWN_RULES, Trace, describe_rule, restore_rule
from hocket.errors import HocketError, TraceError
from hocket.testing import replay

RULES = [
    Sequential(Learn.BEFORE_INFERENCE),
    Unstaggered(3),
    OneInFlight(0.3),
    MaxTime(3),
    ExpectedTime(3),
    TickDispatch("auto", quantile="auto", predictability=0.9, max_workers=9),
]

int64 = st.integers(-(2**63), 2**63 - 1)
time, number = int64, st.integers(0, 2**40)
items = st.one_of(
    st.builds(e.WorkerJoined, time, number),
    st.builds(e.WorkerLost, time, number),
    st.builds(e.DeadlineReached, time, number),
    st.builds(e.Ticked, time, number, st.booleans()),
    st.builds(e.InferenceFinished, time, number, number, number),
    st.builds(e.InferenceFailed, time, number),
    st.builds(e.TimerDue, time),
    st.builds(e.LearningFinished, time),
    st.builds(e.PredictabilityEstimated, time, st.floats(0, 1, exclude_min=True)),
    st.builds(e.RunEnded, time),
    st.builds(e.TrunkFinished, time, number),
    st.builds(e.InferenceCancelled, time, number),
)
commands = st.one_of(
    st.builds(c.StartInference, number, number, number, st.integers(-1, 2**40)),
    st.builds(c.Execute, number, number, number, number),
    st.builds(c.ExecuteDefault, number),
    st.builds(c.EndInference, number, st.sampled_from(c.Outcome)),
    st.just(c.StartLearning()),
    st.builds(c.WakeAt, time),
    st.just(c.AddWorker()),
    st.builds(c.RetireWorker, number),
    st.builds(c.BindHead, number, number, number),
    st.builds(c.Cancel, number, number),
)


@pytest.fixture
def recorded():
    return play(TickDispatch(3), hocket.LogNormal(0.05, 0.3), 200).record.trace


@given(st.lists(st.tuples(items, st.lists(commands, max_size=4)), max_size=20))
def test_every_event_and_command_comes_back_as_it_went(steps):
    trace = Trace(Unstaggered(1), Cadence(60))
    for event, led_to in steps:
        trace.add(event, led_to)
    assert list(trace.steps()) == steps


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_run_survives_saving_loading_and_replaying(rule, tmp_path):
    trace = play(rule, hocket.LogNormal(0.05, 0.5), 400, hz=59.7275, learning=ticks_s(1), episode_ticks=90).record.trace
    trace.save(tmp_path / "trace.bin")
    loaded = Trace.load(tmp_path / "trace.bin")
    assert (loaded.rule, loaded.cadence, loaded.rows) == (rule, trace.cadence, trace.rows)
    assert replay(loaded, validate=True) == [command for _, led_to in trace.steps() for command in led_to]


def test_every_rule_of_ours_is_known():
    assert {type(rule) for rule in RULES} == set(OWN_RULES)
    for rule in RULES:
        assert restore_rule(json.loads(json.dumps(describe_rule(rule)))) == rule


def test_a_replay_that_differs_is_refused(recorded):
    other = Trace(TickDispatch(3, quantile=0.5), recorded.cadence)
    other.rows = recorded.rows
    with pytest.raises(TraceError, match="event"):
        replay(other)


class Own(Unstaggered):
    """A rule of a user."""

    def schedule(self, cadence):
        return _UnstaggeredSchedule(self, cadence)


def test_a_rule_of_your_own_is_passed_in(tmp_path):
    play(Own(2), ticks_s(3), 50).record.trace.save(tmp_path / "trace.bin")
    with pytest.raises(TraceError, match=r"'Own'.*rule=\.\.\."):
        Trace.load(tmp_path / "trace.bin")
    assert replay(Trace.load(tmp_path / "trace.bin", rule=Own(2)))


def rewritten(path, **changes):
    """The trace at ``path`` with its header changed; None takes a key away."""
    first, body = path.read_bytes().split(b"\n", 1)
    header = {**json.loads(first), **changes}
    header = {key: value for key, value in header.items() if value is not None}
    path.write_bytes(json.dumps(header).encode() + b"\n" + body)


def test_a_trace_keeps_its_horizon_and_older_ones_have_none(tmp_path):
    path = tmp_path / "trace.bin"
    for alignment, horizon_ticks in (hocket.Alignment.OBSERVATION, 5), (hocket.Alignment.RELEASE, 0):
        play(TickDispatch(1), ticks_s(2.4), 50, chunk=5, alignment=alignment).record.trace.save(path)
        assert Trace.load(path).horizon_ticks == horizon_ticks
        assert replay(Trace.load(path))
    rewritten(path, version=3, horizon_ticks=None)
    assert Trace.load(path).horizon_ticks == 0 and replay(Trace.load(path))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"version": 1}, "version 1"),
        ({"version": None}, "version None"),
        ({"format": "other-trace"}, "other-trace"),
        ({"format": None}, "not a hocket trace"),
        ({"rows": None}, "damaged"),
        ({"rows": "many"}, "damaged"),
        ({"hz": "0"}, "damaged"),
        ({"epoch_ns": None}, "damaged"),
        ({"rule": None}, "damaged"),
        ({"rule": {"name": "TickDispatch", "workers": 0}}, "describes no rule"),
        ({"rule": {"name": "TickDispatch", "invented_later": 1}}, "describes no rule"),
        ({"rule": {"name": "Rule"}}, "not one of hocket's own"),
        ({"rule": 5}, "describes no rule"),
    ],
)
def test_foreign_headers_are_refused(recorded, tmp_path, changes, match):
    path = tmp_path / "trace.bin"
    recorded.save(path)
    rewritten(path, **changes)
    with pytest.raises(TraceError, match=match):
        Trace.load(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"PNG\x89\xff", b"[1, 2]\n", b"7\n", b"null", b"{}\n" * 3])
def test_files_that_are_not_traces_are_refused(tmp_path, content):
    path = tmp_path / "trace.bin"
    path.write_bytes(content)
    with pytest.raises(TraceError, match="not a hocket trace"):
        Trace.load(path)


@pytest.mark.parametrize("lost", [1, 8, 40, 4000])
def test_a_truncated_file_is_refused(recorded, tmp_path, lost):
    path = tmp_path / "trace.bin"
    recorded.save(path)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(TraceError, match="truncated"):
        Trace.load(path)


@given(at=st.integers(0, 10**6), value=st.integers(0, 255))
def test_a_damaged_byte_is_an_error_of_ours_or_harmless(tmp_path_factory, at, value):
    path = tmp_path_factory.mktemp("trace") / "trace.bin"
    play(Unstaggered(1), ticks_s(2), 20).record.trace.save(path)
    content = bytearray(path.read_bytes())
    content[at % len(content)] = value
    path.write_bytes(content)
    with suppress(HocketError):
        replay(Trace.load(path))


def test_a_row_of_an_unknown_kind_is_refused(recorded):
    recorded.rows[0] = 55
    with pytest.raises(TraceError, match="row 0"):
        list(recorded.steps())


def test_a_save_that_fails_leaves_the_old_file_whole(recorded, tmp_path, monkeypatch):
    path = tmp_path / "trace.bin"
    recorded.save(path)
    before = path.read_bytes()

    def fail(source, target):
        raise OSError("the disk is full")

    monkeypatch.setattr("hocket.core.replacement.replace", fail)
    with pytest.raises(OSError, match="full"):
        play(Unstaggered(1), ticks_s(2), 20).record.trace.save(path)
    assert path.read_bytes() == before
