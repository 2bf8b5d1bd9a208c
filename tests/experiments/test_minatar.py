import csv
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

from hocket.experiments import breakout_by_hand
from hocket.experiments import minatar as experiment
from hocket.experiments.minatar import ANY, MARKS, RUN_COLUMNS, MinAtarMark, MinAtarRun, collect, tasks

pytestmark = pytest.mark.skipif(not find_spec("minatar"), reason="minatar is missing (it is in the extra dev)")

COLUMNS = [*experiment.KNOWN, *experiment.COLUMNS]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(experiment, "LEARNER", replace(experiment.LEARNER, warm_up_ticks=100))
    monkeypatch.setattr(experiment, "EVALUATION", replace(experiment.EVALUATION, every_ticks=300, episodes=20))
    monkeypatch.setattr(experiment, "GREEDY_EPISODES", 30)
    monkeypatch.setattr(experiment, "EPISODE_TICKS", 250)


def test_every_cell_is_there_once():
    every = tasks()
    assert len({task.name for task in every}) == len(every)
    trainings = [task for task in every if isinstance(task, MinAtarRun)]
    # Breakout: 5 main arms at 4 and 3 at 8, 5 seeds each; 3 arms at 4, 3 at 2, 1 at 8 and Rainbow, 3 seeds each;
    # SpaceInvaders 3 × 3 + 2; unsticky 3 × 2 + 2; two games of 3 + 2; 3 seeds each.
    assert len(trainings) == 5 * 8 + 3 * (3 + 3 + 1 + 1) + 3 * (11 + 8 + 5 + 5)
    assert {task.ticks for task in trainings} == {500_000}


def test_the_main_comparison_comes_first():
    trainings = [task for task in tasks() if isinstance(task, MinAtarRun)]
    arms = [("newest", "4"), ("sequential", "4"), ("sequential greedier", "4"), ("head alone", ANY), ("no delay", ANY)]
    assert [(task.arm, task.shown_delay, task.seed) for task in trainings[:15]] == [
        (*arm, seed) for seed in (0, 1, 2) for arm in arms
    ]


def test_the_rates_of_exploration():
    def last(arm, delay):
        return MinAtarRun("breakout", delay, arm, 0).epsilon.at(100_000)

    assert last("sequential", 4) == last("newest", 8) == 0.1
    # Random decisions are one in ten where each stands for 4 ticks: 1 - 0.9 ** (1 / 4).
    assert last("sequential greedier", 4) == pytest.approx(0.025996, abs=1e-6)


def test_the_head_alone_has_the_size_of_that_of_newest():
    def sizes(arm):
        network = experiment.network_for("breakout", arm=arm, delay=4)
        return network, [tuple(weights.shape) for weights in network.parameters()]

    newest, shapes = sizes("newest")
    alone, small = sizes("head alone")
    encoder = [tuple(weights.shape) for weights in newest.newest.parameters()]
    assert encoder == [tuple(weights.shape) for weights in alone.trunk.parameters()]
    assert small == [*encoder, (128, 32), (128,), (3, 128), (3,)]
    # 128 features, 32 of the newest observation, 3 codes of 4, and a code of the delay: 0 to 4, and more.
    assert (128, 128 + 32 + 3 * 4 + 6) in shapes
    assert sizes("actions")[0].newest is None and sizes("actions")[0].pending == 3
    assert sizes("sequential")[0].pending == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "delay", "coverage"),
    [
        ("sequential", 4, 0.25),
        ("sequential greedier", 4, 0.25),
        ("sequential repeating", 4, 0.25),
        ("one worker", 4, 0.25),
        ("actions", 4, 1.0),
        ("newest", 4, 1.0),
        ("no delay", 1, 1.0),
        ("head alone", 1, 1.0),
    ],
)
def test_an_arm_plays(quick, arm, delay, coverage):
    rows = MinAtarRun("freeway", delay, arm, seed=0, ticks=400).play()
    assert all(row.keys() == set(COLUMNS) for row in rows)
    kinds = [row["kind"] for row in rows]
    assert kinds == [*["choosing"] * 3, *["tenth"] * 10, "training", "final"]
    assert [row["tick"] for row in rows if row["kind"] == "choosing"] == [0, 300, 400]
    assert [row["tick"] for row in rows if row["kind"] == "tenth"] == list(range(40, 401, 40))
    last = rows[-1]
    assert last["episodes"] == 3 and last["episode_ticks"] == 250
    assert last["delay_mean"] == delay and last["updates"] == (400 - 100) // 4 + 1
    assert last["coverage"] == pytest.approx(coverage, abs=0.02)


@pytest.mark.slow
def test_rainbow_plays(quick):
    rows = MinAtarRun("breakout", 1, "Rainbow", seed=0, ticks=500).play()
    assert rows[-1]["updates"] == 101 and rows[-1]["arm"] == "Rainbow" and rows[-1]["delay"] == ANY


def test_sticky_actions_are_those_of_the_name():
    for game, chance in (("breakout", 0.1), (experiment.UNSTICKY, 0.0), ("space_invaders", 0.1)):
        env = experiment.make_game(game)
        assert env.unwrapped.game.sticky_action_prob == chance
        env.close()


def test_the_references_never_run_a_policy(monkeypatch):
    monkeypatch.setattr(experiment, "DEFAULT_ONLY_TICKS", 500)
    for arm in MARKS:
        (row,) = MinAtarMark("breakout", arm, 0).play()
        assert row.keys() == set(COLUMNS)
        assert row["coverage"] == 0 and row["episodes"] > 10


def test_a_hand_loses_little_to_a_short_delay(monkeypatch):
    monkeypatch.setattr(breakout_by_hand, "EPISODE_TICKS", 300)
    undelayed, late, later = (
        breakout_by_hand.returns(delay, episodes=8, seed=1, sticky=0.0).mean() for delay in (1, 4, 8)
    )
    # Nothing is left to chance without sticky actions: a player who rolls the state forward loses the first ticks only.
    assert undelayed > 10 and late > 0.8 * undelayed and later < undelayed
    monkeypatch.setattr(experiment, "BY_HAND_EPISODES", 3)
    (row,) = MinAtarMark(experiment.UNSTICKY, "by hand", 0, 4).play()
    assert row.keys() == set(COLUMNS) and row["delay"] == "4" and row["mean_return"] > 10


@pytest.mark.slow
def test_tables_and_figures(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    for name in ("RUNS", "CURVES", "FIGURE", "CURVES_FIGURE"):
        suffix = "csv" if name in ("RUNS", "CURVES") else "png"
        monkeypatch.setattr(experiment, name, tmp_path / f"{name}.{suffix}")
    rows = []

    def add(arm, delay, kind, tick, value):
        figures = {"coverage": "1.0", "delay_mean": "4", "updates": "9", "ticks": "1000", "episodes": "2"}
        known = {"game": "breakout", "delay": delay, "arm": arm, "seed": "0"}
        greedy = {"return_sd": "1.0", "zero_share": "0.5", "episode_ticks": "60"} if kind == "final" else {}
        rows.append({**known, "kind": kind, "tick": str(tick), "mean_return": str(value), **figures, **greedy})

    for arm, delay in (("sequential", "4"), ("newest", "4"), ("no delay", ANY)):
        for tick in (0, 500, 1000):
            add(arm, delay, "choosing", tick, 1 + tick / 1000)
        add(arm, delay, "tenth", 1000, 1.5)
        add(arm, delay, "training", 1000, 1.5)
        add(arm, delay, "final", 500, 2.5)
    add("random", ANY, "final", 0, 0.4)
    add("by hand", "4", "final", 0, 80)
    collect(rows)
    with experiment.RUNS.open(newline="") as file:
        runs = list(csv.DictReader(file))
    assert list(runs[0]) == list(RUN_COLUMNS) and [run["arm"] for run in runs] == [
        "sequential", "newest", "no delay", "random", "by hand",
    ]  # fmt: skip
    assert (runs[1]["training_return"], runs[1]["final_return"], runs[1]["final_tick"]) == ("1.5", "2.5", "500")
    assert (runs[1]["late_return"], runs[1]["zero_share"]) == ("2.0", "0.5")  # of the evaluation at tick 1000 only
    assert runs[3]["training_return"] == runs[3]["late_return"] == ""
    with experiment.CURVES.open(newline="") as file:
        assert [float(row["mean_return"]) for row in csv.DictReader(file) if row["arm"] == "newest"] == [1, 1.5, 2, 1.5]
    assert all(path.stat().st_size > 5000 for path in (experiment.FIGURE, experiment.CURVES_FIGURE))


@pytest.mark.parametrize("ticks", [700, 705])
def test_tenths_are_of_the_episodes_that_end_in_them(ticks):
    """Episodes of 50 ticks that pay 1 a tick: a tenth of 70 ticks has one or two of them."""
    from hocket.experiments.training_rows import rows_of

    class Run:
        def summary(self):
            return type("Summary", (), {"ticks": ticks, "coverage": 1.0, "delay_mean": 1.0})

        def metrics(self, after_tick=0):
            ends = [tick for tick in range(50, ticks + 1, 50) if tick > after_tick]
            return type("Metrics", (), {"episode_returns": np.full(len(ends), 50.0)})

    empty = type("Evaluation", (), {"tick": 0, "returns": np.empty(0)})
    result = type("Result", (), {"run": Run(), "updates": 0, "evaluations": [], "final": empty})
    rows = rows_of(result)
    counts = [row["episodes"] for row in rows if row["kind"] == "tenth"]
    bounds = [ticks * part // 10 for part in range(11)]
    assert counts == [high // 50 - low // 50 for low, high in pairwise(bounds)]
    assert rows[-2]["kind"] == "training" and rows[-2]["episodes"] == counts[-1]


def test_the_main_comparison_is_with_the_better_baseline():
    def rows(arm, *values):
        known = {"game": "breakout", "delay": "4", "arm": arm, "kind": "final"}
        return [{**known, "mean_return": value, "seed": str(seed)} for seed, value in enumerate(values)]

    every = [*rows("newest", 6, 7, 8), *rows("sequential", 2, 2, 2), *rows("sequential greedier", 3, 4, 5)]
    # Welch: 3 ± t(0.975, 4) · √(1/3 + 1/3) = 2.776 · 0.8165.
    seeds = "(3 and 3 seeds)"
    assert experiment.main_comparisons(every) == f"Breakout at 4: newest - sequential greedier = 3.00 ± 2.27 {seeds}"
    assert experiment.main_comparisons([row for row in every if row["seed"] == "0"]) == "", "one seed has no interval"
