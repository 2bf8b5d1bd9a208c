from time import perf_counter

import hocket
from hocket.analysis.choice import rules_of
from hocket.analysis.forecast import Agent, Playing
from hocket.analysis.race import LOOK_TICKS, Race, between

AGENT = Agent(latency=hocket.Constant(0.195))  # 11.7 ticks


def begin(agent, rule):
    return Playing(agent, rule, 60)


def race(limit_s, price=0.001):
    return Race(begin, lambda one: one.regret_per_tick + price * one.workers, limit_s)


def test_numbers_between_neighbours():
    assert between(8, [2, 8, 32]) == [4, 16]
    assert between(8, [8, 32]) == [16]
    assert between(12, [11, 12, 13]) == []  # as close as whole numbers can be
    assert between(20, [19, 20, 40]) == [28]


def test_all_are_looked_at_and_the_best_are_played_for_longer():
    rules = [hocket.TickDispatch(n) for n in (1, 4, 12)]
    running, progress = race(20.0), []
    running.look([(AGENT, rule) for rule in rules], lambda *so_far: progress.append(so_far))
    assert [one.ticks for one in running.forecasts] == [LOOK_TICKS] * 3
    assert progress == [(1, 3), (2, 3), (3, 3)]
    running.search(lambda number: [hocket.TickDispatch(number)])
    # 12 cover every tick. 7 lie between it and 4, then 9 between 12 and 7, 10 and 11.
    assert {one.workers for one in running.forecasts} >= {1, 4, 7, 9, 12}
    running.finish()
    best = min(running.forecasts, key=lambda one: one.regret_per_tick)
    assert best.workers == 12 and best.ticks > 4000


def test_what_there_is_no_time_for_is_counted():
    running = race(0.001)
    running.look([(AGENT, rule) for number in range(1, 200) for rule in rules_of(number, 0.99)], None)
    running.search(lambda number: rules_of(number, 0.99))
    began_s = perf_counter()
    running.finish()
    assert perf_counter() - began_s < 1
    assert running.forecasts and running.skipped == 199 * 7 + 1 - len(running.forecasts)
