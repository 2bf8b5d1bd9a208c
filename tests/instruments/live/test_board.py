import threading

import numpy as np

from hocket.instruments.live.board import PICTURE_BYTES, RINGS, LiveBoard, Pictures, Ring


def ring(size):
    return Ring(np.zeros(size, [("a", "<f8"), ("b", "<f8")]), np.zeros(1, np.int64))


def test_a_ring_gives_what_is_new_in_order():
    rows = ring(8)
    assert [len(rows.read(0)[1]), rows.head] == [0, 0]
    for i in range(5):
        rows.append((i, 10 * i))
    seen, first = rows.read(0)
    assert seen == 5 and first["a"].tolist() == [0, 1, 2, 3, 4] and first["b"].tolist() == [0, 10, 20, 30, 40]
    rows.append((5, 50))
    assert rows.read(seen)[1]["a"].tolist() == [5]


def test_a_slow_reader_misses_the_oldest_rows():
    """Of 8 slots, the next to be written may already be half overwritten: 7 are valid."""
    rows = ring(8)
    for i in range(20):
        rows.append((i, 0))
    seen, left = rows.read(3)
    assert seen == 20 and left["a"].tolist() == [13, 14, 15, 16, 17, 18, 19]


def test_no_row_is_torn_while_another_thread_writes():
    rows, stop = ring(1024), threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            rows.append((i, -i))
            i += 1

    writer = threading.Thread(target=write)
    writer.start()
    seen = count = 0
    while count < 20_000:
        seen, new = rows.read(seen)
        assert (new["a"] == -new["b"]).all() and (np.diff(new["a"]) == 1).all()
        count += len(new)
    stop.set()
    writer.join()


def pictures():
    board = LiveBoard()
    return board, board.pictures


def test_pictures_keep_their_shape_kind_and_values():
    board, newest = pictures()
    assert newest.newest() is None
    for array in (
        np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        np.linspace(-1, 1, 5, dtype=np.float64),
        np.ones((2, 3, 4, 5), np.float32),
        np.arange(6, dtype=">i4").reshape(2, 3)[:, ::2],
        np.array(7.0),
        np.array([[True, False]]),
        np.zeros((PICTURE_BYTES,), np.uint8),
    ):
        newest.append(array, tick=7, rendered=True)
        tick, rendered, found = newest.newest()
        assert (tick, rendered, found.dtype, found.shape) == (7, True, array.dtype.newbyteorder("="), array.shape)
        assert np.array_equal(found, array)
    board.close()


def test_a_picture_that_is_overwritten_meanwhile_is_left_out():
    board, newest = pictures()
    newest.append(np.zeros(4, np.uint8), tick=1, rendered=False)

    class Racing(Pictures):
        reads = 0

        @property
        def head(self):
            self.reads += 1
            return 1 if self.reads == 1 else 3  # two more while it was copied

    racing = Racing(newest._facts, newest._content, newest._head)
    assert racing.newest() is None and newest.newest() is not None
    board.close()


def test_a_new_run_begins_at_its_own_rows():
    board = LiveBoard()
    assert board.run == 0
    board.begin({"name": "first", "hz": 60.0, "realtime": True})
    assert (board.run, board.about()["name"], board.realtime) == (1, "first", True)
    board.rings["ticks"].append((1, 0, 0, 0, 0, 0, 0))
    board.totals["tick"] = 1
    board.lateness[3] = 4
    board.end()
    board.begin({"name": "second", "hz": 50.0, "realtime": False})
    assert (board.run, board.about()["name"], board.realtime) == (2, "second", False)
    assert board.first("ticks") == 1 and {board.first(name) for name in RINGS} == {0, 1}
    assert board.totals["tick"][0] == 0 and not board.lateness.any()
    board.close()
