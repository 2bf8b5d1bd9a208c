import io
import math
from fractions import Fraction
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from leftover_processes import eventually
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import hocket
from hocket.core.rules import TickDispatch
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.hooks.instrument import RunView
from hocket.instruments.tensorboard_images import TAG, TensorBoardPictures

VIRTUAL = hocket.Virtual(hz=60, latency=hocket.Constant(0.01))


class Clock:
    """Every look takes ``step`` seconds."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def images(folder):
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    if TAG not in events.Tags()["images"]:
        return []
    return [(e.step, np.asarray(Image.open(io.BytesIO(e.encoded_image_string)))) for e in events.Images(TAG)]


def moment(tick):
    from unittest.mock import Mock

    return Mock(tick=tick, observation=np.zeros((4, 20, 30), np.uint8))


def play(env, instrument, ticks):
    hocket.run(
        env, lambda o: env.action_space.sample() * 0, TickDispatch(1), VIRTUAL, ticks=ticks, instruments=[instrument]
    )


def test_the_newest_frame_is_written(tmp_path):
    env = NullEnv(observation_shape=(4, 20, 30))
    with TensorBoardPictures(tmp_path, every_s=1.0, now_s=Clock(0.1)) as pictures:
        play(env, pictures, 1)
    ((tick, picture),) = images(tmp_path)
    assert tick == 1 and picture.shape[:2] == (20, 30) and picture.max() == 0  # the count is in the oldest frame


def test_a_training_that_is_resumed_replaces_later_pictures_and_counts_on(tmp_path):
    """On the wall clock the run's own ticks begin at 1 again."""
    for resumed_tick, ticks in ((0, (3000, 5000, 6140)), (5000, (1, 333))):
        run = RunView(
            env=NullEnv(), rule=TickDispatch(1), hz=Fraction(50), ticks=9000, realtime=True, resumed_tick=resumed_tick
        )
        with TensorBoardPictures(tmp_path, every_s=1e-9) as pictures:
            pictures.on_start(run)
            for tick in ticks:
                pictures.on_tick(moment(tick))
                assert eventually(pictures._waiting.empty)
    assert [tick for tick, _ in images(tmp_path)] == [3000, 5000, 5001, 5333]


def test_colours_survive(tmp_path):
    env = NullEnv(observation_shape=(16, 24, 3))
    with TensorBoardPictures(tmp_path, every_s=1000.0) as pictures:
        play(env, pictures, 3)
    ((tick, picture),) = images(tmp_path)
    assert tick == 1 and picture.shape == (16, 24, 3)
    assert picture[0, 0].tolist() == [1, 0, 0] and picture.sum() == 1


def test_no_more_than_one_in_every_so_many_seconds(tmp_path):
    env = NullEnv(observation_shape=(12, 12))
    with TensorBoardPictures(tmp_path, every_s=3.0, now_s=Clock(0.1)) as pictures:
        play(env, pictures, 200)
    ticks = [tick for tick, _ in images(tmp_path)]
    assert ticks[0] == 1 and all(later - tick >= 30 for tick, later in pairwise(ticks))


def test_other_observations_are_not_written(tmp_path):
    env = gym.make("CartPole-v1")
    with TensorBoardPictures(tmp_path / "x", every_s=0.5, now_s=Clock(0.1)) as pictures:
        play(env, pictures, 30)
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.parametrize("every_s", [0, -1, math.nan, math.inf])
def test_invalid_intervals_are_refused(tmp_path, every_s):
    with pytest.raises(ConfigurationError, match=r"every_s=.* must be greater than 0"):
        TensorBoardPictures(tmp_path, every_s=every_s)


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        TensorBoardPictures(tmp_path / "file" / "board")


@pytest.mark.realtime
def test_a_disk_that_refuses_ends_the_pictures_and_not_the_run(tmp_path):
    folder = tmp_path / "board"
    pictures = TensorBoardPictures(folder, every_s=0.001)
    folder.rmdir()
    folder.write_text("")
    env = NullEnv(observation_shape=(12, 12))
    clock = hocket.Realtime(hz=50, executor="threads")
    with pytest.warns(RuntimeWarning, match="FileExistsError|NotADirectoryError"):
        result = hocket.run(env, lambda observation: 0, TickDispatch(1), clock, ticks=60, instruments=[pictures])
    pictures.close()
    assert result.summary().ticks == 60
