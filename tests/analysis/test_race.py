from time import process_time

import pytest

import hocket
import hocket.analysis.race as race_module
from hocket.analysis.choice import rules_of
from hocket.analysis.forecast import Agent, Playing
from hocket.analysis.race import LOOK_TICKS, Race, near

AGENT = Agent(latency=hocket.Constant(0.195))  # 11.7 ticks


def begin(agent, rule):
    return Playing(agent, rule, 60)


def race(limit_s, price=0.001):
    return Race(begin, lambda one: (one.regret_per_tick + price * one.workers,), limit_s)


def test_numbers_between_neighbours():
    assert near(8, [2, 8, 32], 600) == [4, 16]
    assert near(8, [8, 32], 600) == [16]
    assert near(12, [11, 12, 13], 600) == []  # as close as whole numbers can be
    assert near(20, [19, 20, 40], 600) == [28]


def test_numbers_beyond_the_largest():
    assert near(32, [2, 8, 32], 600) == [16, 48]
    assert near(32, [2, 8, 32], 40) == [16, 40]
    assert near(32, [31, 32], 32) == []


@pytest.mark.slow
def test_all_are_looked_at_and_the_best_are_played_for_longer(monkeypatch):
    monkeypatch.setattr(race_module, "FINALS", ((2, 5000),))
    rules = [hocket.TickDispatch(n) for n in (1, 4, 12)]
    running, progress = race(20.0), []
    running.look([(AGENT, rule) for rule in rules], lambda *so_far: progress.append(so_far))
    assert [one.ticks for one in running.forecasts] == [LOOK_TICKS] * 3
    assert progress == [(1, 3), (2, 3), (3, 3)]
    running.search(lambda number: [hocket.TickDispatch(number)], 600)
    # 12 cover every tick. 7 lie between it and 4, then 9 between 12 and 7, 10 and 11.
    assert {one.workers for one in running.forecasts} >= {1, 4, 7, 9, 12}
    running.finish()
    best = min(running.forecasts, key=lambda one: one.regret_per_tick)
    assert best.workers == 12 and best.ticks > 4000


def test_what_comes_out_best_has_been_played_for_long(monkeypatch):
    # A short look at times that vary a lot is often lucky; what is best in the end must not be.
    monkeypatch.setattr(race_module, "FINALS", ((1, 6000),))
    agent = Agent(latency=hocket.HeavyTail(0.2, 0.02, 20.0))
    running = race(100.0, price=0.0)
    running.look([(agent, hocket.TickDispatch(number)) for number in range(14, 22)], None)
    running.finish()
    assert min(running.forecasts, key=lambda one: one.regret_per_tick).ticks == 6000


def test_what_there_is_no_time_for_is_counted():
    running = race(0.001)
    running.look([(AGENT, rule) for number in range(1, 200) for rule in rules_of(number, 0.99)], None)
    running.search(lambda number: rules_of(number, 0.99), 600)
    began_s = process_time()
    running.finish()
    assert process_time() - began_s < 1
    assert running.forecasts and running.skipped == 199 * 7 + 1 - len(running.forecasts)
