from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("minatar")

from hocket.experiments import minatar_delay as experiment
from hocket.experiments.minatar_delay import ARMS, DefaultOnly, MinAtarRun, played_as, tasks, with_twins

COLUMNS = ["game", "delay", "arm", "seed", *experiment.COLUMNS]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(experiment, "LEARNER", replace(experiment.LEARNER, warm_up=100))
    monkeypatch.setattr(experiment, "EVALUATION", replace(experiment.EVALUATION, every=300, episodes=2))


def test_every_cell_is_there_under_its_name():
    every = tasks()
    assert len({task.name for task in every}) == len(every)
    # A seed: 2 games × (TickDispatch at 5 delays, sequential and late binding at 4) + 2 × (noop, random).
    assert len(every) == len(experiment.SEEDS) * (2 * (5 + 4 + 4) + 4)
    assert [task.seed for task in every] == sorted(task.seed for task in every)
    played = [
        {"game": t.game, "delay": str(t.delay), "arm": t.arm}
        for t in every
        if isinstance(t, MinAtarRun) and t.seed == 0
    ]
    named = {(row["game"], int(row["delay"]), row["arm"]) for row in with_twins(played)}
    assert named == {(game, delay, arm) for game in experiment.GAMES for delay in experiment.DELAYS for arm in ARMS}


@pytest.mark.slow
@pytest.mark.parametrize("delay", [1, 4])
def test_arms_that_are_played_once_for_all_do_the_same(quick, delay):
    def rows(arm):
        return [{**row, "arm": ""} for row in MinAtarRun("breakout", delay, arm, seed=1, ticks=700).play()]

    twins = [arm for arm in ARMS if played_as(arm, delay) == "TickDispatch"]
    assert twins == (list(ARMS) if delay == 1 else ["MaxTime", "TickDispatch"])
    first, *others = [rows(arm) for arm in twins]
    assert all(other == first for other in others)
    assert list(first[0]) == COLUMNS
    assert first[-1]["delay_mean"] == delay and first[-1]["updates"] == (700 - 100) // 4 + 1


@pytest.mark.slow
def test_late_binding_has_the_same_delay_and_more_pending_actions(quick):
    rows = MinAtarRun("asterix", 4, "TickDispatch, late binding", seed=0, ticks=700).play()
    assert [row["kind"] for row in rows] == ["choosing", "choosing", "choosing", "training", "final"]
    assert rows[-1]["delay_mean"] == 4 and rows[-1]["coverage"] > 0.8


@pytest.mark.slow
def test_sequential_acts_once_in_its_delay(quick):
    rows = MinAtarRun("asterix", 4, "sequential", seed=0, ticks=700).play()
    assert rows[-1]["delay_mean"] == 4 and rows[-1]["coverage"] == pytest.approx(0.25, abs=0.02)


def test_the_references_never_run_a_policy(monkeypatch):
    monkeypatch.setattr(experiment, "DEFAULT_ONLY_TICKS", 500)
    for arm in experiment.DEFAULT_ONLY:
        (row,) = DefaultOnly("breakout", arm, 0).play()
        assert list(row) == COLUMNS
        assert row["coverage"] == 0 and row["episodes"] > 10
