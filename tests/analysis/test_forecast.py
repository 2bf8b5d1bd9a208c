import math

import pytest

import hocket
from hocket.analysis.forecast import latency_figures
from hocket.bench.rules import idle_policy
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError


def quick(rule, law, hz=60, **more):
    return hocket.forecast(law, rule, hz, ticks=1000, limit_s=60, **more)


def test_constant_times_by_hand():
    # 195 ms are 11.7 ticks of 1/60 s: 12 workers act at every tick, one at every twelfth.
    staggered = quick(hocket.TickDispatch(12), hocket.Constant(0.195), predictability=0.9)
    assert staggered.coverage == 1 and (staggered.delay_mean, staggered.delay_p50, staggered.delay_p99) == (12, 12, 12)
    assert staggered.inaction_regret == 0
    assert staggered.delay_regret == pytest.approx(1 - 0.9**11) == staggered.regret_per_tick
    assert staggered.busy == pytest.approx(11.7, rel=0.02)
    one = quick(hocket.Sequential(), hocket.Constant(0.195), predictability=0.9)
    assert one.coverage == pytest.approx(1 / 12, abs=0.003) and one.interval_mean == 12
    assert one.regret_per_tick == pytest.approx(1 - one.coverage * 0.9**11)
    assert one.busy == pytest.approx(11.7 / 12, rel=0.02) and one.workers == 1


@pytest.mark.slow
def test_it_is_what_the_driver_does_on_another_seed():
    law, rule = hocket.LogNormal(0.1, 0.3), hocket.TickDispatch(8)
    said = hocket.forecast(law, rule, 60, ticks=3000, limit_s=60)
    clock = hocket.Virtual(hz=60, latency=law)
    seen = hocket.run(NullEnv(), idle_policy, rule, clock, ticks=3000, seed=99).summary()
    assert said.runs == 4 and said.ticks == 12_000
    assert said.coverage == pytest.approx(seen.steady_coverage, abs=0.03)
    assert said.delay_mean == pytest.approx(seen.delay_mean, abs=1)
    assert said.interval_mean == pytest.approx(seen.interval_mean, rel=0.03)


def test_the_same_seed_is_the_same_forecast():
    first, again = (quick(hocket.MaxTime(5), hocket.Gamma(0.1, 4), seed=3) for _ in range(2))
    assert first.runs == 4 and first == again


def test_a_short_limit_plays_fewer_ticks_but_some():
    said = hocket.forecast(hocket.Constant(0.01), hocket.Sequential(), 60, limit_s=1e-6)
    assert (said.ticks, said.runs) == (500, 1)


def test_memory_and_processors_are_the_agents():
    agent = hocket.Agent(latency=hocket.Constant(0.195), cores_each=2.0, worker_bytes=10)
    said = quick(hocket.TickDispatch(12), agent)
    assert said.memory_bytes == 120 and said.cores == pytest.approx(2 * said.busy)
    assert quick(hocket.TickDispatch(12), hocket.Constant(0.195)).memory_bytes is None


def test_what_is_cancelled_frees_its_worker():
    said = quick(hocket.TickDispatch(5, quantile="auto"), hocket.LogNormal(0.08, 0.6))
    assert 0 < said.busy <= 5


def test_automatic_workers_are_counted():
    rule = hocket.TickDispatch("auto", max_workers=9)
    said = quick(rule, hocket.Constant(0.09))  # 5.4 ticks
    assert 5 < said.workers <= 9 and said.coverage > 0.9


@pytest.mark.slow
def test_chunks_and_two_stages_and_episodes():
    def chunks(length, alignment=hocket.Alignment.OBSERVATION):
        agent = hocket.Agent(latency=hocket.Constant(0.095), chunk_length=length, alignment=alignment)  # 5.7 ticks
        return quick(hocket.TickDispatch(2), agent)

    # Two workers start every third tick. All of 6 actions count from the release; from the observation 5 come too late.
    assert chunks(6, hocket.Alignment.RELEASE).coverage > 0.99
    assert chunks(6).coverage == pytest.approx(2 / 6, abs=0.02) == chunks(1).coverage
    assert chunks(8).coverage > 0.99
    late = hocket.Agent(latency=hocket.Constant(0.04), head_s=0.002)
    assert quick(hocket.TickDispatch(4), late).coverage == 1
    # An episode of 20 ticks begins with five ticks without a possible action: the first action has delay 6.
    episodic = quick(hocket.TickDispatch(6), hocket.Constant(0.095), episode_ticks=20)
    assert episodic.coverage == pytest.approx(15 / 20, abs=0.01)


def test_nothing_ever_ready():
    said = quick(hocket.Sequential(), hocket.Constant(1e6))
    assert said.coverage == 0 and said.regret_per_tick == 1
    assert math.isnan(said.delay_mean) and math.isnan(said.delay_p99)
    assert said.busy == pytest.approx(1)


@pytest.mark.parametrize("rho", [0, -0.1, 1.01, "a"])
def test_invalid_predictabilities_are_refused(rho):
    with pytest.raises(ConfigurationError, match="predictability"):
        quick(hocket.Sequential(), hocket.Constant(0.1), predictability=rho)


def test_invalid_limits_are_refused():
    with pytest.raises(ConfigurationError, match="limit_s=0"):
        hocket.forecast(hocket.Constant(0.1), hocket.Sequential(), 60, limit_s=0)


def test_figures_of_a_law():
    figures = latency_figures(hocket.HeavyTail(0.2, 0.1, 5.0), count=2000)
    usual = 0.2 / 1.4
    assert figures["p50_s"] == pytest.approx(usual) and figures["longest_s"] == pytest.approx(5 * usual)
    assert figures["mean_s"] == pytest.approx(0.2, rel=0.1)
