import math
import time
from dataclasses import replace

import numpy as np
import pytest

import hocket
from hocket.bench.rules import idle_policy
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.latency import LatencyModel


def quick(source, hz=60, **more):
    return hocket.plan(source, hz, limit_s=2, **more)


@pytest.mark.slow
def test_constant_times():
    made = quick(hocket.Constant(0.195), update_s=0.09)  # 11.7 ticks
    assert made.workers_needed == 12 and made.recommended.workers == 12
    assert made.recommended.coverage > 0.99 and made.recommended.delay_mean == pytest.approx(12, abs=0.1)
    assert made.learners == 6  # 5.4 ticks of updates, an action a tick
    assert "N = 12" in str(made) and "Regret 0.10" in made.why  # 1 − 0.99^11
    assert {one.workers for one in made.forecasts} >= {1, 12, 13, 15, 18, 24}


@pytest.mark.slow
def test_inferences_within_a_tick_need_nothing_special():
    made = quick(hocket.Constant(0.01))
    assert isinstance(made.recommended.rule, hocket.Sequential) and made.recommended.regret_per_tick == 0


@pytest.mark.slow
def test_budgets_and_numbers():
    made = quick(hocket.Constant(0.195), workers=(6, 12), cores=7)
    assert made.recommended.workers == 6 and "exceed the budget" in made.why
    assert {one.workers for one in made.forecasts} == {1, 6, 12}
    made = quick(hocket.LogNormal(0.1, 0.3), most_workers=4)
    assert max(one.workers for one in made.forecasts) == 4


@pytest.mark.slow
def test_rules_of_ones_own():
    made = quick(hocket.Constant(0.195), workers=(12,), rules=lambda n: [hocket.TickDispatch(n, hold=False)])
    assert [one.rule for one in made.forecasts] == [hocket.TickDispatch(12, hold=False)]


@pytest.mark.slow
def test_a_file_of_times(tmp_path):
    (tmp_path / "times.txt").write_text("0.1\n0.11\n0.12\n")
    made = quick(tmp_path / "times.txt", workers=(7,))
    assert made.inference[""]["longest_s"] == pytest.approx(0.12)
    assert made.workers_needed == 8  # 7.2 ticks


class Autoregressive(LatencyModel):
    """Log-normal with mean 0.2 s; the logarithms of inferences in a row are correlated."""

    phi, sigma = 0.95, 0.3

    def sampler(self, rng):
        level = 0.0

        def duration_ns(worker, now_ns):
            nonlocal level
            level = self.phi * level + math.sqrt(1 - self.phi**2) * rng.standard_normal()
            return int(0.2e9 * math.exp(self.sigma * level - self.sigma**2 / 2))

        return duration_ns


class Regimes(LatencyModel):
    """Five seconds of 0.1 s an inference, then five of 0.3 s."""

    def sampler(self, rng):
        return lambda worker, now_ns: int((1 + 2 * (now_ns // (5 * 10**9) % 2)) * rng.normal(0.1e9, 0.005e9))


def drawn(law, count, seed=0):
    """A file's times: one inference begins on each tick of 60 Hz."""
    sample = law.sampler(np.random.default_rng(seed))
    return [sample(0, tick * 10**9 // 60) / 1e9 for tick in range(count)]


def measured(law, rule, ticks=12_000, seed=100):
    """Coverage, mean delay and regret of a virtual run of the law itself."""
    clock = hocket.Virtual(hz=60, latency=law)
    metrics = hocket.run(NullEnv(), idle_policy, rule, clock, ticks=ticks, seed=seed).metrics(1000)
    return metrics.coverage, float(metrics.delays.mean()), metrics.regret_per_tick(0.99)


def within(forecast, coverage, delay):
    return abs(forecast.coverage - coverage) <= 0.03 and abs(forecast.delay_mean - delay) <= max(1, 0.05 * delay)


LAWS = {"correlated": Autoregressive(), "regimes": Regimes()}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_the_order_of_a_files_times_is_kept(tmp_path, name):
    law = LAWS[name]
    (tmp_path / "times.txt").write_text("\n".join(map(str, drawn(law, 40_000))))
    made = hocket.plan(tmp_path / "times.txt", 60, limit_s=30)
    chosen = made.recommended
    assert "Times are alike over about" in " ".join(made.cautions) and "too small" not in " ".join(made.cautions)
    coverage, delay, _ = measured(law, chosen.rule)
    assert within(chosen, coverage, delay)
    # The best number of workers by search, with the law itself and the recommended kind of rule.
    tried = sorted({round(chosen.workers * ratio) for ratio in (0.6, 0.75, 0.88, 1, 1.13, 1.3, 1.6, 2.5)})
    cost = {n: measured(law, replace(chosen.rule, workers=n))[2] + made.worker_price * n for n in tried}
    assert chosen.workers == pytest.approx(min(cost, key=cost.get), rel=0.15), cost


@pytest.mark.slow
def test_a_small_file_says_so(tmp_path):
    for seed in range(3):
        (tmp_path / "times.txt").write_text("\n".join(map(str, drawn(LAWS["correlated"], 1000, seed))))
        made = quick(tmp_path / "times.txt")
        assert "The file is too small: its 1000 times, worth" in str(made)


def test_a_time_limit_is_kept(tmp_path):
    # One inference takes 60,000 ticks, so that the forecasts are for up to 600 workers.
    (tmp_path / "times.txt").write_text("0.001\n" * 999 + "1000\n")
    began_s = time.process_time()
    made = hocket.plan(tmp_path / "times.txt", 60, limit_s=2)
    assert time.process_time() - began_s < 4
    assert "One time, 1000 s, is 100% of the sum" in str(made)


@pytest.mark.slow
def test_workers_have_a_price():
    cheap = quick(hocket.LogNormal(0.2, 0.3), worker_price=0.0)
    knee = quick(hocket.LogNormal(0.2, 0.3))
    dear = quick(hocket.LogNormal(0.2, 0.3), worker_price=0.02)
    assert cheap.recommended.workers > knee.recommended.workers > dear.recommended.workers
    assert knee.worker_price == pytest.approx(0.01 / 12) and "a worker must save 0.02" in dear.why
    with pytest.raises(ConfigurationError, match="worker_price=-1"):
        quick(hocket.Constant(0.1), worker_price=-1)


@pytest.mark.slow
def test_where_more_workers_bring_nothing_the_knee_is_recommended():
    # The longest inference takes 185 ticks.
    made = quick(hocket.HeavyTail(0.2, 0.02, 20.0))
    assert made.workers_needed > 150 and made.recommended.workers < 40


@pytest.mark.slow
def test_rows_hold_plain_values():
    made = quick(hocket.Constant(1e6), workers=(1,))
    rows = made.rows()
    assert len(rows) == 8 and rows[0]["rule"] == {"name": "Sequential", "learn": "never"}
    assert rows[0]["delay_mean"] is None and rows[0]["coverage"] == 0
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows for value in row.values())


@pytest.mark.slow
def test_progress_and_the_same_seed():
    progress = []
    first = quick(hocket.Constant(0.03), workers=(2,), done=lambda *so_far: progress.append(so_far))
    assert progress[0] == (1, 15) and progress[-1] == (15, 15)
    assert [one.rule for one in first.forecasts] == [
        one.rule for one in quick(hocket.Constant(0.03), workers=(2,)).forecasts
    ]


@pytest.mark.slow
def test_it_draws(tmp_path):
    made = quick(hocket.Constant(0.05), workers=(2, 40))
    made.draw(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").read_bytes()[:4] == b"\x89PNG"


def waits(observation):
    time.sleep(0.01)
    return 0


@pytest.mark.realtime
def test_a_policy_is_measured():
    made = hocket.plan(waits, 50, env=NullEnv(), limit_s=1)
    assert isinstance(made.recommended.agent.latency, hocket.Crowded)
    assert made.inference[""]["mean_s"] >= 0.01
    assert made.recommended.memory_bytes > 0


def test_a_policy_without_an_environment():
    with pytest.raises(ConfigurationError, match=r"try plan\(\.\.\., env="):
        hocket.plan(waits, 50)
    with pytest.raises(ConfigurationError, match="neither a latency model"):
        hocket.plan(3, 50)
    with pytest.raises(ConfigurationError, match=r"workers=\(\) has no numbers"):
        quick(hocket.Constant(0.1), workers=())
