"""Chooses the answer to execute at each tick by following the best of many virtual players.

A player of target D executes the newest ready observation of at least D ticks; if there is none, the oldest that
is at most a step younger (early rather than a blank); else the next action of the answer that it plays, if that has
one; else nothing. D = 1 is "newest, at once". Which answers are ready does not depend on the player, so every player's
score Σ ρ^(delay−1) on the real stream is an exact counterfactual: no model of the inference times, no independence
assumption.

Two followers take the target of the best player, one by its whole score, one by that since inference times last
changed. Going up by k ticks costs k blanks, and going down supersedes k ready answers, so a follower changes its target
from D to D' only where the score of D' is better by |D' − D|·ρ^D. A follower plays too; the real player does as the
better of the two does.

Ready answers are bits of one integer, by age in ticks, so that a tick costs a shift and a few operations a player.
"""

from __future__ import annotations

from collections import deque
from math import ceil

from hocket.core.window import Window

MEMORY_TICKS = 2000
"""Scores are halved after this many ticks, or after four times the oldest age: inference times may change."""
JUDGE_TICKS = 8
CHOOSE_TICKS = 100
GRAIN = 16
"""An answer may be early by max(1, D // GRAIN) ticks."""
GRAINS = (8 * GRAIN, 4 * GRAIN, 2 * GRAIN, GRAIN)
"""Targets are spaced by max(1, D // grain), by the first of these that needs no more players than MOST_PLAYERS."""
MOST_PLAYERS = 48
RANGES = 40
"""The number of last ranges of ages that targets cover, as quick times may follow on slow ones again."""
LONGER = 1.25
"""The age at which the answer of a cancelled inference would have come, as a multiple of its age: a guess."""
FEWEST_AGES = 20
NEAR = 0.97
"""Players of at least this share of the best score may have all the answers that they wait for."""


def _step(target: int, grain: int = GRAIN) -> int:
    return max(1, target // grain)


def _targets(low: int, high: int) -> list[int]:
    """Targets from ``low`` to just beyond ``high``, and D = 1."""
    targets: list[int] = []
    for grain in GRAINS:
        targets, target = [1], 2
        while target <= high + _step(high):
            if target + _step(target, grain) > low:
                targets.append(target)
            if target > high:
                break
            target += _step(target, grain)
        if len(targets) <= MOST_PLAYERS:
            return targets
    return targets[:: ceil(len(targets) / MOST_PLAYERS)]


def _play(ready: int, target: int, earliest: int, oldest: int) -> int:
    """The age that a player executes, or 0. Ages up to ``oldest`` are newer than what it executed last."""
    due = ready >> target
    age = target - 1 + (due & -due).bit_length() if due else oldest + 1
    if age > oldest:
        below = (1 << (target if target <= oldest else oldest + 1)) - 1
        age = (ready & below).bit_length() - 1
        if age < earliest:
            return 0
    return age


class _Player:
    __slots__ = ("earliest", "left", "mark", "oldest", "score", "target")

    def __init__(self, target: int, oldest: int = 1, score: float = 0.0, mark: float = 0.0) -> None:
        self.target = target
        self.earliest = max(1, target - _step(target))
        self.oldest = oldest
        self.left = 0
        """Actions left of the answer that it plays."""
        self.score = score
        self.mark = mark
        """The score when inference times last changed."""

    def aim(self, target: int) -> None:
        """Take another target."""
        self.target = target
        self.earliest = max(1, target - _step(target))


class Playout:
    """The players, the stream of answers they play on, and the real player's choice."""

    def __init__(self, predictability: float, window: int) -> None:
        self._predictability = predictability
        self._powers = [1.0]
        self._mask = 0
        self._reach(63)
        self._tick = 0
        self._ready = 0
        self._length = 1
        self._arrived: list[tuple[int, int, int]] = []  # usable tick, observation, last tick or -1
        self._last_ticks: dict[int, int] = {}  # of ready answers whose actions are for certain ticks, by observation
        self._ages = Window(window)
        self.players = [_Player(1)]
        """Those whose targets are compared."""
        self._steady, self._quick = _Player(1), _Player(1)
        self._leader = self._steady
        self._oldest = 1
        self._ranges: deque[tuple[int, int]] = deque(maxlen=RANGES)
        self._high = 0
        self._restart_tick = self._judge_tick = self._halve_tick = 0

    @property
    def target(self) -> int:
        """The real player's target, in ticks."""
        return self._leader.target

    @property
    def last_observation(self) -> int:
        """The observation executed last, or the one before the first that may be."""
        return self._tick - self._oldest

    @property
    def useless_until(self) -> int:
        """The newest observation that no player near a best score can still execute, nor any older one.

        Answers a step older than that show whether it pays to wait longer.
        """
        players = self.players
        if len(players) < 2:
            return -1
        enough = NEAR * max(player.score for player in players)
        since = NEAR * max(player.score - player.mark for player in players)
        oldest = max(
            player.oldest for player in players if player.score >= enough or player.score - player.mark >= since
        )
        return self._tick - max(oldest + oldest // GRAIN, self._oldest, self._steady.oldest, self._quick.oldest)

    def value(self, predictability: float) -> None:
        """Price delays at ``predictability`` from now on."""
        if predictability != self._predictability:
            self._predictability = predictability
            reach, self._powers = len(self._powers) - 1, [1.0]
            self._reach(reach)
            self._forget()

    def changed(self) -> None:
        """Inference times have changed."""
        for player in self._everyone():
            player.mark = player.score

    def given_up(self, observation: int) -> None:
        """``observation`` is cancelled without an answer."""
        age = self._tick - observation
        self._ages.add(max(age + 1, int(LONGER * age)))

    def answered(self, observation: int, usable_tick: int, length: int = 1, last_tick: int = -1) -> None:
        """``observation`` has an answer of ``length`` actions, usable from ``usable_tick`` on.

        Only its first answer counts. Its last action is for ``last_tick``; -1: its first is for the tick that plays it.
        """
        self._arrived.append((usable_tick, observation, last_tick))
        self._length = length

    def restart(self, tick: int) -> None:
        """A new episode begins with observation ``tick``; scores and estimates stay."""
        self._ready = 0
        self._arrived.clear()
        self._last_ticks.clear()
        self._tick = tick
        self._oldest = 1
        for player in self._everyone():
            player.oldest = 1
            player.left = 0

    def choose(self, tick: int) -> int:
        """The age of the observation to execute at ``tick``, or 0 for none."""
        elapsed = tick - self._tick
        self._tick = tick
        if elapsed > 1:  # ticks were missed
            self._oldest += elapsed - 1
            for player in self._everyone():
                player.oldest += elapsed - 1
                player.left = max(0, player.left - elapsed + 1)
        ready = self._ready << elapsed & self._mask
        if self._arrived:
            ready = self._take_in(tick, ready)
        last_ticks = self._last_ticks
        if last_ticks:
            ready = self._without_passed(tick, ready)
        self._ready = ready
        powers, left = self._powers, self._length - 1
        for player in self._everyone():
            age = _play(ready, player.target, player.earliest, player.oldest) if ready else 0
            if age:
                player.oldest = age
                player.score += powers[age - 1]
                player.left = last_ticks[tick - age] - tick if last_ticks else left
            else:
                oldest = player.oldest
                player.oldest = oldest + 1
                if player.left:
                    player.left -= 1
                    if oldest < len(powers):
                        player.score += powers[oldest]
        self._judge(tick)
        leader = self._leader
        age = _play(ready, leader.target, leader.earliest, self._oldest) if ready else 0
        self._oldest = age or self._oldest + 1
        return age

    def _everyone(self) -> list[_Player]:
        return [*self.players, self._steady, self._quick]

    def _take_in(self, tick: int, ready: int) -> int:
        later = []
        for usable_tick, observation, last_tick in self._arrived:
            if usable_tick > tick:
                later.append((usable_tick, observation, last_tick))
                continue
            age = tick - observation
            if age >= len(self._powers):
                self._reach(2 * age)
            if not ready >> age & 1:
                self._ages.add(age)
                if last_tick < 0 or last_tick >= tick:
                    ready |= 1 << age
                    if last_tick >= 0:
                        self._last_ticks[observation] = last_tick
        self._arrived = later
        return ready

    def _without_passed(self, tick: int, ready: int) -> int:
        """``ready`` without the answers that have no action for ``tick`` or later."""
        for observation in [observation for observation, last in self._last_ticks.items() if last < tick]:
            del self._last_ticks[observation]
            ready &= ~(1 << tick - observation)
        return ready

    def _reach(self, age: int) -> None:
        """Extend the powers of ρ and the memory of answers up to ``age``."""
        while len(self._powers) <= age:
            self._powers.append(self._powers[-1] * self._predictability)
        self._mask = (1 << len(self._powers)) - 1

    def _forget(self) -> None:
        for player in self._everyone():
            player.score = player.mark = 0.0

    def _judge(self, tick: int) -> None:
        if tick == self._restart_tick:
            # By then every target has had its start-up; now wait for evidence.
            self._forget()
            self._judge_tick = tick + self._high // 2
        if tick % JUDGE_TICKS == 0 and tick >= self._judge_tick:
            self._lead()
        if tick >= self._halve_tick:
            self._halve_tick = tick + max(MEMORY_TICKS, 4 * self._high)
            for player in self._everyone():
                player.score /= 2
                player.mark /= 2
        if tick % CHOOSE_TICKS == 0 and len(self._ages) >= FEWEST_AGES:
            self._choose_players(tick)

    def _lead(self) -> None:
        """Let the followers take a better player's target, and the real player follow the better of them."""
        steady, quick = self._steady, self._quick
        self._follow(steady, {player.target: player.score for player in self.players})
        self._follow(quick, {player.target: player.score - player.mark for player in self.players})
        other = quick if self._leader is steady else steady
        if other.score > self._leader.score + self._price(self._leader.target, other.target):
            self._leader = other

    def _follow(self, follower: _Player, scores: dict[int, float]) -> None:
        own, best = follower.target, max(scores, key=scores.__getitem__)
        if own not in scores or scores[best] > scores[own] + self._price(own, best):
            follower.aim(best)

    def _price(self, target: int, other: int) -> float:
        """The cost of going from one target to the other."""
        return abs(other - target) * self._powers[min(target, len(self._powers) - 1)]

    def _choose_players(self, tick: int) -> None:
        """Targets from the 10 % to the 99.9 % quantile of the ages at first answer, over the last ranges."""
        ages = self._ages
        self._ranges.append((ages.quantile(0.1), ages.quantile(0.999)))
        low, high = min(low for low, _ in self._ranges), max(high for _, high in self._ranges)
        if not self._high:
            self._restart_tick = tick + high
        self._high = high
        present = {player.target: player for player in self.players}

        def nearest(target: int) -> _Player:
            return min(present.values(), key=lambda player: abs(player.target - target))

        self.players = [
            present.get(target) or _Player(target, (near := nearest(target)).oldest, near.score, near.mark)
            for target in _targets(low, high)
        ]
