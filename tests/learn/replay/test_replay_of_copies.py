"""A replay of copies gives what the replay of each copy alone would give."""

import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.learn.replay.copies import ReplayOfCopies
from hocket.learn.replay.replay import Replay

COPIES, SHAPE = 3, (2,)


def frame(copy, tick, *, final=False):
    """Says whose it is, and of which tick."""
    return np.array([copy, 2 * tick + final], np.int64)


def fill(part, copy, ticks, *, length=7, first=0, **inputs):
    """Ticks from ``first`` on, of episodes of ``length`` ticks: a decision a tick, with a delay of one tick."""
    if not first:
        part.add_frame(0, frame(copy, 0), first=True)
    for tick in range(first + 1, ticks + 1):
        ended = tick % length == 0
        if ended:
            part.add_frame(tick, frame(copy, tick, final=True))
        else:
            part.add_frame(tick, frame(copy, tick))
        part.add_transition(
            tick - 1, copy, reward=tick, discount=0.0 if ended else 0.9, next_tick=tick,
            **{name: value(tick) for name, value in inputs.items()},
        )  # fmt: skip
        if ended:
            part.add_frame(tick, frame(copy, tick), first=True)


def rows(batch):
    """The transitions as comparable rows."""
    parts = (batch.states, batch.next_states, batch.newest, batch.next_newest, batch.pending, batch.next_pending)
    columns = [np.asarray(part).reshape(len(batch.actions), -1) for part in parts]
    numbers = (batch.actions, batch.rewards, batch.discounts, batch.delays, batch.next_delays)
    return {tuple(row) for row in np.concatenate([*columns, np.stack(numbers, axis=1)], axis=1).tolist()}


INPUTS = {
    "pending": lambda tick: np.array([tick % 3, tick % 2]),
    "next_pending": lambda tick: np.array([(tick + 1) % 3, (tick + 1) % 2]),
    "newest_tick": lambda tick: tick - 1,
    "next_newest_tick": lambda tick: tick,
    "delay_ticks": lambda tick: tick % 4,
    "next_delay_ticks": lambda tick: (tick + 1) % 4,
}


@pytest.mark.parametrize("stack", [None, 1, 4])
@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("ticks", [[30, 30, 30], [700, 690, 400]])  # the longer ones go round their rings
def test_it_holds_what_the_replay_of_each_copy_holds(stack, newest, ticks):
    inputs = INPUTS if newest else {}
    options = {"stack": stack, "pending": 2 if newest else 0, "newest": newest}
    together = ReplayOfCopies(COPIES, 3 * 40, SHAPE, np.int64, **options)
    expected = set()
    for copy, part in enumerate(together.parts):
        fill(part, copy, ticks[copy], **inputs)
        alone = Replay(40, SHAPE, np.int64, **options)
        fill(alone, copy, ticks[copy], **inputs)
        assert len(part) == len(alone)
        expected |= rows(alone.sample(4000, np.random.default_rng(copy)))
        alone.close()
    assert len(together) == sum(len(part) for part in together.parts) == len(expected)
    batch = together.sample(8000, np.random.default_rng(7))
    assert rows(batch) == expected
    assert (batch.weights == 1).all()
    # No state, and no stack, is of two copies: an action is its copy's number.
    for frames in (batch.states, batch.next_states, *((batch.newest,) if newest else ())):
        owners = frames[..., 0].reshape(len(batch.actions), -1)
        assert (owners == batch.actions[:, None]).all()
    together.close()


def test_every_transition_is_as_likely_as_any_other():
    replay = ReplayOfCopies(COPIES, 300, SHAPE, np.int64)
    for copy, ticks in enumerate((10, 60, 30)):
        fill(replay.parts[copy], copy, ticks)
    draws = 40_000
    batch = replay.sample(draws, np.random.default_rng(0))
    shares = np.bincount(batch.actions, minlength=COPIES) / draws
    # Standard deviations of a share are at most 0.0025.
    np.testing.assert_allclose(shares, [0.1, 0.6, 0.3], atol=0.01)
    replay.close()


@pytest.mark.parametrize("ticks", [25, 500])
def test_a_restored_one_continues_alike(ticks):
    one, other = (ReplayOfCopies(COPIES, 90, SHAPE, np.int64, stack=2) for _ in range(2))
    for copy, part in enumerate(one.parts):
        fill(part, copy, ticks + copy)
    snapshot = one.snapshot()
    other.restore(snapshot)
    with pytest.raises(ConfigurationError, match="cannot be restored into"):
        other.restore(snapshot)
    for replay in (one, other):
        for copy, part in enumerate(replay.parts):
            fill(part, copy, ticks + 40, first=ticks + copy)
    first, second = (replay.sample(500, np.random.default_rng(3)) for replay in (one, other))
    for name in ("states", "next_states", "actions", "rewards", "discounts"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    other_kind = ReplayOfCopies(COPIES, 91, SHAPE, np.int64, stack=2)
    with pytest.raises(ConfigurationError, match=r"'capacity': 30, .* does not fit one with {'capacity': 31, "):
        other_kind.restore(snapshot)
    for replay in (one, other, other_kind):
        replay.close()


def test_what_it_refuses():
    replay = ReplayOfCopies(2, 10, SHAPE, np.int64)
    with pytest.raises(ConfigurationError, match="an empty replay cannot be sampled"):
        replay.sample(1, np.random.default_rng(0))
    fill(replay.parts[0], 0, 3)
    with pytest.raises(ConfigurationError, match=r"beta=0\.4: a replay of copies keeps no priorities"):
        replay.sample(1, np.random.default_rng(0), beta=0.4)
    with pytest.raises(ConfigurationError, match="try alpha=None, or envs=1"):
        replay.update_priorities([0], [0.1])
    replay.close()
