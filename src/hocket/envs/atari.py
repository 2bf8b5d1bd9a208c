"""Atari games: every frame is a tick.

Frames come grey from the emulator itself, are resized to ``size`` x ``size`` by area averaging, and stacked
channels first. One tick is one frame at 60 Hz: no frame skip, and sticky actions only when asked for. (As
registered, ``ALE/*-v5`` skips 4 frames and repeats an action with probability 0.25.) Actions are repeated by a wrapper,
not by the emulator, whose saved states lack the previous action. The extra ``atari`` holds ale-py and OpenCV.
"""

from __future__ import annotations

import difflib
import importlib
from importlib.util import find_spec
from typing import Any

import gymnasium as gym

from hocket.envs.preprocessing import check_frame_stack, grey_frames
from hocket.errors import ConfigurationError, MissingExtraError

ATARI_HZ = 60
_PREFIX, _SUFFIX = "ALE/", "-v5"
_RENDER_MODES = (None, "rgb_array", "human")


def atari_available() -> bool:
    """True if the ``atari`` extra is installed."""
    return find_spec("ale_py") is not None and find_spec("cv2") is not None


def atari_games() -> tuple[str, ...]:
    """The ids of all games that ale-py knows, sorted: ``ALE/Adventure-v5`` to ``ALE/Zaxxon-v5``.

    Raises:
        MissingExtraError: without the ``atari`` extra.
    """
    if not atari_available():
        raise MissingExtraError("Atari games (ale-py)", "atari")
    # ale-py prints a banner for each emulator made at a lower level than this, its own default included.
    ale_py = importlib.import_module("ale_py")
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    return tuple(sorted(name for name in gym.registry if name.startswith(_PREFIX) and name.endswith(_SUFFIX)))


class StickyActions(gym.Wrapper[Any, Any, Any, Any]):
    """Executes the previous action again with a probability, in place of the one given.

    Args:
        env: of a discrete action space whose action 0 does nothing; an episode begins as if after that.
        repeat_action_probability: of repeating.
    """

    def __init__(self, env: gym.Env[Any, Any], repeat_action_probability: float) -> None:
        super().__init__(env)
        self.repeat_action_probability = repeat_action_probability
        self._previous: Any = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As ``env``."""
        self._previous = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As ``env``."""
        if self.np_random.random() >= self.repeat_action_probability:
            self._previous = action
        return self.env.step(self._previous)


def make_atari(
    id: str,
    *,
    frame_stack: int = 1,
    repeat_action_probability: float = 0.0,
    size: int = 84,
    render_mode: str | None = None,
) -> gym.Env[Any, Any]:
    """The game ``id`` at 60 ticks a second, one frame a tick, with the actions that it uses (18 for Boxing).

    Args:
        id: ``"ALE/Boxing-v5"`` or just ``"Boxing"``.
        frame_stack: frames in one observation.
        repeat_action_probability: of executing the previous action again instead ("sticky actions").
        size: pixels a side.
        render_mode: None, ``"rgb_array"`` or ``"human"``.

    Returns:
        An environment with observations uint8 of shape ``(frame_stack, size, size)``, 0 to 255, oldest frame
        first. An episode is truncated after 108,000 frames (30 minutes).

    Raises:
        MissingExtraError: without the ``atari`` extra.
        ConfigurationError: for an unknown game (the message lists close matches) or an option out of range.
    """
    check_frame_stack(frame_stack)
    if not 0.0 <= repeat_action_probability <= 1.0:
        raise ConfigurationError(
            f"repeat_action_probability={repeat_action_probability!r} must be a probability from 0 to 1; "
            "try 0, or 0.25 for sticky actions"
        )
    if render_mode not in _RENDER_MODES:
        raise ConfigurationError(f"render_mode={render_mode!r} must be None, 'rgb_array' or 'human'; try 'rgb_array'")
    game = _full_id(id, atari_games())
    screen: gym.Env[Any, Any] = gym.make(
        game,
        frameskip=1,
        obs_type="grayscale",
        repeat_action_probability=0.0,
        render_mode=render_mode,
    )
    if repeat_action_probability:
        screen = StickyActions(screen, float(repeat_action_probability))
    return grey_frames(screen, size=size, frame_stack=frame_stack)


def _full_id(id: str, games: tuple[str, ...]) -> str:
    by_name = {_plain(game): game for game in games}
    plain = _plain(id)
    if plain in by_name:
        return by_name[plain]
    close = [by_name[name] for name in difflib.get_close_matches(plain, by_name, n=4, cutoff=0.5)]
    hint = f"did you mean {' or '.join(close)}?" if close else f"they are {games[0]} to {games[-1]}"
    raise ConfigurationError(f"id={id!r} is none of the {len(games)} Atari games; {hint}")


def _plain(id: str) -> str:
    """``ALE/NameThisGame-v5``, ``NameThisGame`` and ``name_this_game`` are one game."""
    return id.removeprefix(_PREFIX).removesuffix(_SUFFIX).replace("_", "").replace(" ", "").lower()
