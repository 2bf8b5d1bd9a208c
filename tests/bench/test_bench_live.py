import pytest

from hocket.bench.live import VIEWERS, ComputingPolicy, DrawnEnv, _row, bench_live, cases
from hocket.instruments.images import picture_of


def test_the_cases():
    waiting, computing = cases(60.0, 72)
    assert waiting.workers == 72 and waiting.policy.seconds == pytest.approx(1.08)  # they would do for 1.2 s
    assert (computing.workers, computing.policy.seconds) == (2, 1.6 / 60)
    assert ComputingPolicy(0.001)(None) == 0


def test_the_picture_changes():
    env = DrawnEnv()
    env.reset()
    first = picture_of(env.render()).content
    env.step(0)
    second = picture_of(env.render())
    assert (second.kind, second.height, second.width) == ("rgb", 210, 160) and second.content != first


@pytest.mark.alone
@pytest.mark.realtime
def test_two_viewers_load_the_page():
    said = []
    rows = bench_live(hz=60.0, waiting=3, seconds=0.7, rounds=1, tell=said.append)
    assert [row["case"] for row in rows] == ["3 workers that wait", "2 workers that compute"]
    assert len(said) == 2 and VIEWERS == 2
    for row in rows:
        assert 2 < row["frames_per_s"] < 70 and 0 < row["coverage_live"] <= 1
        assert {"coverage_within", "lateness_within", "lateness_p99_s", "lateness_p99_live_s"} <= row.keys()


@pytest.mark.parametrize(
    ("coverages", "lateness_s", "coverage_within", "lateness_within"),
    [
        ((0.98, 0.975), (0.0001, 0.00019), True, True),
        ((0.98, 0.96), (0.0001, 0.00021), False, False),
        ((0.90, 0.99), (0.001, 0.0014), True, True),
        ((0.98, 0.98), (0.001, 0.0016), True, False),
    ],
)
def test_bounds_of_coverage_and_lateness(monkeypatch, coverages, lateness_s, coverage_within, lateness_within):
    class Result:
        def __init__(self, i):
            self.i = i

        def summary(self):
            return type("Summary", (), {"tick_loop_cpu_share": 0.03})

    from hocket.bench import live

    monkeypatch.setattr(live, "_figures", lambda results: (coverages[results[0].i], lateness_s[results[0].i]))
    row = _row(cases(60.0, 72)[0], [Result(0)], [Result(1)], 30.0)
    assert (row["coverage_within"], row["lateness_within"]) == (coverage_within, lateness_within)
