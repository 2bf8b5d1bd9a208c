"""The main loop of a worker process: waits for its semaphore, runs a stage of the policy, and replies."""

from __future__ import annotations

from time import monotonic_ns
from traceback import format_exc
from typing import Any

import numpy as np

from hocket.drivers.executors.base import warm_up
from hocket.drivers.executors.mailbox import BROKEN, FAILED, READY, STOP, STOPPED, Mailbox
from hocket.errors import CancelledError
from hocket.ipc.child_processes import begin_as_child
from hocket.ipc.semaphores import SharedSemaphores
from hocket.ipc.shared_memory import Parcel
from hocket.policies.base import Stages, built
from hocket.policies.cancellation import cancelled, stop_if_cancelled, watch
from hocket.spaces.observations import given

SPIN_NS = 50_000


def spin(semaphore: Any) -> bool:
    """Spin on ``semaphore`` for up to 50 µs before a sleep: waking an idle processor can cost as much."""
    give_up_ns = monotonic_ns() + SPIN_NS
    while not semaphore.acquire(False):
        if monotonic_ns() > give_up_ns:
            return False
    return True


def serve(mailbox: Mailbox, slot: int, semaphores: SharedSemaphores, parcel: Parcel, nice: int) -> None:
    """Serve requests until told to stop or until the parent ends. The last of ``semaphores`` is the tick loop's."""
    denied = begin_as_child(nice)
    go, done = semaphores[slot], semaphores[len(mailbox.request)]
    try:
        factory, codec = parcel.open()
        policy = built(factory)
        warm_up(policy, factory, codec, mailbox.form)
    except BaseException:
        mailbox.write_error(slot, format_exc())
        mailbox.reply[slot] = BROKEN
        done.release()
        return
    answers, encode = mailbox.answers[slot], codec.encode
    observation, late_inputs = mailbox.observations[slot], mailbox.late_inputs(slot, factory)
    features: Any = None
    if denied is not None:
        mailbox.write_error(slot, denied)
    mailbox.time_ns[slot] = monotonic_ns()
    mailbox.reply[slot] = READY
    done.release()
    watch(lambda: bool(mailbox.cancelled[slot] == mailbox.request[slot] // 2))
    while True:
        if not spin(go):
            go.acquire()
        request = int(mailbox.request[slot])
        if request == STOP:
            return
        try:
            if mailbox.cancelled[slot] == request // 2:  # before it began
                stop_if_cancelled()
            if not isinstance(policy, Stages):
                answer = encode(policy(given(observation), *map(given, late_inputs)))
            elif request % 2:
                answer = encode(policy.head(features, *map(given, late_inputs)))
            else:
                features, answer = policy.trunk(given(observation)), answers[:0]
            length = len(answer)
            np.copyto(answers[:length], answer)
            mailbox.version[slot] = getattr(policy, "version", 0)
        except BaseException as error:
            length = STOPPED if isinstance(error, CancelledError) and cancelled() else FAILED
            if length == FAILED:
                mailbox.write_error(slot, format_exc())
        mailbox.length[slot] = length
        mailbox.time_ns[slot] = monotonic_ns()
        mailbox.reply[slot] = request
        done.release()
