"""Policies that fail or are slow. Importable by worker processes."""

import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from hocket.policies.base import PolicyFactory


@dataclass
class Sleeping:
    seconds: float
    answer: Any = 1

    def __call__(self, observation):
        time.sleep(self.seconds)
        return self.answer


@dataclass
class Trouble:
    """Fails when the observation's first element is a multiple of ``every``; else answers 1."""

    kind: str
    every: int = 1
    seconds: float = 0.005

    def __call__(self, observation):
        time.sleep(self.seconds)
        if int(observation.flat[0]) % self.every == self.every - 1:
            return getattr(self, self.kind)()
        return 1

    def raises(self):
        raise RuntimeError("the policy's own words")

    def leaves(self):
        raise SystemExit(3)

    def hangs(self):
        time.sleep(2.0)
        return 1

    def exits(self):
        os._exit(7)

    def dies(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def nan(self):
        return float("nan")

    def shape(self):
        return np.zeros((3, 3), np.int64)

    def outside(self):
        return 99


@dataclass
class BrokenBuild(PolicyFactory):
    kind: type[BaseException] = RuntimeError

    def build(self):
        raise self.kind("cannot find the weights")


@dataclass
class SlowBuild(PolicyFactory):
    seconds: float

    def build(self):
        time.sleep(self.seconds)
        return lambda observation: 1


@dataclass
class BrokenOnceMade(PolicyFactory):
    """Builds if ``flag`` does not exist yet, else raises."""

    flag: str
    hangs: bool = False

    def build(self):
        if os.path.exists(self.flag):
            if self.hangs:
                time.sleep(60)
            raise RuntimeError("no second time")
        return Sleeping(0.005)


@dataclass
class Niceness:
    def __call__(self, observation):
        return os.nice(0)


def serve_where_nice_is_forbidden(*arguments):
    """A worker process in a sandbox."""
    from hocket.drivers.executors.worker_process import serve

    os.nice = forbidden
    serve(*arguments)


def forbidden(*arguments):
    raise PermissionError(1, "Operation not permitted")
