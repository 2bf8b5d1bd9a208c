"""Episodes played by an expert, a person or another agent, to begin learning from.

They are played tick by tick, without delay. For an agent that acts with a delay of d ticks, each action counts as
decided d ticks before it was executed, as in the transitions that the agent will make.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from signal import Signals
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.drivers.interrupt import between_ticks
from hocket.errors import ConfigurationError, check_whole
from hocket.hooks.record import Moment
from hocket.results.files import replacing
from hocket.running.result import RunInterrupted
from hocket.spaces.checked_env import CheckedEnv
from hocket.spaces.codec import NOTHING_PENDING, PendingActions, check_array_spaces

MOST_TICKS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Demonstrations:
    """Whole episodes, one after the other: T ticks in E episodes.

    Attributes:
        observations: (T + E, …); of each episode the first one, then what each of its ticks yielded.
        actions: (T,), as the environment's action space counts them.
        rewards: (T,).
        terminated, truncated: (T,); the last tick of each episode has one of them.

    Raises:
        ConfigurationError: if the arrays do not fit together.
    """

    observations: NDArray[Any]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]

    def __post_init__(self) -> None:
        ticks = len(self.actions)
        for name in ("rewards", "terminated", "truncated"):
            if len(getattr(self, name)) != ticks:
                raise ConfigurationError(
                    f"{name} of {len(getattr(self, name))} ticks, actions of {ticks}; give as many"
                )
        if not ticks or not self.ended[-1]:
            raise ConfigurationError("demonstrations must be of whole episodes; let the last tick be truncated")
        if len(self.observations) != ticks + self.episodes:
            raise ConfigurationError(
                f"{len(self.observations)} observations do not fit {ticks} ticks of {self.episodes} episodes: give "
                f"{ticks + self.episodes}, of each episode the first one and then one a tick"
            )

    def __repr__(self) -> str:
        digest = hashlib.sha256()
        for field in fields(self):
            digest.update(np.ascontiguousarray(getattr(self, field.name)).data)
        return f"Demonstrations({self.episodes} episodes, {len(self.actions)} ticks, {digest.hexdigest()[:12]})"

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(T,): whether an episode ended here."""
        return self.terminated | self.truncated

    @property
    def episodes(self) -> int:
        """E."""
        return int(self.ended.sum())

    @property
    def returns(self) -> NDArray[np.float64]:
        """(E,): the undiscounted return of each episode."""
        first = np.concatenate([[0], np.flatnonzero(self.ended) + 1])[:-1]
        sums: NDArray[np.float64] = np.add.reduceat(self.rewards, first)
        return sums

    def moments(
        self,
        delay_ticks: int = 1,
        *,
        interval_ticks: int = 1,
        told: gym.spaces.Discrete | None = None,
        pending: int = 0,
        newest: bool = False,
    ) -> Iterator[Moment]:
        """Every tick as a learner sees it, if each action was decided ``delay_ticks`` ticks before it was executed.

        The actions of an episode's first ``delay_ticks`` − 1 ticks count as not decided, or with ``newest`` as those of
        a head that acts alone.

        Args:
            delay_ticks: at least 1.
            interval_ticks: only an episode's ticks that are multiples of it execute a decision.
            told: the action space, if the agent is told pending actions. Those between an observation and its action
                are all known, as they are to a head that runs late.
            pending: how many it is told.
            newest: the agent's head sees the newest observation.
        """
        frame, first_tick = 0, 0
        last = len(self.actions)

        def inputs(tick: int) -> tuple[int, PendingActions, int]:
            """The inputs of the action of ``tick``: an observation, pending actions, the newest observation."""
            due = not (tick - first_tick) % interval_ticks and tick - delay_ticks >= first_tick
            decided_on = tick - delay_ticks if due else -1
            known = NOTHING_PENDING
            if told is not None:
                known = np.full(pending, int(told.n), np.int64)
                if decided_on >= 0:
                    between = self.actions[decided_on : tick - 1][:pending] - int(told.start)
                    known[: len(between)] = between
            return decided_on, known, tick - 1 if newest else -1

        for tick in range(1, last + 1):
            row = tick - 1
            frame += 1
            final = None
            decided_on, known, seen = inputs(tick)
            next_decided_on, next_known, next_seen = -1, NOTHING_PENDING, -1
            if self.ended[row]:
                final = self.observations[frame].copy()
                frame += tick < last  # after the very last episode its final observation stands in for the next first
                next_decided_on, next_known, next_seen = inputs(tick + 1)
                if told is None and not newest:
                    next_decided_on = tick  # of one stage: an inference that starts on the final observation
            yield Moment(
                tick=tick,
                decided_on=decided_on,
                action=int(self.actions[row]),
                pending_actions=known,
                reward=float(self.rewards[row]),
                terminated=bool(self.terminated[row]),
                truncated=bool(self.truncated[row]),
                observation=(final if final is not None and tick == last else self.observations[frame]).copy(),
                final_observation=final,
                final_pending_actions=next_known,
                newest=seen,
                final_decided_on=None if final is None else next_decided_on,
                final_newest=next_seen,
            )
            if final is not None:
                first_tick = tick

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a compressed ``.npz`` of the arrays; whole or not there.

        Raises:
            ConfigurationError: if the disk refuses.
        """
        path = Path(path)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Demonstrations:
        """Read what `save` wrote.

        Raises:
            ConfigurationError: if there is no such file, or it holds something else.
        """
        names = [field.name for field in fields(cls)]
        try:
            with Path(path).open("rb") as file, np.load(file) as arrays:
                return cls(**{name: arrays[name] for name in names})
        except FileNotFoundError:
            raise ConfigurationError(f"{path} is not there; give a file that Demonstrations.save wrote") from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ConfigurationError(
                f"{path} holds no demonstrations ({error}); an .npz with {', '.join(names)} is allowed"
            ) from error


def demonstrate(
    env: gym.Env[Any, Any],
    policy: Callable[[Any], Any],
    *,
    episodes: int,
    seed: int = 0,
    most_ticks: int = MOST_TICKS,
    interval_ticks: int = 1,
    between: int | None = None,
) -> Demonstrations:
    """Play whole episodes, an action for every observation. The world waits.

    Args:
        env: with Discrete actions and Box observations; not closed.
        policy: observation → action.
        episodes: how many.
        seed: of the first reset.
        most_ticks: after so many ticks the episode is truncated, and no other begins.
        interval_ticks: only an episode's ticks that are multiples of it execute the policy's action, as those of a
            sequential agent do. The policy is called in all of them.
        between: the action of the other ticks; the first of the action space if None.

    An error or a signal ends it at once. It leaves with the episodes finished before as its attribute ``result``, if
    there are any.

    Raises:
        ConfigurationError: if something does not fit.
        EnvError: if the environment gives something else than it declares.
        RunInterrupted: on Ctrl-C, if an episode was finished.
    """
    check_array_spaces(env, "a set of demonstrations")
    for name, value in (("episodes", episodes), ("most_ticks", most_ticks), ("interval_ticks", interval_ticks)):
        check_whole(name, value, example=1, numpy=True)
    if not isinstance(env.action_space, gym.spaces.Discrete):
        raise ConfigurationError(f"demonstrations are of Discrete actions, not {env.action_space}")
    if between is None:
        between = int(env.action_space.start)
    elif not env.action_space.contains(between):
        raise ConfigurationError(f"between={between!r} is not in {env.action_space}; give an action, or leave it out")
    played = _Played()
    checked = CheckedEnv(env)
    with played.kept_on_error(), between_ticks() as interrupt, interrupt.at_once():
        for episode in range(episodes):
            observation, _ = checked.reset(seed=seed if episode == 0 else None)
            played.observations.append(np.array(observation))
            ended = False
            tick = 0
            while not ended:
                tick += 1
                action = int(policy(np.array(observation)))  # the environment's own buffer, which a policy may change
                action = between if tick % interval_ticks else action
                observation, reward, terminated, truncated, _ = checked.step(action)
                truncated = truncated or len(played.rows) + 1 == most_ticks
                ended = terminated or truncated
                played.observations.append(np.array(observation))
                played.rows.append((action, reward, terminated, truncated))
            played.ended()
            if len(played.rows) == most_ticks:
                break
        return played.demonstrations()


class _Played:
    """The episodes played so far, the last of which may be under way."""

    def __init__(self) -> None:
        self.observations: list[Any] = []
        self.rows: list[tuple[int, float, bool, bool]] = []
        self._whole = 0, 0, 0  # episodes that have ended, their observations and their ticks

    def ended(self) -> None:
        """Count the episode."""
        self._whole = self._whole[0] + 1, len(self.observations), len(self.rows)

    def demonstrations(self) -> Demonstrations:
        """Those of the episodes that have ended."""
        _, observations, ticks = self._whole
        actions, rewards, terminations, truncations = zip(*self.rows[:ticks], strict=True)
        return Demonstrations(
            observations=np.stack(self.observations[:observations]),
            actions=np.array(actions, np.int64),
            rewards=np.array(rewards, np.float64),
            terminated=np.array(terminations, bool),
            truncated=np.array(truncations, bool),
        )

    @contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Inside, an error leaves with the episodes that have ended as its ``result``."""
        try:
            yield
        except BaseException as error:
            episodes = self._whole[0]
            if not episodes:
                raise
            shown = self.demonstrations()
            if isinstance(error, KeyboardInterrupt):
                raise RunInterrupted(shown, vars(error).get("signal", Signals.SIGINT)) from error
            vars(error)["result"] = shown
            error.add_note(f"hocket: the episodes finished before ({episodes}) are in .result of this error")
            raise
