"""PyBoy without a window: one frame at a time, with buttons, memory, screen and state as values.

PyBoy gets the ROM's bytes, not its path: given a path it would load and write a ``.ram`` file beside it.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.envs.gameboy.buttons import Button
from hocket.errors import ConfigurationError, MissingExtraError

GAMEBOY_HZ = "59.7275"
"""Frames a second: 4,194,304 clock cycles, 70,224 of them a frame."""


class Emulator:
    """One Game Boy with one cartridge in it, in black and white and silent.

    Args:
        rom: the cartridge's bytes.

    Raises:
        MissingExtraError: without PyBoy.
        ConfigurationError: if PyBoy does not know the cartridge's kind.
    """

    def __init__(self, rom: bytes) -> None:
        pyboy = _pyboy()
        try:
            self._boy: Any = pyboy.PyBoy(
                io.BytesIO(rom),
                window="null",
                sound_emulated=False,
                no_input=True,
                cgb=False,
                log_level="CRITICAL",
            )
        except pyboy.utils.PyBoyException as error:
            raise ConfigurationError(f"PyBoy cannot run this ROM: {error}; try another one") from error
        self._boy.set_emulation_speed(0)
        self._memory = self._boy.memory
        self._grey: NDArray[np.uint8] = self._boy.screen.ndarray[:, :, 0]
        self._error = pyboy.utils.PyBoyException
        self._held: Button | None = None

    def hold(self, button: Button | None) -> None:
        """From the next frame on ``button`` is down, and no other; one that is down already stays so."""
        if button is self._held:
            return
        if self._held is not None:
            self._boy.button_release(self._held.value)
        if button is not None:
            self._boy.button_press(button.value)
        self._held = button

    def tick(self, *, draw: bool = True) -> None:
        """Runs one frame; without ``draw`` the screen is not updated, which is quicker."""
        self._boy.tick(1, draw, False)

    def read(self, address: int, count: int) -> bytes:
        """``count`` bytes of memory from ``address`` on."""
        return bytes(self._memory[address : address + count])

    def write(self, address: int, data: bytes) -> None:
        """Writes ``data`` to memory."""
        self._memory[address : address + len(data)] = list(data)

    @property
    def screen(self) -> NDArray[np.uint8]:
        """Grey, (144, 160), 0 black to 255 white; the next frame overwrites it."""
        return self._grey

    @property
    def held(self) -> Button | None:
        """The button that is down."""
        return self._held

    def save(self) -> bytes:
        """The whole state: memory, processor, screen, and the button that is down."""
        state = io.BytesIO()
        self._boy.save_state(state)
        return state.getvalue()

    def load(self, state: bytes, *, held: Button | None = None) -> None:
        """Restores a state of `save`.

        Args:
            state: of the same ROM.
            held: the button that was down then.

        Raises:
            ConfigurationError: if PyBoy cannot read it.
        """
        self._boy.events.clear()
        try:
            self._boy.load_state(io.BytesIO(state))
        except (self._error, IndexError, ValueError, OverflowError) as error:
            raise ConfigurationError(f"PyBoy cannot load a save state of {len(state):,} bytes: {error}") from error
        for button in Button:  # the state may have been taken with others down
            if button is not held:
                self._boy.button_release(button.value)
        self._held = held

    def close(self) -> None:
        """Stops the emulator; writes no files."""
        self._boy.stop(save=False)


def _pyboy() -> Any:
    try:
        with warnings.catch_warnings():  # PySDL2 warns of the library it is configured with
            warnings.simplefilter("ignore")
            import pyboy
            import pyboy.utils
    except ImportError as error:
        raise MissingExtraError("Game Boy games (PyBoy)", "gameboy") from error
    return pyboy
