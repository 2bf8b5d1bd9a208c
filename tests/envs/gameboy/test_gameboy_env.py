import os
import pickle
import subprocess
import sys
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from cartridge import CLOCK, FRAMES, HELD, PRESSES
from gymnasium.utils.env_checker import check_env

import hocket
from hocket.envs.gameboy import YELLOW, GameBoyEnv, PokemonBattles, Tetris
from hocket.envs.gameboy.roms import read_rom
from hocket.envs.preprocessing import stack_frames
from hocket.envs.state import restore, snapshot
from hocket.errors import ActionError, ConfigurationError
from hocket.spaces.defaults import neutral

A, B, LEFT, UP, RIGHT, DOWN, NONE, START, SELECT = range(9)
JOYPAD = {A: (0x10, 1), B: (0x10, 2), SELECT: (0x10, 4), START: (0x10, 8)} | {
    RIGHT: (0x20, 1),
    LEFT: (0x20, 2),
    UP: (0x20, 4),
    DOWN: (0x20, 8),
}
"""The register of the hardware: the selected half, and the bit that is 0 when the button is down."""


def down(env):
    """The actions whose buttons the hardware reports to be down."""
    seen = set()
    for action, (half, bit) in JOYPAD.items():
        env.write(0xFF00, bytes([half]))
        if not env.read(0xFF00, 1)[0] & bit:
            seen.add(action)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "version"), [("Tetris", {}), ("PokemonBattles", {"version": "red"}), ("PokemonCatching", {"version": "red"})]
)
@pytest.mark.parametrize("options", [{}, {"raw": True, "start_select": True}, {"fresh_press": True}])
def test_it_is_what_gymnasium_asks_for(rom, id, version, options):
    env = gym.make(
        f"hocket/{id}-v0", rom=rom, sha256=read_rom(rom).sha256, render_mode="rgb_array", **version, **options
    )
    check_env(env.unwrapped)
    env.close()


def test_spaces(made):
    env = made(Tetris())
    assert env.observation_space == gym.spaces.Box(0, 255, (84, 84), np.uint8) and env.action_space.n == 7
    full = made(Tetris(), raw=True, start_select=True)
    assert full.observation_space.shape == (144, 160) and full.action_space.n == 9
    assert neutral(env.action_space) == neutral(full.action_space) == NONE
    assert hocket.RepeatLast().bind(env.action_space, np.random.default_rng(0))(None, None) == NONE
    assert env.metadata["render_fps"] == 59.7275


@pytest.mark.parametrize("action", range(9))
def test_an_action_holds_its_button_for_one_frame(made, action):
    env = made(PokemonBattles(), start_select=True)
    env.reset(seed=0)
    assert down(env) == set()
    env.step(np.int64(action))
    assert down(env) == {action} - {NONE}
    env.step(NONE)
    assert down(env) == set()
    env.step(action)
    env.step(B if action != B else A)
    assert down(env) == {B if action != B else A}


def counts(env, actions):
    before = env.read(HELD, 1)[0], env.read(PRESSES, 1)[0]
    for action in actions:
        env.step(action)
    return env.read(HELD, 1)[0] - before[0], env.read(PRESSES, 1)[0] - before[1]


def test_a_repeated_action_is_a_hold_or_a_fresh_press(made):
    held, fresh = made(Tetris()), made(Tetris(), fresh_press=True)
    for env in (held, fresh):
        env.reset(seed=0)
        assert counts(env, [A, NONE, A, NONE]) == (2, 2)
    assert counts(held, [A] * 6 + [NONE]) == (6, 1)
    assert counts(fresh, [A] * 6 + [NONE]) == (3, 3)
    assert counts(fresh, [A, B, A, A, B]) == (2, 2)


def test_a_tick_is_a_frame(made):
    env = made(Tetris())
    env.reset(seed=0)
    before = env.read(FRAMES, 1)[0]
    for _ in range(100):
        env.step(NONE)
    assert env.read(FRAMES, 1)[0] - before == 100


def test_an_episode_begins_with_no_button_down(made):
    env = made(Tetris())
    env.reset(seed=0)
    env.step(A)
    env.reset()
    assert down(env) == set() and env.read(HELD, 1)[0] == 0


@pytest.mark.parametrize("action", [-1, 7, 8, 100])
def test_a_number_that_is_no_action_is_refused(made, action):
    env = made(Tetris())
    env.reset(seed=0)
    with pytest.raises(ActionError, match=f"action {action} is none of 0 to 6"):
        env.step(action)


def test_observations_are_values_of_their_own(made):
    for raw in (False, True):
        env = made(Tetris(), raw=raw)
        first, _ = env.reset(seed=0)
        kept = first.copy()
        for _ in range(5):
            second = env.step(A)[0]
        assert np.array_equal(first, kept) and not np.array_equal(first, second)


def test_the_screen_can_be_seen(made):
    env = made(Tetris(), raw=True, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    assert np.array_equal(env.render(), np.dstack([observation] * 3))
    assert made(Tetris()).render() is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encounters": 0}, "encounters=0 must be at least 1"),
        ({"encounters": 3, "states": "pool"}, "encounters=3 has no effect with states='pool'"),
        ({"render_mode": "human"}, "render_mode='human'"),
    ],
)
def test_options_that_cannot_work_are_refused(made, options, words):
    with pytest.raises(ConfigurationError, match=words):
        made(Tetris(), **options)


def test_a_game_that_never_begins_is_refused_with_advice(made, monkeypatch):
    monkeypatch.setattr("hocket.envs.gameboy.env.PATIENCE", 300)
    env = made(PokemonBattles(YELLOW))
    with pytest.raises(ConfigurationError, match="within 300 frames; try a folder of save states"):
        env.reset(seed=0)


def trajectory(env, steps):
    rng = np.random.default_rng(9)
    first = env.reset(seed=3)[0]
    return np.array([first, *(env.step(int(rng.integers(7)))[0] for _ in range(steps))])


def test_the_same_seed_is_the_same_game(made):
    assert np.array_equal(trajectory(made(Tetris()), 60), trajectory(made(Tetris()), 60))


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 3])
def test_a_new_environment_continues_from_a_snapshot(made, frames):
    """Frame by frame, memory included, through the end of the episode and the chance of the next."""

    def play(env, actions):
        seen = []
        for action in actions:
            observation, *rest = env.step(action)
            seen.append((observation.tobytes(), *rest[:3], env.unwrapped.read(0xC000, 0x2000)))
        seen.append((env.reset()[0].tobytes(), env.unwrapped.read(CLOCK, 1)))
        return seen

    env = stack_frames(made(Tetris()), frames)
    env.reset(seed=7)
    rng = np.random.default_rng(0)
    play(env, rng.integers(7, size=40))
    env.step(A)  # down while the snapshot is taken
    state = snapshot(env)
    assert state is not None
    actions = [A, A, *rng.integers(7, size=80)]
    expected = play(env, actions), play(env, actions)

    new = stack_frames(made(Tetris()), frames)
    restore(new, state)
    assert (play(new, actions), play(new, actions)) == expected


def test_nothing_is_left_behind(tmp_path, rom):
    path = tmp_path / "game.gb"
    data = bytearray(rom.read_bytes())
    data[0x147], data[0x149] = 0x03, 0x02  # with a battery
    data[0x14D] = -sum(byte + 1 for byte in data[0x134:0x14D]) & 0xFF
    path.write_bytes(data)
    (tmp_path / "game.gb.ram").write_bytes(b"\x55" * 8192)
    before = len(os.listdir("/proc/self/fd"))
    env = GameBoyEnv(Tetris(), path, sha256=read_rom(path).sha256)
    env.reset(seed=0)
    assert env.read(0xA000, 4) != b"\x55" * 4, "what lies beside the ROM is not loaded"
    env.close()
    env.close()
    assert {p.name for p in tmp_path.iterdir()} == {"game.gb", "game.gb.ram"}
    assert (tmp_path / "game.gb.ram").read_bytes() == b"\x55" * 8192
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_factory_can_be_pickled(rom):
    factory = partial(GameBoyEnv, Tetris(), rom, sha256=read_rom(rom).sha256, raw=True)
    env = pickle.loads(pickle.dumps(factory))()
    assert env.reset(seed=0)[0].shape == (144, 160) and env.game == Tetris()
    env.close()


def test_without_pyboy_the_error_names_the_extra(rom):
    code = f"""
import sys
sys.modules["pyboy"] = None
import hocket, gymnasium
from hocket.errors import MissingExtraError
try:
    gymnasium.make("hocket/Tetris-v0", rom={str(rom)!r}, sha256={read_rom(rom).sha256!r})
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "hocket[gameboy]" in done.stdout, done.stderr
