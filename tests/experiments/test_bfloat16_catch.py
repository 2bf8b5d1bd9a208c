import numpy as np
import pytest

pytest.importorskip("torch")

from gymnasium.utils.env_checker import check_env

from hocket.experiments.bfloat16_catch import CELL, ROWS, Catch


def test_catch_is_an_environment():
    check_env(Catch(), skip_render_check=True)


def test_a_policy_that_extrapolates_the_ball_catches_it():
    env = Catch()
    for seed in range(20):
        picture, _ = env.reset(seed=seed)
        over, ticks, before = False, 0, None
        while not over:
            cells = picture[0, ::CELL, ::CELL]
            ball, bat = int(np.argwhere(cells[:-1] == 255)[0, 1]), int(np.argwhere(cells[-1] == 128)[0, 0])
            going = ball + (0 if before is None else ball - before)
            going = 2 * ball - going if not 0 <= going < ROWS else going
            picture, reward, over, _, _ = env.step(2 if going > bat + 1 else 0 if going < bat else 1)
            before, ticks = ball, ticks + 1
        assert (reward, ticks) == (1, ROWS - 1)


def test_a_bat_in_a_corner_misses_most_balls():
    env = Catch()
    rewards = []
    for seed in range(40):
        env.reset(seed=seed)
        over = False
        while not over:
            _, reward, over, _, _ = env.step(0)
        rewards.append(reward)
    assert set(rewards) == {-1.0, 1.0} and np.mean(rewards) < 0
