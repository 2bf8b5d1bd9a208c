"""Scripted viewers, and the contents of their frames."""

import json
import struct
import threading
from contextlib import contextmanager, suppress

import numpy as np
from leftover_processes import eventually
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ASK = b"\1"


def take_apart(message):
    """The header of a frame, and its sections by name: tables as arrays by column, a picture as its bytes."""
    (size,) = struct.unpack_from("<I", message)
    assert (size + 4) % 8 == 0
    header = json.loads(message[4 : 4 + size])
    at, sections = 4 + size, {}
    for section in header["sections"]:
        if section["name"] == "picture":
            sections["picture"] = {**section, "content": message[at : at + section["bytes"]]}
            at += -(-section["bytes"] // 8) * 8
        else:
            columns = COLUMNS[section["name"]]
            numbers = np.frombuffer(message, "<f8", section["rows"] * len(columns), at).reshape(-1, len(columns))
            sections[section["name"]] = dict(zip(columns, numbers.T, strict=True))
            at += numbers.nbytes
    assert at == len(message)
    return header, sections


COLUMNS = {
    "ticks": ["tick", "lateness_s", "delay_ticks", "inference", "reward", "ended", "jump"],
    "inferences": [
        *("number", "worker", "observation", "target", "started_s"),
        *("finished_s", "executed_tick", "ended_s", "outcome"),
    ],
    "trainings": ["tick", "updates", "updates_per_s", "loss", "staleness", "epsilon"],
    "evaluations": ["tick", "mean_return"],
}
"""The viewer's own copy of the columns, which the first frame of every run must confirm."""


def stream_of(page):
    return page.url.replace("http:", "ws:", 1).replace("/?", "/frames?", 1)


def look_at(page, **options):
    """A connection to the page's frames."""
    return connect(stream_of(page), max_size=None, proxy=None, open_timeout=30, **options)


class Watching(threading.Thread):
    """Keeps all frames until it is stopped, or the page is gone."""

    def __init__(self, page):
        super().__init__(daemon=True)
        self.page, self.frames, self.bytes = page, [], 0
        self.stopping = threading.Event()

    def run(self):
        with suppress(ConnectionClosed), look_at(self.page) as connection:
            while not self.stopping.is_set():
                connection.send(ASK)
                message = connection.recv()
                self.bytes += len(message)
                self.frames.append(take_apart(message))

    def rows(self, name, column):
        """All values of ``column`` of a table, in order."""
        parts = [sections[name][column] for _, sections in self.frames if name in sections]
        return np.concatenate(parts) if parts else np.empty(0)


@contextmanager
def watching(page):
    """A viewer that has had its first frame."""
    viewer = Watching(page)
    viewer.start()
    try:
        assert eventually(lambda: viewer.frames)
        yield viewer
    finally:
        viewer.stopping.set()
        viewer.join(10)


def beside(call):
    """Runs ``call`` beside the test; gives its result when called."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()

    def result():
        thread.join(60)
        return results[0]

    return result
