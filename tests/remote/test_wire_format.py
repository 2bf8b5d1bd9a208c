"""Messages carry any array and any nesting of maps, and nothing that could run."""

import importlib
import pickle

import msgpack
import numpy as np
import pytest

import hocket.remote
from hocket.errors import MissingExtraError
from hocket.remote import Json, Msgpack, WireError

FORMAT = Msgpack()


def same(sent, got):
    assert type(got) is type(sent)
    if isinstance(sent, np.ndarray):
        assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
        assert got.tobytes() == sent.tobytes()
    elif isinstance(sent, dict):
        assert got.keys() == sent.keys()
        for key in sent:
            same(sent[key], got[key])
    else:
        assert got == sent


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", ">i4", "f2", "f4", ">f8", "c8", "U3", "S2"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 2), (2, 0, 4), (1, 2, 1, 3, 2)])
def test_arrays_arrive_as_they_were(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    same(array, FORMAT.unpack(FORMAT.pack(array)))


def test_observations_of_robots_arrive_as_they_were():
    observation = {
        "cameras": {"left": np.arange(12, dtype=np.uint8).reshape(2, 2, 3), "right": np.zeros((0, 2), np.uint8)},
        "joints": np.array([0.5, -1.0], np.float32),
        "prompt": "pick up the cup",
        "gripper": np.float32(0.25),
        "steps": [1, 2.5, None, True, b"\0"],
    }
    same(observation, FORMAT.unpack(FORMAT.pack(observation)))


@pytest.mark.parametrize("order", ["transposed", "strided", "reversed"])
def test_arrays_of_any_layout(order):
    array = np.arange(24, dtype=np.int16).reshape(4, 6)
    array = {"transposed": array.T, "strided": array[::2, 1::2], "reversed": array[::-1]}[order]
    same(np.ascontiguousarray(array), FORMAT.unpack(FORMAT.pack(array)))


@pytest.mark.parametrize("value", [np.array([object()]), np.zeros(2, "i4,f4"), np.zeros(1, "M8[s]"), object(), 1 << 70])
def test_other_things_do_not_travel(value):
    with pytest.raises(WireError, match=r"cannot be sent: .*; try arrays, numbers, texts and maps"):
        FORMAT.pack({"observation": value})


def forged(**changes):
    array = {b"__ndarray__": True, b"data": bytes(8), b"dtype": "<f4", b"shape": [2]}
    return msgpack.packb(array | {key.encode(): value for key, value in changes.items()})


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        pickle.dumps([1]),
        forged(dtype="O"),
        forged(dtype="i4,O"),
        forged(dtype="V8"),
        forged(dtype=7),
        forged(dtype="no dtype"),
        forged(dtype="U0", data=b"", shape=[1 << 40]),
        forged(shape=[3]),
        forged(shape=[-2]),
        forged(shape=[True, 2]),
        forged(shape=[1] * 100),
        forged(shape=2),
        forged(data="12345678"),
        msgpack.packb({b"__ndarray__": True}),
        msgpack.packb({b"__npgeneric__": True, b"data": 1, b"dtype": "O"}),
        msgpack.packb({1: 2}),
        b"\x91" * 5000 + b"\xc0",
    ],
    ids=range(19),
)
def test_forged_messages_are_refused(message):
    with pytest.raises(WireError, match="bytes are not msgpack with arrays"):
        FORMAT.unpack(message)


def test_json_has_lists_for_arrays():
    packed = Json().pack({"observation": {"image": np.eye(2, dtype=np.uint8), "gain": np.float32(0.5)}})
    assert packed == b'{"observation": {"image": [[1, 0], [0, 1]], "gain": 0.5}}'
    assert Json().unpack(b'{"actions": [[0.5]]}') == {"actions": [[0.5]]}


@pytest.mark.parametrize("value", [object(), b"bytes", np.zeros(1, complex), float("nan")])
def test_json_refuses_what_it_does_not_have(value):
    with pytest.raises(WireError, match="is not JSON"):
        Json().pack({"observation": value})
    with pytest.raises(WireError, match="8 bytes are not JSON"):
        Json().unpack(b"{actions")


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"\(msgpack, websockets, h11\) .* pip install 'hocket\[remote\]'"):
        importlib.reload(hocket.remote)


def test_the_bytes_are_openpis():
    theirs = pytest.importorskip("openpi_client.msgpack_numpy")
    observation = {
        "image": np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
        "nested": {"gain": np.float32(2)},
        "on": True,
    }
    assert FORMAT.pack(observation) == theirs.packb(observation)
    same(observation, FORMAT.unpack(theirs.packb(observation)))
    same(observation, theirs.unpackb(FORMAT.pack(observation)))
