"""openpi's own client asks hocket's server. (Its server is no part of the package ``openpi-client``.)"""

import numpy as np
import pytest
from access import TOKEN

theirs = pytest.importorskip("openpi_client.websocket_client_policy")
pytestmark = pytest.mark.filterwarnings("ignore:connect.* must be used as a context manager:DeprecationWarning")


def client(server):
    return theirs.WebsocketClientPolicy(server.url, api_key=TOKEN)


def test_it_gets_metadata_and_actions(served):
    def policy(request):
        assert request["prompt"] == "pick up the cup"
        return {"actions": np.ones((4, 2), np.float32) * request["observation/image"].shape[0]}

    ours = client(served(policy))
    about = {"hocket_protocol": 1, "chunk_length": 1, "alignment": "OBSERVATION", "pending": 0, "delay_told": False}
    assert ours.get_server_metadata() == about
    for _ in range(2):
        reply = ours.infer({"observation/image": np.zeros((3, 2, 2), np.uint8), "prompt": "pick up the cup"})
        assert reply["actions"].dtype == np.float32 and reply["actions"].tolist() == [[3.0, 3.0]] * 4
        assert reply["server_timing"]["infer_ms"] >= 0
    ours._ws.close()


def test_it_is_told_what_went_wrong(served):
    ours = client(served(lambda request: 1 // 0))
    with pytest.raises(RuntimeError, match=r"Error in inference server:\nTraceback[^$]*ZeroDivisionError"):
        ours.infer({"observation": np.zeros(2)})
    ours._ws.close()


def test_it_is_refused_without_the_token(served):
    with pytest.raises(Exception, match="HTTP 401"):
        theirs.WebsocketClientPolicy(served(len).url)


def test_a_server_as_openpis_answers_hockets_client(scripted, asking):
    """The conversation of openpi's server, written from its source with its own packing."""
    from openpi_client import msgpack_numpy

    def converse(connection):
        for message in connection:
            observation = msgpack_numpy.unpackb(message)
            if "observation/state" not in observation:
                connection.send("Traceback: KeyError")
                connection.close(1011)
                return
            action = {"actions": np.tile(observation["observation/state"], (2, 1)), "server_timing": {"infer_ms": 1.0}}
            connection.send(msgpack_numpy.packb(action))

    address = scripted(converse, msgpack_numpy.packb({"reset_pose": [0, 1]}))
    ask = asking(address, chunk_length=2, as_request=lambda observation: {"observation/state": observation})
    assert ask(np.arange(3.0)).tolist() == [[0.0, 1.0, 2.0]] * 2
    with pytest.raises(Exception, match="raised:\nTraceback: KeyError"):
        asking(address)(np.zeros(1))
    assert ask(np.arange(3.0)).shape == (2, 3)
