from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

import hocket
from hocket.experiments import blocks_delay as experiment
from hocket.experiments.blocks_delay import ARMS, DELAYS, FORGOTTEN, MARKS, SEEDS, BlocksMark, BlocksRun, collect, tasks

COLUMNS = ["game", "delay", "arm", "seed", *experiment.COLUMNS]


def test_every_cell_is_there_once():
    every = tasks()
    assert len({task.name for task in every}) == len(every) == len(SEEDS) * (3 * len(DELAYS) - 1 + len(MARKS))
    assert [task.seed for task in every] == sorted(task.seed for task in every)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "delay", "coverage"), [("sequential", 5, 0.2), ("newest", 5, 0.96), ("newest", 1, 1.0), (FORGOTTEN, 1, 1.0)]
)
def test_an_arm_plays(arm, delay, coverage, monkeypatch):
    monkeypatch.setattr(experiment, "LEARNER", replace(experiment.LEARNER, warm_up_ticks=60))
    monkeypatch.setattr(experiment, "EVALUATION", replace(experiment.EVALUATION, every_ticks=80, episodes=1))
    monkeypatch.setattr(experiment, "EPISODE_TICKS", 100)
    monkeypatch.setattr(experiment, "SHOWN_EPISODES", 2)
    monkeypatch.setattr(experiment, "PLAYED_TICKS", 100)
    rows = BlocksRun(delay, arm, 0, ticks=120, pretrain_updates=10).play()
    assert [row["kind"] for row in rows] == [*["choosing"] * 3, *["tenth"] * 10, "training", "final"]
    assert [row["tick"] for row in rows[:3]] == [0, 80, 120] and list(rows[0]) == COLUMNS
    assert rows[-1]["coverage"] == pytest.approx(coverage, abs=0.03) and rows[-1]["delay_mean"] == delay
    assert rows[-1]["updates"] == (120 - 60) // 4 + 1
    # An evaluation's episode is 100 ticks of play, whose points are those of the episode.
    assert all(row["points_per_minute"] >= 0 for row in rows if row["kind"] != "tenth")
    assert [row["lines_cleared"] for row in rows if row["kind"] == "choosing"] == [""] * 3
    assert rows[-2]["lines_cleared"] >= 0 and rows[-1]["lines_cleared"] >= 0


def test_arms_learn_from_decisions_of_their_own(monkeypatch):
    monkeypatch.setattr(experiment, "demonstrated", lambda seed, interval_ticks: DEMONSTRATED)
    sequential, newest = BlocksRun(8, "sequential", 0).shown, BlocksRun(8, "newest", 0).shown
    assert (sequential.delay_ticks, sequential.interval_ticks) == (8, 8)
    assert (newest.delay_ticks, newest.interval_ticks) == (8, 1)
    network = experiment.small_network(delay=8, newest=True)
    assert network.pending == 7 and network.newest is not None
    assert experiment.small_network().pending == 0 and experiment.small_network().newest is None


DEMONSTRATED = hocket.Demonstrations(
    observations=np.zeros((2, 1, 84, 84), np.uint8),
    actions=np.array([0]),
    rewards=np.array([1.0]),
    terminated=np.array([False]),
    truncated=np.array([True]),
)


def test_a_minute_is_a_minute():
    # 40 points in each of 60 ticks, then none in 60: 20 a tick, of which a minute has 59.7275 · 60.
    assert experiment.points_per_minute(60 * 40.0, 120) == pytest.approx(20 * 59.7275 * 60, rel=1e-4)


class Short(gym.Env):
    """Games of three ticks that pay 10 in the last one."""

    observation_space = gym.spaces.Box(0, 9, (1,), np.float32)
    action_space = gym.spaces.Discrete(7)

    def reset(self, *, seed=None, options=None):
        self.ticks = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.ticks += 1
        over = self.ticks == 3
        return np.full(1, self.ticks, np.float32), 10.0 * over, over, False, {}


def test_a_minute_of_play_goes_on_after_a_game(monkeypatch):
    monkeypatch.setattr(experiment, "EPISODE_TICKS", 10)
    monkeypatch.setattr(experiment, "make_env", lambda id, fresh_press: Short())
    env = experiment.make_minutes()
    env.reset(seed=0)
    steps = [env.step(0) for _ in range(10)]
    assert [step[0].item() for step in steps] == [1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert [step[1] for step in steps] == [0, 0, 10, 0, 0, 10, 0, 0, 10, 0]
    assert [(step[2], step[3]) for step in steps] == [(False, False)] * 9 + [(False, True)]


@pytest.mark.slow
def test_marks_and_the_table(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(experiment, "EPISODE_TICKS", 300)
    monkeypatch.setattr(experiment, "TABLE", tmp_path / "t.csv")
    monkeypatch.setattr(experiment, "FIGURE", tmp_path / "f.png")
    rows = [row for arm in MARKS for row in BlocksMark(arm, 0, episodes=2).play()]
    assert [row["episodes"] for row in rows] == [2, 2, 2] and rows[0]["mean_return"] == 0 < rows[2]["mean_return"]
    assert rows[2]["points_per_minute"] == pytest.approx(rows[2]["mean_return"] * 12 * 59.7275 / 60, rel=1e-3)
    learnt = {**rows[0], "arm": "newest", "kind": "final"}
    rows += [{**learnt, "delay": "1"}, {**learnt, "delay": "5"}, {**learnt, "delay": "5", "arm": ARMS[0]}]
    collect([{name: str(value) for name, value in row.items()} for row in rows])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert len(lines) == 1 + len(rows) + 1 and sum(line.startswith("blocks,1,") for line in lines) == 2
    assert (tmp_path / "f.png").stat().st_size > 5000


def test_decisions_are_random_equally_often():
    sequential, newest = (BlocksRun(70, arm, 0).epsilon.at(120_000) for arm in ("sequential", "newest"))
    assert newest == pytest.approx(0.01) and (1 - sequential) ** 70 == pytest.approx(0.99)


@pytest.mark.slow
def test_a_seldom_expert_scores_less():
    seldom, every = (
        BlocksMark(arm, 0, interval, episodes=1).play()[0] for arm, interval in ((experiment.SELDOM, 70), ("expert", 1))
    )
    assert seldom["delay"] == "70" and every["delay"] == "any"
    assert seldom[experiment.RATE] < every[experiment.RATE] / 2
