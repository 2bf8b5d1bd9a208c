import math
import time
from functools import partial

import pytest

import hocket
from hocket.analysis import race
from hocket.bench.laws import Autoregressive
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError


@pytest.fixture
def quick(short_race):
    return partial(hocket.plan, hz=60, limit_s=60)


@pytest.mark.slow
def test_constant_times(quick):
    made = quick(hocket.Constant(0.195), update_s=0.09)  # 11.7 ticks
    assert made.workers_needed == 12 and made.recommended.workers == 12
    assert made.recommended.coverage > 0.99 and made.recommended.delay_mean == pytest.approx(12, abs=0.1)
    assert made.learners == 6  # 5.4 ticks of updates, an action a tick
    assert "N = 12" in str(made) and "Regret 0.10" in made.why  # 1 − 0.99^11
    assert {one.workers for one in made.forecasts} >= {1, 12, 13, 15, 18, 24}


@pytest.mark.slow
def test_inferences_within_a_tick_need_nothing_special(quick):
    made = quick(hocket.Constant(0.01))
    assert isinstance(made.recommended.rule, hocket.Sequential) and made.recommended.regret_per_tick == 0


@pytest.mark.slow
def test_budgets_and_numbers(quick):
    made = quick(hocket.Constant(0.195), workers=(6, 12), cores=7)
    assert made.recommended.workers == 6 and "exceed the budget" in made.why
    assert {one.workers for one in made.forecasts} == {1, 6, 12}
    made = quick(hocket.LogNormal(0.1, 0.3), most_workers=4)
    assert max(one.workers for one in made.forecasts) == 4


@pytest.mark.slow
def test_rules_of_ones_own(quick):
    made = quick(hocket.Constant(0.195), workers=(12,), rules=lambda n: [hocket.TickDispatch(n, hold=False)])
    assert [one.rule for one in made.forecasts] == [hocket.TickDispatch(12, hold=False)]


@pytest.mark.slow
def test_a_file_of_times(quick, tmp_path):
    (tmp_path / "times.txt").write_text("0.1\n0.11\n0.12\n")
    made = quick(tmp_path / "times.txt", workers=(7,))
    assert made.inference[""]["longest_s"] == pytest.approx(0.12)
    assert made.workers_needed == 8  # 7.2 ticks


def test_a_time_limit_is_kept(tmp_path):
    # One inference takes 60,000 ticks, so that the forecasts are for up to 600 workers.
    (tmp_path / "times.txt").write_text("0.001\n" * 999 + "1000\n")
    began_s = time.process_time()
    made = hocket.plan(tmp_path / "times.txt", 60, limit_s=2)
    assert time.process_time() - began_s < 4
    assert "One time, 1000 s, is 100% of the sum" in str(made)


def staggered(workers):
    return [hocket.TickDispatch(workers)]


@pytest.mark.slow
def test_workers_have_a_price(quick, monkeypatch):
    monkeypatch.setattr(race, "FINALS", ((4, 6000), (2, 20_000)))  # correlated times: less would leave it to chance
    law = Autoregressive(0.2, 0.6, 0.95)  # each of 40 workers saves something
    cheap = quick(law, rules=staggered, worker_price=0.0)
    knee = quick(law, rules=staggered)
    dear = quick(law, rules=staggered, worker_price=0.02)
    assert cheap.recommended.workers > knee.recommended.workers > dear.recommended.workers
    assert knee.worker_price == pytest.approx(0.01 / 12, rel=0.1) and "a worker must save 0.02" in dear.why
    with pytest.raises(ConfigurationError, match="worker_price=-1"):
        quick(hocket.Constant(0.1), worker_price=-1)


@pytest.mark.slow
def test_where_more_workers_bring_nothing_the_knee_is_recommended(quick):
    # The longest inference takes 185 ticks.
    made = quick(hocket.HeavyTail(0.2, 0.02, 20.0))
    assert made.workers_needed > 150 and made.recommended.workers < 40


@pytest.mark.slow
def test_rows_hold_plain_values(quick):
    made = quick(hocket.Constant(1e6), workers=(1,))
    rows = made.rows()
    assert len(rows) == 8 and rows[0]["rule"] == {"name": "Sequential", "learn": "never"}
    assert rows[0]["delay_mean"] is None and rows[0]["coverage"] == 0
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows for value in row.values())


@pytest.mark.slow
def test_progress_and_the_same_seed(quick):
    progress = []
    first = quick(hocket.Constant(0.03), workers=(2,), done=lambda *so_far: progress.append(so_far))
    assert progress[0] == (1, 15) and progress[-1] == (15, 15)
    assert [one.rule for one in first.forecasts] == [
        one.rule for one in quick(hocket.Constant(0.03), workers=(2,)).forecasts
    ]


@pytest.mark.slow
def test_it_draws(quick, tmp_path):
    made = quick(hocket.Constant(0.05), workers=(2, 40))
    made.draw(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_what_is_drawn(quick, monkeypatch, tmp_path):
    from matplotlib.figure import Figure

    figures, usual = [], Figure.savefig

    def savefig(self, *args, **options):
        figures.append(self)
        usual(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    made = quick(hocket.Constant(0.05), workers=(2, 40))
    made.draw(tmp_path / "plan.png")
    left, right = figures[0].axes
    legend = {line.get_label(): line for line in figures[0].legends[0].legend_handles}
    of_rules = {line.get_label(): line for line in left.lines}
    # The legend shows each rule as it is drawn, and each rule has its own marker in both panels.
    assert legend.keys() == {*of_rules, "recommended"}
    for name, line in of_rules.items():
        assert (legend[name].get_marker(), legend[name].get_color()) == (line.get_marker(), line.get_color())
    markers = [line.get_marker() for line in left.lines]
    assert len(set(markers)) == len(markers) > 1
    assert [line.get_marker() for line in right.lines] == markers
    # Numbers of workers stand beside points of both panels, that of the recommended one among them.
    for panel in (left, right):
        written = {text.get_text(): text.xy for text in panel.texts}
        assert {f"N={made.recommended.workers}"} <= written.keys() <= {"N=1", "N=2", "N=40"}  # 1: sequential
        points = {point for line in panel.lines for point in zip(line.get_xdata(), line.get_ydata(), strict=True)}
        assert set(written.values()) <= points


def waits(observation):
    time.sleep(0.01)
    return 0


@pytest.mark.realtime
def test_a_policy_is_measured():
    made = hocket.plan(waits, 50, env=NullEnv(), limit_s=1)
    assert isinstance(made.recommended.agent.latency, hocket.Crowded)
    assert made.inference[""]["mean_s"] >= 0.01
    assert made.recommended.memory_bytes > 0


def test_a_policy_without_an_environment(quick):
    with pytest.raises(ConfigurationError, match=r"try plan\(\.\.\., env="):
        hocket.plan(waits, 50)
    with pytest.raises(ConfigurationError, match="neither a latency model"):
        hocket.plan(3, 50)
    with pytest.raises(ConfigurationError, match=r"workers=\(\) has no numbers"):
        quick(hocket.Constant(0.1), workers=())


def test_chunks_need_fewer_workers_or_none_is_enough(short_race):
    def made(length, **more):
        agent = hocket.Agent(latency=hocket.Constant(0.2), chunk_length=length)
        return hocket.plan(agent, 50, rules=staggered, limit_s=60, **more)  # 10 ticks

    # Three actions of 12 come in time: ⌈10/3⌉ = 4 workers.
    plan = made(12, most_workers=5)
    assert plan.workers_needed == 4 and "N*          4 workers" in str(plan)
    assert {one.workers: one.coverage for one in plan.forecasts}[4] == 1
    plan = made(9, workers=(1,))
    assert plan.workers_needed is None and "no number of workers" in str(plan)
    assert plan.recommended.coverage == 0 and "chunks have actions for 9" in " ".join(plan.cautions)
