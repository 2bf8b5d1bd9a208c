"""The ticks that the steps of a chunk are for: aligned to the observation (a horizon), or to the release (none)."""

from pathlib import Path

import pytest
from virtual import play, ticks_s

from hocket import Alignment, workers_needed
from hocket.core import commands as c
from hocket.core import events as e
from hocket.core.cadence import Cadence
from hocket.core.commands import Outcome
from hocket.core.rules import ExpectedTime, MaxTime, OneInFlight, Rule, Sequential, TickDispatch, Unstaggered
from hocket.core.rules.playout import Playout
from hocket.core.scheduler import Scheduler
from hocket.errors import ProtocolError

MS = 1_000_000
HZ = 100
CONCEPTS = Path(__file__).parents[2] / "docs" / "concepts.md"


def begun(rule: Rule, horizon_ticks: int, workers: int = 1) -> Scheduler:
    """A scheduler at 10 ms a tick with its workers and observation 0."""
    scheduler = Scheduler(rule, Cadence(HZ), horizon_ticks=horizon_ticks)
    for worker in range(workers):
        scheduler.handle(e.WorkerJoined(0, worker))
    scheduler.handle(e.Ticked(0, 0))
    return scheduler


def tick(scheduler: Scheduler, k: int) -> list[c.Command]:
    """Tick k at its deadline; the commands of the deadline, then those of the tick."""
    commands = scheduler.handle(e.DeadlineReached(k * 10 * MS, k))
    commands += scheduler.handle(e.Ticked(k * 10 * MS, k))
    scheduler.validate()
    return commands


def test_steps_whose_ticks_have_passed_are_skipped():
    scheduler = begun(Unstaggered(1), 5)
    assert [tick(scheduler, k)[0] for k in (1, 2)] == [c.ExecuteDefault(1), c.ExecuteDefault(2)]
    scheduler.handle(e.InferenceFinished(24 * MS, 0, length=5))  # for ticks 1 to 5
    assert [tick(scheduler, k)[0] for k in (3, 4)] == [c.Execute(3, 0, 2, 3), c.Execute(4, 0, 3, 4)]
    # The answer to observation 2 is for ticks 3 to 7. It takes over at its own step for tick 5.
    scheduler.handle(e.InferenceFinished(48 * MS, 1, length=5))
    assert tick(scheduler, 5)[:2] == [c.EndInference(0, Outcome.EXECUTED), c.Execute(5, 1, 2, 3)]


def test_a_last_step_is_not_repeated_and_a_short_answer_ends_early():
    scheduler = begun(Unstaggered(1), 5)
    scheduler.handle(e.InferenceFinished(9 * MS, 0, length=2))
    assert tick(scheduler, 1)[0] == c.Execute(1, 0, 0, 1)
    assert tick(scheduler, 2)[:2] == [c.Execute(2, 0, 1, 2), c.EndInference(0, Outcome.EXECUTED)]
    assert tick(scheduler, 3)[0] == c.ExecuteDefault(3)


def test_what_runs_after_all_its_ticks_is_cancelled():
    scheduler = begun(Unstaggered(1), 2)
    assert tick(scheduler, 1) == [c.ExecuteDefault(1)]
    cancelled = [c.EndInference(0, Outcome.CANCELLED), c.Cancel(0, 0)]  # it is for ticks 1 and 2
    assert tick(scheduler, 2) == [c.ExecuteDefault(2), *cancelled]
    assert tick(scheduler, 3) == [c.ExecuteDefault(3)]
    assert scheduler.handle(e.InferenceCancelled(34 * MS, 0)) == [c.StartInference(1, 0, observation=3, target=-1)]


def test_what_cannot_be_stopped_frees_its_worker_at_its_end():
    scheduler = begun(Unstaggered(1), 2)
    for k in (1, 2):
        tick(scheduler, k)
    out = scheduler.handle(e.InferenceFinished(24 * MS, 0, length=2))
    assert out == [c.StartInference(1, 0, observation=2, target=-1)]
    scheduler.validate()


def test_without_a_horizon_nothing_is_cancelled():
    scheduler = begun(Unstaggered(1), 0)
    assert [tick(scheduler, k) for k in range(1, 9)] == [[c.ExecuteDefault(k)] for k in range(1, 9)]


@pytest.mark.parametrize(
    "rule", [Sequential(), Unstaggered(2), OneInFlight(0.5), MaxTime(2), ExpectedTime(2), TickDispatch(2)]
)
def test_every_rule_gives_the_worker_of_a_cancelled_inference_another(rule):
    """Inferences of 20 ticks with a horizon of 8: nothing is ever executed, and each ends after 8 ticks."""
    metrics = play(rule, ticks_s(20), 400, chunk=8, alignment=Alignment.OBSERVATION)
    assert metrics.coverage == 0
    cancelled = metrics.outcomes["cancelled"]
    assert cancelled >= 40 and sum(metrics.outcomes.values()) - cancelled == metrics.outcomes["discarded"]


def test_an_answer_after_all_its_ticks_is_dropped():
    scheduler = begun(Unstaggered(1), 5)
    for k in (1, 2):
        tick(scheduler, k)
    out = scheduler.handle(e.InferenceFinished(24 * MS, 0, length=2))  # for ticks 1 and 2
    assert out == [c.EndInference(0, Outcome.DROPPED), c.StartInference(1, 0, observation=2, target=-1)]


def test_an_answer_is_held_only_while_another_acts():
    # D is 4. Nothing acts before observation 0 is answered, so it is not held until tick 4.
    scheduler = begun(TickDispatch(1, min_delay_ticks=4), 6)
    scheduler.handle(e.InferenceFinished(9 * MS, 0, length=6))  # for ticks 1 to 6
    assert tick(scheduler, 1)[0] == c.Execute(1, 0, 0, delay_ticks=1)
    # Observation 1 is answered for ticks 2 to 7, and takes over at its target, tick 5, with step 3.
    scheduler.handle(e.InferenceFinished(19 * MS, 1, length=6))
    assert [tick(scheduler, k)[0] for k in (2, 3, 4)] == [c.Execute(k, 0, k - 1, delay_ticks=k) for k in (2, 3, 4)]
    assert tick(scheduler, 5)[:2] == [c.EndInference(0, Outcome.EXECUTED), c.Execute(5, 1, 3, delay_ticks=4)]


def test_of_held_answers_the_newest_acts_early():
    scheduler = begun(TickDispatch(2, min_delay_ticks=9), 3, workers=2)
    tick(scheduler, 1)
    scheduler.handle(e.InferenceFinished(14 * MS, 0, length=3))  # for ticks 1 to 3
    scheduler.handle(e.InferenceFinished(15 * MS, 1, length=3))  # for ticks 2 to 4
    assert tick(scheduler, 2)[0] == c.Execute(2, 1, 0, delay_ticks=1)
    assert [tick(scheduler, k)[0] for k in (3, 4)] == [c.Execute(3, 1, 1, 2), c.Execute(4, 1, 2, 3)]


def test_missed_ticks_take_their_steps_with_them():
    scheduler = begun(Unstaggered(1), 5)
    scheduler.handle(e.InferenceFinished(9 * MS, 0, length=5))
    tick(scheduler, 1)
    assert tick(scheduler, 4)[0] == c.Execute(4, 0, 3, delay_ticks=4)
    assert tick(scheduler, 7)[:2] == [c.EndInference(0, Outcome.EXECUTED), c.ExecuteDefault(7)]
    scheduler = begun(Unstaggered(1), 2)
    scheduler.handle(e.InferenceFinished(9 * MS, 0, length=2))
    assert tick(scheduler, 3)[:2] == [c.EndInference(0, Outcome.DROPPED), c.ExecuteDefault(3)]


@pytest.mark.parametrize("rule", [TickDispatch(1), TickDispatch(1, quantile="auto")], ids=repr)
def test_a_freed_worker_takes_the_newest_observation(rule):
    # 7.5 ticks: it is free at 7.5, 15, 22.5, not on an older observation that has queued.
    metrics = play(rule, ticks_s(7.5, HZ), 40, hz=HZ, chunk=16, alignment=Alignment.OBSERVATION)
    assert metrics.inferences.observation.tolist() == [0, 7, 15, 22, 30, 37]
    assert metrics.ticks.fresh.tolist() == 7 * [False] + 33 * [True]


def test_observations_that_queued_before_chunks_came_are_not_served_twice():
    # Two workers, 3.3 ticks: at 3.3 both are free, and observations 2 and 3 have queued.
    metrics = play(TickDispatch(2), ticks_s(3.3, HZ), 40, hz=HZ, chunk=8, alignment=Alignment.OBSERVATION)
    observations = metrics.inferences.observation.tolist()
    assert observations[:2] == [0, 1] and len(set(observations)) == len(observations)


def test_more_actions_than_the_horizon_are_refused():
    with pytest.raises(ProtocolError, match="horizon of 2"):
        begun(Unstaggered(1), 2).handle(e.InferenceFinished(9 * MS, 0, length=3))


def test_what_runs_beyond_its_horizon_is_cancelled():
    scheduler = begun(TickDispatch(1, quantile="auto"), 3)
    assert not [command for k in (1, 2) for command in tick(scheduler, k) if isinstance(command, c.Cancel)]
    # After tick 3 no tick is left that observation 0 could act for.
    assert tick(scheduler, 3) == [c.ExecuteDefault(3), c.EndInference(0, Outcome.CANCELLED), c.Cancel(0, 0)]


def test_virtual_players_have_no_action_for_passed_ticks_either():
    playout = Playout(0.9, 100)
    playout.answered(0, 2, 3, last_tick=3)
    assert [playout.choose(k) for k in (1, 2)] == [0, 2]
    assert playout.players[0].left == 1
    playout.answered(1, 5, 3, last_tick=4)  # too late
    assert [playout.choose(k) for k in (3, 4, 5)] == [0, 0, 0]
    # Step 1 of observation 0 at tick 2 and step 2 at tick 3.
    assert playout.players[0].score == pytest.approx(0.9 + 0.9**2)


OBSERVATION, RELEASE = Alignment


@pytest.mark.parametrize(
    ("rule", "ticks", "length", "alignment", "coverage"),
    [
        # 7.5 ticks: executed 8 ticks after the observation, with steps 7 to 15 of 16. One worker is always in time.
        (Unstaggered(1), 7.5, 16, OBSERVATION, 1),
        (TickDispatch(1), 7.5, 16, OBSERVATION, 1),
        (TickDispatch(1, quantile="auto"), 7.5, 16, OBSERVATION, 1),
        # The classical loop observes again when the chunk is over: 9 of 16 ticks, or 16 of 16 + 7.
        (Sequential(), 7.5, 16, OBSERVATION, 9 / 16),
        (Sequential(), 7.5, 16, RELEASE, 16 / 23),
        # 12 ticks leave 5 of 16 actions. Two workers start every sixth tick, three every fourth.
        (TickDispatch(2), 12, 16, OBSERVATION, 5 / 6),
        (MaxTime(2), 12, 16, OBSERVATION, 5 / 6),
        (TickDispatch(3), 12, 16, OBSERVATION, 1),
        (ExpectedTime(3), 12, 16, OBSERVATION, 1),
        # 24 ticks leave none of 16: no number of workers acts. From the release on one worker covers 16 of 24.
        (TickDispatch(24), 24, 16, OBSERVATION, 0),
        (Unstaggered(1), 24, 16, RELEASE, 16 / 24),
        (TickDispatch(2), 24, 16, RELEASE, 1),
    ],
    ids=repr,
)
def test_coverage_by_hand(rule, ticks, length, alignment, coverage):
    metrics = play(rule, ticks_s(ticks, HZ), 480, warm_up=120, hz=HZ, chunk=length, alignment=alignment)
    assert metrics.coverage == pytest.approx(coverage, abs=0.02)
    if alignment is OBSERVATION:
        fresh = metrics.ticks.fresh
        assert (metrics.ticks.step[fresh] == metrics.ticks.delay_ticks[fresh] - 1).all()


@pytest.mark.parametrize(("ticks", "length"), [(8, 8), (8, 9), (8, 11), (8, 14), (8, 15), (2.4, 4), (4.5, 8)])
def test_as_many_workers_as_are_needed(ticks, length):
    needed = workers_needed(ticks / HZ, HZ, chunk_length=length)

    def coverage(rule):
        latency = ticks_s(ticks, HZ)
        return play(rule, latency, 200, warm_up=80, hz=HZ, chunk=length, alignment=OBSERVATION).coverage

    for rule in TickDispatch, MaxTime:
        assert coverage(rule(needed)) == 1
        if needed > 1:
            assert coverage(rule(needed - 1)) < 1


@pytest.mark.parametrize("quantile", [0.95, "auto"])
@pytest.mark.parametrize(("ticks", "length"), [(4.95, 6), (4.95, 9), (7.5, 9), (12.3, 14)])
def test_dispatch_waits_for_an_observation_that_is_answered_as_soon(ticks, length, quantile):
    # 4.95 ticks and 9 actions leave 5 for one worker. Begun at 4.95 on observation 4, it would be answered at 9.9 for
    # tick 10, with delay 6; begun at 5 on observation 5 at 9.95, for the same tick.
    rule = TickDispatch(workers_needed(ticks / HZ, HZ, chunk_length=length), quantile=quantile)
    metrics = play(rule, ticks_s(ticks, HZ), 200, warm_up=140, hz=HZ, chunk=length, alignment=OBSERVATION)
    assert metrics.coverage == 1


def which_step_runs_when() -> list[str]:
    """The table of docs/concepts.md: one worker, 2.4 ticks an inference, played by the scheduler."""
    last = 10
    rows = [f"| tick | {' | '.join(map(str, range(1, last + 1)))} |", "|---" * (last + 1) + "|"]
    for name, length, horizon_ticks in [
        ("5 actions, aligned to the observation", 5, 5),
        ("5 actions, aligned to the release", 5, 0),
        ("2 actions, aligned to the observation", 2, 2),
        ("2 actions, aligned to the release", 2, 0),
    ]:
        scheduler = begun(Unstaggered(1), horizon_ticks)
        observations, done_ns, cells = {0: 0}, 24 * MS, []
        for k in range(1, last + 1):
            while done_ns <= k * 10 * MS:
                inference = max(observations)
                for command in scheduler.handle(e.InferenceFinished(done_ns, inference, length)):
                    if isinstance(command, c.StartInference):
                        observations[command.inference] = command.observation
                done_ns += 24 * MS
            fill = next(x for x in tick(scheduler, k) if isinstance(x, c.Execute | c.ExecuteDefault))
            cells.append(f"{observations[fill.inference]}.{fill.step}" if isinstance(fill, c.Execute) else "β")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def test_the_table_of_the_docs_is_what_the_scheduler_does():
    table = "\n".join(which_step_runs_when())
    # By hand: observation 0 is answered at 2.4, observation 2 at 4.8, 4 at 7.2, 7 at 9.6.
    assert "| 5 actions, aligned to the observation | β | β | 0.2 | 0.3 | 2.2 | 2.3 | 2.4 | 4.3 | 4.4 | 7.2 |" in table
    assert table in CONCEPTS.read_text(), f"docs/concepts.md should have\n{table}"


@pytest.mark.parametrize("threshold", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("ticks", [1, 3.4, 4, 5, 8])
def test_one_in_flight_covers_every_tick_where_its_docstring_says_so(ticks, threshold):
    delay = -(-ticks // 1)
    length = int(max(2 * delay, (delay - 1) / threshold))
    latency = ticks_s(ticks, HZ)
    metrics = play(OneInFlight(threshold), latency, 200, warm_up=60, hz=HZ, chunk=length, alignment=OBSERVATION)
    assert metrics.coverage == 1
