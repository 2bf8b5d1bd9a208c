"""`check_rule` finds each kind of broken rule, and names the fault."""

from dataclasses import dataclass

import pytest

import hocket
from hocket.core import Schedule, Start
from hocket.testing import check_rule


@dataclass(frozen=True)
class Broken(hocket.Rule):
    """The simplest rule, with a schedule that a test breaks."""

    schedule_class: type[Schedule]
    workers: int = 2
    most: int = 2

    @property
    def initial_workers(self):
        return self.workers

    @property
    def most_workers(self):
        return self.most

    def schedule(self, cadence):
        return self.schedule_class(cadence)


class Newest(Schedule):
    """Every idle worker starts on the newest observation."""

    def starts(self, now_ns, tick, idle):
        return [Start(worker, tick, -1) for worker in idle]

    def workers_wanted(self):
        return 2


class Busy(Newest):
    def starts(self, now_ns, tick, idle):
        return [Start(worker, tick, -1) for worker in (0, 1)]


class Twice(Newest):
    def starts(self, now_ns, tick, idle):
        return [Start(next(iter(idle)), tick, -1)] * 2


class Old(Newest):
    """Starts the observation before the newest without declaring that it needs it."""

    def starts(self, now_ns, tick, idle):
        return [Start(worker, max(0, tick - 1), -1) for worker in idle]


class OldAndSaid(Old):
    """As `Old`, but declares it; at the start of an episode it takes one of the last."""

    def oldest_needed(self, tick):
        return max(0, tick - 1)


class Future(Newest):
    def starts(self, now_ns, tick, idle):
        return [Start(worker, tick + 1, -1) for worker in idle]


class PastAim(Newest):
    def starts(self, now_ns, tick, idle):
        return [Start(worker, tick, max(0, tick - 1)) for worker in idle]


class Thief(Newest):
    def starts(self, now_ns, tick, idle):
        starts = super().starts(now_ns, tick, idle)
        idle.clear()
        return starts


class Impatient(Newest):
    def release_tick(self, inference):
        return inference.usable_tick - 1


class Stubborn(Newest):
    """Chooses an answer that was offered at an earlier tick."""

    def __init__(self, cadence):
        super().__init__(cadence)
        self._first = None

    def choose(self, tick, due):
        self._first = self._first or (due[0] if due else None)
        return self._first


class Greedy(Newest):
    def workers_wanted(self):
        return 3


class Fractional(Newest):
    wakes = True

    def wake_ns(self):
        return 0.5


class Frozen(Newest):
    """Asks to be woken at a time that has passed."""

    wakes = True

    def wake_ns(self):
        return 1


class Idle(Newest):
    def starts(self, now_ns, tick, idle):
        return []


class Raising(Newest):
    def ticked(self, tick, now_ns, episode_ended):
        if tick == 7:
            raise KeyError("the rule's own mistake")


class Shared(Newest):
    """Keeps its state in the class: a second run begins where the first ended."""

    seen = 0

    def starts(self, now_ns, tick, idle):
        Shared.seen += 1
        return super().starts(now_ns, tick, idle) if Shared.seen > 60 else []


def test_a_rule_that_keeps_the_promises_passes():
    check_rule(lambda: Broken(Newest), ticks=60, seeds=1)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Busy, r"Busy.starts gave Start\(worker=\d.*worker \d is busy"),
        (Twice, r"worker \d is busy"),
        (Old, r"starts an old observation: oldest_needed had let go"),
        (OldAndSaid, r"the observations of this episode are \d+ to \d+"),
        (Future, r"the newest observation is 0"),
        (PastAim, r"it aims at the past"),
        (Thief, r"Thief.starts changed `idle`"),
        (Impatient, r"Impatient.release_tick gave 0 .* tick 1 at the earliest"),
        (Stubborn, r"Stubborn.choose gave <inference \d+ .*; offered were"),
        (Greedy, r"Greedy.workers_wanted gave 3; most_workers is 2"),
        (Fractional, r"Fractional.wake_ns gave 0.5"),
        (Frozen, r"WakeAt\(time_ns=1\) at \d+: it would come again for ever"),
        (Idle, r"'quiet', short inferences, 1 stages, seed 0: no tick of 60 executed an answer"),
        (Raising, r"KeyError: .*the rule's own mistake"),
        (Shared, r"TraceError: event \d+, .* led to .*; recorded were"),
    ],
)
def test_a_broken_schedule_is_found(schedule, message):
    with pytest.raises(AssertionError, match=message):
        check_rule(lambda: Broken(schedule), ticks=60, seeds=1)


def test_a_broken_rule_is_found():
    with pytest.raises(AssertionError, match="initial_workers is 0; at least 1"):
        check_rule(lambda: Broken(Newest, workers=0))
    with pytest.raises(AssertionError, match="most_workers is 1, initial_workers is 2"):
        check_rule(lambda: Broken(Newest, most=1))
    with pytest.raises(AssertionError, match=r"make_rule gave 5, which is not a hocket.Rule"):
        check_rule(lambda: 5)
