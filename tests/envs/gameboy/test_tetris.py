"""The definition on the emulator: rewards follow the values written into its memory."""

import pytest
from cartridge import CLOCK

from hocket.envs.gameboy import Tetris
from hocket.errors import ConfigurationError

SCORE, LINES, LEVEL, STATE = 0xC0A0, 0xFF9E, 0xFFA9, 0xFFE1
NONE = 6


@pytest.fixture
def env(made):
    env = made(Tetris())
    env.reset(seed=0)
    return env


def bcd(number):
    digits = f"{number:06d}"
    return bytes(int(digits[i : i + 2], 16) for i in (4, 2, 0))


def test_reward_is_what_the_score_gains(env):
    assert env.step(NONE)[1:3] == (0.0, False)
    for before, gain in ((0, 40), (40, 100), (140, 300), (440, 1200), (1640, 1)):
        env.write(SCORE, bcd(before + gain))
        assert env.step(NONE)[1] == gain
        assert env.step(NONE)[1] == 0


@pytest.mark.parametrize("score", [9_999, 99_999, 999_998])
def test_a_score_that_grows_by_a_digit(env, score):
    env.write(SCORE, bcd(score))
    assert env.step(NONE)[1] == score
    env.write(SCORE, bcd(score + 1))
    _, reward, _, _, info = env.step(NONE)
    assert reward == 1 and info["score"] == score + 1


def test_info_counts_the_lines_that_were_cleared_in_the_episode(env):
    env.write(LINES, bcd(95)[:2])
    env.restore_state({**env.clone_state(), "state": env.game.start(env.read)})
    assert env.step(NONE)[4]["lines_cleared"] == 0
    env.write(LINES, bcd(99)[:2])
    env.write(LEVEL, b"\x09")
    assert env.step(NONE)[4]["lines_cleared"] == 4
    env.write(LINES, bcd(103)[:2])
    env.write(LEVEL, b"\x0a")
    info = env.step(NONE)[4]
    assert (info["lines_cleared"], info["level"]) == (8, 10)
    assert "lines_cleared" in env.metadata["counts"]


@pytest.mark.parametrize("state", [0x01, 0x0D, 0x04, 0x11])
def test_after_the_end_no_action_counts_and_the_last_gain_does(env, state):
    env.write(SCORE, bcd(1200))
    env.write(STATE, bytes([state]))
    assert env.step(NONE)[1:4] == (1200, True, False)


def test_a_new_game_begins_with_the_score_that_is_there(env):
    env.write(SCORE, bcd(500))
    env.step(NONE)
    env.reset()
    assert env.step(NONE)[1] == 0


def test_start_is_pressed_by_chance_which_the_seed_decides(env):
    def clocks(seed):
        env.reset(seed=seed)
        first = env.read(CLOCK, 1)
        return first, *(env.reset() and env.read(CLOCK, 1) for _ in range(5))

    assert clocks(1) == clocks(1)
    assert len(set(clocks(1))) > 2 and clocks(1) != clocks(2)
    assert env.read(STATE, 1) == b"\x00"


def test_a_save_state_of_no_game_is_refused(env):
    env.write(STATE, b"\x0d")
    with pytest.raises(ConfigurationError, match="FFE1 is 0D, in play it is 00"):
        env.game.start(env.read)
