"""hocket: realtime reinforcement learning with staggered asynchronous inference."""

from hocket.charged import Charged
from hocket.core.commands import Outcome
from hocket.core.rules import ExpectedTime, Learn, MaxTime, Rule, Sequential, TickDispatch, Unstaggered
from hocket.decompose import Counterfactual, Losses, decompose
from hocket.defaults import Default, Fallback, Fixed, RandomDefault, RepeatLast
from hocket.drivers.agent import StaggeredAgent
from hocket.drivers.engine import Decision
from hocket.drivers.executors import Processes, Threads
from hocket.drivers.priority import realtime_priority
from hocket.drivers.realtime import Overrun, Realtime
from hocket.drivers.virtual import Virtual
from hocket.envs.induced_delay import InducedDelay
from hocket.errors import CheckpointError, HocketError
from hocket.instrument import InferenceView, Instrument, Progress, RunView
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
from hocket.live.live_page import LivePage
from hocket.measure import Measured, measure
from hocket.models.torch_policy import TorchPolicy
from hocket.plan import Plan, plan
from hocket.planning.counts import learners_needed, workers_needed
from hocket.planning.crowded import Crowded
from hocket.planning.forecast import Agent, Forecast, forecast
from hocket.planning.measuring import measure_agent
from hocket.policy import FunctionPolicy, Policy, PolicyFactory, Stages, TwoStage
from hocket.predictability import Predictability, estimate_predictability
from hocket.record import Moment
from hocket.run import RunInterrupted, RunResult, load, run
from hocket.training.demonstrations import Demonstrations, demonstrate
from hocket.training.pretrain import pretrain
from hocket.training.result import TrainResult
from hocket.training.resume import Checkpoints
from hocket.training.train import train

__all__ = [
    "Agent",
    "Changing",
    "Charged",
    "CheckpointError",
    "Checkpoints",
    "Constant",
    "Counterfactual",
    "Crowded",
    "Decision",
    "Default",
    "Demonstrations",
    "Empirical",
    "ExpectedTime",
    "Fallback",
    "Fixed",
    "Forecast",
    "FunctionPolicy",
    "Gamma",
    "HeavyTail",
    "HocketError",
    "InLoop",
    "InducedDelay",
    "InferenceView",
    "Instrument",
    "LatencyModel",
    "Learn",
    "LivePage",
    "LogNormal",
    "Losses",
    "MaxTime",
    "Measured",
    "Moment",
    "Outcome",
    "Overrun",
    "ParallelBatch",
    "PerWorker",
    "Plan",
    "Policy",
    "PolicyFactory",
    "Predictability",
    "Processes",
    "Progress",
    "RandomDefault",
    "Realtime",
    "RepeatLast",
    "RoundRobin",
    "Rule",
    "RunInterrupted",
    "RunResult",
    "RunView",
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
    "decompose",
    "demonstrate",
    "estimate_predictability",
    "forecast",
    "learners_needed",
    "load",
    "measure",
    "measure_agent",
    "plan",
    "pretrain",
    "realtime_priority",
    "run",
    "train",
    "workers_needed",
]
