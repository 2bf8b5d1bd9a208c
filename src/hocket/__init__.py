"""hocket: realtime reinforcement learning with staggered asynchronous inference.

Run:                    run load RunResult Virtual Realtime Overrun Processes Threads FailureLimits
                        realtime_priority
Your own loop:          StaggeredAgent Decision
Scheduling rules:       Rule TickDispatch MaxTime ExpectedTime Sequential Learn Unstaggered OneInFlight
Policies:               Policy PolicyFactory FunctionPolicy Alignment TwoStage Stages TorchPolicy Charged
Default behaviours:     Default Fixed RepeatLast RandomDefault Fallback
Inference times:        LatencyModel Constant LogNormal Gamma HeavyTail Empirical PerWorker Changing Crowded
Delay without workers:  InducedDelay
Training:               train pretrain demonstrate Demonstrations InLoop RoundRobin ParallelBatch ActingOptions
                        ReplayOptions DemonstrationOptions EvaluationOptions Checkpoints TrainResult
Measuring and planning: measure measure_agent estimate_predictability decompose plan forecast Agent workers_needed
                        learners_needed
Instruments:            Instrument LivePage
Errors:                 HocketError ConfigurationError MissingExtraError ActionError EnvError PolicyError
                        CancelledError ProtocolError TraceError CheckpointError DivergenceError NotSolvedError
                        RunInterrupted
Packages:               analysis core drivers envs instruments latency learn models policies remote results spaces
                        testing theory training
"""

from typing import TYPE_CHECKING

from hocket.envs.registration import register_environments
from hocket.public import exports

__version__ = "0.1.0"

register_environments()

if TYPE_CHECKING:
    from hocket import analysis as analysis
    from hocket import core as core
    from hocket import drivers as drivers
    from hocket import envs as envs
    from hocket import instruments as instruments
    from hocket import latency as latency
    from hocket import learn as learn
    from hocket import models as models
    from hocket import policies as policies
    from hocket import remote as remote
    from hocket import results as results
    from hocket import spaces as spaces
    from hocket import testing as testing
    from hocket import theory as theory
    from hocket import training as training
    from hocket.analysis.agent_profile import measure_agent as measure_agent
    from hocket.analysis.choice import learners_needed as learners_needed
    from hocket.analysis.choice import workers_needed as workers_needed
    from hocket.analysis.decomposition import decompose as decompose
    from hocket.analysis.forecast import Agent as Agent
    from hocket.analysis.forecast import forecast as forecast
    from hocket.analysis.inference_times import measure as measure
    from hocket.analysis.plan import plan as plan
    from hocket.analysis.predictability import estimate_predictability as estimate_predictability
    from hocket.core.rules.base import Rule as Rule
    from hocket.core.rules.baselines import Learn as Learn
    from hocket.core.rules.baselines import OneInFlight as OneInFlight
    from hocket.core.rules.baselines import Sequential as Sequential
    from hocket.core.rules.baselines import Unstaggered as Unstaggered
    from hocket.core.rules.staggered import ExpectedTime as ExpectedTime
    from hocket.core.rules.staggered import MaxTime as MaxTime
    from hocket.core.rules.tick_dispatch import TickDispatch as TickDispatch
    from hocket.drivers.agent import StaggeredAgent as StaggeredAgent
    from hocket.drivers.engine import Decision as Decision
    from hocket.drivers.executors.processes import Processes as Processes
    from hocket.drivers.executors.threads import Threads as Threads
    from hocket.drivers.loop_thread import realtime_priority as realtime_priority
    from hocket.drivers.realtime import Overrun as Overrun
    from hocket.drivers.realtime import Realtime as Realtime
    from hocket.drivers.virtual import Virtual as Virtual
    from hocket.envs.induced_delay import InducedDelay as InducedDelay
    from hocket.errors import ActionError as ActionError
    from hocket.errors import CancelledError as CancelledError
    from hocket.errors import CheckpointError as CheckpointError
    from hocket.errors import ConfigurationError as ConfigurationError
    from hocket.errors import DivergenceError as DivergenceError
    from hocket.errors import EnvError as EnvError
    from hocket.errors import HocketError as HocketError
    from hocket.errors import MissingExtraError as MissingExtraError
    from hocket.errors import NotSolvedError as NotSolvedError
    from hocket.errors import PolicyError as PolicyError
    from hocket.errors import ProtocolError as ProtocolError
    from hocket.errors import TraceError as TraceError
    from hocket.hooks.instrument import Instrument as Instrument
    from hocket.instruments.live.live_page import LivePage as LivePage
    from hocket.latency.contention import Crowded as Crowded
    from hocket.latency.laws import Changing as Changing
    from hocket.latency.laws import Constant as Constant
    from hocket.latency.laws import Empirical as Empirical
    from hocket.latency.laws import Gamma as Gamma
    from hocket.latency.laws import HeavyTail as HeavyTail
    from hocket.latency.laws import LatencyModel as LatencyModel
    from hocket.latency.laws import LogNormal as LogNormal
    from hocket.latency.laws import PerWorker as PerWorker
    from hocket.learn.learners.options import InLoop as InLoop
    from hocket.learn.learners.options import ParallelBatch as ParallelBatch
    from hocket.learn.learners.options import RoundRobin as RoundRobin
    from hocket.policies.base import Alignment as Alignment
    from hocket.policies.base import FunctionPolicy as FunctionPolicy
    from hocket.policies.base import Policy as Policy
    from hocket.policies.base import PolicyFactory as PolicyFactory
    from hocket.policies.base import Stages as Stages
    from hocket.policies.base import TwoStage as TwoStage
    from hocket.policies.charged import Charged as Charged
    from hocket.policies.failures import FailureLimits as FailureLimits
    from hocket.policies.torch_policy import TorchPolicy as TorchPolicy
    from hocket.running.result import RunInterrupted as RunInterrupted
    from hocket.running.result import RunResult as RunResult
    from hocket.running.result import load as load
    from hocket.running.run import run as run
    from hocket.spaces.defaults import Default as Default
    from hocket.spaces.defaults import Fallback as Fallback
    from hocket.spaces.defaults import Fixed as Fixed
    from hocket.spaces.defaults import RandomDefault as RandomDefault
    from hocket.spaces.defaults import RepeatLast as RepeatLast
    from hocket.training.demonstrations import Demonstrations as Demonstrations
    from hocket.training.demonstrations import demonstrate as demonstrate
    from hocket.training.options import ActingOptions as ActingOptions
    from hocket.training.options import Checkpoints as Checkpoints
    from hocket.training.options import DemonstrationOptions as DemonstrationOptions
    from hocket.training.options import EvaluationOptions as EvaluationOptions
    from hocket.training.options import ReplayOptions as ReplayOptions
    from hocket.training.pretraining import pretrain as pretrain
    from hocket.training.result import TrainResult as TrainResult
    from hocket.training.training import train as train
else:
    __all__, __getattr__, __dir__ = exports(__name__)
