"""The results of a run: metrics, summary, training log, run folder and reports."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.hooks.record import RunRecord as RunRecord
    from hocket.results.metrics import Inferences as Inferences
    from hocket.results.metrics import Metrics as Metrics
    from hocket.results.metrics import Seams as Seams
    from hocket.results.metrics import TickColumns as TickColumns
    from hocket.results.run_folder import SavedRun as SavedRun
    from hocket.results.summary import Summary as Summary
    from hocket.results.training_log import Evaluated as Evaluated
    from hocket.results.training_log import TrainingLog as TrainingLog
else:
    __all__, __getattr__, __dir__ = exports(__name__)
