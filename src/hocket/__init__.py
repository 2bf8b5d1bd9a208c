"""hocket: realtime reinforcement learning with staggered asynchronous inference."""

from hocket.charged import Charged
from hocket.core.rules import ExpectedTime, Learn, MaxTime, Rule, Sequential, TickDispatch, Unstaggered
from hocket.defaults import Default, Fallback, Fixed, RandomDefault, RepeatLast
from hocket.drivers.agent import StaggeredAgent
from hocket.drivers.engine import Decision
from hocket.drivers.executors import Processes, Threads
from hocket.drivers.realtime import Overrun, Realtime
from hocket.drivers.virtual import Virtual
from hocket.envs.induced_delay import InducedDelay
from hocket.errors import CheckpointError, HocketError
from hocket.latency import (
    Changing,
    Constant,
    Empirical,
    Gamma,
    HeavyTail,
    LatencyModel,
    LogNormal,
    PerWorker,
)
from hocket.learn.learners import InLoop, ParallelBatch, RoundRobin
from hocket.measure import Measured, measure
from hocket.models.torch_policy import TorchPolicy
from hocket.policy import FunctionPolicy, Policy, PolicyFactory, Stages, TwoStage
from hocket.resume import Checkpoints
from hocket.run import RunInterrupted, RunResult, run
from hocket.train import TrainResult, train

__all__ = [
    "Changing",
    "Charged",
    "CheckpointError",
    "Checkpoints",
    "Constant",
    "Decision",
    "Default",
    "Empirical",
    "ExpectedTime",
    "Fallback",
    "Fixed",
    "FunctionPolicy",
    "Gamma",
    "HeavyTail",
    "HocketError",
    "InLoop",
    "InducedDelay",
    "LatencyModel",
    "Learn",
    "LogNormal",
    "MaxTime",
    "Measured",
    "Overrun",
    "ParallelBatch",
    "PerWorker",
    "Policy",
    "PolicyFactory",
    "Processes",
    "RandomDefault",
    "Realtime",
    "RepeatLast",
    "RoundRobin",
    "Rule",
    "RunInterrupted",
    "RunResult",
    "Sequential",
    "Stages",
    "StaggeredAgent",
    "Threads",
    "TickDispatch",
    "TorchPolicy",
    "TrainResult",
    "TwoStage",
    "Unstaggered",
    "Virtual",
    "measure",
    "run",
    "train",
]
