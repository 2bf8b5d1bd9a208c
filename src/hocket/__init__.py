"""hocket: realtime reinforcement learning with staggered asynchronous inference."""

from hocket.analysis.agent_profile import measure_agent
from hocket.analysis.choice import learners_needed, workers_needed
from hocket.analysis.decomposition import Counterfactual, Losses, decompose
from hocket.analysis.forecast import Agent, Forecast, forecast
from hocket.analysis.inference_times import Measured, measure
from hocket.analysis.plan import Plan, plan
from hocket.analysis.predictability import Predictability, estimate_predictability
from hocket.core.commands import Outcome
from hocket.core.rules import ExpectedTime, Learn, MaxTime, Rule, Sequential, TickDispatch, Unstaggered
from hocket.drivers.agent import StaggeredAgent
from hocket.drivers.engine import Decision
from hocket.drivers.executors import Processes, Threads
from hocket.drivers.loop_thread import realtime_priority
from hocket.drivers.realtime import Overrun, Realtime
from hocket.drivers.virtual import Virtual
from hocket.envs.induced_delay import InducedDelay
from hocket.errors import CheckpointError, HocketError
from hocket.hooks.instrument import InferenceView, Instrument, Progress, RunView
from hocket.hooks.record import Moment
from hocket.instruments.live.live_page import LivePage
from hocket.latency.contention import Crowded
from hocket.latency.laws import (
    Changing,
    Constant,
    Empirical,
    Gamma,
    HeavyTail,
    LatencyModel,
    LogNormal,
    PerWorker,
)
from hocket.learn.learners.options import InLoop, ParallelBatch, RoundRobin
from hocket.policies.base import FunctionPolicy, Policy, PolicyFactory, Stages, TwoStage
from hocket.policies.charged import Charged
from hocket.policies.torch_policy import TorchPolicy
from hocket.running.result import RunInterrupted, RunResult, load
from hocket.running.run import run
from hocket.spaces.defaults import Default, Fallback, Fixed, RandomDefault, RepeatLast
from hocket.training.demonstrations import Demonstrations, demonstrate
from hocket.training.options import ActingOptions, Checkpoints, EvaluationOptions, ReplayOptions
from hocket.training.pretraining import pretrain
from hocket.training.result import TrainResult
from hocket.training.training import train

__all__ = [
    "ActingOptions",
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
    "EvaluationOptions",
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
    "ReplayOptions",
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
