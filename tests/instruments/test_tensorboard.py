import sys
from fractions import Fraction

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError, MissingExtraError
from hocket.hooks.instrument import LearnerFigures, Progress, RunView
from hocket.instruments.tensorboard import TensorBoardWriter


def progress(tick, **more):
    known = {"coverage": 0.75, "delay_ticks": 3.5, "episodes": 2, "episode_return": 12.0, "updates_per_s": 100.0}
    learner = LearnerFigures(40, loss=0.25, staleness=1.5, epsilon=0.125)
    return Progress(**{"tick": tick, "learner": learner, **known, **more})


def read(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_written_events_can_be_read(tmp_path):
    with TensorBoardWriter(tmp_path / "board") as writer:
        writer.on_training(progress(60))
        writer.on_training(progress(120, coverage=1.0, delay_ticks=float("nan"), learner=LearnerFigures(50)))
        writer.on_evaluation(100, 480.0)
    assert read(tmp_path / "board") == {
        "acting/coverage": [(60, 0.75), (120, 1.0)],
        "acting/delay_ticks": [(60, 3.5)],
        "acting/episode_return": [(60, 12.0), (120, 12.0)],
        "acting/epsilon": [(60, 0.125)],
        "learning/loss": [(60, 0.25)],
        "learning/updates": [(60, 40.0), (120, 50.0)],
        "learning/updates_per_s": [(60, 100.0), (120, 100.0)],
        "learning/staleness": [(60, 1.5)],
        "evaluation/mean_return": [(100, 480.0)],
    }


def view(first_tick=0, resumed_tick=0):
    env = NullEnv()
    return RunView(
        env=env, rule=hocket.TickDispatch(1), hz=Fraction(50), ticks=9000, realtime=True,
        first_tick=first_tick, resumed_tick=resumed_tick,
    )  # fmt: skip


def test_a_training_that_is_resumed_replaces_what_was_written_of_later_ticks(tmp_path):
    with TensorBoardWriter(tmp_path) as killed:
        killed.on_start(view())
        for tick in (3000, 5000, 5600, 6140):
            killed.on_training(progress(tick))
        killed.on_evaluation(6000, 1.0)
    with TensorBoardWriter(tmp_path) as resumed:
        resumed.on_start(view(resumed_tick=5000))
        for tick in (5333, 6200):
            resumed.on_training(progress(tick))
    assert [step for step, _ in read(tmp_path)["acting/coverage"]] == [3000, 5000, 5333, 6200]
    assert not read(tmp_path).get("evaluation/mean_return")


def test_a_training_from_its_beginning_replaces_nothing(tmp_path):
    for ticks in ((100, 200), (150,)):
        with TensorBoardWriter(tmp_path) as writer:
            writer.on_start(view())
            for tick in ticks:
                writer.on_training(progress(tick))
    assert sorted(step for step, _ in read(tmp_path)["acting/coverage"]) == [100, 150, 200]


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        TensorBoardWriter(tmp_path / "file" / "board")


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.delitem(sys.modules, "hocket.instruments.tensorboard")
    with pytest.raises(MissingExtraError, match=r"pip install 'hocket\[train\]'"):
        import hocket.instruments.tensorboard  # noqa: F401
