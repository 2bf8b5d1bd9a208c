import math

import pytest

from hocket.errors import ConfigurationError
from hocket.hooks.instrument import LearnerFigures, Progress
from hocket.instruments.wandb import WeightsAndBiases


class Run:
    """Keeps logged values, as ``wandb.Run`` does."""

    def __init__(self):
        self.entries, self.metrics = [], []

    def define_metric(self, name, *, step_metric):
        self.metrics.append((name, step_metric))

    def log(self, data):
        self.entries.append(data)


def test_figures_are_logged_with_their_tick():
    run = Run()
    instrument = WeightsAndBiases(run)
    learner = LearnerFigures(40, loss=0.25, staleness=math.nan, epsilon=0.125)
    figures = {"coverage": 0.75, "delay_ticks": 3.5, "episodes": 0, "episode_return": math.nan, "updates_per_s": 9}
    instrument.on_training(Progress(tick=60, learner=learner, **figures))
    instrument.on_evaluation(100, 480.0)
    assert run.metrics == [("*", "tick")]
    assert run.entries == [
        {
            "tick": 60,
            "acting/coverage": 0.75,
            "acting/delay_ticks": 3.5,
            "acting/epsilon": 0.125,
            "learning/loss": 0.25,
            "learning/updates": 40,
            "learning/updates_per_s": 9,
        },
        {"tick": 100, "evaluation/mean_return": 480.0},
    ]


def test_objects_without_log_are_refused():
    with pytest.raises(ConfigurationError, match=r"run='boxing' has no log\(\); try wandb.init"):
        WeightsAndBiases("boxing")
