"""`hocket.decompose`: measures what a policy loses to inaction and to delay, by playing it again without them.

Theorem 1 of Riemer et al. 2025 splits the regret of a realtime agent. `hocket.theory` computes the parts exactly for
tabular environments. For any other environment the same policy is played three times in virtual time, with the same
random numbers:

    a   free of both: at every tick an action from the newest observation, delay 1
    b   with inaction only: fresh at the same ticks as c, but each from the newest observation
    c   as given: under the rule and the clock

    Δ_inaction = a − b,  Δ_delay = b − c

per tick. Either may be negative: a default may be better than the policy, and a late action better than a prompt one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules import Rule
from hocket.core.rules.base import NOTHING, Schedule, Start
from hocket.drivers.loop_thread import between_ticks, interruption
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError
from hocket.hooks.record import RunRecord
from hocket.latency.laws import Constant
from hocket.policies.base import Policy, PolicyFactory, as_factory, built
from hocket.results.metrics import Metrics
from hocket.running.setup import set_up
from hocket.spaces.codec import ActionCodec
from hocket.spaces.defaults import Default

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over runs and its 95 % interval, by bootstrap over the runs."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4g} (95 % between {self.low:+.4g} and {self.high:+.4g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The reward of the three runs, and their differences.

    Attributes:
        free, undelayed, achieved: the rewards a, b and c.
        inaction_regret: a − b, run by run.
        delay_regret: b − c, run by run.
        realtime_regret: a − c, run by run: their sum.
    """

    free: Estimate
    undelayed: Estimate
    achieved: Estimate
    inaction_regret: Estimate
    delay_regret: Estimate
    realtime_regret: Estimate

    def __str__(self) -> str:
        rows = [
            ("free of delay and inaction", self.free),
            ("lost to inaction", self.inaction_regret),
            ("lost to delay", self.delay_regret),
            ("lost to both", self.realtime_regret),
            ("as given", self.achieved),
        ]
        return "\n".join(f"  {name:<28}{value}" for name, value in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """The reward that one policy loses to inaction and to delay; prints as a table.

    Attributes:
        per_tick: in reward per tick.
        per_episode: in reward per episode, a run's reward divided by the episodes that ended in it; None if in some run
            none ended. Only this is informative where every tick pays alike until an episode ends.
        coverage, delay_mean: of c.
        ticks: of each run.
        runs: of each kind.
    """

    per_tick: Losses
    per_episode: Losses | None
    coverage: float
    delay_mean: float
    ticks: int
    runs: int

    def __str__(self) -> str:
        lines = [f"reward a tick, {self.runs} runs of {self.ticks} ticks each (virtual, the same policy and chance)"]
        lines.append(str(self.per_tick))
        if self.per_episode is not None:
            lines += ["reward an episode", str(self.per_episode)]
        lines.append(f"as given: coverage {self.coverage:.3f}, mean delay {self.delay_mean:.3g} ticks")
        return "\n".join(lines)


def decompose(
    make_env: Callable[[], gym.Env[Any, Any]],
    policy: PolicyFactory | Policy,
    rule: Rule,
    clock: Virtual,
    *,
    ticks: int = 2000,
    runs: int = 20,
    default: Default | None = None,
    seed: int = 0,
    done: Callable[[int, int], None] | None = None,
) -> Counterfactual:
    """Play ``policy`` free, undelayed, and under ``rule`` and ``clock``, with the same random numbers.

    In all three, the k-th episode of a run is reset with the same seed, and so is the generator of the default
    behaviour. The environment draws the same numbers in an episode as long as it draws equally often.

    Args:
        make_env: makes the environment, whose random numbers must all follow from ``reset(seed=)``. It is called once;
            the environment is closed at the end.
        policy: a function of one observation, or a factory. It is built anew for each run, and should not learn.
        rule, clock, default: see `hocket.run`. ``default`` must keep no state from one run to the next.
        ticks: of each run, its start included: c has only default ticks until the first inference has ended.
        runs: number of seeds, at least 2, since the intervals are over them.
        done: called with progress, ``done(finished, all)``.

    Raises:
        ConfigurationError: if something does not fit.
        PolicyError: if the policy cannot be built or keeps failing.
        KeyboardInterrupt: on Ctrl-C or another signal.

    An error after two or more runs of each kind has their `Counterfactual` as its attribute ``result``.
    """
    if not isinstance(clock, Virtual):
        raise ConfigurationError(f"clock={clock!r} cannot repeat a run; try hocket.Virtual(hz=..., latency=...)")
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 2:
        raise ConfigurationError(f"runs={runs!r} must be an integer of at least 2; try 20")
    factory = as_factory(policy)
    at_once = replace(clock, latency=Constant(0.0), head=Constant(0.0), learning=Constant(0.0))
    env = _SameEpisodes(make_env())
    prompt = factory if factory.chunk_length == 1 else _FirstOfChunk(factory, env.action_space)
    played: list[_Played] = []
    try:
        with between_ticks() as interrupt:
            for run in range(runs):

                def play(rule: Rule, clock: Virtual, policy: PolicyFactory, run: int = run) -> RunRecord:
                    checked = set_up(env, policy, rule, clock, ticks=ticks, default=default, seed=seed + run)
                    record = clock.run(checked.setup(), ticks=checked.ticks)
                    if interrupt.requested or record.interrupted:
                        raise interruption(record.signal or interrupt.signal)
                    return record

                achieved = play(rule, clock, factory)
                acted = Metrics(achieved)
                when = acted.ticks.tick[acted.ticks.fresh]
                free = play(At(range(1, ticks + 1)), at_once, prompt)
                undelayed = play(At(when.tolist()), at_once, prompt)
                records = (free, undelayed, achieved)
                played.append(
                    _Played(
                        [sum(record.rewards) for record in records],
                        [_ended(record) for record in records],
                        len(when),
                        acted.delays,
                    )
                )
                if done is not None:
                    done(run + 1, runs)
    except BaseException as error:
        if len(played) > 1:
            vars(error)["result"] = _counterfactual(played, ticks, seed)
        raise
    finally:
        env.close()
    return _counterfactual(played, ticks, seed)


class _Played(NamedTuple):
    """The rewards and ended episodes of a run of each kind; the fresh ticks and delays of c."""

    rewards: list[float]
    episodes: list[int]
    fresh: int
    delays: NDArray[np.int64]


def _counterfactual(played: Sequence[_Played], ticks: int, seed: int) -> Counterfactual:
    rewards = np.array([run.rewards for run in played], np.float64)
    episodes = np.array([run.episodes for run in played], np.float64)
    delays = np.concatenate([run.delays for run in played])
    return Counterfactual(
        per_tick=_losses(rewards / ticks, seed),
        per_episode=_losses(rewards / episodes, seed) if episodes.all() else None,
        coverage=sum(run.fresh for run in played) / (len(played) * ticks),
        delay_mean=float(delays.mean()) if len(delays) else float("nan"),
        ticks=ticks,
        runs=len(played),
    )


def _losses(values: NDArray[np.float64], seed: int) -> Losses:
    """Bootstrap ``[runs, 3]``: a, b and c. All are resampled alike, so the parts of each resample sum to the whole."""
    a, b, c = values.T
    rows = np.stack([a, b, c, a - b, b - c, a - c])
    runs = len(values)
    drawn = np.random.default_rng(seed).integers(runs, size=(RESAMPLES, runs))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(rows[:, drawn].mean(axis=2), (tail, 1 - tail), axis=1)
    found = [Estimate(float(m), float(x), float(y)) for m, x, y in zip(rows.mean(axis=1), low, high, strict=True)]
    return Losses(
        free=found[0],
        undelayed=found[1],
        achieved=found[2],
        inaction_regret=found[3],
        delay_regret=found[4],
        realtime_regret=found[5],
    )


def _ended(record: RunRecord) -> int:
    """The number of episodes that ended."""
    return int(np.count_nonzero(np.asarray(record.terminated) | np.asarray(record.truncated)))


class At(Rule):
    """Fresh at the given ticks and at no other, each from the newest observation.

    Guarantee: delay 1 at these ticks, if inferences take no time. A rule for counterfactuals only, because its ticks
    are fixed beforehand.
    """

    def __init__(self, ticks: Sequence[int]) -> None:
        self.ticks = frozenset(ticks)

    @property
    def initial_workers(self) -> int:
        return 1

    def schedule(self, cadence: Cadence) -> Schedule:
        return _AtSchedule(self.ticks, cadence)


class _AtSchedule(Schedule):
    def __init__(self, ticks: frozenset[int], cadence: Cadence) -> None:
        super().__init__(cadence)
        self._ticks = ticks
        self._served = -1

    def starts(self, now_ns: int, tick: int, idle: OrderedDict[int, None]) -> Sequence[Start]:
        if tick + 1 not in self._ticks or tick == self._served:
            return NOTHING
        self._served = tick
        return (Start(next(iter(idle)), tick, tick + 1),)

    def choose(self, tick: int, due: list[Inference]) -> Inference | None:
        return due[-1] if due and tick in self._ticks else None

    def workers_wanted(self) -> int:
        return 1


class _FirstOfChunk(PolicyFactory):
    """The first action of a policy's chunks."""

    def __init__(self, chunks: PolicyFactory, space: gym.Space[Any]) -> None:
        self._chunks = chunks
        self._codec = ActionCodec(space, chunks.chunk_length)

    def build(self) -> Policy:
        policy, codec = built(self._chunks), self._codec
        return lambda observation: codec.decode(codec.encode(policy(observation))[0])


class _SameEpisodes(gym.Wrapper[Any, Any, Any, Any]):
    """Resets the k-th episode of a run with a seed that depends on the run's and on k alone."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._seed = 0
        self._episode = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._seed, self._episode = seed, 0
        own = np.random.SeedSequence((self._seed, self._episode)).generate_state(1, np.uint32)[0]
        self._episode += 1
        return self.env.reset(seed=int(own) >> 1, options=options)
