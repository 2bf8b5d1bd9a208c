"""The pure scheduling core: events in, commands out.

It knows no clock, no randomness, no numpy and no logging; it holds the ids of observations and actions, never
their values. Time is an integer of nanoseconds that comes in with every event, so the same code
drives a virtual run, a realtime run and the replay of either.
"""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.core.cadence import Cadence as Cadence
    from hocket.core.claims import Claim as Claim
    from hocket.core.commands import AddWorker as AddWorker
    from hocket.core.commands import BindHead as BindHead
    from hocket.core.commands import Cancel as Cancel
    from hocket.core.commands import Command as Command
    from hocket.core.commands import EndInference as EndInference
    from hocket.core.commands import Execute as Execute
    from hocket.core.commands import ExecuteDefault as ExecuteDefault
    from hocket.core.commands import Outcome as Outcome
    from hocket.core.commands import RetireWorker as RetireWorker
    from hocket.core.commands import StartInference as StartInference
    from hocket.core.commands import StartLearning as StartLearning
    from hocket.core.commands import WakeAt as WakeAt
    from hocket.core.events import DeadlineReached as DeadlineReached
    from hocket.core.events import Event as Event
    from hocket.core.events import InferenceCancelled as InferenceCancelled
    from hocket.core.events import InferenceFailed as InferenceFailed
    from hocket.core.events import InferenceFinished as InferenceFinished
    from hocket.core.events import LearningFinished as LearningFinished
    from hocket.core.events import PredictabilityEstimated as PredictabilityEstimated
    from hocket.core.events import RunEnded as RunEnded
    from hocket.core.events import Ticked as Ticked
    from hocket.core.events import TimerDue as TimerDue
    from hocket.core.events import TrunkFinished as TrunkFinished
    from hocket.core.events import WorkerJoined as WorkerJoined
    from hocket.core.events import WorkerLost as WorkerLost
    from hocket.core.inference import Inference as Inference
    from hocket.core.rules.base import Rule as Rule
    from hocket.core.rules.base import Schedule as Schedule
    from hocket.core.rules.base import Start as Start
    from hocket.core.rules.baselines import Learn as Learn
    from hocket.core.rules.baselines import OneInFlight as OneInFlight
    from hocket.core.rules.baselines import Sequential as Sequential
    from hocket.core.rules.baselines import Unstaggered as Unstaggered
    from hocket.core.rules.staggered import ExpectedTime as ExpectedTime
    from hocket.core.rules.staggered import MaxTime as MaxTime
    from hocket.core.rules.tick_dispatch import TickDispatch as TickDispatch
    from hocket.core.scheduler import Scheduler as Scheduler
    from hocket.core.trace import Trace as Trace
    from hocket.core.window import Window as Window
else:
    __all__, __getattr__, __dir__ = exports(__name__)
