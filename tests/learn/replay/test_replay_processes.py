import multiprocessing

import numpy as np
import pytest

from hocket.errors import ConfigurationError
from hocket.learn.replay.replay import Replay

PIXELS = (16, 16)


def picture(tick):
    return np.full(PIXELS, tick, np.int64)


def read_all_the_time(replay, samples, seed, beta, done):
    rng, redrawn = np.random.default_rng(seed), 0
    draw = replay._draw

    def counted(count, *rest):
        nonlocal redrawn
        redrawn += 1
        return draw(count, *rest)

    replay._draw = counted
    for step in range(samples):
        batch = replay.sample(16, rng, beta=beta)
        both = np.stack([batch.states, batch.next_states]).reshape(2, 16, 3, -1)
        assert (both == both[..., :1]).all(), "a torn frame"
        ticks = both[..., 0]
        # The observations of transition i are those of ticks 2i and 2i + 4 (two steps on), and episodes last 50 ticks.
        assert (ticks[0, :, -1] == 2 * batch.indices).all(), "another transition's frame"
        assert (batch.actions == batch.indices % 1000).all()
        begin = 2 * batch.indices // 50 * 50
        for back in range(3):
            assert (ticks[0, :, 2 - back] == np.maximum(2 * batch.indices - back, begin)).all()
        assert ((batch.rewards == 2) | (batch.rewards == 1)).all()
        assert (ticks[1, :, -1] == 2 * batch.indices + 2 * batch.rewards).all()
        if beta is not None:
            replay.update_priorities(batch.indices, rng.random(16))
        if step % 50 == 0:
            kept = replay.snapshot()
            assert len(kept["records"]) == kept["counters"][1] - kept["counters"][0]
            offset = kept["records"]["state"] - (kept["counters"][2] - len(kept["frames"]))
            assert (offset >= 2).all()
            assert (kept["frames"][offset] == kept["ticks"][offset][:, None, None]).all(), "a torn snapshot"
            if len(kept["ticks"]):  # else the writer has lapped the whole ring meanwhile
                continues_from(kept, rng, beta)
    done.send(redrawn - samples)


def continues_from(kept, rng, beta):
    """A replay that was restored from a reader's snapshot can be sampled and written on."""
    replay = Replay(60, PIXELS, np.int64, frames=150, stack=3, n_step=2, alpha=0.5)
    replay.restore(kept)
    oldest, newest = kept["counters"][:2]
    assert len(replay) == newest - oldest
    tick = int(kept["ticks"][-1]) + 10
    replay.add_frame(tick, picture(tick), first=True)
    replay.add_frame(tick + 1, picture(tick + 1))
    replay.add_transition(tick, newest % 1000, reward=1, discount=1, next_tick=tick + 1)
    batch = replay.sample(32, rng, beta=beta)
    assert (oldest <= batch.indices).all() and (batch.indices <= newest).all()
    first = batch.states[:, -1, 0, 0]
    assert (first == np.where(batch.indices == newest, tick, 2 * batch.indices)).all()
    assert (batch.actions == batch.indices % 1000).all()
    replay.close()


@pytest.mark.realtime
@pytest.mark.parametrize("beta", [None, 0.4])
def test_readers_never_see_what_is_being_overwritten(beta):
    """The writer laps a tiny ring without pause while two processes sample it and take snapshots."""
    context = multiprocessing.get_context("forkserver")
    replay = Replay(60, PIXELS, np.int64, frames=150, stack=3, n_step=2, alpha=0.5)
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    children = [
        context.Process(target=read_all_the_time, args=(replay, 1500, seed, beta, there))
        for seed, (_, there) in enumerate(pipes)
    ]
    tick = 0

    def append(ticks):
        nonlocal tick
        for _ in range(ticks):
            if tick and tick % 50 == 0:  # the final observation, then the reset within the tick
                replay.add_frame(tick, picture(tick))
                replay.add_transition(tick - 2, (tick // 2 - 1) % 1000, reward=1, discount=1, next_tick=tick)
            replay.add_frame(tick, picture(tick), first=tick % 50 == 0)
            if tick % 50 and tick % 2 == 0:
                replay.add_transition(tick - 2, (tick // 2 - 1) % 1000, reward=1, discount=1, next_tick=tick)
            tick += 1

    append(200)
    for child in children:
        child.start()
    while any(child.is_alive() for child in children):
        append(50)
    assert [child.exitcode for child in children] == [0, 0]
    assert sum(here.recv() for here, _ in pipes) > 0, "no reader was ever overtaken: this has tested nothing"


def test_only_the_maker_adds():
    context = multiprocessing.get_context("forkserver")
    replay = Replay(8, (2,))
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=try_to_add, args=(replay, there))
    child.start()
    assert "only the process that made it" in here.recv()
    child.join()


def try_to_add(replay, answer):
    try:
        replay.add_frame(0, np.zeros(2, np.uint8))
    except ConfigurationError as error:
        answer.send(str(error))
