"""Makes any environment by id, and lists natural rates.

Rates are those of the environments where they define one: ``tau`` of CartPole, ``dt`` of Acrobot and Pendulum, ``FPS``
of Box2D; a Game Boy's screen. MountainCar's step has no duration; its rendering rate stands in. Other ids have no
known rate.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import DependencyNotInstalled, UnregisteredEnv
from gymnasium.error import Error as GymnasiumError

from hocket.core.cadence import exact_hz
from hocket.envs.atari import ATARI_HZ, atari_available, atari_games, make_atari
from hocket.envs.gameboy.buttons import NONE, PLAYED
from hocket.envs.gameboy.emulator import GAMEBOY_HZ
from hocket.envs.gameboy.env import GameBoyEnv
from hocket.envs.gameboy.factory import gameboy_available
from hocket.envs.preprocessing import check_frame_stack, stack_frames
from hocket.envs.registration import BROUGHT_IDS, NULL_ID, OWN_IDS
from hocket.errors import ConfigurationError, HocketError, MissingExtraError


@dataclass(frozen=True, slots=True)
class RealtimeSpec:
    """An environment's natural rate and its idle action.

    Args:
        hz: ticks per second, kept as an exact rational: ``59.7275`` means 59.7275.
        default: the action that does nothing, or None where there is none (a cart can only push).

    Raises:
        ConfigurationError: if ``hz`` is no positive number.
    """

    hz: Fraction
    default: Any = None

    def __init__(self, hz: float | str | Fraction, default: Any = None) -> None:
        object.__setattr__(self, "hz", exact_hz(hz))
        object.__setattr__(self, "default", default)


_ALE = "ALE/"
_MINATAR = "minatar/"
_VERSION = re.compile(r"-v\d+$")
_ATARI_EXTRA = "hocket[atari]"
_GAMEBOY_EXTRA = "hocket[gameboy]"
_GAMEBOY_SPEC = RealtimeSpec(GAMEBOY_HZ, NONE)
_PAPER_GAMES = {"ALE/Boxing-v5": 18, "ALE/Krull-v5": 18, "ALE/NameThisGame-v5": 6}
_CLASSIC = {
    "CartPole-v1": "2",
    "Acrobot-v1": "3",
    "MountainCar-v0": "3",
    "MountainCarContinuous-v0": "Box(1)",
    "Pendulum-v1": "Box(1)",
}
_SPECS = {
    "CartPole": RealtimeSpec(50),
    "Acrobot": RealtimeSpec(5, 1),
    "MountainCar": RealtimeSpec(30, 1),
    "MountainCarContinuous": RealtimeSpec(30, (0.0,)),
    "Pendulum": RealtimeSpec(20, (0.0,)),
    "LunarLander": RealtimeSpec(50, 0),
    "LunarLanderContinuous": RealtimeSpec(50, (0.0, 0.0)),
    "BipedalWalker": RealtimeSpec(50, (0.0, 0.0, 0.0, 0.0)),
    "BipedalWalkerHardcore": RealtimeSpec(50, (0.0, 0.0, 0.0, 0.0)),
    "CarRacing": RealtimeSpec(50),
}
"""By name, whatever the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEnvironment:
    """A row of ``hocket envs``.

    Attributes:
        id: what ``make_env`` takes; ``ALE/*-v5`` stands for all other Atari games.
        hz: natural ticks per second, None where there is none.
        actions: how many, or ``Box(dimensions)``.
        needs: packages to install, ``""`` for none.
        available: whether it can be made here.
        count: how many ids the row stands for; 0 where they cannot be counted because the extra is missing.
        brings: files that the user provides, ``""`` for none.
    """

    id: str
    hz: Fraction | None
    actions: str
    needs: str = ""
    available: bool = True
    count: int = 1
    brings: str = ""


def make_env(
    id: str,
    *,
    frame_stack: int = 1,
    repeat_action_probability: float = 0.0,
    render_mode: str | None = None,
    **kwargs: Any,
) -> gym.Env[Any, Any]:
    """Any Gymnasium environment by its id; Atari games as ``make_atari`` makes them, all else as registered.

    Pictures of 84x84 of Game Boy games get the axis of the frames that Atari's have.

    Args:
        id: ``"CartPole-v1"``, ``"ALE/Boxing-v5"`` or ``"Boxing"``, ``"package:Name-v0"``, ``"minatar/breakout"`` (of
            MinAtar, with the game's own actions only) and so on.
        frame_stack: more than 1 puts that many observations into one, ``(frame_stack, *shape)``, oldest
            first. Observations of Atari and Game Boy games always have that axis, others only then.
        repeat_action_probability: Atari only.
        render_mode: as the environment offers it.
        **kwargs: for ``gymnasium.make``; of Atari games only ``size``.

    Raises:
        ConfigurationError: an unknown id (the message lists close matches), an option that does not fit, or a
            package that the environment needs and that is not installed.
        MissingExtraError: an Atari game without the ``atari`` extra.
    """
    check_frame_stack(frame_stack)
    if not isinstance(id, str):
        raise ConfigurationError(f"id={id!r} must be a name; try 'CartPole-v1', or ALE/Boxing-v5")
    if _is_atari(id):
        if odd := kwargs.keys() - {"size"}:
            raise ConfigurationError(
                f"{', '.join(sorted(odd))}: no option of Atari games; frame_stack, size, render_mode and "
                "repeat_action_probability are; try gymnasium.make for others"
            )
        return make_atari(
            id,
            frame_stack=frame_stack,
            repeat_action_probability=repeat_action_probability,
            render_mode=render_mode,
            **kwargs,
        )
    if repeat_action_probability != 0.0:
        raise ConfigurationError(
            f"repeat_action_probability={repeat_action_probability!r} is for Atari games only, not for id={id!r}; try 0"
        )
    if render_mode is not None:  # not every environment knows the option
        kwargs["render_mode"] = render_mode
    env = _make(id, **kwargs)
    return stack_frames(env, frame_stack) if frame_stack > 1 or isinstance(env.unwrapped, GameBoyEnv) else env


def natural_spec(id: str) -> RealtimeSpec | None:
    """The rate and the idle action of the environment ``id``, or None if its rate is unknown."""
    if _is_atari(id):
        return RealtimeSpec(ATARI_HZ, 0)
    if id in OWN_IDS or id in BROUGHT_IDS:
        return _GAMEBOY_SPEC
    return _SPECS.get(_VERSION.sub("", id))


def natural_hz(id: str) -> Fraction | None:
    """Ticks per second of the environment ``id``, exact, or None if unknown."""
    spec = natural_spec(id)
    return None if spec is None else spec.hz


def known_environments() -> tuple[KnownEnvironment, ...]:
    """The environments that ``make_env`` knows, best known first; other registered ids work as well."""
    here = atari_available()
    atari = [
        KnownEnvironment(id=game, hz=Fraction(ATARI_HZ), actions=str(actions), needs=_ATARI_EXTRA, available=here)
        for game, actions in _PAPER_GAMES.items()
    ]
    others = KnownEnvironment(
        id="ALE/*-v5",
        hz=Fraction(ATARI_HZ),
        actions="3 to 18",
        needs=_ATARI_EXTRA,
        available=here,
        count=len(set(atari_games()) - _PAPER_GAMES.keys()) if here else 0,
    )
    classic = [KnownEnvironment(id=id, hz=natural_hz(id), actions=actions) for id, actions in _CLASSIC.items()]
    gameboy = [
        KnownEnvironment(
            id=id,
            hz=_GAMEBOY_SPEC.hz,
            actions=str(len(PLAYED)),
            needs=_GAMEBOY_EXTRA,
            available=gameboy_available(),
            brings="rom=FILE" if id in BROUGHT_IDS else "",
        )
        for id in (*OWN_IDS, *BROUGHT_IDS)
    ]
    return (*gameboy, *atari, others, *classic, KnownEnvironment(id=NULL_ID, hz=None, actions="2"))


def _is_atari(id: str) -> bool:
    """``ALE/...``, or a bare name that is a game's and no registered environment's."""
    if id.startswith(_ALE):
        return True
    if "/" in id or ":" in id or "-v" in id or not id or not atari_available():
        return False
    return f"{_ALE}{id}-v5" in atari_games()


def _make_minatar(id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    game = id.removeprefix(_MINATAR)
    try:
        base = import_module("minatar.gym").BaseEnv
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"id={id!r} needs MinAtar, which is not installed: {error}; try pip install MinAtar"
        ) from error
    try:
        env: gym.Env[Any, Any] = base(game=game, use_minimal_action_set=True, **kwargs)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"id={id!r} is no game of MinAtar; asterix, breakout, freeway, seaquest and space_invaders are"
        ) from error
    return env


def _make(id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    if id.startswith(_MINATAR):
        return _make_minatar(id, **kwargs)
    if id not in gym.registry:
        with contextlib.suppress(MissingExtraError):
            atari_games()  # importing ale-py registers its ids
    try:
        return gym.make(id, **kwargs)
    except UnregisteredEnv as error:
        raise ConfigurationError(f"id={id!r} is no registered environment; {_hint(id)}") from error
    except (DependencyNotInstalled, ModuleNotFoundError) as error:
        raise ConfigurationError(f"id={id!r} needs a package that is not installed: {error}") from error
    except TypeError as error:
        raise ConfigurationError(f"id={id!r} does not take {kwargs}: {error}; try others") from error
    except GymnasiumError as error:  # malformed or deprecated
        raise ConfigurationError(f"id={id!r} cannot be made: {error}; {_hint(id)}") from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, ValueError) as error:
        if not kwargs or isinstance(error, HocketError):
            raise
        raise ConfigurationError(
            f"id={id!r} cannot be made with {kwargs}: {type(error).__name__}: {error}; try other values, or none"
        ) from error


def _hint(id: str) -> str:
    """Close matches by name, each in its newest version, of the same namespace first; or where to look."""
    namespace, _, name = _VERSION.sub("", id).rpartition("/")
    newest: dict[str, EnvSpec] = {}
    for spec in gym.registry.values():
        if spec.namespace is None and str(spec.entry_point).startswith("ale_py"):
            continue  # superseded by ALE/...
        rival = newest.get(spec.name.lower())
        if rival is None or _rank(spec, namespace) > _rank(rival, namespace):
            newest[spec.name.lower()] = spec
    close = [newest[found].id for found in difflib.get_close_matches(name.lower(), newest, n=3, cutoff=0.6)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return "try 'package:Name-v0' with the package that registers it; `hocket envs` lists examples"


def _rank(spec: EnvSpec, namespace: str) -> tuple[bool, bool, int]:
    return spec.namespace == namespace, spec.namespace is None, spec.version or 0
