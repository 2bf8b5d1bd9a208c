import pytest

import hocket
from hocket.analysis.choice import WORTH, label, recommend, rules_of, worker_counts, worker_price_of
from hocket.core.rules import Sequential, TickDispatch
from hocket.errors import ConfigurationError

AGENT = hocket.Agent(latency=hocket.Constant(0.1))


def of(rule, regret, cores=1.0, memory=None):
    return hocket.analysis.Forecast(
        agent=AGENT,
        rule=rule,
        workers=rule.initial_workers,
        coverage=1 - regret,
        delay_mean=1.0,
        delay_p50=1.0,
        delay_p99=1.0,
        interval_mean=1.0,
        inaction_regret=regret,
        delay_regret=0.0,
        busy=cores,
        cores=cores,
        memory_bytes=memory,
        ticks=1,
        runs=1,
    )


def test_workers_have_a_price():
    few, more, most = of(TickDispatch(4), 0.206), of(TickDispatch(5), 0.2), of(TickDispatch(8), 0.198)
    some = [of(Sequential(), 0.9), few, more, most]
    # At 0.002: 0.214, 0.21, 0.214. The fourth worker saves more than its price, the last three do not.
    choice = recommend(some, 0.99, None, None, 0.002)
    assert choice.forecast is more
    assert "Regret 0.200" in choice.why and "8 workers" in choice.why and "sequential loop: 0.900" in choice.why
    assert "a worker must save 0.002" in choice.why
    assert recommend(some, 0.99, None, None, 0.01).forecast is few
    assert recommend(some, 0.99, None, None, 0.0).forecast is most


def test_the_knee():
    # A regret of 1/N after what cannot be avoided, with 12 workers on average: as many again must save 0.01.
    some = [of(TickDispatch(n), 0.1 + 1 / n) for n in range(1, 200)]
    chosen = recommend(some, 0.99, None, None, worker_price_of(12)).forecast.workers
    assert chosen == 35  # √(1 / (0.01/12)) = 34.6
    assert worker_price_of(1) == worker_price_of(0.3) == WORTH == 0.01


def test_among_as_many_workers_the_least_regret():
    worse, better = of(TickDispatch(4), 0.205), of(TickDispatch(4, quantile=0.99), 0.2)
    assert recommend([worse, better], 0.99, None, None, 0.01).forecast is better


def test_budgets():
    small, large = of(TickDispatch(2), 0.5, cores=2, memory=20), of(TickDispatch(8), 0.1, cores=8, memory=80)
    assert recommend([small, large], 0.99, 4, None, 0.01).forecast is small
    choice = recommend([small, large], 0.99, None, 50, 0.01)
    assert choice.forecast is small and "1 of 2 exceed the budget" in choice.why
    with pytest.raises(ConfigurationError, match=r"least needs 2\.00 cores"):
        recommend([small, large], 0.99, 1, None, 0.01)


def test_numbers_of_workers():
    assert worker_counts(33, 12, 600) == (1, 12, 13, 15, 18, 24, 33)
    assert worker_counts(33, 12, 14) == (1, 12, 13, 14)
    assert worker_counts(1, 1, 8) == (1, 2, 3)


def test_every_rule_has_a_name_of_its_own():
    rules = rules_of(1, 0.9)
    assert len({label(rule) for rule in rules}) == len(rules) == 8
    assert not any(isinstance(rule, Sequential) for rule in rules_of(2, 0.9))
    assert rules_of(3, 0.9)[-1] == TickDispatch(3, quantile="auto", predictability=0.9)
