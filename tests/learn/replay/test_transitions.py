from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.errors import ConfigurationError
from hocket.learn.replay.transitions import Decided, TransitionBuilder


def decision(tick, observation, action=0, pending=()):
    return Decided(tick=tick, observation=observation, action=action, pending=np.array(pending, np.int64))


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
        dict(decided=first, reward=3.0, discount=0.125, ticks=3, next_observation=3, next_pending=(7, 1), final=False)
    ]


def test_decisions_in_consecutive_ticks():
    first = decision(4, 1, pending=(1,))
    made = builder((4, 8.0, first))
    assert plain(made.tick(5, 16.0, decided=decision(5, 2, pending=(0,)))) == [
        dict(decided=first, reward=8.0, discount=0.5, ticks=1, next_observation=2, next_pending=(0,), final=False)
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
        dict(decided=last, reward=2.0, discount=discount, ticks=3, next_observation=4, next_pending=(2, 2), final=True)
    ]


@pytest.mark.parametrize(("ending", "discount"), [("terminated", 0.0), ("truncated", 0.5)])
def test_a_decision_on_the_tick_that_ends(ending, discount):
    before, last = decision(2, 1), decision(4, 3, pending=(1,))
    made = builder((2, 1.0, before), (3, 2.0, None))
    assert plain(made.tick(4, 8.0, decided=last, final_pending=np.array([0]), **{ending: True})) == [
        dict(decided=before, reward=2.0, discount=0.25, ticks=2, next_observation=3, next_pending=(1,), final=False),
        dict(decided=last, reward=8.0, discount=discount, ticks=1, next_observation=4, next_pending=(0,), final=True),
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
