"""`hocket.decompose`: measures what a policy loses to inaction and to delay, by playing it again without them.

Theorem 1 of Riemer et al. 2025 splits the regret of a realtime agent. `hocket.theory` computes the parts exactly for
tabular environments. For any other environment the same policy is played three times in virtual time, with the same
random numbers:

    a   free of both: at every tick an action from the newest observation, delay 1
    b   with inaction only: fresh at the same ticks as c, but each from the newest observation
    c   as given: under the rule and the clock

    Δ_inaction = a − b,  Δ_delay = b − c

per tick. Either may be negative: a default may be better than the policy, and a late action better than a prompt one.

The reward of an episode is that of episodes that began within the run and have ended. A run is played on, for as long
again at most, until the last of them has: to leave out those that the end of a run cuts would leave out long ones.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from hocket.analysis.estimates import FEWEST_RUNS, Earnings, Estimate, difference, level
from hocket.core.cadence import Cadence
from hocket.core.inference import Inference
from hocket.core.rules import Rule
from hocket.core.rules.base import NOTHING, Schedule, Start
from hocket.drivers.chunk_head import ChunkHead
from hocket.drivers.interrupt import between_ticks, interruption
from hocket.drivers.virtual import Virtual
from hocket.errors import ConfigurationError, check_whole
from hocket.hooks.record import RunRecord
from hocket.latency.laws import Constant
from hocket.policies.base import Policy, PolicyFactory, as_factory, built
from hocket.results.metrics import Metrics, TickColumns
from hocket.running.setup import set_up
from hocket.spaces.codec import ActionCodec
from hocket.spaces.defaults import Default
from hocket.spaces.observations import copied

KINDS = 3


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
        per_episode: in reward per episode, of the episodes that began within a run and ended; None if in some run none
            ended. Only this is informative where every tick pays alike until an episode ends.
        coverage, delay_mean: of c.
        ticks: of each run.
        runs: of each kind.
        episodes: the number of episodes that count, by kind: a, b and c.
        unfinished: the number of episodes, of all kinds, that were left out because they had not ended after
            another ``ticks`` ticks.
        cautions: sentences about what the figures cannot say.
    """

    per_tick: Losses
    per_episode: Losses | None
    coverage: float
    delay_mean: float
    ticks: int
    runs: int
    episodes: tuple[int, int, int]
    unfinished: int
    cautions: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"reward a tick, {self.runs} runs of {self.ticks} ticks each (virtual, the same policy and chance)"]
        lines.append(str(self.per_tick))
        if self.per_episode is not None:
            counts = " / ".join(str(count) for count in self.episodes)
            lines += [f"reward an episode, {counts} episodes (free / with inaction / as given)", str(self.per_episode)]
        lines.append(f"as given: coverage {self.coverage:.3f}, mean delay {self.delay_mean:.3g} ticks")
        return "\n".join([*lines, *self.cautions])


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
        ticks: of each run, its start included: c has only default ticks until the first inference has ended. Episodes
            that have begun by then are played to their end, for as many ticks again at most.
        runs: number of seeds, at least 5: the intervals are over them, and fewer do not show how much runs differ.
        done: called with progress, ``done(finished, all)``.

    Raises:
        ConfigurationError: if something does not fit.
        PolicyError: if the policy cannot be built or keeps failing.
        KeyboardInterrupt: on Ctrl-C or another signal.

    An error after five or more runs of each kind has their `Counterfactual` as its attribute ``result``.
    """
    if not isinstance(clock, Virtual):
        raise ConfigurationError(f"clock={clock!r} cannot repeat a run; try hocket.Virtual(hz=..., latency=...)")
    check_whole("runs", runs, least=FEWEST_RUNS, example="20, with fewer ticks each if that takes too long")
    factory = as_factory(policy)
    at_once = replace(clock, latency=Constant(0.0), head=Constant(0.0), learning=Constant(0.0))
    env = _SameEpisodes(make_env())
    prompt = factory if factory.chunk_length == 1 else _FirstOfChunk(factory, env.action_space)
    ledger = _Ledger(ticks, None if env.spec is None else env.spec.max_episode_steps)
    try:
        with between_ticks() as interrupt:
            for run in range(runs):
                played = ticks + ledger.overtime

                def play(
                    rule: Rule,
                    clock: Virtual,
                    policy: PolicyFactory,
                    until: Callable[[RunRecord], bool] | None = None,
                    run: int = run,
                    played: int = played,
                ) -> RunRecord:
                    checked = set_up(env, policy, rule, clock, ticks=played, default=default, seed=seed + run)
                    record = clock.run(checked.setup(), ticks=played, until=until)
                    if interrupt.requested or record.interrupted:
                        raise interruption(record.signal or interrupt.signal)
                    return record

                achieved = play(rule, clock, factory)
                acted = Metrics(achieved).ticks
                free = play(At(range(1, played + 1)), at_once, prompt, ledger.complete)
                undelayed = play(At(acted.tick[acted.fresh].tolist()), at_once, prompt, ledger.complete)
                ledger.add((free, undelayed, achieved), acted)
                if done is not None:
                    done(run + 1, runs)
    except BaseException as error:
        if ledger.runs >= FEWEST_RUNS:
            vars(error)["result"] = ledger.counterfactual()
        raise
    finally:
        env.close()
    return ledger.counterfactual()


class _Ledger:
    """The earnings of the runs of each kind (a, b, c), by tick and by episode.

    Args:
        ticks: of each run.
        limit: the most ticks of an episode, or None if unknown.

    Attributes:
        episodic: False once a run has had no episode that ended.
        unfinished: see `Counterfactual`.
    """

    def __init__(self, ticks: int, limit: int | None) -> None:
        self.episodic = True
        self.unfinished = 0
        self._limit = limit
        self._ticks = ticks
        self._rewards: list[list[float]] = []
        """By run and kind, the sum over its first ``ticks`` ticks."""
        self._returns: list[list[NDArray[np.float64]]] = []
        """By run and kind, the reward of each episode that counts."""
        self._pays: list[tuple[float, float]] = []
        """The lowest and the highest reward of a tick, of each run and kind."""
        self._delays: list[NDArray[np.int64]] = []
        """By run, the delays of c's fresh ticks."""
        self._same = [True] * KINDS
        """By pair, (a, b), (b, c) and (a, c), whether both have taken the same actions at every tick."""

    @property
    def overtime(self) -> int:
        """The ticks to play at most after the end of a run, until its last episode has ended."""
        return 0 if not self.episodic else self._ticks if self._limit is None else min(self._ticks, self._limit)

    def complete(self, record: RunRecord) -> bool:
        """True once the episodes that began within the run have ended."""
        return len(record.ticks) >= self._ticks and bool(record.terminated[-1] or record.truncated[-1])

    @property
    def runs(self) -> int:
        """The number of runs that were entered, of each kind."""
        return len(self._rewards)

    def add(self, records: tuple[RunRecord, RunRecord, RunRecord], acted: TickColumns) -> None:
        """Enter one run of each kind; ``acted`` tells when c was fresh."""
        ticks = self._ticks
        self._delays.append(acted.delay_ticks[acted.fresh & (acted.tick <= ticks)])
        rewards = [np.asarray(record.rewards, np.float64) for record in records]
        self._rewards.append([float(own[:ticks].sum()) for own in rewards])
        self._pays += [(float(own[:ticks].min()), float(own[:ticks].max())) for own in rewards]
        returns = []
        for record, own in zip(records, rewards, strict=True):
            ended = np.flatnonzero(np.asarray(record.terminated) | np.asarray(record.truncated))
            began = np.concatenate([[0], ended + 1])
            began = began[began < ticks]
            finished = min(len(began), len(ended))
            self.unfinished += len(began) - finished
            last = int(ended[finished - 1]) + 1 if finished else 0
            returns.append(np.add.reduceat(own[:last], began[:finished]) if finished else np.empty(0))
        self._returns.append(returns)
        self.episodic = self.episodic and all(len(own) for own in returns)
        a, b, c = (record.actions for record in records)
        for pair, (one, other) in enumerate(((a, b), (b, c), (a, c))):
            self._same[pair] = self._same[pair] and _alike(one, other)

    @property
    def episodes(self) -> tuple[int, int, int]:
        """The number of episodes that count, by kind."""
        a, b, c = (sum(len(run[kind]) for run in self._returns) for kind in range(KINDS))
        return a, b, c

    def per_tick(self) -> Losses:
        """The reward of a tick."""
        kinds = [
            Earnings(
                earned=np.array([run[kind] for run in self._rewards]),
                units=np.full(self.runs, float(self._ticks)),
                largest=max(abs(pay) for pays in self._pays[kind::KINDS] for pay in pays),
            )
            for kind in range(KINDS)
        ]
        return self._losses(kinds)

    def per_episode(self) -> Losses:
        """The reward of an episode."""
        pays = self._every_pay()
        # Where every tick pays alike, an episode earns at most what its longest would.
        longest = math.inf if self._limit is None else float(self._limit)
        bounds = (0.0, pays.pop() * longest) if len(pays) == 1 and pays != {0.0} else (-math.inf, math.inf)
        kinds = [
            Earnings(
                earned=np.array([run[kind].sum() for run in self._returns]),
                units=np.array([float(len(run[kind])) for run in self._returns]),
                largest=max(float(np.abs(run[kind]).max()) for run in self._returns),
                least=min(bounds),
                most=max(bounds),
            )
            for kind in range(KINDS)
        ]
        return self._losses(kinds)

    def counterfactual(self) -> Counterfactual:
        """The figures of all runs so far."""
        delays = np.concatenate(self._delays)
        return Counterfactual(
            per_tick=self.per_tick(),
            per_episode=self.per_episode() if self.episodic else None,
            coverage=len(delays) / (self.runs * self._ticks),
            delay_mean=float(delays.mean()) if len(delays) else float("nan"),
            ticks=self._ticks,
            runs=self.runs,
            episodes=self.episodes,
            unfinished=self.unfinished,
            cautions=self.cautions(),
        )

    def cautions(self) -> tuple[str, ...]:
        """Sentences about what the figures cannot say."""
        pays = self._every_pay()
        said = []
        if pays == {0.0}:
            said.append("No tick paid anything: the intervals suppose unseen rewards of 1; try longer runs.")
        elif len(pays) == 1:
            said.append(f"Every tick paid {pays.pop():+g}, so only the reward an episode can tell the three apart.")
        if not self.episodic:
            said.append(
                f"No figures an episode: in some run none ended in {self._ticks} ticks and as many again; "
                "if episodes are longer, try longer runs."
            )
        elif self.unfinished:
            said.append(
                f"Left out: {self.unfinished} episodes that had not ended after {self._ticks} more ticks; without them "
                "an episode seems shorter than it is; try longer runs."
            )
        return tuple(said)

    def _every_pay(self) -> set[float]:
        """The lowest and highest rewards of a tick of every run; only one where every tick paid alike."""
        return {pay for both in self._pays for pay in both}

    def _losses(self, kinds: Sequence[Earnings]) -> Losses:
        a, b, c = kinds
        ab, bc, ac = self._same
        largest = max(kind.largest for kind in kinds) or 1.0
        return Losses(
            free=level(a, largest),
            undelayed=level(b, largest),
            achieved=level(c, largest),
            inaction_regret=difference(a, b, largest, same=ab),
            delay_regret=difference(b, c, largest, same=bc),
            realtime_regret=difference(a, c, largest, same=ac),
        )


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """True if two runs took the same actions, as long as both were played."""
    shared = min(len(one), len(other))
    return bool(np.array_equal(np.asarray(one[:shared]), np.asarray(other[:shared])))


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
    """The first action of a policy's chunks, corrected for the next tick if the policy has a head for that."""

    def __init__(self, chunks: PolicyFactory, space: gym.Space[Any]) -> None:
        self._chunks = chunks
        self._codec = ActionCodec(space, chunks.chunk_length)
        if not chunks.corrects:
            self.pending, self.delay_told = chunks.pending, chunks.delay_told

    def build(self) -> Policy:
        chunks, codec, policy = self._chunks, self._codec, built(self._chunks)
        head = ChunkHead.of(chunks, codec)
        if head is None:
            return lambda observation, *told: codec.decode(codec.encode(policy(observation, *told))[0])

        def corrected(observation: Any) -> Any:
            unknown = (codec.unknown_actions(chunks.pending),) if chunks.pending else ()
            newest = (copied(observation),) if chunks.newest else ()
            delay = (np.ones(1, np.int64),) if chunks.delay_told else ()
            return head.corrected(codec.encode(policy(observation)), *unknown, *newest, *delay)

        return corrected


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
