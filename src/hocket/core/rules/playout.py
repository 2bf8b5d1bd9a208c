"""Chooses the answer to execute at each tick by following the best of many virtual players.

A player of target D executes the newest ready observation of at least D ticks; if there is none, the oldest that
is at most a step younger (early rather than a blank); else nothing. D = 1 is "newest, at once". Which answers are
ready does not depend on the player, so every player's score Σ ρ^(delay−1) on the real stream is an exact
counterfactual: no model of the inference times, no independence assumption. The real player uses the leader's target.

Ready answers are bits of one integer, by age in ticks, so that a tick costs a shift and a few operations a player.
"""

from __future__ import annotations

from math import ceil

from hocket.core.window import Window

MEMORY_TICKS = 2000
"""Scores are halved after this many ticks, or after four times the oldest age: inference times may change."""
JUDGE_TICKS = 8
CHOOSE_TICKS = 100
GRAIN = 16
"""Targets are spaced by max(1, D // GRAIN)."""
MOST_PLAYERS = 48
FEWEST_AGES = 20


def _step(target: int) -> int:
    return max(1, target // GRAIN)


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
    __slots__ = ("earliest", "oldest", "score", "target")

    def __init__(self, target: int, oldest: int, score: float) -> None:
        self.target = target
        self.earliest = max(1, target - _step(target))
        self.oldest = oldest
        self.score = score


class Playout:
    """The players, the stream of answers they play on, and the real player's choice."""

    def __init__(self, predictability: float, window: int) -> None:
        self._predictability = predictability
        self._powers = [1.0]
        self._mask = 0
        self._reach(63)
        self._tick = 0
        self._ready = 0
        self._arrived: list[tuple[int, int]] = []
        self._ages = Window(window)
        self._players = [_Player(1, 1, 0.0)]
        self._leader = self._players[0]
        self._oldest = 1
        self._low = self._high = 0
        self._restart_tick = self._judge_tick = self._halve_tick = 0

    @property
    def target(self) -> int:
        """The leader's target, in ticks."""
        return self._leader.target

    @property
    def last_observation(self) -> int:
        """The observation executed last, or the one before the first that may be."""
        return self._tick - self._oldest

    def value(self, predictability: float) -> None:
        """Price delays at ``predictability`` from now on."""
        if predictability != self._predictability:
            self._predictability = predictability
            reach, self._powers = len(self._powers) - 1, [1.0]
            self._reach(reach)
            for player in self._players:
                player.score = 0.0

    def answered(self, observation: int, usable_tick: int) -> None:
        """``observation`` has an answer, usable from ``usable_tick`` on. Only the first one counts."""
        self._arrived.append((usable_tick, observation))

    def restart(self, tick: int) -> None:
        """A new episode begins with observation ``tick``; scores and estimates stay."""
        self._ready = 0
        self._arrived.clear()
        self._tick = tick
        self._oldest = 1
        for player in self._players:
            player.oldest = 1

    def choose(self, tick: int) -> int:
        """The age of the observation to execute at ``tick``, or 0 for none."""
        elapsed = tick - self._tick
        self._tick = tick
        if elapsed > 1:  # ticks were missed
            self._oldest += elapsed - 1
            for player in self._players:
                player.oldest += elapsed - 1
        ready = self._ready << elapsed & self._mask
        if self._arrived:
            ready = self._take_in(tick, ready)
        self._ready = ready
        powers = self._powers
        for player in self._players:
            age = _play(ready, player.target, player.earliest, player.oldest) if ready else 0
            if age:
                player.oldest = age
                player.score += powers[age - 1]
            else:
                player.oldest += 1
        self._judge(tick)
        leader = self._leader
        age = _play(ready, leader.target, leader.earliest, self._oldest) if ready else 0
        self._oldest = age or self._oldest + 1
        return age

    def _take_in(self, tick: int, ready: int) -> int:
        later = []
        for usable_tick, observation in self._arrived:
            if usable_tick > tick:
                later.append((usable_tick, observation))
                continue
            age = tick - observation
            if age >= len(self._powers):
                self._reach(2 * age)
            if not ready >> age & 1:
                ready |= 1 << age
                self._ages.add(age)
        self._arrived = later
        return ready

    def _reach(self, age: int) -> None:
        """Extend the powers of ρ and the memory of answers up to ``age``."""
        while len(self._powers) <= age:
            self._powers.append(self._powers[-1] * self._predictability)
        self._mask = (1 << len(self._powers)) - 1

    def _judge(self, tick: int) -> None:
        if tick == self._restart_tick:
            # The range of ages has moved: forget, then wait for evidence.
            for player in self._players:
                player.score = 0.0
            self._judge_tick = tick + self._high // 2
        if tick % JUDGE_TICKS == 0 and tick >= self._judge_tick:
            best = max(self._players, key=lambda player: player.score)
            if best.score > self._leader.score:
                self._leader = best
        if tick >= self._halve_tick:
            self._halve_tick = tick + max(MEMORY_TICKS, 4 * self._high)
            for player in self._players:
                player.score /= 2
        if tick % CHOOSE_TICKS == 0 and len(self._ages) >= FEWEST_AGES:
            self._choose_players(tick)

    def _choose_players(self, tick: int) -> None:
        """Targets from the 10 % to the 99.9 % quantile of the ages at first answer, and D = 1."""
        ages = self._ages
        low, high = ages.quantile(0.1), ages.quantile(0.999)
        if not self._low <= ages.quantile(0.5) <= self._high or high > 1.25 * self._high:
            # By then every target has had its start-up.
            self._low, self._high, self._restart_tick = low, high, tick + high
        targets, target = [], 2
        while target <= high + _step(high):
            if target + _step(target) > low:
                targets.append(target)
            if target > high:
                break
            target += _step(target)
        targets = [1, *targets[:: max(1, ceil(len(targets) / MOST_PLAYERS))]]
        present = {player.target: player for player in self._players}

        def nearest(target: int) -> _Player:
            return min(present.values(), key=lambda player: abs(player.target - target))

        self._players = [
            present.get(target) or _Player(target, nearest(target).oldest, nearest(target).score) for target in targets
        ]
        if self._leader.target not in targets:
            gone = self._leader.target
            self._leader = min(self._players, key=lambda player: abs(player.target - gone))
