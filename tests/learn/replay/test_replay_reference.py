from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.learn.replay.replay import Replay


class Every:
    """A generator that draws every transition once."""

    def integers(self, low, high, size):
        return np.arange(high - size, high)


class Naive:
    """A reference replay, of lists that are never overwritten."""

    def __init__(self, capacity, frames, stack, n_step):
        self.capacity, self.room, self.stack, self.n_step = capacity, frames, stack, n_step
        self.frames, self.transitions, self.oldest = [], [], 0

    def add_frame(self, tick, value, *, first):
        if first or not self.frames:
            self.episode = []
        self.episode.append(SimpleNamespace(tick=tick, value=value, number=len(self.frames)))
        self.frames.append(None)
        self._forget()

    def add_transition(self, tick, action, *, reward, discount, next_tick, pending, next_pending):
        state = [f for f in self.episode if f.tick <= tick]
        following = [f for f in self.episode if f.tick <= next_tick]
        if state[-1].number - (self.stack - 1) < len(self.frames) - self.room:
            return
        self.transitions.append(
            SimpleNamespace(
                episode=self.episode,
                tick=tick,
                next_tick=next_tick,
                number=state[-1].number,
                state=self._stacked(state),
                next=self._stacked(following),
                action=action,
                reward=reward,
                discount=discount,
                pending=pending,
                next_pending=next_pending,
            )
        )
        self._forget()

    def _stacked(self, frames):
        values = [frames[0].value] * self.stack + [f.value for f in frames]
        return values[-self.stack :]

    def _forget(self):
        self.oldest = max(self.oldest, len(self.transitions) - self.capacity)
        while self.oldest < len(self.transitions) and (
            self.transitions[self.oldest].number - (self.stack - 1) < len(self.frames) - self.room
        ):
            self.oldest += 1

    def row(self, index):
        first = last = self.transitions[index]
        reward, discount = first.reward, first.discount
        for following in self.transitions[index + 1 : index + self.n_step]:
            if following.episode is not last.episode or following.tick != last.next_tick:
                break
            reward += discount * following.reward
            discount *= following.discount
            last = following
        return first.state, first.action, reward, discount, last.next, first.pending, last.next_pending


@settings(max_examples=3 * settings().max_examples // 2)
@given(
    capacity=st.integers(1, 12),
    frames=st.integers(6, 40),
    stack=st.integers(1, 4),
    n_step=st.integers(1, 4),
    pending=st.integers(0, 2),
    prioritised=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_against_lists(capacity, frames, stack, n_step, pending, prioritised, seed):
    """Episodes that terminate, are truncated or broken off, with missing ticks, round and round the rings."""
    rng = np.random.default_rng(seed)
    sizes = {"frames": frames, "stack": stack, "n_step": n_step}
    replay = Replay(capacity, (2,), np.float32, pending=pending, alpha=0.5 if prioritised else None, **sizes)
    naive = Naive(capacity, frames, stack, n_step)
    tick, first, since, ticks, pending_actions = int(rng.integers(0, 5)), True, None, [], None

    def new_pending():
        return rng.integers(0, 300, pending)

    def add(**what):
        for memory in (replay, naive):
            memory.add_transition(since, action, **what)

    for _ in range(150):
        value = float(rng.random(dtype=np.float32))
        replay.add_frame(tick, np.full(2, value, np.float32), first=first)
        naive.add_frame(tick, value, first=first)
        ticks = [tick] if first else [*ticks, tick]
        first = False
        fate = rng.random()
        what = {"reward": float(rng.integers(-8, 8)), "discount": float(rng.choice([0.5, 0.25, 1.0]))}
        decided = since is None or ticks[-1] > since
        if fate < 0.5 and decided:  # a decision, from a recent observation
            newer = [t for t in ticks if since is None or t > since][-3:]
            observed, seen = int(rng.choice(newer)), new_pending()
            if since is not None:
                add(**what, next_tick=observed, pending=pending_actions, next_pending=seen)
            since, pending_actions, action = observed, seen, int(rng.integers(0, 9))
        elif fate < 0.65:  # the end: terminated or truncated, or a stretch is discarded
            if since is not None and fate < 0.62:
                what["discount"] *= fate < 0.56
                add(**what, next_tick=tick, pending=pending_actions, next_pending=np.zeros(pending, np.int64))
            first, since = True, None
            tick -= int(fate < 0.62)
        tick += 1 + int(rng.random() < 0.05) * 3
        assert len(replay) == len(naive.transitions) - naive.oldest
        if len(replay) and rng.random() < 0.2:
            check(replay, naive, replay.sample(len(replay), Every()), pending)
            if prioritised:
                batch = replay.sample(4, rng, beta=0.4)
                check(replay, naive, batch, pending)
                replay.update_priorities(batch.indices, rng.random(4))


def check(replay, naive, batch, pending):
    for i, index in enumerate(batch.indices.tolist()):
        assert naive.oldest <= index < len(naive.transitions)
        state, action, reward, discount, following, pending_actions, next_pending_actions = naive.row(index)
        assert batch.states[i, :, 0].tolist() == state == batch.states[i, :, 1].tolist()
        assert batch.next_states[i, :, 0].tolist() == following
        assert (batch.actions[i], batch.rewards[i], batch.discounts[i]) == (action, reward, discount)
        assert batch.pending[i].tolist() == pending_actions.tolist()
        assert batch.next_pending[i].tolist() == next_pending_actions.tolist()
