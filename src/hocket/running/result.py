"""The result of a run: attached to the error that ended it, saved in a folder, and read back from it."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any

from hocket.core.rules import Rule
from hocket.errors import TraceError
from hocket.hooks.record import RunRecord
from hocket.results.metrics import Metrics
from hocket.results.perfetto import TRACE_JSON, is_small, write_trace_json
from hocket.results.report import REPORT, write_report
from hocket.results.run_folder import SavedRun, read_run, write_run
from hocket.results.summary import Summary
from hocket.results.training_log import TrainingLog


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C or another signal ended a run cleanly.

    Attributes:
        result: of the ticks until then: a `RunResult`, a `TrainResult` of a training, or the `Demonstrations` of the
            episodes that `hocket.demonstrate` has finished.
        signal: ``signal.SIGINT`` for Ctrl-C, ``SIGTERM`` (of schedulers) or ``SIGHUP`` (of a closed terminal).
    """

    def __init__(self, result: Any, signal: Signals | None = None) -> None:
        self.result = result
        self.signal = signal or result.record.signal or Signals.SIGINT
        super().__init__(f"the run was interrupted ({self.signal.name}); .result holds the record until then")


NOTE = "hocket: the run so far"


def with_result(error: BaseException, run: RunResult, result: Any = None) -> BaseException:
    """Return the error that ended ``run``, with ``result`` (by default the run) as its attribute ``result``.

    A `KeyboardInterrupt` becomes a `RunInterrupted`. Another error has a note of its result, and only of this one.
    """
    if isinstance(error, KeyboardInterrupt):
        if not isinstance(error, RunInterrupted):
            error = RunInterrupted(run, vars(error).get("signal")).with_traceback(error.__traceback__)
        error.result = run if result is None else result
        return error
    notes = [note for note in vars(error).get("__notes__", ()) if not note.startswith(NOTE)]
    vars(error).update(
        result=run if result is None else result,
        __notes__=[*notes, f"{NOTE} ({len(run.record.ticks)} ticks) is in .result of this error"],
    )
    return error


@dataclass(frozen=True)
class RunResult:
    """A finished run: its record, and how to look at it."""

    record: RunRecord
    config: dict[str, Any] = field(default_factory=dict)
    learning: TrainingLog | None = None
    """Of a training: how it learned."""

    def summary(self) -> Summary:
        """The figures people ask for first; printable."""
        return Summary.of(self.record)

    def metrics(self, after_tick: int = 0) -> Metrics:
        """Everything else, leaving out a warm-up of ``after_tick`` ticks."""
        return Metrics(self.record, after_tick)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write everything that `load` reads back into ``folder``, and beside it what people look at.

        config.json, summary.json, ticks.npz, inferences.npz, episodes.npz, trace.bin and, of a training, learning.npz;
        report.html, and trace.json if the run is short enough for it to stay small. A file is whole or not there;
        those of an earlier run are replaced.

        Raises:
            ConfigurationError: if the disk refuses, or the folder holds a training.
        """
        path = Path(folder)
        config = {**self.config, "machine": machine()}
        write_run(path, self.record, config, self.learning)
        saved = SavedRun(
            name=path.resolve().name,
            config=config,
            summary=asdict(self.summary()),
            metrics=self.metrics(),
            learning=self.learning,
        )
        write_report([saved], path / REPORT)
        trace = path / TRACE_JSON
        if is_small(self.metrics()):
            write_trace_json(saved, trace)
        else:
            trace.unlink(missing_ok=True)
        return path


def load(folder: str | os.PathLike[str], rule: Rule | None = None) -> RunResult:
    """Read back what `RunResult.save` has written.

    Args:
        folder: the run's.
        rule: of your own, if the run was made under one and is to be replayed.

    Raises:
        TraceError: if something is missing or damaged, by name; or it has another version of a format.
    """
    path = Path(folder)
    saved = read_run(path, rule)
    if saved.problems or saved.metrics is None:
        raise TraceError(
            f"{path} cannot be read as a whole: {'; '.join(saved.problems)}; hocket report shows what there is"
        )
    config = {name: value for name, value in saved.config.items() if name != "machine"}
    return RunResult(saved.metrics.record, config, saved.learning)


def machine() -> dict[str, Any]:
    """The machine and the versions, on which a run's figures depend beside its configuration."""
    from importlib.metadata import PackageNotFoundError, version

    packages = {}
    for name in ("hocket", "numpy", "gymnasium", "torch", "ale-py"):
        with suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        **_cpu_model(),
        "cpus": os.cpu_count(),
        **_gpu(),
        "packages": packages,
    }


def _cpu_model() -> dict[str, str]:
    """The processor's name, where the system tells it."""
    if sys.platform == "linux":
        with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, model = line.partition(":")
                if name.strip() in ("model name", "Model", "cpu model"):
                    return {"cpu": model.strip()}
    model = platform.processor()
    return {"cpu": model} if model and model != platform.machine() else {}


def _gpu() -> dict[str, str]:
    """The one that torch uses here, if it uses any."""
    torch = sys.modules.get("torch")
    return {"gpu": torch.cuda.get_device_name()} if torch is not None and torch.cuda.is_initialized() else {}
