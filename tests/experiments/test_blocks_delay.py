from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from hocket.experiments import blocks_delay as experiment
from hocket.experiments.blocks_delay import ARMS, DELAYS, MARKS, SEEDS, BlocksRun, Mark, collect, tasks

COLUMNS = ["game", "delay", "arm", "seed", *experiment.COLUMNS]


def test_every_cell_is_there_once():
    every = tasks()
    assert len({task.name for task in every}) == len(every) == len(SEEDS) * (2 * len(DELAYS) + len(MARKS))
    assert [task.seed for task in every] == sorted(task.seed for task in every)


@pytest.mark.slow
@pytest.mark.parametrize(("arm", "coverage"), [("sequential", 0.2), ("newest", 0.98)])
def test_an_arm_plays(arm, coverage, monkeypatch):
    monkeypatch.setattr(experiment, "LEARNER", replace(experiment.LEARNER, warm_up=100))
    monkeypatch.setattr(experiment, "EVALUATION", replace(experiment.EVALUATION, every=300, episodes=1))
    monkeypatch.setattr(experiment, "EPISODE_TICKS", 500)
    monkeypatch.setattr(experiment, "PLAYED_TICKS", 200)
    rows = BlocksRun(5, arm, 0, ticks=500, pretrain_updates=20).play()
    assert [row["kind"] for row in rows] == ["choosing"] * 3 + ["tenth"] * 10 + ["training", "final"]
    assert list(rows[0]) == COLUMNS
    assert rows[-1]["coverage"] == pytest.approx(coverage, abs=0.03) and rows[-1]["delay_mean"] == 5
    assert rows[-1]["updates"] == (500 - 100) // 4 + 1
    assert all(row["points_per_minute"] == "" for row in rows if row["kind"] == "tenth")
    assert all(row["points_per_minute"] >= 0 for row in rows if row["kind"] != "tenth")


def test_a_minute_is_a_minute():
    # 40 points in each of 60 ticks, then none in 60: 20 a tick, of which a minute has 59.7275 · 60.
    assert experiment.points_per_minute(60 * 40, 120) == pytest.approx(20 * 59.7275 * 60, rel=1e-4)


@pytest.mark.slow
def test_demonstrations_are_in_the_units_of_the_game(monkeypatch):
    monkeypatch.setattr(experiment, "EPISODE_TICKS", 900)
    monkeypatch.setattr(experiment, "SHOWN_EPISODES", 1)
    shown = experiment.demonstrated(0)
    env = experiment.make_game()
    assert shown.observations.shape[1:] == env.observation_space.shape
    env.reset(seed=1000)
    assert [env.step(int(action))[1] for action in shown.actions] == pytest.approx(shown.rewards.tolist())
    assert 0 < shown.returns[0] < 4000  # a row pays 40
    env.close()


@pytest.mark.slow
def test_marks_and_the_table(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(experiment, "EPISODE_TICKS", 300)
    monkeypatch.setattr(experiment, "TABLE", tmp_path / "t.csv")
    monkeypatch.setattr(experiment, "FIGURE", tmp_path / "f.png")
    rows = [row for arm in MARKS for row in Mark(arm, 0, episodes=2).play()]
    assert [row["episodes"] for row in rows] == [2, 2, 2] and rows[0]["mean_return"] == 0 < rows[2]["mean_return"]
    assert rows[2]["points_per_minute"] == pytest.approx(rows[2]["mean_return"] * 12 * 59.7275 / 60, rel=1e-3)
    learnt = {**rows[0], "arm": "newest", "kind": "final"}
    rows += [{**learnt, "delay": "1"}, {**learnt, "delay": "5"}, {**learnt, "delay": "5", "arm": ARMS[0]}]
    collect([{name: str(value) for name, value in row.items()} for row in rows])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert len(lines) == 1 + len(rows) + 1 and sum(line.startswith("blocks,1,") for line in lines) == 2
    assert (tmp_path / "f.png").stat().st_size > 5000
