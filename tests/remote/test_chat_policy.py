"""A language model that picks actions; the models are functions behind `ChatServer`."""

from collections import deque
from functools import partial

import cloudpickle
import numpy as np
import pytest

import hocket
from hocket.envs.null import NullEnv
from hocket.errors import ConfigurationError
from hocket.remote import ChatPolicy, HTTPPolicy, NoActionError, UnreachableError, WireError
from hocket.testing import ChatServer

CHOICES = ["left", "right", "right up"]
chat = partial(ChatPolicy, model="tiny", prompt=lambda observation: f"You see {observation}.", choices=CHOICES)


@pytest.fixture
def saying():
    """A server whose model gives the texts in ``.texts``, one after the other, and then repeats the last one."""
    texts = deque()
    with ChatServer(lambda prompt: texts.popleft() if len(texts) > 1 else texts[0]) as server:
        server.texts = texts
        yield server


def test_a_request_is_a_prompt_and_the_reply_an_action(saying):
    saying.texts.append("right")
    factory = chat(saying.address, instructions="You drive.", parameters={"temperature": 0})
    ask = cloudpickle.loads(cloudpickle.dumps(factory)).build()
    assert ask(3) == 1
    (request,) = saying.requests
    assert request == {
        "temperature": 0,
        "model": "tiny",
        "messages": [{"role": "system", "content": "You drive."}, {"role": "user", "content": "You see 3."}],
    }


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("LEFT", 0),
        ("I would go right up, not left.", 2),
        ("**Right**", 1),
        ("Action 2 (right up)", 2),
        ("2", 2),
        ("Brightly, at 13 or 1", 1),  # neither "right" in a word nor a digit of a number
    ],
)
def test_the_first_choice_in_the_reply_is_the_action(saying, text, action):
    saying.texts.append(text)
    assert chat(saying.address).build()(0) == action


def test_choices_may_be_of_any_actions(saying):
    saying.texts.extend(["Hold", "10"])
    ask = chat(saying.address, choices={"hold": -1, "turn": 10}).build()
    assert [ask(0), ask(0)] == [-1, 10]


def test_a_reply_without_an_action_is_a_failure_by_name(saying):
    saying.texts.extend(["I had rather not.", "left"])
    ask = chat(saying.address).build()
    with pytest.raises(
        NoActionError, match=r"model 'tiny' answered 'I had rather not.', .* none of left, right, right"
    ):
        ask(0)
    assert ask(0) == 0  # by the same connection


def test_a_parse_of_ones_own_may_give_a_chunk(saying):
    saying.texts.append("<1> and <0>")
    policy = chat(saying.address, parse=lambda text: [int(word[1]) for word in text.split(" and ")], chunk_length=2)
    assert policy.build()(0) == [1, 0]


def test_the_actions_are_those_of_the_model():
    def model(prompt):
        return CHOICES[len(prompt) * int(prompt[8:-1]) % 3]

    with ChatServer(model) as server:
        ask = chat(server.address).build()
        assert [ask(seen) for seen in range(1000)] == [CHOICES.index(model(f"You see {seen}.")) for seen in range(1000)]


def test_it_acts_in_a_run(saying):
    """Each third reply names no action; the default acts."""
    saying.texts.extend(["no idea", *["right", "left", "no idea"] * 10])  # the first is for the warming up
    clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.01))
    outcomes = (
        hocket.run(NullEnv(actions=3), chat(saying.address), hocket.TickDispatch(1), clock, ticks=31).summary().outcomes
    )
    assert (outcomes["executed"], outcomes["failed"]) == (20, 11)  # the last answer is for no tick


def test_what_the_model_sees_of_pending_actions(saying):
    saying.texts.append("left")
    ask = chat(saying.address, prompt=lambda observation, pending: f"{observation}, then {pending}", pending=2).build()
    ask(5, np.array([1, 3]))
    assert saying.requests[0]["messages"][0]["content"] == "5, then [1 3]"


def test_the_token_of_a_variable_is_in_no_record(saying, monkeypatch):
    monkeypatch.setenv("A_TOKEN", "the secret")
    policy = chat(saying.address, token_variable="A_TOKEN")
    assert policy._terms.token == "the secret"
    assert b"the secret" not in cloudpickle.dumps(policy) and "the secret" not in repr(policy)
    assert "the secret" not in repr(chat(saying.address, token="the secret"))
    with pytest.raises(ConfigurationError, match=r"two tokens"):
        chat(saying.address, token="mine", token_variable="A_TOKEN")
    monkeypatch.delenv("A_TOKEN")
    with pytest.raises(ConfigurationError, match=r"'A_TOKEN' names an environment variable that is not set; try expo"):
        chat(saying.address, token_variable="A_TOKEN")


def test_errors_of_the_network_are_those_of_http(saying):
    saying.texts.append("left")
    address = saying.address
    ask = chat(address).build()
    saying.close()
    with pytest.raises(UnreachableError):
        ask(0)
    assert issubclass(ChatPolicy, HTTPPolicy)  # whose tests have the others


@pytest.mark.parametrize("reply", [{"actions": 3}, {"choices": []}, {"choices": [{"message": {"content": None}}]}, [3]])
def test_a_reply_of_another_kind(reply):
    with pytest.raises(WireError, match=r"no text at choices\[0\].message.content; is the address that of chat"):
        chat("http://127.0.0.1:1/v1/chat/completions").actions(reply)


@pytest.mark.parametrize(
    "wrong",
    [
        {"choices": []},
        {"choices": "left"},
        {"choices": ["left", ""]},
        {"choices": ["up", "Up"]},
        {"choices": 3},
        {"prompt": "What now?"},
        {"parse": 3},
        {"timeout_s": 0},
    ],
)
def test_what_cannot_work_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))}="):
        chat("http://127.0.0.1:1/v1/chat/completions", **wrong)
