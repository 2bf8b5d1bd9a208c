"""Training: acting and learning together, in virtual time and on the wall clock."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.training.demonstrations import Demonstrations as Demonstrations
    from hocket.training.demonstrations import demonstrate as demonstrate
    from hocket.training.evaluation import Evaluation as Evaluation
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
