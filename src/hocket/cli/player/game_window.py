"""A window with a keyboard, by the SDL that comes with PyBoy. It reports when keys are pressed and released."""

from __future__ import annotations

import ctypes
import os
import warnings
from contextlib import AbstractContextManager
from time import monotonic, sleep
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hocket.cli.player.screens import Keys
from hocket.envs.gameboy.buttons import Button
from hocket.envs.gameboy.picture import COLUMNS, ROWS
from hocket.errors import ConfigurationError, MissingExtraError

SCALE = 4
LOOK_S = 0.002
"""Seconds between two polls for events."""


def has_display() -> bool:
    """True if the environment names a display."""
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))


class GameWindow(AbstractContextManager["GameWindow"]):
    """The screen, four times as large, the text in the title.

    Raises:
        ConfigurationError: on entering, if it cannot be opened.
    """

    help = "arrows, x = A, z = B, Enter = START, Backspace = SELECT, s = save the state, q = leave"

    def __init__(self) -> None:
        self._sdl: Any = _sdl()
        sdl = self._sdl
        self._buttons = {
            sdl.SDLK_x: Button.A,
            sdl.SDLK_z: Button.B,
            sdl.SDLK_LEFT: Button.LEFT,
            sdl.SDLK_UP: Button.UP,
            sdl.SDLK_RIGHT: Button.RIGHT,
            sdl.SDLK_DOWN: Button.DOWN,
            sdl.SDLK_RETURN: Button.START,
            sdl.SDLK_BACKSPACE: Button.SELECT,
        }
        self._window: Any = None
        self._down: list[Button] = []

    def __enter__(self) -> Self:
        sdl = self._sdl
        if sdl.SDL_InitSubSystem(sdl.SDL_INIT_VIDEO) == 0:
            centre = sdl.SDL_WINDOWPOS_CENTERED
            size = COLUMNS * SCALE, ROWS * SCALE
            self._window = sdl.SDL_CreateWindow(b"hocket", centre, centre, *size, sdl.SDL_WINDOW_SHOWN)
        if not self._window:
            raise ConfigurationError(f"no window can be opened: {sdl.SDL_GetError().decode()}; try it in a terminal")
        return self

    def __exit__(self, *error: object) -> None:
        self._sdl.SDL_DestroyWindow(self._window)
        self._sdl.SDL_QuitSubSystem(self._sdl.SDL_INIT_VIDEO)

    def listen(self, until_s: float) -> Keys:
        """Waits and reads keys; of buttons that are down together the one pressed last counts."""
        sdl, event = self._sdl, self._sdl.SDL_Event()
        save = leave = False
        while True:
            while sdl.SDL_PollEvent(ctypes.byref(event)):
                leave = leave or event.type == sdl.SDL_QUIT
                if event.type not in (sdl.SDL_KEYDOWN, sdl.SDL_KEYUP) or event.key.repeat:
                    continue
                pressed, key = event.type == sdl.SDL_KEYDOWN, event.key.keysym.sym
                save = save or (pressed and key == sdl.SDLK_s)
                leave = leave or (pressed and key in (sdl.SDLK_q, sdl.SDLK_ESCAPE))
                if button := self._buttons.get(key):
                    self._down = [other for other in self._down if other is not button] + [button] * pressed
            left_s = until_s - monotonic()
            if left_s <= 0:
                return Keys(self._down[-1] if self._down else None, save, leave)
            sleep(min(left_s, LOOK_S))

    def draw(self, picture: NDArray[np.uint8], below: str) -> None:
        """Scales the picture to the window."""
        sdl = self._sdl
        pixels = np.ascontiguousarray(np.repeat(picture[:, :, None], 4, axis=2))
        drawn = sdl.SDL_CreateRGBSurfaceWithFormatFrom(
            pixels.ctypes.data, COLUMNS, ROWS, 32, COLUMNS * 4, sdl.SDL_PIXELFORMAT_RGB888
        )
        sdl.SDL_BlitScaled(drawn, None, sdl.SDL_GetWindowSurface(self._window), None)
        sdl.SDL_FreeSurface(drawn)
        sdl.SDL_UpdateWindowSurface(self._window)
        sdl.SDL_SetWindowTitle(self._window, below.encode())


def _sdl() -> Any:
    try:
        with warnings.catch_warnings():  # it warns about its library
            warnings.simplefilter("ignore")
            import sdl2
    except ImportError as error:
        raise MissingExtraError("a window (PySDL2, with PyBoy)", "gameboy") from error
    return sdl2
