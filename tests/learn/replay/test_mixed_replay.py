"""Batches of the agent's own transitions and demonstrations, which are told apart by their actions: 0 and 1."""

import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.learn.replay.mixed_replay import MixedReplay
from hocket.learn.replay.replay import Replay


def replay_of(action, count, **options):
    replay = Replay(50, (2,), np.float32, **options)
    for tick in range(count + 1):
        replay.add_frame(tick, np.full(2, tick, np.float32))
    for tick in range(count):
        replay.add_transition(tick, action, reward=float(action), discount=0.9, next_tick=tick + 1)
    return replay


@pytest.mark.parametrize(
    ("size", "share", "shown"), [(32, 0.25, 8), (32, 0.01, 1), (10, 0.25, 2), (2, 0.9, 2), (1, 0.1, 1)]
)
def test_every_batch_has_its_share(size, share, shown):
    mixed, rng = MixedReplay(replay_of(0, 20), replay_of(1, 10), share), np.random.default_rng(0)
    assert len(mixed) == 30
    for _ in range(5):
        batch = mixed.sample(size, rng)
        assert len(batch.actions) == size and batch.demonstrated.sum() == shown
        assert (batch.demonstrated == (batch.actions == 1)).all() and (batch.rewards == batch.actions).all()
        assert ((batch.indices < 0) == batch.demonstrated).all()
        assert batch.states.shape == batch.next_states.shape == (size, 2)
        np.testing.assert_array_equal(batch.next_states, batch.states + 1)


@pytest.mark.parametrize("own", [None, "empty"])
def test_before_the_agent_has_acted_all_are_demonstrations(own):
    mixed = MixedReplay(None if own is None else replay_of(0, 0), replay_of(1, 10), 0.25)
    batch = mixed.sample(16, np.random.default_rng(0))
    assert batch.demonstrated.all() and (batch.actions == 1).all() and len(mixed) == 10


def test_priorities_go_to_their_own_replay():
    own, shown = replay_of(0, 4, alpha=1.0), replay_of(1, 4, alpha=1.0)
    mixed, rng = MixedReplay(own, shown, 0.5), np.random.default_rng(0)
    batch = mixed.sample(64, rng, beta=1.0)
    assert {(bool(d), int(i)) for d, i in zip(batch.demonstrated, batch.indices, strict=True)} == {
        *((False, number) for number in range(4)),
        *((True, -1 - number) for number in range(4)),
    }
    # Errors of 0 for all but the first own transition and the last demonstration: these alone are drawn afterwards.
    mixed.update_priorities(batch.indices, np.where((batch.indices == 0) | (batch.indices == -4), 1e9, 0).astype("f"))
    again = mixed.sample(64, rng, beta=1.0)
    assert set(again.indices.tolist()) == {0, -4}


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_invalid_shares_are_refused(share):
    with pytest.raises(ConfigurationError, match=r"share=.* between 0 and 1"):
        MixedReplay(None, replay_of(1, 2), share)
