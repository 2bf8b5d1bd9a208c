"""A policy behind servers of the WebSocket protocol: requests, replies, several servers, cancellation."""

import pickle
import threading
from contextlib import suppress
from threading import Barrier, Event, Thread
from time import monotonic

import cloudpickle
import numpy as np
import pytest
from access import TOKEN, until_cancelled
from websockets.exceptions import ConnectionClosed

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import CancelledError, ConfigurationError
from hocket.policies.cancellation import cancelled, watch
from hocket.remote import (
    HTTPPolicy,
    Msgpack,
    RemotePolicyError,
    WebSocketPolicy,
    WireError,
)
from hocket.remote.servers import MOST_UNANSWERED

OBSERVATION = np.arange(6, dtype=np.float32).reshape(2, 3)


def kinds(observation):
    """The structure of an observation: dtypes and shapes in place of arrays."""
    if isinstance(observation, dict):
        return {key: kinds(value) for key, value in observation.items()}
    return f"{observation.dtype} {observation.shape} {observation.flags.writeable}"


# -- requests and replies ---------------------------------------------------------------------------------------


def test_a_policy_gets_the_observation_and_its_answer_comes_back(served, asking):
    server = served(lambda observation: observation[0] * 2)
    actions = asking(server.url)(OBSERVATION)
    assert actions.dtype == np.float32 and actions.tolist() == [0.0, 2.0, 4.0]


def test_a_map_arrives_as_a_map_with_arrays_that_may_be_changed(served, asking):
    seen = []
    server = served(lambda observation: seen.append(kinds(observation)) or 1)
    observation = {"cameras": {"left": np.zeros((2, 2, 3), np.uint8)}, "joints": np.zeros(7, ">f8")}
    asking(server.url)(observation)
    assert seen == [{"cameras": {"left": "uint8 (2, 2, 3) True"}, "joints": ">f8 (7,) True"}]


def test_a_structure_arrives_as_it_is(served, asking):
    seen = []
    server = served(lambda observation: seen.append(observation) or 1)
    for observation in ({"mode": 2, "pair": (3, "fold it")}, {"observation": 5}, (1, 2), "go"):
        asking(server.url)(observation)
        assert seen.pop() == observation


def test_pending_actions_come_with_the_observation(served, asking):
    server = served(hocket.FunctionPolicy(lambda observation, pending: pending + observation, pending=2))
    assert asking(server.url, pending=2)(np.int64(1), np.array([3, 4])).tolist() == [4, 5]
    with pytest.raises(RemotePolicyError, match=r"keys \['observation'\]; this policy needs .* try WebSocketPolicy"):
        asking(server.url)(OBSERVATION)
    with pytest.raises(RemotePolicyError, match="of 2 pending actions"):
        asking(server.url, pending=3)(OBSERVATION, np.zeros(3))


def test_the_delay_comes_with_the_observation(served, asking):
    told = {"pending": 1, "delay_told": True}
    server = served(hocket.FunctionPolicy(lambda observation, pending, delay: observation + pending + delay, **told))
    assert asking(server.url, **told)(np.int64(1), np.array([10]), np.array([4])).tolist() == [15]
    assert asking(server.url, **told, as_request=lambda o, p, d: {"observation": o, "pending": p, "delay": d})(
        np.int64(1), np.array([10]), np.array([5])
    ).tolist() == [16]
    with pytest.raises(RemotePolicyError, match=r"needs 'observation' and 'pending' and 'delay'.*delay_told=True"):
        asking(server.url, pending=1)(np.int64(1), np.array([10]))


def test_requests_and_replies_of_ones_own(served, asking):
    """As a server of openpi's needs them, whose policies return maps."""
    server = served(lambda request: {"actions": request["observation/state"], "speed": np.float32(3)})
    ask = asking(
        server.url,
        as_request=lambda observation: {"observation/state": observation, "prompt": "go"},
        actions=lambda reply: reply["actions"] * reply["speed"],
    )
    assert ask(OBSERVATION[0]).tolist() == [0.0, 3.0, 6.0]
    with pytest.raises(WireError, match=r"keys \['actions', 'speed', 'server_timing'\]; actions='arms' must be one"):
        asking(server.url, as_request=lambda o: {"observation/state": o}, actions="arms")(OBSERVATION)


def test_a_server_tells_of_its_chunks_and_pending_actions(served):
    aligned = {"chunk_length": 8, "alignment": hocket.Alignment.RELEASE, "pending": 3, "delay_told": True}
    server = served(hocket.FunctionPolicy(lambda observation, pending, delay: [1], **aligned))
    policy = WebSocketPolicy.of_server(server.url, token=TOKEN)
    assert {name: getattr(policy, name) for name in aligned} == aligned


def test_a_warm_up_asks_once_and_minds_no_failure(served):
    seen = []

    def policy(observation):
        seen.append(observation.tolist())
        raise RuntimeError("zeros")

    factory = WebSocketPolicy(served(policy).url, token=TOKEN)
    factory.warm_up(factory.build(), np.zeros(2))
    assert seen == [[0.0, 0.0]]


def test_a_fragmented_reply_is_put_together(scripted, asking):
    reply = Msgpack().pack({"actions": OBSERVATION})
    address = scripted(lambda connection: (connection.recv(), connection.send([reply[:10], reply[10:30], reply[30:]])))
    assert asking(address)(OBSERVATION).tolist() == OBSERVATION.tolist()


def test_pings_are_answered_while_it_waits(scripted, asking):
    def script(connection):
        connection.recv()
        connection.send(Msgpack().pack({"actions": connection.ping().wait(5)}))

    assert asking(scripted(script))(OBSERVATION) is True


# -- several at once --------------------------------------------------------------------------------------------


def test_connections_are_answered_at_once(served, asking):
    both = Barrier(2)  # broken unless two inferences run at once
    server = served(lambda observation: both.wait(5), workers=2)
    answers = []
    threads = [Thread(target=lambda: answers.append(asking(server.url)(OBSERVATION))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(answer) for answer in answers) == [0, 1]


def test_more_connections_than_workers_take_turns(served, asking):
    server = served(lambda observation: observation + 1)
    asks = [asking(server.url) for _ in range(5)]
    assert [int(ask(np.int64(n))) for n, ask in enumerate(asks)] == [1, 2, 3, 4, 5]


def test_each_worker_builds_its_own_policy(served, asking):
    built = []

    class Factory(hocket.PolicyFactory):
        def build(self):
            built.append(threading.current_thread().name)
            return lambda observation: 1

    served(Factory(), workers=3)
    assert sorted(built) == [f"hocket-server-worker-{number}" for number in range(3)]


def test_workers_are_spread_over_servers(served):
    asked = []
    servers = [served(lambda observation, name=name: asked.append(name) or 1) for name in "ab"]
    factory = WebSocketPolicy([server.url for server in servers], token=TOKEN)
    for ask in [factory.build() for _ in range(4)]:
        ask(OBSERVATION)
    assert sorted(asked) == ["a", "a", "b", "b"]


def test_the_work_of_a_dead_server_goes_to_the_others_and_returns(served):
    asked, begun = [], Event()

    def first(observation):
        asked.append("first")
        begun.set()
        while not cancelled():
            pass
        return 1

    dying, other = served(first), served(lambda observation: asked.append("other") or 2)
    factory = WebSocketPolicy([dying.url, other.url], token=TOKEN)
    asks = [factory.build(), factory.build()]
    answers = []
    thread = Thread(target=lambda: answers.append(asks[0](OBSERVATION)))
    thread.start()
    assert begun.wait(5)
    dying.close()  # while its policy computes
    thread.join()
    assert [int(answer) for answer in answers] == [2] and asked == ["first", "other"]
    port = int(dying.url.rpartition(":")[2])
    served(lambda observation: asked.append("again") or 3, port=port)
    give_up_s = monotonic() + 5
    while asked[-1] != "again" and monotonic() < give_up_s:
        asks[0](OBSERVATION)
    assert asked[-1] == "again"


# -- cancellation -----------------------------------------------------------------------------------------------


def test_a_cancelled_inference_ends_and_so_does_its_request(served, asking):
    begun, told, stop = Event(), Event(), Event()
    server = served(until_cancelled(begun, told))
    ended = []

    def work():
        watch(stop.is_set)
        ask = asking(server.url, timeout_s=30)
        try:
            ask(np.int64(1))
        except CancelledError as error:
            ended.append(error)
        stop.clear()
        ended.append(int(ask(np.int64(0))))  # by a new connection

    thread = Thread(target=work)
    thread.start()
    assert begun.wait(5)
    stop.set()
    thread.join(5)
    assert told.wait(5)
    assert len(ended) == 2 and isinstance(ended[0], CancelledError) and ended[1] == 1


def test_a_pause_of_servers_ends_with_a_cancellation(asking, served):
    server = served(lambda observation: 1)
    ask = asking(server.url)
    server.close()
    ended = []

    def work():
        watch(lambda: True)
        try:
            ask(OBSERVATION)
        except CancelledError as error:
            ended.append(error)

    thread = Thread(target=work)
    thread.start()
    thread.join(5)
    assert len(ended) == 1


def test_a_server_that_is_silent_until_requests_expire_is_left_for_another(served, scripted, asking):
    def silent(connection):
        with suppress(ConnectionClosed):
            while True:
                connection.recv()

    ask = asking(scripted(silent), served(lambda observation: 2).url)
    outcomes = []

    def work():
        expires_s = 0.0
        watch(lambda: monotonic() > expires_s)
        for patience_s in (*[0.02] * MOST_UNANSWERED, 5):
            expires_s = monotonic() + patience_s
            try:
                outcomes.append(int(ask(OBSERVATION)))
            except CancelledError:
                outcomes.append(None)

    thread = Thread(target=work)
    thread.start()
    thread.join(10)
    assert outcomes == [*[None] * MOST_UNANSWERED, 2]


# -- options ----------------------------------------------------------------------------------------------------


def test_workers_are_threads_unless_told_otherwise():
    policy = WebSocketPolicy("ws://127.0.0.1:8000")
    assert hocket.Realtime(hz=50).executor_of(policy) == hocket.Threads()
    assert hocket.Realtime(hz=50, executor="processes").executor_of(policy) == hocket.Processes()
    assert hocket.Realtime(hz=50).executor_of(hocket.FunctionPolicy(len)) == hocket.Processes()
    charged = hocket.Charged(policy, hocket.Constant(0.1))
    assert hocket.Realtime(hz=50).executor_of(charged) == hocket.Threads()


def test_a_policy_is_sent_to_processes_without_its_connections_and_shows_no_token():
    policy = WebSocketPolicy(["ws://127.0.0.1:8000", "wss://robot.example/policy"], token=TOKEN, chunk_length=8)
    assert pickle.loads(cloudpickle.dumps(policy)) == policy
    assert TOKEN not in repr(policy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"servers": []}, r"servers=\[\] must be one address, or several that differ"),
        ({"servers": ["ws://a", "ws://a"]}, "or several that differ"),
        ({"servers": "http://a"}, "'http://a' is not the address of a WebSocket server .* try ws://127.0.0.1:8000"),
        ({"servers": "ws://a:99999"}, "is not the address of a WebSocket server"),
        ({"servers": [8000]}, "8000 is not the address of a WebSocket server"),
        ({"token": ""}, "token=... must be a text of printable ASCII characters"),
        ({"token": "a\r\nb"}, "token=... must be a text of printable ASCII characters"),
        ({"chunk_length": 0}, "chunk_length=0 must be a whole number from 1"),
        ({"pending": -1}, "pending=-1 must be a whole number from 0"),
        ({"timeout_s": 0}, "timeout_s=0 must be greater than 0 seconds"),
        ({"connect_s": "1"}, "connect_s='1' must be greater than 0 seconds"),
        ({"most_bytes": 1.5}, "most_bytes=1.5 must be a whole number"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        WebSocketPolicy(**{"servers": "ws://127.0.0.1:8000", **options})


def test_bad_addresses_of_http_are_refused():
    for address in ("ws://a", "http://", "http://a:99999", 80):
        with pytest.raises(ConfigurationError, match="is not the address of an HTTP server"):
            HTTPPolicy(address)


# -- in runs ----------------------------------------------------------------------------------------------------


def test_a_virtual_run_acts_by_a_server(served):
    server = served(lambda observation: int(observation[0]) % 2)
    policy = WebSocketPolicy(server.url, token=TOKEN)
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    result = hocket.run(NullEnv((1,), dtype=np.int64), policy, hocket.TickDispatch(2), clock, ticks=20)
    assert result.summary().coverage > 0.8
    assert TOKEN not in str(result.config)


@pytest.mark.realtime
def test_a_run_survives_its_server_and_counts_what_fails(served):
    """The server is away from tick 30 to tick 60; default actions fill that time."""
    server = served(lambda observation: 1, workers=2)
    closing = Thread(target=server.close)
    policy = WebSocketPolicy(server.url, token=TOKEN)
    port = int(server.url.rpartition(":")[2])
    ticks = []

    def until(record):
        ticks.append(len(ticks))
        if len(ticks) == 30:
            closing.start()
        if len(ticks) == 60:
            closing.join()
            served(lambda observation: 1, port=port)
        return False

    result = hocket.run(
        NullEnv((1,), dtype=np.int64),
        policy,
        hocket.TickDispatch(2),
        hocket.Realtime(hz=50, priority=0, failures=hocket.FailureLimits(outage_s=60)),
        ticks=180,
        until=until,
    )
    assert len(ticks) == 180 and result.metrics().outcomes["failed"] >= 1
    assert any("cannot be reached" in error for error in result.record.errors)
    assert result.metrics(after_tick=110).coverage > 0  # it acts again
