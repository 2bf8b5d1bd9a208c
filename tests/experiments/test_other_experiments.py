from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("minatar")

from hocket.experiments import learners_table


def shorten(monkeypatch, experiment):
    monkeypatch.setattr(experiment, "LEARNER", replace(experiment.LEARNER, warm_up=200))
    monkeypatch.setattr(experiment, "EVALUATION", replace(experiment.EVALUATION, every=500, episodes=2))


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
