"""``hocket play``, ``states`` and ``bench gameboy``, and other commands with Game Boy games: on the test cartridge."""

import ctypes
import fcntl
import inspect
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from hashlib import sha256

import numpy as np
import pytest
from command_output import read, refused

pytest.importorskip("pyboy.utils", reason="needs the gameboy extra", exc_type=ImportError)

from cartridge import HELD, cartridge

from hocket import Demonstrations
from hocket.cli.options.env_args import parse_env_args
from hocket.cli.player import play_command, terminal
from hocket.cli.player.game_window import GameWindow
from hocket.cli.player.play_command import PlayArguments
from hocket.cli.player.recording import Recording
from hocket.cli.player.screens import Keys
from hocket.envs.gameboy import Button, GameBoyEnv, Tetris
from hocket.envs.gameboy.buttons import NONE
from hocket.errors import ConfigurationError

DIGEST = sha256(cartridge()).hexdigest()


@pytest.fixture
def args(tmp_path):
    """``--env-args`` for the test cartridge."""
    (tmp_path / "test.gb").write_bytes(cartridge())
    return f"rom={tmp_path / 'test.gb'},sha256={DIGEST}"


def test_arguments_of_the_environment():
    assert parse_env_args(None) == {}
    assert parse_env_args("rom=games/red.gb,raw=true,size=42, p=0.5,version=Red,none=null") == {
        "rom": "games/red.gb",
        "raw": True,
        "size": 42,
        "p": 0.5,
        "version": "Red",
        "none": None,
    }
    for wrong in ("rom", "=3", "rom=a,", "a b=3", "frame_stack=4"):
        with pytest.raises(ConfigurationError, match=r"--env-args .*; (try|leave)"):
            parse_env_args(wrong)


def test_envs_lists_them_and_what_they_need(command):
    code, out, _ = command("envs")
    assert code == 0 and "59.7275" in out
    for id in ("hocket/Blocks-v0", "hocket/Duel-v0", "hocket/Catch-v0", "hocket/Tetris-v0", "hocket/PokemonBattles-v0"):
        assert id in out
    assert out.count("with a ROM of yours") == 3


@pytest.mark.parametrize(
    "clock",
    [
        ("--clock", "virtual", "--latency", "0.02"),
        pytest.param(("--executor", "threads"), marks=pytest.mark.realtime),
    ],
)
def test_run_on_a_cartridge_of_ones_own(command, args, clock):
    game = ("--env", "hocket/Tetris-v0", "--env-args", args, "--policy", "random", "--seconds", "1")
    code, _, err = command("run", *game, *clock, "--json", "figures.json", "--out", "saved")
    assert code == 0, err
    assert read("figures.json")["ticks"] == 60
    assert read("saved/config.json")["options"]["env_args"] == args
    if clock[1] == "virtual":
        assert command("run", "--config", "saved/config.json", "--out", "again")[0] == 0
        first, second = np.load("saved/ticks.npz"), np.load("again/ticks.npz")
        assert np.array_equal(first["action"], second["action"]) and len(set(first["action"].ravel())) > 3


def test_noop_is_no_button(command, args):
    code, _, err = command(
        "run", "--env", "hocket/Tetris-v0", "--env-args", args, "--policy", "random", "--seconds", "0.5",
        "--clock", "virtual", "--latency", "9", "--out", "saved",
    )  # fmt: skip
    assert code == 0, err
    assert set(np.load("saved/ticks.npz")["action"].ravel()) == {6}


def test_a_game_without_its_rom_names_the_option(command, tmp_path):
    refused(command("run", "--env", "hocket/Tetris-v0"), "--env-args rom=FILE")
    refused(command("run", "--env", "hocket/Tetris-v0", "--env-args", "rom=none.gb"), "none.gb", "cannot be read")
    refused(command("run", "--env", "hocket/Tetriss-v0"), "did you mean hocket/Tetris-v0")


def test_states_makes_a_pool_that_runs_begin_with(command, args):
    game = ("--env", "hocket/Tetris-v0")
    code, out, err = command("states", *game, "--env-args", args, "--out", "pool", "--count", "3", "--every", "20")
    assert code == 0 and "3 save states in pool" in out, err
    env = GameBoyEnv(Tetris(), "test.gb", sha256=DIGEST, states="pool")
    assert env.encounters == 3
    held = [env.reset(options={"encounter": n}) and env.read(HELD, 1)[0] for n in range(3)]
    env.close()
    assert held == sorted(held)
    more = command(
        "states", *game, "--env-args", f"{args},states=pool", "--out", "pool", "--count", "1", "--every", "1"
    )
    assert more[0] == 0 and len(os.listdir("pool")) == 4
    refused(command("states", *game, "--env-args", args, "--count", "0"), "--count 0 must be at least 1")
    refused(command("states", "--env", "CartPole-v1"), "no Game Boy game")


def test_bench_gameboy(command, args):
    game = ("--env", "hocket/Tetris-v0", "--env-args", args)
    code, out, err = command("bench", "gameboy", *game, "--ticks", "100", "--json", "figures.json")
    assert code == 0 and "times realtime" in out, err
    figures = read("figures.json")
    assert figures["times_realtime"] == pytest.approx(1 / 59.7275 / figures["tick_s"])
    assert figures["tick_cpu_s"] > 0 and figures["ticks"] == 100
    refused(command("bench", "gameboy", *game, "--ticks", "0"), "--ticks 0")


def test_play_refuses_what_is_no_terminal_and_no_game(command, args, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    refused(command("play"), "no terminal, and there is no display", "hocket run")
    refused(command("play", "--window"), "there is no display")
    refused(command("play", "--env", "CartPole-v1"), "no Game Boy game")
    refused(command("play", "--state", "x.state"), "needs --rom")
    refused(command("play", "--rom", "test.gb", "--env", "hocket/Duel-v0"), "played alone")
    refused(command("play", "--every", "0"), "--every 0")


def test_keys():
    assert terminal.split_keys(b"x\x1b[Az\x1b[D") == [b"x", b"\x1b[A", b"z", b"\x1b[D"]
    assert terminal.split_keys(b"\x1bOC\x1b") == [b"\x1b[C", b"\x1b"]


def test_pictures_fit_and_keep_their_shape():
    picture = np.arange(144 * 160).reshape(144, 160).astype(np.uint8)
    assert np.array_equal(terminal.fitted(picture, 200, 100), picture)
    assert terminal.fitted(picture, 80, 100).shape == (72, 80)
    assert terminal.fitted(picture, 200, 23).shape == (46, 51)
    assert np.array_equal(terminal.fitted(picture, 80, 100), picture[::2, ::2])


def test_a_terminal_that_is_too_small_is_reported():
    assert terminal.size_note(160, 73) == ""
    assert terminal.size_note(80, 24) == "too small: 80x24, all pixels need 160x73   "
    assert terminal.size_note(160, 72) == "too small: 160x72, all pixels need 160x73   "


@pytest.mark.parametrize("size", [(39, 60), (100, 18)])
def test_a_terminal_that_shows_nothing_is_refused(monkeypatch, size):
    monkeypatch.setattr(os, "get_terminal_size", lambda file: os.terminal_size(size))
    with pytest.raises(ConfigurationError, match=f"{size[0]} columns and {size[1]} lines.*try a larger terminal"):
        terminal.Terminal().__enter__()


def test_play_is_recorded_for_training(command, args, display):
    game = ("play", "--env", "hocket/Tetris-v0", "--env-args", args, "--record", "shown", "--seconds", "0.3")
    for number in range(2):
        code, out, err = command(*game)
        assert code == 0 and f"recorded shown/000{number}.npz" in out, err
    shown = Demonstrations.load("shown/0000.npz")
    assert shown.observations.shape == (len(shown.actions) + 1, 1, 84, 84) and shown.episodes == 1
    assert 10 <= len(shown.actions) <= 18 and set(shown.actions) == {NONE} and shown.truncated[-1]
    refused(command(*game[:-2], "--rom", "test.gb"), "played alone")
    refused(command("play", "--rom", "test.gb", "--record", "shown"), "no rewards")


def test_a_recording_holds_whole_episodes(tmp_path):
    recording = Recording(tmp_path)
    assert recording.save() is None
    recording.begin(np.array([0]))
    recording.add(3, np.array([1]), 1.0, False, False)
    recording.add(4, np.array([2]), 2.0, True, False)
    recording.begin(np.array([3]))  # nothing was played after the last write
    shown = Demonstrations.load(recording.save())
    assert shown.observations.ravel().tolist() == [0, 1, 2] and shown.actions.tolist() == [3, 4]
    assert shown.terminated.tolist() == [False, True] and not shown.truncated.any()
    recording.add(5, np.array([4]), 4.0, False, False)
    shown = Demonstrations.load(recording.save())
    assert shown.observations.ravel().tolist() == [0, 1, 2, 3, 4] and shown.returns.tolist() == [3, 4]
    assert shown.truncated.tolist() == [False, False, True]


@pytest.mark.parametrize(("id", "level", "address"), [("hocket/Blocks-v0", 7, 0xFFA9), ("hocket/Duel-v0", 2, 0xD35E)])
def test_a_level_is_chosen(id, level, address):
    session = play_command._environment(PlayArguments(env=id, level=level))
    boy = inspect.getclosurevars(session.screen).nonlocals["boy"]
    assert boy.read(address, 1)[0] == (level if "Blocks" in id else level + 1)
    session.close()
    with pytest.raises(ConfigurationError, match="encounter=10 must be one of 0 to"):
        play_command._environment(PlayArguments(env=id, level=10))


def test_half_blocks():
    lines = terminal.half_blocks(np.array([[0, 0, 255], [85, 85, 85]], np.uint8))
    assert lines == ["\x1b[38;2;0;0;0m\x1b[48;2;85;85;85m▀▀\x1b[38;2;255;255;255m▀\x1b[0m"]


class Screen:
    """A command in a terminal of 60 lines, with its output."""

    def __init__(self, cwd, *arguments):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 170, 0, 0))
        self.before = termios.tcgetattr(theirs)
        code = "from hocket.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd
        )
        self._theirs = theirs
        self.drawn = b""

    def wait_for(self, words, limit_s=60):
        until = time.monotonic() + limit_s
        while words not in self.drawn and time.monotonic() < until:
            if select.select([self._ours], [], [], 0.1)[0]:
                self.drawn += os.read(self._ours, 65536)
        assert words in self.drawn, self.drawn[-2000:]

    def type(self, keys):
        os.write(self._ours, keys)

    def kill(self):
        """Kill the command if it has not ended."""
        self.process.kill()
        self.process.wait()

    def end(self):
        """Read all output; returns the exit code, and true if the terminal is restored."""
        while self.process.poll() is None:
            if select.select([self._ours], [], [], 0.1)[0]:
                self.drawn += os.read(self._ours, 65536)
        same = termios.tcgetattr(self._theirs) == self.before
        os.close(self._ours)
        os.close(self._theirs)
        return self.process.returncode, same


@pytest.fixture
def display(monkeypatch):
    """Use SDL's dummy driver, which shows nothing."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def test_a_window_reads_the_pressed_keys(display):
    screen = GameWindow()
    sdl = screen._sdl

    def key(kind, code, repeat=0):
        event = sdl.SDL_Event()
        event.type, event.key.repeat, event.key.keysym.sym = kind, repeat, code
        sdl.SDL_PushEvent(ctypes.byref(event))

    with screen:
        screen.draw(np.zeros((144, 160), np.uint8), "nothing")
        assert screen.listen(0) == Keys(None)
        key(sdl.SDL_KEYDOWN, sdl.SDLK_LEFT)
        assert screen.listen(0) == screen.listen(0) == Keys(Button.LEFT)
        key(sdl.SDL_KEYDOWN, sdl.SDLK_x)
        key(sdl.SDL_KEYDOWN, sdl.SDLK_LEFT, repeat=1)
        assert screen.listen(0) == Keys(Button.A), "the one pressed last"
        key(sdl.SDL_KEYUP, sdl.SDLK_x)
        assert screen.listen(0) == Keys(Button.LEFT)
        key(sdl.SDL_KEYUP, sdl.SDLK_LEFT)
        key(sdl.SDL_KEYDOWN, sdl.SDLK_s)
        assert screen.listen(0) == Keys(None, save=True)
        key(sdl.SDL_KEYDOWN, sdl.SDLK_q)
        assert screen.listen(0) == Keys(None, leave=True)


def test_a_window_shows_the_picture(display):
    screen = GameWindow()
    with screen:
        picture = np.random.default_rng(0).choice(np.array([0, 85, 255], np.uint8), (144, 160))
        screen.draw(picture, "score")
        surface = screen._sdl.SDL_GetWindowSurface(screen._window).contents
        raw = ctypes.string_at(surface.pixels, surface.pitch * surface.h)
        shown = np.frombuffer(raw, np.uint8).reshape(surface.h, surface.pitch)[:, : surface.w * 4 : 4]
        assert np.array_equal(shown.reshape(144, 4, 160, 4)[:, 1, :, 1], picture)
        assert screen._sdl.SDL_GetWindowTitle(screen._window) == b"score"


def test_without_a_terminal_a_window_is_played_in(command, args, display):
    code, out, err = command("play", "--env", "hocket/Tetris-v0", "--env-args", args, "--seconds", "0.3")
    assert code == 0 and "rewards 0, episodes ended 0" in out, err


@pytest.mark.slow
def test_a_person_plays_in_a_terminal(tmp_path, args):
    screen = Screen(tmp_path, "play", "--env", "hocket/Tetris-v0", "--env-args", args, "--save-states", "pool")
    try:
        screen.wait_for(b"q = leave")
        screen.wait_for("▀".encode())
        screen.type(b"x")
        time.sleep(0.3)
        screen.type(b"s")
        screen.wait_for(b"saved pool/0000.state")
        screen.type(b"q")
        assert screen.end() == (0, True)
    finally:
        screen.kill()
    assert re.search(rb"rewards 0, episodes ended 0\r\n$", screen.drawn)
    env = GameBoyEnv(Tetris(), tmp_path / "test.gb", sha256=DIGEST, states=tmp_path / "pool")
    env.reset(seed=0)
    assert env.read(HELD, 1)[0] >= 1
    env.close()


@pytest.mark.slow
def test_a_cartridge_alone_is_played_from_power_on_or_a_state(tmp_path, args):
    for more in ((), ("--state", "pool/0000.state")):
        screen = Screen(tmp_path, "play", "--rom", "test.gb", "--save-states", "pool", *more)
        try:
            screen.wait_for(b"q = leave")
            screen.type(b"s")
            screen.wait_for(b"saved pool/000")
            screen.process.send_signal(signal.SIGINT)  # as Ctrl-C
            assert screen.end() == (130, True)
        finally:
            screen.kill()
    assert sorted(os.listdir(tmp_path / "pool")) == ["0000.state", "0001.state"]
