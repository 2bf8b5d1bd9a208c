import multiprocessing
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.errors import ConfigurationError
from hocket.ipc.shared_memory import SharedArrays
from hocket.learn.replay.priorities import FANOUT, Priorities, SumTree, level_sizes


def tree(capacity):
    return SumTree([np.zeros(size) for size in level_sizes(capacity)])


def priorities(capacity, alpha=1.0, epsilon=1e-6):
    return Priorities(SharedArrays(Priorities.parts(capacity)), capacity, alpha, epsilon)


def test_levels_are_whole_nodes_up_to_one_top():
    assert level_sizes(1) == [64]
    assert level_sizes(256) == [256]
    assert level_sizes(257) == [320, 64]  # 5 nodes of 64, whose sums fill one
    assert level_sizes(300_000) == [300_032, 4736, 128]  # 4688 nodes → 74 nodes → 74 sums


def test_find_by_hand():
    t = tree(4)
    t.set(np.array([0, 1, 3]), [1.0, 2.0, 5.0])
    # Running sums 1, 3, 3, 8: shares of 8 below 1/8 are slot 0, below 3/8 slot 1, the rest slot 3; slot 2 is empty.
    assert t.total() == 8
    assert t.find(np.array([0.0, 0.124, 0.125, 0.374, 0.375, 0.999])).tolist() == [0, 0, 1, 1, 3, 3]


@settings(max_examples=3 * settings().max_examples // 5)
@given(
    capacity=st.sampled_from([1, 63, 64, 65, 300, 5000, 20_000]),
    seed=st.integers(0, 2**32 - 1),
    rounds=st.integers(1, 5),
    sparse=st.booleans(),
)
def test_tree_is_the_running_sum(capacity, seed, rounds, sparse):
    rng = np.random.default_rng(seed)
    t, naive = tree(capacity), np.zeros(capacity)
    for _ in range(rounds):
        slots = rng.integers(0, capacity, rng.integers(1, 200))
        values = (
            rng.random(len(slots)) * (rng.random(len(slots)) < (0.1 if sparse else 1)) * 10.0 ** rng.integers(-9, 9)
        )
        t.set(slots, values)
        for slot, value in zip(slots, values, strict=True):
            naive[slot] = value
    assert (t.leaves[:capacity] == naive).all()
    assert t.total() == pytest.approx(naive.sum(), rel=1e-12)
    if not naive.any():
        return
    shares = np.concatenate([rng.random(50), [0.0, np.nextafter(1, 0)]])
    found = t.find(shares)
    assert (naive[found] > 0).all()
    end = naive.cumsum()
    slack = 1e-9 * end[-1]
    wanted = shares * end[-1]
    assert (end[found] >= wanted - slack).all()
    assert (end[found] - naive[found] <= wanted + slack).all()


def test_sums_do_not_depend_on_their_history():
    rng = np.random.default_rng(0)
    t, fresh = tree(5000), tree(5000)
    for _ in range(300):
        t.set(rng.integers(0, 5000, 32), rng.random(32) * 10.0 ** rng.integers(-9, 9))
    fresh.set(np.arange(5000), t.leaves[:5000])
    assert t.total() == fresh.total()
    t.rebuild()
    assert t.total() == fresh.total()


def test_new_ones_enter_with_the_largest_priority():
    p, rng = priorities(8, alpha=0.5), np.random.default_rng(0)
    p.sample(4, rng, 0, 2, beta=1.0)
    p.update([0], [16 - 1e-6])  # (16 − ε + ε)^0.5 = 4
    p.sample(4, rng, 0, 4, beta=1.0)
    leaves, largest = p.read(0, 4)
    assert leaves.tolist() == [4, 1, 4, 4]  # 1 entered before any update
    assert largest == 4


def test_weights_are_inverse_priorities():
    p, rng = priorities(4), np.random.default_rng(0)
    p.sample(1, rng, 0, 3, beta=1.0)
    p.update([0, 1, 2], np.array([1, 2, 5]) - 1e-6)
    indices, weights = p.sample(8, rng, 0, 3, beta=1.0)
    # Stratified in eighths of a total of 8: one draw is 0, two are 1, five are 2, for any random numbers.
    assert indices.tolist() == [0, 1, 1, 2, 2, 2, 2, 2]
    assert weights == pytest.approx([1, 1 / 2, 1 / 2, *[1 / 5] * 5])
    _, half = p.sample(8, rng, 0, 3, beta=0.5)
    assert half == pytest.approx([1, 2**-0.5, 2**-0.5, *[5**-0.5] * 5])


def test_draws_are_proportional():
    p, rng = priorities(1000, alpha=0.6), np.random.default_rng(1)
    errors = rng.random(700) * 10
    p.sample(1, rng, 0, 700, beta=0)
    p.update(np.arange(700), errors)
    draws, count = 2000, 32
    counts = np.zeros(700)
    for _ in range(draws):
        np.add.at(counts, p.sample(count, rng, 0, 700, beta=0.4)[0], 1)
    expected = (errors + 1e-6) ** 0.6
    expected *= draws * count / expected.sum()
    likely = expected > 5
    chi_square = ((counts - expected) ** 2 / expected)[likely].sum()
    # Stratified draws vary less than independent ones, for which this has mean n and deviation √(2n).
    assert chi_square < likely.sum() + 6 * np.sqrt(2 * likely.sum())
    assert chi_square > likely.sum() / 4


@settings(max_examples=3 * settings().max_examples // 5)
@given(seed=st.integers(0, 2**32 - 1), capacity=st.integers(1, 130))
def test_only_live_ones_have_priorities(seed, capacity):
    """The ring moves on by any amount between two looks; compared with a plain dictionary."""
    rng = np.random.default_rng(seed)
    p, naive, largest, oldest, newest = priorities(capacity), {}, 1.0, 0, 0
    for _ in range(12):
        absorbed, newest = newest, newest + int(rng.integers(0, 2 * capacity + 2))
        oldest = min(newest, max(oldest + int(rng.integers(0, 2)), newest - capacity))
        naive = {i: priority for i, priority in naive.items() if i >= oldest}
        naive |= {i: largest for i in range(max(absorbed, oldest), newest)}
        indices, _ = p.sample(5, rng, oldest, newest, beta=0.4)
        leaves, _ = p.read(oldest, newest)
        assert leaves.tolist() == [naive[i] for i in range(oldest, newest)]
        assert p._tree.total() == pytest.approx(sum(naive.values()))
        if not naive:
            continue
        assert set(indices.tolist()) <= naive.keys()
        chosen = np.unique(rng.integers(oldest - 3, newest + 3, 6))
        errors = rng.random(len(chosen)) * 2
        p.update(chosen, errors)
        updated = {i: e + 1e-6 for i, e in zip(chosen.tolist(), errors.tolist(), strict=True) if i in naive}
        naive |= updated
        largest = max(largest, *updated.values(), 0.0)


def test_a_late_look_at_the_counters_is_harmless():
    p, rng = priorities(8), np.random.default_rng(0)
    p.sample(1, rng, 6, 10, beta=0)
    p.sample(1, rng, 2, 8, beta=0)  # another learner read the writer's counters earlier and came second
    assert p._tree.total() == 4
    assert p._tree.leaves[:8].tolist() == [1, 1, 0, 0, 0, 0, 1, 1]
    # The writer moved on between two looks of a learner, so that all it had seen was retired; and again a late one.
    p.sample(1, rng, 14, 12, beta=0)
    p.sample(1, rng, 10, 13, beta=0)
    assert p._tree.total() == 0
    p.sample(1, rng, 14, 16, beta=0)
    assert p._tree.leaves[:8].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]


def hold_and_spoil(arrays, ready):
    p = Priorities(arrays, 300, 1.0, 1e-6)
    with p._inside():
        p._tree.leaves[7] = 1000.0  # its sums are not updated
        ready.send(True)
        signal.pause()


@pytest.mark.slow
def test_a_learner_that_dies_inside_blocks_no_other_and_spoils_nothing():
    context = multiprocessing.get_context("forkserver")
    arrays = SharedArrays(Priorities.parts(300))
    p, rng = Priorities(arrays, 300, 1.0, 1e-6), np.random.default_rng(0)
    p.sample(1, rng, 0, 300, beta=0)
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=hold_and_spoil, args=(arrays, there))
    child.start()
    assert here.recv()
    child.kill()
    indices, _ = p.sample(100, rng, 0, 300, beta=0)
    child.join()
    assert p._tree.total() == 1299
    assert (indices == 7).sum() > 60  # 1000 of 1299


def update_many(arrays, seed, together):
    together.wait()
    p, rng = Priorities(arrays, 500, 1.0, 1e-6), np.random.default_rng(seed)
    for _ in range(300):
        indices, _ = p.sample(16, rng, 0, 500, beta=0.4)
        p.update(indices, rng.random(16))


@pytest.mark.slow
def test_learners_exclude_each_other():
    context = multiprocessing.get_context("forkserver")
    arrays, together = SharedArrays(Priorities.parts(500)), context.Barrier(2)
    children = [context.Process(target=update_many, args=(arrays, seed, together)) for seed in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    p = Priorities(arrays, 500, 1.0, 1e-6)
    stored = [level.copy() for level in p._tree._levels]
    p._tree.rebuild()
    assert all((before == after).all() for before, after in zip(stored, p._tree._levels, strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_errors_must_be_finite(bad):
    p = priorities(FANOUT)
    with pytest.raises(ConfigurationError, match=f"{bad}.*finite.*try"):
        p.update([0, 1], [1.0, bad])
    with pytest.raises(ConfigurationError, match="one each"):
        p.update([0, 1], [1.0])
