"""The servers of a policy: spread evenly, left out after a failure, and used again."""

import pickle

import pytest

from hocket.remote import UnreachableError
from hocket.remote.servers import FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_WAIT_S, MOST_UNANSWERED, Servers


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still; ``clock[0]`` is its time."""
    now_s = [100.0]
    monkeypatch.setattr("hocket.remote.servers.monotonic", lambda: now_s[0])
    return now_s


def failed(address):
    return UnreachableError(f"{address} is away")


def test_connections_are_spread(clock):
    servers = Servers(("a", "b", "c"))
    assert [servers.take() for _ in range(6)] == ["a", "b", "c"] * 2
    servers.leave("b")
    assert servers.take() == "b"


def test_a_failed_one_is_left_out_for_a_pause_that_doubles(clock):
    servers = Servers(("a", "b"))
    pauses = []
    for _ in range(9):
        assert servers.take() == "a"
        servers.leave("a", failed("a"))
        began_s = clock[0]
        while servers.take() == "b":
            servers.leave("b")
            clock[0] += 0.05
        servers.leave("a")
        pauses.append(clock[0] - began_s)
    expected = [min(FIRST_PAUSE_S * 2**n, LONGEST_PAUSE_S) for n in range(9)]
    assert pauses == pytest.approx(expected, abs=0.051)
    servers.answered("a")
    assert servers.take() == "a"
    servers.leave("a", failed("a"))
    clock[0] += FIRST_PAUSE_S
    assert servers.take() == "a"


def test_where_none_answers_pauses_are_short(clock):
    servers = Servers(("a", "b"))
    for _ in range(8):
        while (address := servers.take()) is not None:
            servers.leave(address, failed(address))
        clock[0] += LONGEST_PAUSE_S
    while (address := servers.take()) is not None:
        servers.leave(address, failed(address))
    assert servers.pause_s() == LONGEST_WAIT_S
    assert str(servers.failure()) == "none of 2 servers can be used: a is away; b is away"
    clock[0] += LONGEST_WAIT_S
    assert servers.pause_s() == 0.0
    assert servers.take() == "a"


def test_work_returns_to_a_server_that_was_away(clock):
    servers = Servers(("a", "b"))
    assert servers.take() == "a"
    servers.leave("a", failed("a"))
    assert [servers.take() for _ in range(3)] == ["b", "b", "b"]
    assert servers.take(instead_of="b") is None  # a's pause lasts
    clock[0] += FIRST_PAUSE_S
    assert servers.take(instead_of="b") == "a"
    servers.leave("b")
    assert servers.take(instead_of="b") is None  # 1 and 2 connections are even


def test_a_pickled_one_knows_of_no_failures(clock):
    servers = Servers(("a",))
    servers.take()
    servers.leave("a", failed("a"))
    assert servers.take() is None
    assert pickle.loads(pickle.dumps(servers)).take() == "a"


def test_the_error_of_a_single_server_is_its_own(clock):
    servers = Servers(("a",))
    servers.take()
    servers.leave("a", failed("a"))
    assert type(servers.failure()) is UnreachableError and str(servers.failure()) == "a is away"


def test_one_that_lets_requests_expire_is_left_out(clock):
    servers = Servers(("a", "b"))
    for _ in range(2):  # a reply between counts anew
        assert [servers.unanswered("a") for _ in range(MOST_UNANSWERED - 1)] == [None] * (MOST_UNANSWERED - 1)
        servers.answered("a")
    for _ in range(MOST_UNANSWERED):
        assert servers.take() == "a"
        servers.leave("a", servers.unanswered("a"))
    assert servers.take() == "b"
    clock[0] += FIRST_PAUSE_S
    assert servers.take() == "a"  # tried again


def test_a_single_one_is_never_left_out_for_that(clock):
    servers = Servers(("a",))
    for _ in range(3 * MOST_UNANSWERED):
        assert servers.take() == "a"
        servers.leave("a", servers.unanswered("a"))
