import math
from dataclasses import replace

import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.hooks.record import Moment
from hocket.learn.replay.collector import Collector, StackCheck
from hocket.learn.replay.replay import Replay
from hocket.learn.replay.reward_scaling import RewardScaling
from hocket.spaces.codec import NOTHING_PENDING

GAMMA = 0.5


def moment(tick, *, decided_on=-1, action=5, reward=0.0, final=None):
    return Moment(
        tick=tick,
        decided_on=decided_on,
        action=action,
        pending_actions=NOTHING_PENDING,
        reward=reward,
        terminated=final is not None,
        truncated=False,
        observation=np.array([tick], np.uint8),
        final_observation=None if final is None else np.array([final], np.uint8),
        final_pending_actions=NOTHING_PENDING,
    )


def play(collector, *moments):
    collector.began(np.array([0], np.uint8))
    for each in moments:
        collector.ticked(each)


def test_ticks_of_a_resumed_run_count_on():
    """Decided on observations 0 and 1, executed at ticks 2 and 3, ended at 4; all 100 ticks later."""
    replay = Replay(10, (1,))
    collector = Collector(replay, gamma=GAMMA, first_action=5, first_tick=100)
    play(
        collector,
        moment(1),
        moment(2, decided_on=0, action=6, reward=1.0),
        moment(3, decided_on=1, action=5, reward=3.0),
        moment(4, reward=4.0, final=44),
    )
    assert collector.tick == 104 and collector.error is None
    copied = replay.snapshot()
    assert copied["ticks"].tolist() == [100, 101, 102, 103, 104, 104]
    assert copied["frames"][:, 0].tolist() == [0, 1, 2, 3, 44, 4]
    records = copied["records"]
    assert records["action"].tolist() == [1, 0]
    assert records["reward"].tolist() == [1.0, 3.0 + GAMMA * 4.0]


def test_decisions_of_a_head_that_sees_the_newest_observation():
    """Delay 2 with pending actions: alone in tick 1, truncated in tick 3, all 100 ticks later; γ = 1/2."""
    replay = Replay(10, (1,), pending=1, newest=True)
    collector = Collector(replay, gamma=GAMMA, first_action=5, first_tick=100, unknown=2)

    def told(tick, decided_on, pending, **options):
        return replace(
            moment(tick, decided_on=decided_on, reward=2.0**tick), newest=tick - 1, pending_actions=np.array([pending]),
            **options,
        )  # fmt: skip

    end = {"truncated": True, "final_observation": np.array([33], np.uint8), "final_decided_on": 2, "final_newest": 3}
    play(
        collector,
        told(1, -1, 2),
        told(2, 0, 0),
        told(3, 1, 1, **end, final_pending_actions=np.array([1])),
        told(4, -1, 2),  # of the next episode, which begins in tick 3
        told(5, 3, 0),
    )
    copied = replay.snapshot()
    frames, records = copied["frames"][:, 0], copied["records"]
    assert frames.tolist() == [0, 1, 2, 33, 3, 4, 5]
    numbers = [[int(frames[n]) for n in records[name]] for name in ("state", "newest", "next_state", "next_newest")]
    #         alone 1, 2, 3 | 4
    assert numbers == [[0, 0, 1, 3], [0, 1, 2, 3], [0, 1, 2, 3], [1, 2, 33, 4]]
    assert (records["delay"].tolist(), records["next_delay"].tolist()) == ([0, 2, 2, 0], [2, 2, 2, 2])
    assert (records["pending"][:, 0].tolist(), records["next_pending"][:, 0].tolist()) == ([2, 0, 1, 2], [0, 1, 1, 0])
    assert records["reward"].tolist() == [2.0, 4.0, 8.0, 16.0]
    assert records["discount"].tolist() == [0.5] * 4


@pytest.mark.parametrize(("ending", "kept"), [("terminated", 1), ("truncated", 0)])
def test_an_end_whose_next_decision_cannot_be_known(ending, kept):
    """Of a truncated episode the last transition is dropped; a terminated one needs no next decision."""
    replay = Replay(10, (1,), newest=True)
    collector = Collector(replay, gamma=GAMMA, first_action=5, unknown=2)
    end = {"terminated": False, ending: True, "final_observation": np.array([33], np.uint8), "final_decided_on": -1}
    play(collector, replace(moment(1, reward=1.0), newest=0), replace(moment(2, reward=4.0), **end))
    assert len(replay) == kept
    if kept:
        batch = replay.sample(1, np.random.default_rng(0))
        assert (batch.rewards.tolist(), batch.discounts.tolist(), batch.next_newest.tolist()) == ([3.0], [0.0], [[33]])


def test_frames_of_the_run_before_are_no_part_of_it():
    """Its last frame may have the tick at which the new one begins, or be a tick ahead."""
    for ahead in (100, 101):
        replay = Replay(10, (1,), stack=2, n_step=3)
        replay.add_frame(99, np.array([98], np.uint8))
        replay.add_frame(ahead, np.array([99], np.uint8))
        replay.add_transition(99, 0, reward=0.0, discount=1.0, next_tick=ahead)
        play(Collector(replay, gamma=GAMMA, first_tick=100), *(moment(t, decided_on=t - 1, action=0) for t in (1, 2)))
        batch = replay.sample(50, np.random.default_rng(0))
        pairs = {tuple(states[:, 0]) for states in (*batch.states, *batch.next_states)}
        assert (98, 99) in pairs and (0, 1) in pairs
        assert not any({98, 99} & set(pair) and {0, 1, 2} & set(pair) for pair in pairs)


def test_the_interval_is_between_executed_decisions_of_one_episode():
    collector = Collector(Replay(20, (1,)), gamma=GAMMA, first_action=5, first_tick=100)
    collector.began(np.array([0], np.uint8))
    seen = []
    decided = {2: 0, 3: 1, 7: 3, 8: -1, 9: 8, 12: 9}  # by tick; the episode ends at tick 8
    for tick in range(1, 13):
        collector.ticked(moment(tick, decided_on=decided.get(tick, -1), final=80 if tick == 8 else None))
        seen.append(collector.interval_ticks)
    #               1  2  3  4  5  6  7  8  9 10 11 12
    assert seen == [1, 1, 1, 1, 1, 1, 4, 4, 4, 4, 4, 3]


@pytest.mark.parametrize("reward", [math.nan, -math.inf, 4e38])
def test_a_reward_that_is_no_number_of_32_bits_ends_it(reward):
    replay = Replay(10, (1,))
    collector = Collector(replay, gamma=GAMMA, first_tick=100)
    play(collector, moment(1, decided_on=0), moment(2, reward=reward), moment(3, decided_on=2))
    assert collector.error.startswith(f"tick 102 paid a reward of {reward}")
    assert collector.tick == 103 and len(replay) == 0


def stacked(*frames):
    return np.array(frames, np.uint8)[:, None]


def of_stack(tick, *frames, final=None):
    return replace(
        moment(tick),
        observation=stacked(*frames),
        final_observation=None if final is None else stacked(*final),
        terminated=final is not None,
    )


def test_stacks_are_checked_from_tick_to_tick():
    check = StackCheck()
    check.first(stacked(7, 7, 7))
    check.ticked(1, of_stack(1, 7, 7, 8))
    check.ticked(2, of_stack(2, 7, 8, 9))
    check.ticked(3, of_stack(3, 5, 5, 5, final=(8, 9, 4)))
    check.ticked(4, of_stack(4, 5, 5, 6))


@pytest.mark.parametrize("frames", [(0, 0, 7), (1, 2, 3)])  # zero padding; no stack at all
def test_a_first_stack_of_other_frames_is_refused(frames):
    with pytest.raises(
        ConfigurationError, match=r"^frame_stack=3, and the frames of an episode's first .* differ; .*try"
    ):
        StackCheck().first(stacked(*frames))
    check = StackCheck()
    check.first(stacked(4, 4, 4))
    with pytest.raises(ConfigurationError, match="first observation differ"):
        check.ticked(1, of_stack(1, *frames, final=(4, 4, 5)))


@pytest.mark.parametrize("frames", [(7, 7, 7), (9, 8, 7), (7, 9, 10)])  # not shifted; newest first; one left out
def test_a_stack_that_is_not_the_last_one_shifted_is_refused(frames):
    check = StackCheck()
    check.first(stacked(7, 7, 7))
    check.ticked(1, of_stack(1, 7, 7, 8))
    with pytest.raises(ConfigurationError, match="the observation of tick 2 is not the one before it, shifted by one"):
        check.ticked(2, of_stack(2, *frames))
    with pytest.raises(ConfigurationError, match="of tick 2"):
        check.ticked(2, of_stack(2, 5, 5, 5, final=frames))


def test_a_buffer_that_the_environment_reuses_is_compared_with_what_it_held():
    buffer, check = stacked(7, 7, 7), StackCheck()
    check.first(buffer)
    for newest in (8, 9):
        buffer[:-1] = buffer[1:].copy()
        buffer[-1] = newest
        check.ticked(newest, replace(moment(1), observation=buffer))


def rewards_kept(**options):
    """Of rewards 3, −1 and 400, one decision a tick, the last one open."""
    replay = Replay(10, (1,))
    collector = Collector(replay, gamma=GAMMA, rewards=RewardScaling(**options))
    play(collector, *(moment(t, decided_on=t - 1, action=0, reward=r) for t, r in ((1, 3.0), (2, -1.0), (3, 400.0))))
    collector.ticked(moment(4, decided_on=3, action=0))
    assert collector.error is None
    return replay.snapshot()["records"]["reward"].tolist()


def test_rewards_are_scaled_then_clipped():
    assert rewards_kept() == [3.0, -1.0, 400.0]
    assert rewards_kept(scale=0.25) == [0.75, -0.25, 100.0]
    assert rewards_kept(clip=1.0) == [1.0, -1.0, 1.0]
    assert rewards_kept(scale=0.5, clip=1.0) == [1.0, -0.5, 1.0]


def test_every_tick_is_scaled_before_the_sum():
    """One decision for three ticks of 400: with γ = 1/2 it is 1 + 1/2 + 1/4, not a clipped sum."""
    replay = Replay(10, (1,))
    collector = Collector(replay, gamma=GAMMA, rewards=RewardScaling(clip=1.0))
    ticks = [moment(1, decided_on=0, reward=400.0), moment(2, reward=400.0), moment(3, reward=400.0)]
    play(collector, *ticks, moment(4, decided_on=3))
    assert replay.snapshot()["records"]["reward"].tolist() == [1.75]


@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_clipping_hides_no_reward_that_is_no_number(reward):
    collector = Collector(Replay(10, (1,)), gamma=GAMMA, rewards=RewardScaling(clip=1.0))
    play(collector, moment(1, decided_on=0, reward=reward))
    assert collector.error.startswith(f"tick 1 paid a reward of {reward}")


@pytest.mark.parametrize("options", [{"scale": 0.0}, {"scale": math.nan}, {"clip": 0.0}, {"clip": math.inf}])
def test_invalid_scalings_are_refused(options):
    with pytest.raises(ConfigurationError, match=r"(reward_scale|clip_reward)=.* greater than 0; try 1.0"):
        RewardScaling(**options)
