from itertools import pairwise

import numpy as np
import pytest

from hocket.bench.replay import bench_replay
from hocket.errors import ConfigurationError
from hocket.learn.replay.replay import Replay


class Every:
    """A generator that draws every transition once."""

    def integers(self, low, high, size):
        return np.arange(high - size, high)


def everything(replay):
    return replay.sample(len(replay), Every())


def frame(value):
    return np.full(2, value, np.uint8)


def small(capacity=8, **options):
    return Replay(capacity, (2,), **{"frames": 16, **options})


def test_one_transition_by_hand():
    replay = small(pending=2)
    for tick in range(4):
        replay.add_frame(tick, frame(10 + tick))
    # Decided from observation 0, executed at 1; the next decision is from observation 3: rewards 1, 0, 2 under γ = 1/2
    # are 1 + 0/2 + 2/4 = 1.5, and the discount is (1/2)³.
    replay.add_transition(
        0, 5, reward=1.5, discount=0.125, next_tick=3, pending=np.array([7, 8]), next_pending=np.array([8, 9])
    )
    batch = replay.sample(1, np.random.default_rng(0))
    assert batch.states.tolist() == [[10, 10]]
    assert batch.next_states.tolist() == [[13, 13]]
    assert (batch.actions.tolist(), batch.rewards.tolist(), batch.discounts.tolist()) == ([5], [1.5], [0.125])
    assert (batch.pending.tolist(), batch.next_pending.tolist()) == ([[7, 8]], [[8, 9]])
    assert (batch.weights.tolist(), batch.indices.tolist()) == ([1.0], [0])
    assert (batch.states.dtype, batch.actions.dtype, batch.pending.dtype) == (np.uint8, np.int64, np.int64)
    assert (batch.rewards.dtype, batch.discounts.dtype, batch.weights.dtype) == (np.float32,) * 3


def test_newest_observations_by_hand():
    """Delay 3 with stacks of two, alone in ticks 1 and 2, and truncated in tick 4: four stacks a transition."""
    replay = small(stack=2, newest=True, pending=2, alpha=0.5)
    for tick in range(5):
        replay.add_frame(tick, frame(10 + tick))
    told = [(0, 0, 0, (7, 7)), (0, 1, 0, (7, 7)), (0, 2, 3, (1, 2)), (1, 3, 3, (2, 3)), (2, 4, 3, (3, 4))]
    for number, (before, after) in enumerate(pairwise(told)):
        replay.add_transition(
            before[0], number, reward=number, discount=0.5, next_tick=after[0],
            pending=np.array(before[3]), next_pending=np.array(after[3]),
            newest_tick=before[1], next_newest_tick=after[1], delay=before[2], next_delay=after[2],
        )  # fmt: skip
    replay.add_frame(4, frame(50), first=True)
    batch = everything(replay)
    assert batch.states[:, :, 0].tolist() == [[10, 10], [10, 10], [10, 10], [10, 11]]
    assert batch.newest[:, :, 0].tolist() == [[10, 10], [10, 11], [11, 12], [12, 13]]
    assert batch.next_states[:, :, 0].tolist() == [[10, 10], [10, 10], [10, 11], [11, 12]]
    assert batch.next_newest[:, :, 0].tolist() == [[10, 11], [11, 12], [12, 13], [13, 14]]
    assert (batch.delays.tolist(), batch.next_delays.tolist()) == ([0, 0, 3, 3], [0, 3, 3, 3])
    assert (batch.pending.tolist(), batch.next_pending[-1].tolist()) == ([[7, 7], [7, 7], [1, 2], [2, 3]], [3, 4])
    by_priority = replay.sample(64, np.random.default_rng(0), beta=0.4)
    assert (by_priority.newest[:, 1, 0] == 10 + by_priority.actions).all()
    again = small(stack=2, newest=True, pending=2, alpha=0.5)
    again.restore(replay.snapshot())
    for name in ("newest", "next_newest", "delays", "next_delays"):
        assert np.array_equal(getattr(everything(again), name), getattr(batch, name))


def test_a_frame_that_a_newest_observation_needs_is_kept():
    """Transitions go when their oldest frame does, which is never the newest observation's."""
    replay = Replay(100, (2,), frames=8, newest=True)
    for tick in range(40):
        replay.add_frame(tick, frame(tick))
        if tick >= 4:
            replay.add_transition(
                tick - 4, tick, reward=0, discount=1, next_tick=tick - 3, newest_tick=tick - 1, next_newest_tick=tick
            )
    batch = everything(replay)
    assert len(batch.actions) == 4
    assert (batch.states[:, 0] == batch.actions - 4).all() and (batch.newest[:, 0] == batch.actions - 1).all()


def test_newest_observations_that_do_not_fit():
    replay, plain = small(newest=True), small()
    for tick in range(4):
        for each in (replay, plain):
            each.add_frame(tick, frame(tick))
    with pytest.raises(ConfigurationError, match=r"newest_tick=2 in a replay that keeps none; .*newest=True"):
        plain.add_transition(0, 0, reward=0, discount=1, next_tick=1, newest_tick=2)
    with pytest.raises(ConfigurationError, match=r"next_newest_tick=0 is older than its decision's own"):
        replay.add_transition(0, 0, reward=0, discount=1, next_tick=1, newest_tick=0, next_newest_tick=0)
    with pytest.raises(ConfigurationError, match=r"newest_tick=9 has no frame"):
        replay.add_transition(0, 0, reward=0, discount=1, next_tick=1, newest_tick=9)
    replay.add_transition(1, 0, reward=0, discount=1, next_tick=2)  # without features of its own: delay 1
    batch = everything(replay)
    assert (batch.newest.tolist(), batch.next_newest.tolist()) == ([[1, 1]], [[2, 2]])
    assert everything(plain_with_one(plain)).newest.shape == (1, 0)


def plain_with_one(replay):
    replay.add_transition(0, 0, reward=0, discount=1, next_tick=1)
    return replay


def test_stacks_repeat_the_first_frame_and_end_with_their_episode():
    replay = Replay(8, (), stack=3)
    for tick in range(3):
        replay.add_frame(tick, np.uint8(tick))
    replay.add_transition(0, 0, reward=0, discount=1, next_tick=1)
    replay.add_transition(1, 0, reward=0, discount=0, next_tick=2)
    replay.add_frame(2, np.uint8(50), first=True)  # the reset within tick 2
    replay.add_frame(3, np.uint8(51))
    replay.add_transition(2, 0, reward=0, discount=1, next_tick=3)
    batch = everything(replay)
    assert batch.states.tolist() == [[0, 0, 0], [0, 0, 1], [50, 50, 50]]
    assert batch.next_states.tolist() == [[0, 0, 1], [0, 1, 2], [50, 50, 51]]


def test_n_step_by_hand():
    replay = small(n_step=3)
    for tick in range(8):
        replay.add_frame(tick, frame(tick))
    replay.add_transition(0, 0, reward=1.0, discount=0.5, next_tick=2)
    replay.add_transition(2, 1, reward=2.0, discount=0.25, next_tick=4)
    replay.add_transition(4, 2, reward=4.0, discount=0.5, next_tick=5)
    replay.add_transition(5, 3, reward=8.0, discount=0.0, next_tick=7)  # terminated
    replay.add_frame(7, frame(100), first=True)
    replay.add_frame(8, frame(101))
    replay.add_transition(7, 4, reward=16.0, discount=0.5, next_tick=8)
    batch = everything(replay)
    # 1 + 2/2 + 4/8 = 2.5; 2 + 4/4 + 8/8 = 4; 4 + 8/2 = 8 and 8 alone, both up to the end; 16 has no follower yet.
    assert batch.rewards.tolist() == [2.5, 4.0, 8.0, 8.0, 16.0]
    assert batch.discounts.tolist() == [0.5 * 0.25 * 0.5, 0.0, 0.0, 0.0, 0.5]
    assert batch.next_states[:, 0].tolist() == [5, 7, 7, 7, 101]
    assert batch.actions.tolist() == [0, 1, 2, 3, 4]


def test_truncation_bootstraps_from_the_final_observation_and_no_further():
    replay = small(n_step=2, stack=2)
    for tick in range(3):
        replay.add_frame(tick, frame(tick))
    replay.add_transition(0, 0, reward=1.0, discount=0.5, next_tick=2)  # truncated at 2
    replay.add_frame(2, frame(9), first=True)
    replay.add_frame(3, frame(10))
    replay.add_transition(2, 0, reward=100.0, discount=0.5, next_tick=3)
    batch = everything(replay)
    assert (batch.rewards[0], batch.discounts[0]) == (1.0, 0.5)
    assert batch.next_states[0, :, 0].tolist() == [1, 2]


def test_a_missing_tick_leaves_no_hole_in_a_stack():
    replay = small(stack=2)
    for tick in (5, 6, 9, 10):
        replay.add_frame(tick, frame(tick))
    replay.add_transition(6, 0, reward=0, discount=1, next_tick=9)
    assert everything(replay).next_states[0, :, 0].tolist() == [6, 9]
    with pytest.raises(ConfigurationError, match="next_tick=8 has no frame"):
        replay.add_transition(6, 0, reward=0, discount=1, next_tick=8)


def test_a_decision_older_than_the_ring_is_counted_not_kept():
    replay = small(frames=5)
    for tick in range(6):
        replay.add_frame(tick, frame(tick))
    replay.add_transition(0, 0, reward=0, discount=1, next_tick=5)
    assert (len(replay), replay.lost) == (0, 1)
    replay.add_transition(1, 0, reward=0, discount=1, next_tick=5)
    assert (len(replay), replay.lost) == (1, 1)
    replay.add_frame(6, frame(6))
    assert (len(replay), replay.lost) == (0, 1)


def fill(replay, ticks, begin=0):
    for tick in range(begin, begin + ticks):
        replay.add_frame(tick, frame(tick % 256), first=tick % 13 == 0)
        if tick % 13:
            replay.add_transition(tick - 1, tick % 5, reward=tick, discount=0.5, next_tick=tick)


def same(one, other):
    return all((getattr(one, name) == getattr(other, name)).all() for name in one.__slots__)


@pytest.mark.parametrize("ticks", [0, 1, 9, 40, 215])
@pytest.mark.parametrize("alpha", [None, 0.5])
def test_a_restored_replay_continues_alike(ticks, alpha, tmp_path):
    options = {"stack": 2, "n_step": 2, "frames": 40, "alpha": alpha}
    beta = None if alpha is None else 0.4
    replay = small(30, **options)
    fill(replay, ticks)
    if alpha is not None and len(replay):
        batch = replay.sample(8, np.random.default_rng(0), beta=beta)
        replay.update_priorities(batch.indices, np.random.default_rng(1).random(8) * 3)
    fill(replay, 2, begin=ticks)
    np.savez(tmp_path / "replay.npz", **replay.snapshot())
    restored = small(30, **options)
    with np.load(tmp_path / "replay.npz") as snapshot:
        restored.restore(snapshot)
    assert len(restored) == len(replay)
    for step in range(60):
        fill(replay, 1, begin=ticks + 2 + step)
        fill(restored, 1, begin=ticks + 2 + step)
        if not len(replay):
            continue
        one = replay.sample(8, np.random.default_rng(step), beta=beta)
        other = restored.sample(8, np.random.default_rng(step), beta=beta)
        assert same(one, other)
        if alpha is not None:
            for each in (replay, restored):
                each.update_priorities(one.indices, np.random.default_rng(step).random(8))


def test_foreign_snapshots_are_refused():
    replay = small()
    fill(replay, 5)
    with pytest.raises(ConfigurationError, match=r"capacity': 8.*capacity': 9.*try"):
        small(9).restore(replay.snapshot())
    with pytest.raises(ConfigurationError, match="nothing of the kind"):
        small().restore({})
    with pytest.raises(ConfigurationError, match="try a new one"):
        replay.restore(replay.snapshot())


def test_memory_and_length():
    replay = Replay(1000, (84, 84), stack=4, alpha=0.5)
    per_frame = 84 * 84 + 1 + 8
    expected = (
        per_frame * (1000 + 15 + 256) + 1000 * 32 + 1024 * 8 + 64 * 8
    )  # records of 32 bytes, a tree of two levels
    assert replay.bytes_per_transition == pytest.approx(expected / 1000, abs=1)
    assert len(replay) == 0


def test_bytes_of_a_game_boy_transition_with_the_newest_observation():
    """Two frame numbers and two delays more: 20 bytes a transition, not a frame."""
    options = {"stack": 4, "pending": 7, "alpha": 0.5}
    plain, newest = (Replay(10_000, (84, 84), newest=kept, **options).bytes_per_transition for kept in (False, True))
    assert newest - plain == pytest.approx(20, abs=5)
    assert newest <= 7500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 0}, "capacity=0 must be a whole number from 1"),
        ({"n_step": 0}, "n_step=0"),
        ({"stack": 0}, "stack=0"),
        ({"stack": 257}, "stack=257 .* at most 256"),
        ({"pending": -1}, "pending=-1"),
        ({"frames": 2}, "frames=2"),
        ({"alpha": 1.5}, r"alpha=1.5 must be in \[0, 1\]"),
        ({"epsilon": 0.0}, "epsilon=0.0"),
        ({"frame_dtype": object}, "cannot be stored"),
        ({"frame_shape": (0,)}, "cannot be stored"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Replay(**{"capacity": 8, "frame_shape": (2,), **options})


def test_bad_input():
    replay = small(pending=1)
    good = {"reward": 0.0, "discount": 1.0, "next_tick": 1}
    with pytest.raises(ConfigurationError, match=r"tick=0 has no frame .*none yet"):
        replay.add_transition(0, 0, **good)
    for tick in range(3):
        replay.add_frame(tick, frame(tick))
    with pytest.raises(ConfigurationError, match="empty replay"):
        replay.sample(1, np.random.default_rng(0))
    for bad, message in [
        (np.zeros(2, np.float32), "float32.*does not fit.*uint8"),
        (np.zeros(3, np.uint8), r"\(3,\) does not fit"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            replay.add_frame(3, bad)
    with pytest.raises(ConfigurationError, match=r"tick=2 after tick 2.*try first=True"):
        replay.add_frame(2, frame(0))
    for options, message in [
        ({"tick": 3}, "tick=3 has no frame.*0…2"),
        ({"next_tick": 7}, "next_tick=7"),
        ({"action": 0.5}, "action=0.5 is no whole number.*Discrete"),
        ({"reward": float("nan")}, "reward=nan"),
        ({"discount": 1.1}, "discount=1.1"),
        ({"tick": 2}, "never go back"),
        ({"pending": np.array([1, 2])}, r"pending=array\(\[1, 2\]\) has 2 pending actions; exactly 1"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            replay.add_transition(**{"tick": 0, "action": 0, **good, **options})
    replay.add_transition(1, 0, reward=0.0, discount=1.0, next_tick=2)
    with pytest.raises(ConfigurationError, match="never go back"):
        replay.add_transition(0, 0, **good)
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigurationError, match="size=0"):
        replay.sample(0, rng)
    with pytest.raises(ConfigurationError, match=r"beta=0.4 with alpha=None"):
        replay.sample(1, rng, beta=0.4)
    with pytest.raises(ConfigurationError, match="alpha=None keeps no priorities"):
        replay.update_priorities([0], [1.0])
    with pytest.raises(ConfigurationError, match="beta=2"):
        small(alpha=0.5).sample(1, rng, beta=2)


def test_prioritised_batches_prefer_large_errors():
    replay, rng = small(12, alpha=1.0, frames=30), np.random.default_rng(0)
    fill(replay, 13)
    replay.sample(1, rng, beta=0.4)
    replay.update_priorities(np.arange(12), [1.0] * 11 + [11.0])
    batch = replay.sample(22, rng, beta=1.0)
    # The last one has half of the total: 11 of 22 equal shares. Its weight is 1/11 of the others'.
    assert (batch.indices == 11).sum() == 11
    assert batch.weights[batch.indices == 11] == pytest.approx(1 / 11, rel=1e-5)
    assert batch.weights[batch.indices != 11] == pytest.approx(1, rel=1e-5)


def test_uniform_batches_are_uniform():
    replay, rng = small(12, frames=30), np.random.default_rng(0)
    fill(replay, 13)
    counts = np.bincount(np.concatenate([replay.sample(32, rng).indices for _ in range(500)]), minlength=12)
    expected = 500 * 32 / 12
    assert ((counts - expected) ** 2 / expected).sum() < 50  # 11 degrees of freedom: mean 11, 99.9999 % below 50


def test_the_benchmark_has_its_figures():
    figures = bench_replay(entries=500, repeats=5)
    assert figures["entries"] == 500
    assert {"bytes_per_transition", "sample_uniform_s", "sample_prioritised_s"} < figures.keys()
    assert all(figure > 0 for figure in figures.values())
