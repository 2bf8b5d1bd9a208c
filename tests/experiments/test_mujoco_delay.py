import pytest

pytest.importorskip("torch")
pytest.importorskip("mujoco")

import hocket
from hocket.experiments import mujoco_delay as experiment
from hocket.experiments.mujoco_delay import ANY, DELAYS, UNDER_DELAY, MujocoRun, RandomRun, collect, tasks

CHEETAH, PENDULUM = "HalfCheetah-v5", "InvertedDoublePendulum-v5"


def test_every_cell_is_there_once():
    every = tasks()
    assert len({task.name for task in every}) == len(every) == 3 * 2 * (1 + 2 + len(UNDER_DELAY) * (len(DELAYS) - 1))


def test_networks_of_the_arms():
    def of(arm, delay=5):
        return MujocoRun(CHEETAH, delay, arm, 0, 100).network()

    # 17 numbers to 256 to 256 to 6 means and 6 deviations: the published actor.
    assert [tuple(weights.shape) for weights in of("no delay", 1).parameters()][1:7] == [
        (256, 17), (256,), (256, 256), (256,), (12, 256), (12,),
    ]  # fmt: skip
    assert (of("blind").pending, of("actions").pending, of("newest").pending) == (0, 4, 4)
    assert of("blind").newest is None and of("newest").newest is not None
    assert of("undelayed critic").critics.late_inputs == (0, False)
    assert of("newest, undelayed critic").critics.late_inputs == (0, False)
    assert of("newest").critics.late_inputs == (4, True)
    # The head alone is the encoder and the head of newest, without the features: 256 fewer, and nothing late.
    assert (256, 32) in [tuple(weights.shape) for weights in of("head alone", 1).parameters()]


@pytest.mark.slow
@pytest.mark.parametrize(("arm", "delay"), [("blind", 5), ("newest, undelayed critic", 5), ("no delay", 1)])
def test_an_arm_plays(monkeypatch, arm, delay):
    monkeypatch.setattr(experiment, "LEARNER", hocket.RoundRobin(update_every_ticks=1, warm_up_ticks=280))
    monkeypatch.setattr(experiment, "EVALUATIONS", 1)
    monkeypatch.setattr(experiment, "EPISODES", 2)
    rows = MujocoRun(PENDULUM, delay, arm, seed=0, ticks=300).play()
    last = rows[-1]
    assert last.keys() == {*experiment.KNOWN, *experiment.COLUMNS}
    assert last["updates"] == 21 and last["delay"] == ("5" if delay == 5 else ANY)
    assert last["episodes"] == 2 and last["delay_mean"] == delay


def test_random_actions_have_no_delay(monkeypatch):
    monkeypatch.setattr(experiment, "RANDOM_TICKS", 300)
    (row,) = RandomRun(PENDULUM, 0).play()
    assert row["coverage"] == row["delay_mean"] == 1 and row["updates"] == 0


def test_returns_are_normalised_by_chance_and_no_delay():
    def row(arm, delay, kind, value):
        return {"game": CHEETAH, "delay": delay, "arm": arm, "seed": 0, "kind": kind, "mean_return": value}

    rows = [
        row(experiment.RANDOM, ANY, "final", -200),
        row("no delay", ANY, "final", 800),
        row("blind", "5", "final", 300),
        row("blind", "5", "training", 300),
    ]
    values = [(r["arm"], r["kind"], r["mean_return"]) for r in experiment.normalised(rows)]
    # (300 + 200) / (800 + 200); there is no training row of no delay to compare with.
    assert values == [("random", "final", 0.0), ("no delay", "final", 1.0), ("blind", "final", 0.5)]


@pytest.mark.slow
def test_the_figure(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(experiment, "TABLE", tmp_path / "t.csv")
    monkeypatch.setattr(experiment, "FIGURE", tmp_path / "f.png")
    rows = []
    for arm, delay, value in (("blind", "5", 3), ("newest", "5", 9), ("no delay", ANY, 11), ("random", ANY, 1)):
        for kind in ("training", "final"):
            figures = {name: "1" for name in experiment.COLUMNS}
            known = {"game": CHEETAH, "delay": delay, "arm": arm, "seed": "0"}
            rows.append({**known, **figures, "kind": kind, "mean_return": str(value)})
    collect(rows)
    assert len(experiment.TABLE.read_text().splitlines()) == 9 and experiment.FIGURE.stat().st_size > 5000
