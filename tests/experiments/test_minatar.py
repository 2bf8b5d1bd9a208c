from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("minatar")

from hocket.experiments import minatar as experiment
from hocket.experiments.minatar import BY_HAND, DELAYS, GAMES, UNDER_DELAY, Mark, MinAtarRun, rows_of_runs, tasks

COLUMNS = ["game", "delay", "arm", "seed", *experiment.COLUMNS]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(experiment, "LEARNER", replace(experiment.LEARNER, warm_up=100))
    monkeypatch.setattr(experiment, "EVALUATION", replace(experiment.EVALUATION, every=300, episodes=2))


def test_every_cell_is_there_once():
    every = tasks()
    assert len({task.name for task in every}) == len(every)
    trained = [task for task in every if isinstance(task, MinAtarRun)]
    under_delay = {(task.game, task.delay, task.arm) for task in trained if task.arm in UNDER_DELAY}
    assert under_delay == {(game, delay, arm) for game in GAMES for delay in DELAYS[game] for arm in UNDER_DELAY}
    # Breakout: 5 seeds of 3 delays × 3 arms, two arms without delay, Rainbow. Three seeds of the other games.
    assert len(trained) == 5 * (9 + 2 + 1) + 3 * ((9 + 2) + (6 + 2) + 2 * (3 + 2))
    assert trained[0] == MinAtarRun("breakout", 1, "no delay", 0, ticks=1_000_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "delay", "coverage"),
    [("sequential", 4, 0.25), ("actions", 4, 0.85), ("newest", 4, 0.7), ("head alone", 1, 1), ("no delay", 1, 1)],
)
def test_an_arm_plays(quick, arm, delay, coverage):
    rows = MinAtarRun("breakout", delay, arm, seed=0, ticks=700).play()
    assert list(rows[0]) == COLUMNS
    assert [row["tick"] for row in rows if row["kind"] == "choosing"] == [0, 300, 600, 700]
    assert rows[-1]["kind"] == "final" and rows[-1]["delay_mean"] == delay
    assert rows[-1]["updates"] == (700 - 100) // 4 + 1
    # The first ticks of episodes, of 10 to 40 ticks, belong to no inference.
    assert rows[-1]["coverage"] == pytest.approx(coverage, abs=0.12)


def test_the_references_never_run_a_policy(monkeypatch):
    monkeypatch.setattr(experiment, "DEFAULT_ONLY_TICKS", 500)
    for arm in experiment.DEFAULT_ONLY:
        (row,) = Mark("breakout", arm, 0).play()
        assert row["coverage"] == 0 and row["episodes"] > 10


def test_a_hand_played_ceiling(monkeypatch):
    monkeypatch.setattr(experiment, "BY_HAND_EPISODES", 5)
    (row,) = Mark("breakout", BY_HAND, 0, delay=4).play()
    assert (row["delay"], row["episodes"]) == ("4", 5) and row["mean_return"] > 1  # no button: about half a brick


def test_one_row_a_run():
    known = {"game": "breakout", "delay": "4", "arm": "newest", "seed": 0}
    run = {"ticks": 10, "updates": 2, "coverage": 0.9, "delay_mean": 4}
    rows = [
        {**known, **run, "kind": kind, "tick": tick, "mean_return": value}
        for kind, tick, value in [("choosing", 5, 1.0), ("tenth", 10, 2.0), ("training", 10, 2.0), ("final", 5, 3.0)]
    ]
    assert rows_of_runs(rows) == [{**known, **run, "training_return": 2.0, "final_return": 3.0, "final_tick": 5}]
