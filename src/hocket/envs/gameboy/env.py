"""A Game Boy as an environment: every frame is a tick, 59.7275 of them a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from hocket.envs.gameboy.buttons import ALL, NONE, PLAYED, Button, ButtonSpace
from hocket.envs.gameboy.emulator import GAMEBOY_HZ, Emulator
from hocket.envs.gameboy.game import Game, Presses
from hocket.envs.gameboy.picture import COLUMNS, ROWS, SIDE, shrink
from hocket.envs.gameboy.roms import Rom, check_revision, read_rom
from hocket.envs.gameboy.states import Pool
from hocket.errors import ActionError, ConfigurationError

PATIENCE = 3600
"""The most frames, a minute, until a game reaches the point where the agent takes over."""

S = TypeVar("S")


class GameBoyEnv(gym.Env[NDArray[np.uint8], int], Generic[S]):
    """``game`` on the cartridge ``rom``.

    Actions hold a button down for a frame: 0 A, 1 B, 2 left, 3 up, 4 right, 5 down, 6 none; with ``start_select`` also
    7 START, 8 SELECT. Observations are grey uint8, 0 to 255, of shape (84, 84), or (144, 160) with ``raw``.

    An episode begins with one of ``encounters``: the save states of ``states`` if there are any, otherwise the choices
    of the game's title. The game's definition decides whether they are drawn, or come in order, the next one only after
    a win. ``reset(seed=...)`` restarts the order, and ``reset(options={"encounter": 3})`` chooses one.

    ``info`` holds what the game's definition reads in memory, ``encounter``, and ``won``: whether the episode has
    ended in a win. ``metadata["counts"]`` lists the keys that count what an episode has achieved so far.

    Args:
        game: defines rewards and ends.
        rom: the file of the cartridge.
        states: a folder of save states, all of this ROM.
        encounters: how many choices the game's title offers, without ``states``.
        sha256: of the ROM, if it is another revision than the definition was written for.
        raw: observe the full screen.
        start_select: whether START and SELECT are actions.
        fresh_press: a repeated action presses the button again: it is down in every other frame. Otherwise it is held.
        render_mode: None or ``"rgb_array"``.

    Raises:
        MissingExtraError: without PyBoy.
        ConfigurationError: if ROM or states do not fit, or an option is out of range; each says why.
    """

    metadata = {  # noqa: RUF012 (as Gymnasium has it)
        "render_modes": ["rgb_array"],
        "render_fps": float(GAMEBOY_HZ),
        "counts": ["won", "caught", "lines_cleared"],
    }

    def __init__(
        self,
        game: Game[S],
        rom: str | Path,
        *,
        states: str | Path | None = None,
        encounters: int = 1,
        sha256: str | None = None,
        raw: bool = False,
        start_select: bool = False,
        fresh_press: bool = False,
        render_mode: str | None = None,
    ) -> None:
        if encounters < 1:
            raise ConfigurationError(f"encounters={encounters!r} must be at least 1; try 1")
        if states is not None and encounters != 1:
            raise ConfigurationError(
                f"encounters={encounters!r} has no effect with states={str(states)!r}; leave it out"
            )
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigurationError(f"render_mode={render_mode!r} must be None or 'rgb_array'; try 'rgb_array'")
        self.game = game
        self.rom: Rom = read_rom(rom)
        check_revision(self.rom, game.roms, sha256=sha256)
        self._pool = None if states is None else Pool.of(states, rom_sha256=self.rom.sha256)
        self.encounters = encounters if self._pool is None else len(self._pool)
        self.render_mode = render_mode
        self._raw = raw
        self.fresh_press = fresh_press
        self._buttons = ALL if start_select else PLAYED
        self.action_space: spaces.Discrete[Any] = ButtonSpace(self._buttons)
        self.observation_space = spaces.Box(0, 255, (ROWS, COLUMNS) if raw else (SIDE, SIDE), np.uint8)
        self._emulator = Emulator(self.rom.data)
        self._power_on = b"" if self._pool is not None else self._emulator.save()
        self._prepared: dict[int, bytes] = {}
        self._encounter = 0
        self._over = self._won = False
        self._state: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begins an encounter.

        Raises:
            ConfigurationError: if it does not reach the point where an agent takes over.
        """
        super().reset(seed=seed, options=options)
        self._encounter = self._next_encounter(begin_anew=seed is not None, wanted=(options or {}).get("encounter"))
        try:
            self._load(self._encounter)
            if self._run(self.game.begin(self._emulator.read, self.np_random)):
                self._emulator.hold(None)
                self._emulator.tick()
            self._state = self.game.start(self._emulator.read)
        except ConfigurationError as error:
            if self._pool is None:
                raise
            raise ConfigurationError(f"save state {self._pool.names[self._encounter]}: {error}") from error
        self._over = self._won = False
        return self._observation(), self._info()

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """One frame with the button of ``action`` down.

        Raises:
            ActionError: for a number that is no action.
        """
        if not 0 <= action < len(self._buttons):
            raise ActionError(f"action {action!r} is none of 0 to {len(self._buttons) - 1}; try {NONE}, no button")
        button = self._buttons[action]
        if self.fresh_press and button is self._emulator.held:
            button = None
        self._emulator.hold(button)
        self._emulator.tick()
        tick = self.game.tick(self._state, self._emulator.read)
        self._state = tick.state
        if tick.terminated and not self._over:
            self._over, self._won = True, self.game.won(tick.state)
        return self._observation(), tick.reward, tick.terminated, False, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """The screen in colour, (144, 160, 3), with ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            return None
        return np.repeat(self._emulator.screen[:, :, None], 3, axis=2)

    def close(self) -> None:
        """Stops the emulator; leaves no files."""
        self._emulator.close()

    @property
    def screen(self) -> NDArray[np.uint8]:
        """Grey, (144, 160), 0 black to 255 white, whatever observations are; the next frame overwrites it."""
        return self._emulator.screen

    def read(self, address: int, count: int) -> bytes:
        """``count`` bytes of the Game Boy's memory from ``address`` on."""
        return self._emulator.read(address, count)

    def write(self, address: int, data: bytes) -> None:
        """Writes ``data`` to the Game Boy's memory."""
        self._emulator.write(address, data)

    def save_state(self) -> bytes:
        """The emulator's state, as `write_state` keeps it in a pool."""
        return self._emulator.save()

    def clone_state(self, include_rng: bool = True) -> dict[str, Any]:
        """The state of the episode; `hocket.envs.state` saves the random state."""
        return {
            "emulator": self._emulator.save(),
            "held": None if self._emulator.held is None else self._emulator.held.value,
            "encounter": self._encounter,
            "ended": (self._over, self._won),
            "state": self._state,
        }

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restores a state of `clone_state`, in an environment made alike."""
        held = state["held"]
        self._emulator.load(state["emulator"], held=None if held is None else Button(held))
        self._encounter, self._state = state["encounter"], state["state"]
        self._over, self._won = state["ended"]

    def _next_encounter(self, *, begin_anew: bool, wanted: int | None) -> int:
        if wanted is not None:
            if not 0 <= wanted < self.encounters:
                raise ConfigurationError(f"encounter={wanted!r} must be one of 0 to {self.encounters - 1}; try 0")
            return wanted
        if not self.game.in_order:
            return int(self.np_random.integers(self.encounters))
        if begin_anew:
            return 0
        return (self._encounter + self._won) % self.encounters

    def _load(self, encounter: int) -> None:
        """Restores the state in which the encounter begins."""
        if self._pool is not None:
            self._emulator.load(self._pool[encounter])
            return
        if encounter not in self._prepared:
            self._emulator.load(self._power_on)
            self._run(self.game.prepare(self._emulator.read, encounter))
            self._emulator.hold(None)
            self._emulator.tick()
            self._prepared[encounter] = self._emulator.save()
        self._emulator.load(self._prepared[encounter])

    def _run(self, presses: Presses) -> int:
        """Executes ``presses`` without drawing; returns the number of frames."""
        frames = 0
        for button in presses:
            if frames == PATIENCE:
                raise ConfigurationError(
                    f"{self.game} did not reach the point where an agent takes over within {PATIENCE} frames; try a "
                    "folder of save states from within the game, states='FOLDER' (made by hocket states or hocket play)"
                )
            self._emulator.hold(button)
            self._emulator.tick(draw=False)
            frames += 1
        return frames

    def _observation(self) -> NDArray[np.uint8]:
        screen = self._emulator.screen
        return screen.copy() if self._raw else shrink(screen)

    def _info(self) -> dict[str, Any]:
        return {**self.game.info(self._state), "encounter": self._encounter, "won": self._won}
