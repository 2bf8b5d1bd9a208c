from dataclasses import replace
from importlib.util import find_spec

import pytest

pytest.importorskip("torch")

from hocket.experiments import learners_table

pytestmark = pytest.mark.skipif(not find_spec("minatar"), reason="minatar is missing (it is in the extra dev)")


def shorten(monkeypatch, experiment):
    monkeypatch.setattr(experiment, "LEARNER", replace(experiment.LEARNER, warm_up_ticks=200))
    monkeypatch.setattr(experiment, "EVALUATION", replace(experiment.EVALUATION, every_ticks=500, episodes=2))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n"), [("RoundRobin", 3), ("RoundRobin", 33), ("ParallelBatch", 3)])
def test_updates_and_staleness_match_the_documentation(monkeypatch, kind, n):
    shorten(monkeypatch, learners_table)
    (row,) = learners_table.LearnersRun(kind, n, 0, ticks=530).play()
    assert list(row) == list(learners_table.COLUMNS)
    if kind == "ParallelBatch":
        # Starts at 231, 264, …, 495; each lands before the next; the last has until 528.
        assert (row["updates"], row["staleness_max"]) == (9, 0)
    else:
        # One starts every 33/n ticks and lands 33 later, when the n − 1 of between have yet to land or just have.
        assert row["updates"] == len([t for t in range(200, 530) if t % (33 // n) == 0 and t + 33 <= 530])
        assert row["staleness_max"] == n - 1


def test_one_learner_alone_is_played_once_and_entered_twice(tmp_path, monkeypatch, capsys):
    names = [task.name for task in learners_table.tasks() if task.seed == 0]
    assert sorted(names) == sorted(
        ["RoundRobin-1-seed0", "RoundRobin-3-seed0", "ParallelBatch-3-seed0", "RoundRobin-33-seed0",
         "ParallelBatch-33-seed0"]
    )  # fmt: skip
    monkeypatch.setattr(learners_table, "TABLE", tmp_path / "t.csv")
    figures = {name: "1" for name in learners_table.COLUMNS}
    learners_table.collect([{**figures, "learner": "RoundRobin", "n": "1", "seed": "0"}])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["RoundRobin", "1"], ["ParallelBatch", "1"]]
    assert "| 1 | ParallelBatch |" in capsys.readouterr().out


@pytest.mark.slow
def test_targets_are_renewed_as_often_with_many_updates_as_with_few(monkeypatch):
    """By ticks of the training, here every 250: 4 times in 900 ticks, of 668 updates as of 20."""
    from hocket.learn.algorithms.deep_q import PeriodicCopy

    shorten(monkeypatch, learners_table)
    monkeypatch.setattr(learners_table, "ALGORITHM", replace(learners_table.ALGORITHM, target_ticks=250))
    copied, before_update = [], PeriodicCopy.before_update

    def counted(self, online, target, tick, version):
        done = before_update(self, online, target, tick, version)
        copied.extend([tick] * done)
        return done

    monkeypatch.setattr(PeriodicCopy, "before_update", counted)
    updates = []
    for kind in learners_table.KINDS:
        copied.clear()
        (row,) = learners_table.LearnersRun(kind, 33, 0, ticks=900).play()
        updates.append(row["updates"])
        assert [tick // 250 for tick in copied] == [0, 1, 2, 3]
    assert updates[0] > 30 * updates[1]
