"""For the tests of weights and learners in several processes: a replay of the tabular problem, and odd algorithms."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tabular
import torch
from torch import nn

from hocket.learn.algorithms.dqn import DQN
from hocket.learn.replay.replay import Replay
from hocket.models.qnetwork import q_network


def table(**options):
    torch.manual_seed(0)
    return q_network(nn.Identity(), tabular.STATES, tabular.ACTIONS, **options)


def same(ours, theirs):
    return all(torch.equal(one, other) for one, other in zip(tensors(ours), tensors(theirs), strict=True))


def tensors(network):
    return list(network.state_dict().values())


def tabular_replay(transitions=tabular.TRANSITIONS, **options):
    """Each transition is an episode of two ticks; observations are one-hot."""
    replay = Replay(64, (tabular.STATES,), np.float32, **options)
    one_hot = np.eye(tabular.STATES, dtype=np.float32)
    for number, (state, action, reward, ticks, after) in enumerate(transitions):
        replay.add_frame(2 * number, one_hot[state], first=True)
        replay.add_frame(2 * number + 1, one_hot[after or 0])
        discount = 0 if after is None else tabular.GAMMA**ticks
        replay.add_transition(2 * number, action, reward=reward, discount=discount, next_tick=2 * number + 1)
    return replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadly(DQN):
    """Kills its learner in the middle of writing the next version, once."""

    flag: str = ""

    def adapt(self, online, target, result):
        if not Path(self.flag).exists():
            Path(self.flag).touch()
            with torch.no_grad():
                next(online.parameters()).fill_(float("nan"))
            os.kill(os.getpid(), signal.SIGKILL)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(DQN):
    """Raises at every gradient."""

    def loss(self, online, target, batch):
        raise RuntimeError("the learner's own words")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovering(DQN):
    """Fails until the file ``flag`` exists."""

    flag: str = ""

    def loss(self, online, target, batch):
        if not Path(self.flag).exists():
            raise ConnectionError("an outage")
        return DQN.loss(self, online, target, batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade(DQN):
    """Learners that have it fail before they are up."""

    def target_of(self, network):
        raise RuntimeError("it cannot be made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endless(DQN):
    """Never finishes its first gradient."""

    flag: str = ""

    def loss(self, online, target, batch):
        Path(self.flag).touch()
        while True:
            torch.ones(100).sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class HangsOnce(DQN):
    """Never finishes the first gradient of all learners."""

    flag: str = ""

    def loss(self, online, target, batch):
        first = not Path(self.flag).exists()
        Path(self.flag).touch()
        while first:
            time.sleep(1)
        return DQN.loss(self, online, target, batch)
