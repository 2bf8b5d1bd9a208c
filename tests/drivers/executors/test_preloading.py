"""A worker process begins with torch imported if its policy asks for it. Workers import this file: no torch here."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest
from gymnasium import spaces
from initial_imports import imported_in_a_child, new_fork_server

import hocket
from hocket.drivers.executors import worker_process
from hocket.drivers.executors.base import WorkerJob
from hocket.errors import PolicyError
from hocket.policies.base import PolicyFactory
from hocket.policies.charged import Charged
from hocket.policies.torch_policy import TorchPolicy
from hocket.spaces.codec import ActionCodec

pytestmark = [pytest.mark.realtime, pytest.mark.usefixtures("nothing_left")]


@dataclass(frozen=True)
class NeedsTorchFromTheStart(PolicyFactory):
    preload: tuple[str, ...] = ()

    def build(self):
        if "torch" not in sys.modules:
            raise RuntimeError("torch is not there")
        return lambda observation: 0


def launch(policy):
    codec = ActionCodec(spaces.Discrete(2))
    job = WorkerJob.under(policy, hocket.TickDispatch(1), codec, spaces.Box(0, 255, (1,), np.uint8))
    with new_fork_server():
        executor = hocket.Processes().executor(job, None)
        try:
            executor.launch()
            return imported_in_a_child()
        finally:
            executor.close()


def test_a_worker_begins_with_torch_if_its_policy_preloads_it():
    modules = launch(NeedsTorchFromTheStart(TorchPolicy.preload))
    assert {"torch", worker_process.__name__} <= modules


def test_learning_policies_preload_torch_too():
    from hocket.learn.policy import LearnedPolicy  # imports torch

    assert LearnedPolicy.preload == TorchPolicy.preload


def test_a_charged_policy_preloads_what_it_charges():
    assert "torch" in launch(Charged(NeedsTorchFromTheStart(("torch",)), hocket.Constant(0.0)))


def test_and_without_it_where_none_is_named():
    with pytest.raises(PolicyError, match="torch is not there"):
        launch(NeedsTorchFromTheStart())
