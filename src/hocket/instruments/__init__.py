"""Instruments observe a run: progress lines, TensorBoard, Weights & Biases, the live page, your own."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.core.commands import Outcome as Outcome
    from hocket.hooks.dispatcher import Dispatcher as Dispatcher
    from hocket.hooks.instrument import EvaluationProgress as EvaluationProgress
    from hocket.hooks.instrument import InferenceView as InferenceView
    from hocket.hooks.instrument import Instrument as Instrument
    from hocket.hooks.instrument import LearnerFigures as LearnerFigures
    from hocket.hooks.instrument import Progress as Progress
    from hocket.hooks.instrument import RunView as RunView
    from hocket.hooks.record import Background as Background
    from hocket.hooks.record import Listener as Listener
    from hocket.hooks.record import Moment as Moment
    from hocket.instruments.live.live_page import LivePage as LivePage
    from hocket.instruments.progress_line import ProgressLine as ProgressLine
    from hocket.instruments.progress_line import TrainingLine as TrainingLine
    from hocket.instruments.tensorboard import TensorBoardWriter as TensorBoardWriter
    from hocket.instruments.tensorboard_images import TensorBoardPictures as TensorBoardPictures
    from hocket.instruments.wandb import Logs as Logs
    from hocket.instruments.wandb import WeightsAndBiases as WeightsAndBiases
else:
    __all__, __getattr__, __dir__ = exports(__name__)
