"""``hocket play``: a Game Boy game by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from hocket.cli import console
from hocket.cli.options.env_args import parse_env_args
from hocket.cli.player import terminal
from hocket.cli.player.game_window import GameWindow, has_display
from hocket.cli.player.recording import Recording
from hocket.cli.player.screens import Screen
from hocket.core.cadence import exact_hz
from hocket.drivers.interrupt import Interrupt, between_ticks
from hocket.envs import make_env
from hocket.envs.gameboy.buttons import ALL, NONE, Button
from hocket.envs.gameboy.emulator import GAMEBOY_HZ, Emulator
from hocket.envs.gameboy.env import GameBoyEnv
from hocket.envs.gameboy.roms import read_rom
from hocket.envs.gameboy.states import read_state, write_state
from hocket.envs.gameboy.tetris import LEVELS
from hocket.envs.registration import BLOCKS_ID, BROUGHT_IDS, OWN_IDS, TETRIS_ID
from hocket.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayArguments:
    """The options of ``hocket play``."""

    env: str = "hocket/Blocks-v0"
    """A Game Boy environment; see: hocket envs."""
    env_args: str | None = None
    """Its arguments as NAME=VALUE,…: rom=tetris.gb,states=FOLDER."""
    rom: Path | None = None
    """Cartridge to play instead of an environment, from power-on, to make save states."""
    state: Path | None = None
    """Save state to begin from, with --rom."""
    save_states: Path | None = None
    """Folder that the key s saves the state into."""
    record: Path | None = None
    """Folder to record the play into, for: hocket train --demonstrations FOLDER/0000.npz."""
    level: int | None = None
    """Level to begin with: 0 to 9 of falling blocks, opponent 0 to 7 of Duel."""
    window: bool = False
    """Play in a window, even on a terminal."""
    every: int = 2
    """Frames for each one that is drawn."""
    speed: float = 1.0
    """Multiple of the natural speed."""
    seconds: float | None = None
    """Seconds to play; until q is pressed if not given."""
    seed: int = 0
    """Seed of the environment."""


@dataclass(frozen=True, slots=True)
class Session:
    """A running Game Boy, with or without a game's rewards."""

    screen: Callable[[], NDArray[np.uint8]]
    press: Callable[[Button | None], None]
    save: Callable[[Path], Path]
    status: Callable[[], str]
    close: Callable[[], None]
    full: Callable[[], bool] = lambda: False


_USUAL = PlayArguments()


def play(options: Annotated[PlayArguments, tyro.conf.arg(name="")] = _USUAL) -> None:
    """Play a Game Boy game, in the terminal or in a window.

    Arrows, x = A, z = B, Enter = START, Backspace = SELECT, s = save the state, q = leave.

    hocket play --rom red.gb --save-states FOLDER makes save states for hocket/PokemonBattles-v0.
    """
    _check(options)
    screen = _screen(options)
    session = _cartridge(options) if options.rom is not None else _environment(options)
    try:
        with screen, between_ticks() as interrupt:  # raised within PyBoy, Ctrl-C may be lost
            _loop(session, screen, options, interrupt)
    finally:
        session.close()
    console.say(session.status())


def _loop(session: Session, screen: Screen, options: PlayArguments, interrupt: Interrupt) -> None:
    """Plays frame by frame on the clock; late frames are not drawn."""
    period_s = float(1 / exact_hz(GAMEBOY_HZ)) / options.speed
    note = screen.help
    began_s = monotonic()
    frame = 0
    while options.seconds is None or frame * period_s < options.seconds:
        frame += 1
        due_s = began_s + frame * period_s
        keys = screen.listen(due_s)
        if interrupt.requested:
            raise interrupt.error()
        if keys.leave or session.full():
            return
        if keys.save:
            note = _saved(session, options)
        session.press(keys.button)
        if frame % options.every == 0 and monotonic() < due_s + options.every * period_s:
            screen.draw(session.screen(), f"{session.status()}   {note}")


def _screen(options: PlayArguments) -> Screen:
    if terminal.is_terminal() and not options.window:
        return terminal.Terminal()
    if has_display():
        return GameWindow()
    raise ConfigurationError(
        "hocket play needs a terminal or a display: here "
        + ("there is no display" if options.window else "input or output is no terminal, and there is no display")
        + f"; try it in a terminal window, or hocket run --env {options.env} --policy random to see the game run"
    )


def _saved(session: Session, options: PlayArguments) -> str:
    if options.save_states is None:
        return "to save states, start with --save-states FOLDER"
    return f"saved {session.save(options.save_states)}"


def _environment(options: PlayArguments) -> Session:
    """``options.env``, with START and SELECT; an episode that ends is followed by the next."""
    recording = None if options.record is None else Recording(options.record)
    given = parse_env_args(options.env_args)
    if options.level is not None and options.env in (BLOCKS_ID, TETRIS_ID) and "states" not in given:
        given = {"encounters": LEVELS, **given}
    # Records the observations of training: small pictures, and no START or SELECT.
    usual = {"start_select": True, "raw": True} if recording is None else {}
    env = make_env(options.env, **{**usual, **given})
    boy = env.unwrapped
    assert isinstance(boy, GameBoyEnv)
    chosen = None if options.level is None else {"encounter": options.level}
    totals: dict[str, Any] = {"return": 0.0, "episodes": 0}

    def begin(seed: int | None, options: dict[str, Any] | None) -> None:
        observation, _ = env.reset(seed=seed, options=options)
        if recording is not None:
            recording.begin(observation)

    def press(button: Button | None) -> None:
        action = ALL.index(button)
        action = action if env.action_space.contains(action) else NONE
        observation, reward, terminated, truncated, _ = env.step(action)
        totals["return"] += float(reward)
        if recording is not None:
            recording.add(action, observation, float(reward), terminated, truncated)
        if terminated or truncated:
            totals["episodes"] += 1
            begin(None, None if boy.game.in_order else chosen)

    def close() -> None:
        env.close()
        if recording is not None and (file := recording.save()) is not None:
            console.say(f"recorded {file}; train on it: hocket train --env {options.env} --demonstrations {file}")

    try:
        begin(options.seed, chosen)
    except ConfigurationError:
        env.close()
        raise
    return Session(
        screen=lambda: boy.screen,
        press=press,
        save=lambda folder: write_state(folder, boy.save_state(), rom_sha256=boy.rom.sha256),
        status=lambda: f"rewards {totals['return']:g}, episodes ended {totals['episodes']}",
        close=close,
        full=lambda: recording is not None and recording.full,
    )


def _cartridge(options: PlayArguments) -> Session:
    """The cartridge alone."""
    assert options.rom is not None
    rom = read_rom(options.rom)
    state = None if options.state is None else read_state(options.state, rom_sha256=rom.sha256)
    emulator = Emulator(rom.data)
    if state is not None:
        emulator.load(state)

    def press(button: Button | None) -> None:
        emulator.hold(button)
        emulator.tick()

    return Session(
        screen=lambda: emulator.screen,
        press=press,
        save=lambda folder: write_state(folder, emulator.save(), rom_sha256=rom.sha256),
        status=lambda: rom.path.name,
        close=emulator.close,
    )


def _check(options: PlayArguments) -> None:
    if options.state is not None and options.rom is None:
        raise ConfigurationError(f"--state {options.state} needs --rom; an environment takes --env-args states=FOLDER")
    if options.rom is not None and (options.env, options.env_args) != (_USUAL.env, _USUAL.env_args):
        raise ConfigurationError(f"--rom {options.rom} is played alone; leave --env and --env-args out")
    if options.rom is not None and (options.record, options.level) != (None, None):
        raise ConfigurationError(
            f"--rom {options.rom} has no rewards and no levels; --env has; leave --record and --level out"
        )
    if options.rom is None and options.env not in (*OWN_IDS, *BROUGHT_IDS):
        raise ConfigurationError(
            f"--env {options.env} is no Game Boy game; see hocket envs; try --env hocket/Blocks-v0, and for others "
            "gymnasium.utils.play"
        )
    if options.every < 1 or not options.speed > 0:
        raise ConfigurationError(
            f"--every {options.every} must be at least 1 and --speed {options.speed} greater than 0; try 2 and 1"
        )
