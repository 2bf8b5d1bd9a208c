from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.errors import ConfigurationError
from hocket.learn.replay.transitions import Decided, TransitionBuilder


def decision(tick, observation, action=0, pending=()):
    """Executed at ``tick``, on the observation of the tick before as the newest."""
    pending_actions = np.array(pending, np.int64)
    return Decided(tick=tick, observation=observation, action=action, pending=pending_actions, present=tick - 1)


def plain(closed):
    """Transitions of policies that see no newest observation as dictionaries, pending actions as tuples: arrays have no
    one truth value."""
    assert all((each.next_newest, each.next_delay) == (-1, 0) for each in closed)
    return [
        {
            **{name: value for name, value in asdict(each).items() if name not in ("next_newest", "next_delay")},
            "decided": each.decided,
            "next_pending": tuple(each.next_pending.tolist()),
        }
        for each in closed
    ]


def builder(*ticks, discount=0.5):
    """One that has taken in ``ticks`` of (tick, reward, decision or None), none of which may close a transition."""
    made = TransitionBuilder(discount)
    for tick, reward, decided in ticks:
        assert made.tick(tick, reward, decided=decided) == []
    return made


# -- golden numbers, γ = 1/2 ---------------------------------------------------------------------------------


def test_gaps_of_default_ticks():
    first = decision(2, 0, action=1)
    made = builder((1, 5.0, None), (2, 1.0, first), (3, 2.0, None), (4, 4.0, None))
    # 1 + 2/2 + 4/4; tick 1 came before the first decision, tick 5 belongs to the next.
    assert plain(made.tick(5, 8.0, decided=decision(5, 3, pending=(7, 1)))) == [
        dict(
            decided=first,
            reward=3.0,
            discount=0.125,
            ticks=3,
            next_observation=3,
            next_pending=(7, 1),
            next_present=4,
            final=False,
        )
    ]


def test_decisions_in_consecutive_ticks():
    first = decision(4, 1, pending=(1,))
    made = builder((4, 8.0, first))
    assert plain(made.tick(5, 16.0, decided=decision(5, 2, pending=(0,)))) == [
        dict(
            decided=first,
            reward=8.0,
            discount=0.5,
            ticks=1,
            next_observation=2,
            next_pending=(0,),
            next_present=4,
            final=False,
        )
    ]
    (second,) = made.tick(6, 1.0, decided=decision(6, 3))
    assert (second.reward, second.discount, second.ticks, second.next_observation) == (16.0, 0.5, 1, 3)


def test_the_first_decision_late_in_an_episode():
    late = decision(9, 6)
    made = builder(*((tick, 100.0, None) for tick in range(1, 9)), (9, 1.0, late))
    (only,) = made.tick(10, 4.0, truncated=True)
    assert (only.decided, only.reward, only.discount, only.ticks) == (late, 3.0, 0.25, 2)


@pytest.mark.parametrize(
    ("ending", "discount"),
    [
        ({"terminated": True}, 0.0),
        ({"truncated": True}, 0.125),  # γ³: from the final observation
        ({"terminated": True, "truncated": True}, 0.0),
    ],
)
def test_an_end_in_a_default_tick(ending, discount):
    last = decision(2, 1)
    made = builder((2, 1.0, last), (3, -2.0, None))
    # 1 − 2/2 + 8/4: the tick that ends is one of the three.
    assert plain(made.tick(4, 8.0, final_pending=np.array([2, 2]), **ending)) == [
        dict(
            decided=last,
            reward=2.0,
            discount=discount,
            ticks=3,
            next_observation=4,
            next_pending=(2, 2),
            next_present=4,
            final=True,
        )
    ]


@pytest.mark.parametrize(("ending", "discount"), [("terminated", 0.0), ("truncated", 0.5)])
def test_a_decision_on_the_tick_that_ends(ending, discount):
    before, last = decision(2, 1), decision(4, 3, pending=(1,))
    made = builder((2, 1.0, before), (3, 2.0, None))
    assert plain(made.tick(4, 8.0, decided=last, final_pending=np.array([0]), **{ending: True})) == [
        dict(
            decided=before,
            reward=2.0,
            discount=0.25,
            ticks=2,
            next_observation=3,
            next_pending=(1,),
            next_present=3,
            final=False,
        ),
        dict(
            decided=last,
            reward=8.0,
            discount=discount,
            ticks=1,
            next_observation=4,
            next_pending=(0,),
            next_present=4,
            final=True,
        ),
    ]


def test_an_episode_without_a_decision_has_no_transition():
    made = builder((1, 1.0, None))
    assert made.tick(2, 1.0, terminated=True) == []


def test_nothing_reaches_over_an_end():
    made = builder((1, 1.0, decision(1, 0)))
    assert len(made.tick(2, 1.0, terminated=True)) == 1
    assert made.tick(3, 64.0) == []
    again = decision(4, 2)
    assert made.tick(4, 2.0, decided=again) == []
    (only,) = made.tick(5, 4.0, decided=decision(5, 3))
    assert (only.decided, only.reward, only.discount, only.ticks) == (again, 2.0, 0.5, 1)


def test_discarded_transitions_are_never_returned():
    made = builder((1, 1.0, decision(1, 0)), (2, 1.0, None))
    made.discard()
    assert made.tick(3, 64.0) == []
    again = decision(4, 2)
    assert made.tick(4, 2.0, decided=again) == []
    (only,) = made.tick(5, 4.0, truncated=True)
    assert (only.decided, only.reward, only.discount, only.ticks) == (again, 4.0, 0.25, 2)


def test_discarding_before_an_end_leaves_nothing_to_close():
    made = builder((1, 1.0, decision(1, 0)))
    made.discard()
    made.discard()
    assert made.tick(2, 1.0, terminated=True) == []


def test_without_discounting():
    made = builder((1, 1.0, decision(1, 0)), (2, 2.0, None), discount=1)
    (only,) = made.tick(3, 3.0, truncated=True)
    assert (only.reward, only.discount, only.ticks) == (6.0, 1.0, 3)


@pytest.mark.parametrize("discount", [0, -0.1, 1.01, float("nan")])
def test_an_impossible_discount_is_refused(discount):
    with pytest.raises(ConfigurationError, match="discount="):
        TransitionBuilder(discount)


# -- the decision that shows an action -----------------------------------------------------------------------

UNKNOWN = 9


def late(tick, observation, newest, *, action=0, pending=(), delay=None):
    """Of a head that saw the newest observation."""
    return Decided(
        tick=tick,
        observation=observation,
        action=action,
        pending=np.array(pending, np.int64),
        newest=newest,
        delay=newest + 1 - observation if delay is None else delay,
    )


def test_a_blind_policy_spans_its_delay():
    """Delay 3, a decision a tick, γ = 1/2. That of tick 3 shows first in observation 3, which tick 6 is decided on."""
    made = TransitionBuilder(0.5, unknown=UNKNOWN)
    decisions = {tick: decision(tick, tick - 3, action=tick) for tick in range(3, 8)}
    for tick in (1, 2):
        assert made.tick(tick, 100.0) == []
    for tick in (3, 4, 5):
        assert made.tick(tick, 2.0**tick, decided=decisions[tick]) == []
    # 8 + 16/2 + 32/4, then 16 + 32/2 + 64/4.
    (first,) = made.tick(6, 64.0, decided=decisions[6])
    (second,) = made.tick(7, 128.0, decided=decisions[7])
    assert [(t.decided.tick, t.reward, t.discount, t.ticks, t.next_observation) for t in (first, second)] == [
        (3, 24.0, 0.125, 3, 3),
        (4, 48.0, 0.125, 3, 4),
    ]
    # The decision of tick 8 shows that of tick 5; the others are open at the end, and lead to the final observation.
    ends = made.tick(8, 256.0, decided=decision(8, 5), truncated=True)
    assert [(t.decided.tick, t.reward, t.discount, t.next_observation) for t in ends] == [
        (5, 96.0, 1 / 8, 5),
        (6, 192.0, 1 / 8, 8),
        (7, 256.0, 1 / 4, 8),
        (8, 256.0, 1 / 2, 8),
    ]


def test_the_classical_loop_leads_from_one_decision_to_the_next():
    """Its next observation is that of the tick that executed the last action."""
    made = TransitionBuilder(0.5, unknown=UNKNOWN)
    assert made.tick(4, 1.0, decided=decision(4, 0)) == []
    for tick in (5, 6, 7):
        assert made.tick(tick, 0.0) == []
    (only,) = made.tick(8, 1.0, decided=decision(8, 4))
    assert (only.reward, only.ticks, only.next_observation) == (1.0, 4, 4)


@pytest.mark.parametrize(
    ("told", "closes"),
    [
        ((0, 1), True),  # ticks 3 and 4: the action of tick 4 is known
        ((UNKNOWN, 1), True),
        ((1, UNKNOWN), False),  # still running
        ((1,), False),  # tick 3 alone
    ],
)
def test_a_known_pending_action_shows_it(told, closes):
    made = TransitionBuilder(0.5, unknown=UNKNOWN)
    assert made.tick(4, 1.0, decided=decision(4, 1)) == []
    assert len(made.tick(5, 1.0, decided=decision(5, 2, pending=told))) == closes


def test_a_newest_observation_shows_it():
    """A constant delay of 4 with the newest observation, by hand; the first three ticks are the head's alone."""
    made = TransitionBuilder(0.5, unknown=UNKNOWN)
    told = [late(tick, 0, tick - 1, delay=0, pending=(UNKNOWN, UNKNOWN, UNKNOWN)) for tick in (1, 2, 3)]
    told += [late(4, 0, 3, pending=(1, 1, 1)), late(5, 1, 4, pending=(1, 1, 2)), late(6, 2, 5, pending=(1, 2, 0))]
    closed = [t for decided in told for t in made.tick(decided.tick, 2.0**decided.tick, decided=decided)]
    assert [
        (t.decided.observation, t.decided.newest, t.decided.delay, t.next_observation, t.next_newest, t.next_delay)
        for t in closed
    ] == [(0, 0, 0, 0, 1, 0), (0, 1, 0, 0, 2, 0), (0, 2, 0, 0, 3, 4), (0, 3, 4, 1, 4, 4), (1, 4, 4, 2, 5, 4)]
    assert [(t.reward, t.discount, t.ticks) for t in closed] == [(2.0**tick, 0.5, 1) for tick in range(1, 6)]
    # Truncated: from what the head of tick 7 would have been told.
    (last,) = made.tick(7, 128.0, truncated=True, final=late(8, 4, 7, pending=(0, 1, 2)))
    assert (last.reward, last.discount, last.ticks) == (64.0 + 64.0, 0.25, 2)
    assert (last.next_observation, last.next_newest, last.next_delay, last.final) == (4, 7, 4, True)
    assert last.next_pending.tolist() == [0, 1, 2]


def test_varying_delays_and_missed_ticks_between():
    """Delays 2, 5 and 3; the default in ticks 3, 4 and 6."""
    made = TransitionBuilder(0.5, unknown=UNKNOWN)
    told = {2: late(2, 0, 1), 5: late(5, 0, 4), 7: late(7, 4, 6)}
    closed = [t for tick in range(1, 8) for t in made.tick(tick, 8.0, decided=told.get(tick))]
    assert [(t.ticks, t.reward, t.discount) for t in closed] == [(3, 8 + 4 + 2, 0.125), (2, 8 + 4, 0.25)]
    assert [(t.decided.delay, t.next_delay, t.next_newest) for t in closed] == [(2, 5, 4), (5, 3, 6)]


def test_an_unknown_successor_is_not_made_up():
    nothing = Decided(tick=3, observation=-1, action=0)
    for ending, left in (("truncated", 0), ("terminated", 1)):
        made = builder((1, 1.0, decision(1, 0)), (2, 2.0, None))
        closed = made.tick(3, 4.0, final=nothing, **{ending: True})
        assert [(t.reward, t.discount, t.next_observation) for t in closed] == [(3.0, 0.0, 3)] * left
        assert made.tick(4, 64.0, decided=decision(4, 3)) == []


def test_n_steps_span_as_many_decisions_or_more():
    """n = 2 of a decision a tick at delay 1, and at a blind delay of 3, where one decision takes 3 ticks to show."""
    made = TransitionBuilder(0.5, n_step=2, unknown=UNKNOWN)
    closed = [t for tick in range(1, 5) for t in made.tick(tick, 2.0**tick, decided=decision(tick, tick - 1))]
    # 2 + 4/2, 4 + 8/2
    assert [(t.reward, t.discount, t.next_observation) for t in closed] == [(4.0, 0.25, 2), (8.0, 0.25, 3)]
    ends = made.tick(5, 32.0, decided=decision(5, 4), terminated=True)
    # 8 + 16/2 closes by the decision of tick 5; 16 + 32/2 and 32 by the end.
    assert [(t.reward, t.discount) for t in ends] == [(16.0, 0.25), (32.0, 0.0), (32.0, 0.0)]
    for n_step, ticks in ((2, 3), (3, 3), (4, 4), (5, 5)):
        made = TransitionBuilder(0.5, n_step=n_step, unknown=UNKNOWN)
        closed = [t for tick in range(3, 12) for t in made.tick(tick, 1.0, decided=decision(tick, tick - 3))]
        assert {t.ticks for t in closed} == {ticks}
        assert all(t.next_observation == t.decided.tick + ticks - 3 for t in closed)
    with pytest.raises(ConfigurationError, match="n_step=0"):
        TransitionBuilder(0.5, n_step=0)


def test_n_steps_with_the_newest_observation():
    """n = 3, γ = 1/2, delay 2, alone in tick 1; truncated in tick 5."""
    made = TransitionBuilder(0.5, n_step=3, unknown=UNKNOWN)
    told = [late(1, 0, 0, delay=0), *(late(tick, tick - 2, tick - 1) for tick in (2, 3, 4, 5))]
    closed = [t for d in told[:4] for t in made.tick(d.tick, 2.0**d.tick, decided=d)]
    assert [(t.reward, t.discount, t.next_observation, t.next_newest) for t in closed] == [(2 + 2 + 2, 1 / 8, 2, 3)]
    closed = made.tick(5, 32.0, decided=told[4], truncated=True, final=late(6, 4, 5))
    assert [
        (t.decided.tick, t.reward, t.discount, t.next_observation, t.next_newest, t.next_delay) for t in closed
    ] == [
        (2, 4.0 + 4.0 + 4.0, 1 / 8, 3, 4, 2),
        (3, 8.0 + 8.0 + 8.0, 1 / 8, 4, 5, 2),
        (4, 16.0 + 16.0, 1 / 4, 4, 5, 2),
        (5, 32.0, 1 / 2, 4, 5, 2),
    ]


# -- any run -------------------------------------------------------------------------------------------------

TICK = st.tuples(st.booleans(), st.integers(-8, 8))
EPISODE = st.tuples(st.lists(TICK, min_size=1, max_size=20), st.sampled_from(["terminated", "truncated"]))


@given(st.lists(EPISODE, min_size=1, max_size=4), st.sampled_from([0.5, 0.9, 1.0]))
def test_rewards_and_ticks_add_up(episodes, discount):
    made, now = TransitionBuilder(discount), 0
    for ticks, ending in episodes:
        began, closed, decisions = now, [], []
        for i, (fresh, reward) in enumerate(ticks):
            now += 1
            if fresh:
                decisions.append(decision(now, now - 1, pending=(now,)))
            last = i == len(ticks) - 1
            options = {ending: True, "final_pending": np.array([-1])} if last else {}
            closed += made.tick(now, reward, decided=decisions[-1] if fresh else None, **options)
        assert [t.decided for t in closed] == decisions
        if not decisions:
            continue
        total, weight = 0.0, 1.0
        for transition in closed:
            total += weight * transition.reward
            weight *= discount**transition.ticks
        first = decisions[0].tick - began - 1
        played = [reward for _, reward in ticks[first:]]
        assert total == pytest.approx(sum(discount**i * reward for i, reward in enumerate(played)))
        assert sum(transition.ticks for transition in closed) == len(played)
        for transition, after in zip(closed, decisions[1:], strict=False):
            assert not transition.final
            assert transition.decided.tick + transition.ticks == after.tick
            assert transition.discount == pytest.approx(discount**transition.ticks)
            assert transition.next_observation == after.observation
            assert transition.next_pending.tolist() == after.pending.tolist()
        final = closed[-1]
        assert final.final
        assert (final.next_observation, final.next_pending.tolist()) == (now, [-1])
        expected = 0.0 if ending == "terminated" else discount**final.ticks
        assert final.discount == pytest.approx(expected)
