import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.latency import Independent, Typical
from hocket.testing import check_latency

LAWS = [
    hocket.Constant(0.2),
    hocket.LogNormal(0.2, 0.3),
    hocket.LogNormal(0.2, 1.0),
    hocket.Gamma(0.2, 4),
    hocket.HeavyTail(0.2),
    hocket.HeavyTail(0.2, 0.1, 3.0),
    hocket.Empirical((0.1, 0.3)),
    hocket.PerWorker(hocket.Constant(0.1), (1.0, 3.0)),
    hocket.Changing(hocket.Constant(0.1), hocket.Constant(0.3), at_s=1.0),
]


def draws(law, count=1000, seed=0, now_ns=0, worker=0):
    sample = law.sampler(np.random.default_rng(seed))
    return np.array([sample(worker, now_ns) for _ in range(count)])


@pytest.mark.parametrize("law", LAWS[:7], ids=repr)
def test_the_mean_is_exact(law):
    seconds = draws(law, 100_000) / 1e9
    standard_error = seconds.std() / np.sqrt(len(seconds))
    assert abs(seconds.mean() - 0.2) <= 5 * standard_error + 1e-9


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_it_conforms(law):
    check_latency(law)
    assert (draws(law) > 0).all()


def test_spread():
    assert np.log(draws(hocket.LogNormal(0.2, 0.3), 50_000)).std() == pytest.approx(0.3, rel=0.02)
    gamma = draws(hocket.Gamma(0.2, 4), 50_000)
    assert gamma.std() / gamma.mean() == pytest.approx(0.5, rel=0.02)  # 1/√shape
    heavy = draws(hocket.HeavyTail(0.2), 50_000)
    usual = 0.2e9 / 1.04
    assert set(np.round(np.unique(heavy) / usual, 6)) == {1.0, 5.0}
    assert (heavy > 2 * usual).mean() == pytest.approx(0.01, abs=0.003)


def test_each_worker_has_its_factor():
    law = hocket.PerWorker(hocket.Constant(0.1), np.array([1.0, 1.5]))
    sample = law.sampler(np.random.default_rng(0))
    assert [sample(w, 0) for w in range(4)] == [100_000_000, 150_000_000, 100_000_000, 150_000_000]


def test_changing_changes_at_its_time():
    sample = hocket.Changing(hocket.Constant(0.1), hocket.Constant(0.3), at_s=2.0).sampler(np.random.default_rng(0))
    assert [sample(0, ns) for ns in (0, 1_999_999_999, 2_000_000_000)] == [10**8, 10**8, 3 * 10**8]


def test_absurdly_long_times_stay_positive():
    assert draws(hocket.LogNormal(1e12, 2.0)).min() > 0


def test_empirical_takes_any_sequence():
    assert hocket.Empirical(np.array([0.1, 0.2])) == hocket.Empirical((0.1, 0.2))


def test_from_lines_and_from_json(tmp_path):
    (tmp_path / "lines").write_text("0.1\n0.2\n\n0.3\n")
    (tmp_path / "list.json").write_text(json.dumps([0.1, 0.2, 0.3]))
    for name in ("lines", "list.json"):
        assert hocket.Empirical.from_file(tmp_path / name).durations_s == (0.1, 0.2, 0.3)


def test_from_a_saved_run(tmp_path):
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    hocket.run(NullEnv(), lambda observation: 1, hocket.TickDispatch(2), clock, ticks=50).save(tmp_path)
    law = hocket.Empirical.from_file(tmp_path / "inferences.npz")
    assert set(law.durations_s) == {0.03}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty", b""),
        ("blank", b"\n \n"),
        ("words", b"fast\nslow"),
        ("negative", b"0.1\n-0.2"),
        ("zero", b"0.0"),
        ("nan", b"nan"),
        ("infinite", b"inf"),
        ("binary", bytes(range(256))),
        ("empty.json", b"[]"),
        ("nested.json", b"[[0.1]]"),
        ("cut.json", b"[0.1, 0.2"),
        ("table.json", b'{"a": 1}'),
        ("empty.npz", b""),
        ("garbage.npz", b"garbage"),
        ("cut.npz", b"PK\x03\x04 and no more"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=name):
        hocket.Empirical.from_file(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        hocket.Empirical.from_file(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "make",
    [
        lambda: hocket.Constant(-0.1),
        lambda: hocket.Constant(float("nan")),
        lambda: hocket.Constant("0.1"),
        lambda: hocket.LogNormal(0, 0.3),
        lambda: hocket.LogNormal(0.2, 0),
        lambda: hocket.Gamma(0.2, -1),
        lambda: hocket.HeavyTail(0.2, probability=1.5),
        lambda: hocket.HeavyTail(0.2, factor=0),
        lambda: hocket.Empirical(()),
        lambda: hocket.PerWorker(hocket.Constant(0.1), ()),
        lambda: hocket.PerWorker(hocket.Constant(0.1), (1.0, 0.0)),
        lambda: hocket.PerWorker(0.1, (1.0,)),
        lambda: hocket.Changing(hocket.Constant(0.1), 0.3, at_s=1.0),
        lambda: hocket.Changing(hocket.Constant(0.1), hocket.Constant(0.1), at_s=-1),
    ],
)
def test_bad_parameters_are_refused(make):
    with pytest.raises(ConfigurationError):
        make()


@dataclass(frozen=True)
class Draws(hocket.LatencyModel):
    """An own law that always draws ``value``."""

    value: Any

    def sampler(self, rng):
        return lambda worker, now_ns: self.value


@dataclass(frozen=True)
class DrawsSeconds(Independent):
    value: Any

    def draw_s(self, rng, count):
        return self.value(count) if callable(self.value) else np.full(count, self.value)


def play(**laws):
    rule = hocket.Sequential(hocket.Learn.AFTER_INFERENCE) if "learning" in laws else hocket.TickDispatch(2)
    policy = hocket.TwoStage(lambda o: o, lambda o: 1, head_s=0.001) if "head" in laws else lambda observation: 1
    clock = hocket.Virtual(hz=50, **{"latency": hocket.Constant(0.01), **laws})
    return hocket.run(NullEnv(), policy, rule, clock, ticks=20)


NONSENSE = [-1, 0.05, float("nan"), float("inf"), 10**19, None, "5", True, np.float64(-5), np.array([1]), 1j]


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize("name", ["latency", "head", "learning"])
def test_nonsense_of_an_own_law_is_refused_when_drawn(name, value):
    with pytest.raises(ConfigurationError, match=r"Draws\(value=.*drew the duration .*; whole nanoseconds.*; try"):
        play(**{name: Draws(value)})


@pytest.mark.parametrize(
    "law",
    [
        hocket.PerWorker(Draws(float("nan")), (1.0, 2.0)),
        hocket.Changing(Draws(-1), hocket.Constant(0.1), at_s=1.0),
        Typical(Draws(-1)),
        hocket.Charged(lambda observation: 1, Draws(-1)),
    ],
    ids=lambda law: type(law).__name__,
)
def test_nonsense_inside_another_law_too(law):
    with pytest.raises(ConfigurationError, match=r"Draws\(value=.*drew the duration"):
        if isinstance(law, hocket.Charged):
            law.build()(None)
        else:
            play(latency=law)


@pytest.mark.parametrize("value", [20_000_000, np.int64(20_000_000), 2e7, np.float32(2e7)], ids=repr)
def test_whole_numbers_of_any_kind_are_taken(value):
    assert play(latency=Draws(value)).metrics().inferences.finished_ns[0] == 20_000_000


@pytest.mark.parametrize("wrap", [lambda law: law, Typical], ids=["law", "typical"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.1, r"drew the duration -0\.1 s; finite seconds"),
        (float("nan"), r"drew the duration nan s"),
        (float("inf"), r"drew the duration inf s"),
        (lambda count: np.zeros((count, 1)), r"ndarray of shape \(\d+, 1\); numbers of shape \(\d+,\) are needed; try"),
        (lambda count: 0.1, r"float of shape \(\)"),
        (lambda count: ["soon"] * count, r"gave list"),
    ],
)
def test_nonsense_of_an_independent_law_is_refused(wrap, value, message):
    with pytest.raises(ConfigurationError, match=message):
        play(latency=wrap(DrawsSeconds(value)))


def test_invalid_samplers_are_refused():
    class Forgot(hocket.LatencyModel):
        def sampler(self, rng):
            pass

    with pytest.raises(ConfigurationError, match=r"sampler of .*Forgot.* is None; a function"):
        play(latency=Forgot())


class Gives(hocket.LatencyModel):
    """Its sampler is ``given``."""

    def __init__(self, given):
        self.given = given

    def sampler(self, rng):
        return self.given


class Bare(hocket.LatencyModel):
    def sampler(self):
        return lambda worker, now_ns: 1


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (Gives(50_000_000), r"sampler of .*Gives.* is 50000000; a function \(worker, now_ns\)"),
        (Gives(lambda: 5), r"sampler of .*Gives.* is <function .*; a function \(worker, now_ns\)"),
        (Gives(lambda worker: 5), r"sampler of .*Gives.* is <function"),
        (Gives(lambda worker, now_ns, more: 5), r"sampler of .*Gives.* is <function"),
        (Bare(), r"Bare.*sampler must take one argument"),
    ],
)
def test_laws_of_the_users_are_checked_where_they_are_given(law, message):
    for name in ("latency", "head", "learning"):
        laws = {"latency": hocket.Constant(0.01), name: law}
        with pytest.raises(ConfigurationError, match=message):
            hocket.Virtual(hz=50, **laws)
    with pytest.raises(ConfigurationError, match=message):
        hocket.ActingOptions(charge=law)
    with pytest.raises(ConfigurationError, match=message):
        hocket.Virtual(hz=50, latency=hocket.PerWorker(law, (1.0,)))


def test_samplers_of_any_callable_kind_are_taken():
    for given in (lambda *given: 7, lambda worker, now_ns, more=1: 7, max, np.maximum):
        assert hocket.Virtual(hz=50, latency=Gives(given)).latency.checked_sampler(None)(7, 7) == 7


def test_scaled_times_stay_in_bounds():
    law = hocket.PerWorker(hocket.Constant(1e8), (1e6,))
    assert law.checked_sampler(np.random.default_rng(0))(0, 0) == 10**18


class Undecorated(hocket.LatencyModel):
    """No dataclass."""

    def __init__(self):
        self.base_s = 0.02

    def sampler(self, rng):
        return lambda worker, now_ns: int(self.base_s * 1e9)


def test_a_law_that_is_no_dataclass_is_recorded_by_its_fields(tmp_path):
    law = hocket.PerWorker(Undecorated(), (1.0, 2.0))
    for given, described in [
        (Undecorated(), {"name": "Undecorated", "base_s": 0.02}),
        (law, {"name": "PerWorker", "law": {"name": "Undecorated", "base_s": 0.02}, "factors": (1.0, 2.0)}),
    ]:
        result = play(latency=given)
        assert result.config["clock"]["latency"] == described
        result.save(tmp_path)
        assert hocket.load(tmp_path).config["clock"]["latency"]["name"] == described["name"]
