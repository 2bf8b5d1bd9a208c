"""`LivePage`, the instrument behind ``--live``: writes a run's numbers to shared memory for the server process."""

from __future__ import annotations

import math
import secrets
import socket
from importlib.util import find_spec
from ipaddress import ip_address
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from time import monotonic, sleep
from typing import Any, Self

import numpy as np

from hocket.core.cadence import NS_PER_S, Cadence
from hocket.core.commands import Outcome
from hocket.errors import ConfigurationError, HocketError, MissingExtraError, check_whole
from hocket.hooks.instrument import InferenceView, Instrument, Progress, RunView
from hocket.hooks.record import Moment
from hocket.instruments.live.board import RUNNING, STARTING, LiveBoard
from hocket.instruments.live.camera import Camera
from hocket.instruments.live.lateness import bin_of
from hocket.ipc.child_processes import check_children, check_nice, end_children, signals_blocked_in_children

NONE = float("nan")
USUAL_PORT = 8765
LOOPBACK = "127.0.0.1"
NICE = 19
START_S = 60.0
LOOK_S = 0.01
GOODBYE_S = 3.0
MOST_WORDS = 200
NEEDED = ("starlette", "uvicorn", "websockets")


class LivePage(Instrument):
    """A web page that shows runs while they are played. Use it as a context manager, and pass it as an instrument.

    The tick loop stores some numbers each tick, and takes a picture if there is a viewer; it never waits. Several runs
    can be shown one after the other.

    Args:
        port: the port of the page; 0 for any free one.
        host: the address to serve it on. Viewers need the token in `url`, for any address.
        nice: the amount by which its process's priority is lower than the tick loop's, 0 to 19.

    Raises:
        ConfigurationError: if the port or the address is not available.
        MissingExtraError: without the extra ``live``.
    """

    def __init__(self, port: int = USUAL_PORT, *, host: str = LOOPBACK, nice: int = NICE) -> None:
        check_whole("port", port, least=0, most=65_535, example="0 for any that is free")
        check_nice(nice)
        if not all(find_spec(name) for name in NEEDED):
            raise MissingExtraError("the live page (starlette, uvicorn and websockets)", "live")
        self._host, self._port, self._nice = host, port, nice
        _check_address(host)
        self._token = secrets.token_urlsafe(16)
        self._process: BaseProcess | None = None
        self._board = LiveBoard()
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self._epoch_ns = -1  # set by the first tick
        self._camera: Camera | None = None
        self._observation: Any = None
        self._first_tick = self._tick = self._ticks = self._fresh = self._delay_ticks = self._episodes = 0
        self._returns = self._reward = self._episode_reward = 0.0
        self._outcomes = [0] * len(Outcome)
        self._before: Moment | None = None
        self._of_chunks = False
        self._look_s = monotonic()

    @property
    def url(self) -> str:
        """The page's address, including its token."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        if host in ("0.0.0.0", "[::]"):
            host = socket.gethostname()
        return f"http://{host}:{self._port}/?token={self._token}"

    # -- the server process ----------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the server; returns once the page can be loaded.

        Raises:
            ConfigurationError: if the port or the address is not available, or the process does not start.
        """
        if self._closed:
            raise ConfigurationError("the live page is closed; make a new one")
        if self._process is not None:
            return
        check_children()
        with self._listen() as listening:
            self._port = listening.getsockname()[1]
            # Not the fork server: its first user decides what it preloads, and that must be the workers' modules.
            process = get_context("spawn").Process(
                target=_serve, args=(self._board, listening, self._token, self._nice), name="hocket-live", daemon=True
            )
            with signals_blocked_in_children():  # one to the process group must not end it while it starts
                process.start()
        self._process = process
        give_up = monotonic() + START_S
        while not self._board.ready:
            if not process.is_alive() or monotonic() > give_up:
                ended = f"ended with exit code {process.exitcode}" if not process.is_alive() else f"took {START_S} s"
                self.close()
                raise ConfigurationError(
                    f"the live page's process did not come up ({ended}); if this is a script, guard it with: "
                    "if __name__ == '__main__':"
                )
            sleep(LOOK_S)

    def _listen(self) -> socket.socket:
        listening = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self._host, self._port))
            listening.listen(64)
        except OSError as error:
            listening.close()
            raise ConfigurationError(
                f"the live page cannot use port {self._port} on {self._host} ({error.strerror or error}); try another "
                "one, or port 0 (--live-port 0) for any that is free"
            ) from error
        return listening

    def close(self) -> None:
        """Send viewers the end of the run, and end the process."""
        if self._closed:
            return
        self._closed = True
        self._board.dismiss()
        if self._process is not None:
            end_children([self._process], GOODBYE_S)
        self._board.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # -- called by the tick loop -----------------------------------------------------------------------------

    def on_starting(self, run: RunView) -> None:
        """See `Instrument`."""
        self.open()
        self._forget()
        self._board.begin(_about(run, picture=""), STARTING)

    def on_start(self, run: RunView) -> None:
        """See `Instrument`."""
        self.open()
        self._forget()
        self._cadence, self._first_tick = Cadence(run.hz), run.first_tick
        self._camera = Camera(run.env, self._board.pictures, hz=float(run.hz) if run.realtime else None)
        self._board.begin(_about(run, picture=self._camera.why), RUNNING)

    def on_tick(self, moment: Moment) -> None:
        """See `Instrument`."""
        if self._epoch_ns < 0:
            self._epoch_ns = moment.deadline_ns - self._cadence.deadline_ns(moment.tick)
            self._board.set_epoch(self._epoch_ns)
        board, tick = self._board, moment.tick
        fresh = moment.inference >= 0
        delay_ticks = tick - moment.decided_on if fresh else 0
        ended = moment.terminated or moment.truncated
        self._tick = tick
        self._ticks += 1
        self._fresh += fresh
        self._delay_ticks += delay_ticks
        self._reward += moment.reward
        self._episode_reward += moment.reward
        lateness_s = moment.lateness_ns / NS_PER_S
        board.rings["ticks"].append(
            (tick, lateness_s, delay_ticks, moment.inference, moment.reward, ended, self._jump(moment))
        )
        board.lateness[bin_of(lateness_s)] += 1
        if ended:
            self._episodes += 1
            self._returns += self._episode_reward
            self._episode_reward = 0.0
        self._total()
        self._observation = moment.observation
        assert self._camera is not None
        self._camera.tick(tick, moment.observation, board.watched_ns)
        if monotonic() > self._look_s:
            self._look_s = monotonic() + 1.0
            self._check()

    def _jump(self, moment: Moment) -> float:
        """The jump of the action if ``moment`` is at a seam, as of `hocket.results.Seams`; else NaN."""
        before, self._before = self._before, moment
        self._of_chunks |= moment.step > 0
        if (
            before is None
            or not self._of_chunks
            or before.inference == moment.inference
            or before.tick + 1 != moment.tick
            or before.terminated
            or before.truncated
            or not isinstance(moment.action, np.ndarray)
        ):
            return math.nan
        return float(np.abs(moment.action.astype(np.float64) - before.action).max(initial=0.0))

    def on_inference_started(self, inference: InferenceView) -> None:
        """See `Instrument`."""
        self._tell(inference)

    def on_inference_finished(self, inference: InferenceView) -> None:
        """See `Instrument`."""
        self._tell(inference)

    def on_inference(self, inference: InferenceView) -> None:
        """See `Instrument`."""
        assert inference.outcome is not None
        self._outcomes[inference.outcome] += 1
        self._tell(inference)

    def _tell(self, inference: InferenceView) -> None:
        """Append the current state of ``inference``; it replaces its earlier rows."""
        if self._epoch_ns < 0:
            return  # the run was over before its first tick
        finished_ns, ended_ns = inference.finished_ns, inference.ended_ns
        self._board.rings["inferences"].append(
            (
                inference.number,
                inference.worker,
                inference.observation,
                inference.target,
                (inference.started_ns - self._epoch_ns) / NS_PER_S,
                (finished_ns - self._epoch_ns) / NS_PER_S if finished_ns >= 0 else NONE,
                inference.executed_tick,
                (ended_ns - self._epoch_ns) / NS_PER_S if ended_ns >= 0 else NONE,
                -1 if inference.outcome is None else inference.outcome,
            )
        )

    def on_training(self, progress: Progress) -> None:
        """See `Instrument`."""
        learner = progress.learner
        self._board.rings["trainings"].append(
            (
                progress.tick,
                learner.updates,
                progress.updates_per_s,
                learner.loss,
                learner.staleness,
                learner.epsilon,
            )
        )

    def on_evaluation(self, tick: int, mean_return: float) -> None:
        """See `Instrument`."""
        self._board.rings["evaluations"].append((tick, mean_return))

    def on_stop(self) -> None:
        """See `Instrument`."""
        self._total()
        self._board.end()
        if self._camera is not None and self._ticks:
            self._camera.last(self._tick, self._observation, self._board.watched_ns)
        self._observation = None

    def _total(self) -> None:
        self._board.totals[0] = (
            self._tick,
            self._tick - self._first_tick,
            self._ticks,
            self._fresh,
            self._delay_ticks,
            self._episodes,
            self._returns,
            self._reward,
            self._episode_reward,
            *self._outcomes,
        )

    def _check(self) -> None:
        if self._closed:
            raise HocketError("the live page has been closed")
        process = self._process
        if process is not None and not process.is_alive():
            raise HocketError(f"the live page's process {process.pid} ended with exit code {process.exitcode}")


def _about(run: RunView, *, picture: str) -> dict[str, Any]:
    """Return the facts of ``run`` that viewers are sent first; ``picture``: why the picture is the observation."""
    return {
        "name": run.name[:MOST_WORDS],
        "rule": type(run.rule).__name__,
        "hz": float(run.hz),
        "ticks": run.ticks,
        "first_tick": run.first_tick,
        "workers": run.rule.initial_workers,
        "realtime": run.realtime,
        "jump_bound": run.jump_bound,
        "picture": picture[:MOST_WORDS],
    }


def _check_address(host: str) -> None:
    if host == "localhost":
        return
    try:
        ip_address(host)
    except ValueError as error:
        raise ConfigurationError(
            f"host={host!r} is no address; try 127.0.0.1, or 0.0.0.0 for all of this machine's"
        ) from error


def _serve(board: LiveBoard, listening: socket.socket, token: str, nice: int) -> None:
    from hocket.instruments.live.server import serve

    serve(board, listening, token, nice)
