import pytest

import hocket
from hocket.analysis.choice import label, recommend, rules_of, worker_counts
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


def test_the_fewest_workers_that_are_about_as_good():
    few, more, most = of(TickDispatch(4), 0.205), of(TickDispatch(5), 0.2), of(TickDispatch(8), 0.198)
    choice = recommend([of(Sequential(), 0.9), few, more, most], 0.99, None, None)
    assert choice.forecast is few
    assert "Regret 0.205" in choice.why and "8 workers" in choice.why and "sequential loop: 0.900" in choice.why
    assert recommend([few, of(TickDispatch(8), 0.1)], 0.99, None, None).forecast.workers == 8


def test_among_as_many_workers_the_least_regret():
    worse, better = of(TickDispatch(4), 0.205), of(TickDispatch(4, quantile=0.99), 0.2)
    assert recommend([worse, better], 0.99, None, None).forecast is better


def test_budgets():
    small, large = of(TickDispatch(2), 0.5, cores=2, memory=20), of(TickDispatch(8), 0.1, cores=8, memory=80)
    assert recommend([small, large], 0.99, 4, None).forecast is small
    choice = recommend([small, large], 0.99, None, 50)
    assert choice.forecast is small and "1 of 2 exceed the budget" in choice.why
    with pytest.raises(ConfigurationError, match=r"least needs 2\.00 cores"):
        recommend([small, large], 0.99, 1, None)


def test_numbers_of_workers():
    assert worker_counts(33, 12, 600) == (1, 12, 13, 15, 18, 24, 33)
    assert worker_counts(33, 12, 14) == (1, 12, 13, 14)
    assert worker_counts(1, 1, 8) == (1, 2, 3)


def test_every_rule_has_a_name_of_its_own():
    rules = rules_of(1, 0.9)
    assert len({label(rule) for rule in rules}) == len(rules) == 8
    assert not any(isinstance(rule, Sequential) for rule in rules_of(2, 0.9))
    assert rules_of(3, 0.9)[-1] == TickDispatch(3, quantile="auto", predictability=0.9)
