"""A language model that picks actions, behind a server of OpenAI's chat completions, as llama.cpp and vLLM have.

A request is a POST of ``{"model": …, "messages": [{"role": "user", "content": …}]}``; the reply's text is
``choices[0].message.content``. See https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from hocket.errors import ConfigurationError
from hocket.policies.base import Policy
from hocket.remote.connection import Terms
from hocket.remote.errors import NoActionError, WireError
from hocket.remote.policy import HTTPPolicy
from hocket.remote.wire_format import Json, WireFormat

MOST_SHOWN = 200
"""Characters of a reply that an error shows."""


@dataclass(frozen=True)
class ChatPolicy(HTTPPolicy):
    """A language model that picks one of some actions by name. Its observation is told in words.

    Addresses are such as ``http://127.0.0.1:8080/v1/chat/completions``. See `HTTPPolicy` for the other options.

    Args:
        model: the model's name on the server.
        prompt: tells the observation, and the pending actions if there are some, as a text: the user's message. It
            should say which names may be answered.
        choices: the names of the actions 0, 1, … of a Discrete space, or a map from names to actions.
        instructions: the system's message, before the user's; None for none.
        parse: the action, or a chunk of them, in the text of a reply; None: the first of the ``choices`` in it, by name
            in upper or lower case, or by the number of its action.
        parameters: further parts of a request, such as ``{"temperature": 0, "max_tokens": 8}``.
        token_variable: the environment variable that holds the ``token``, such as ``OPENAI_API_KEY``; each worker reads
            it, so the token is in no pickle and no record.

    Raises:
        ConfigurationError: if an argument cannot work, or the variable is not set.
        HocketError: from the policy, a `RemoteError`: a `NoActionError` if the reply names no action.
    """

    as_request: Callable[..., Any] | None = field(init=False, repr=False, compare=False, default=None)
    actions: str | Callable[[Any], Any] = field(init=False, repr=False, compare=False, default="")
    wire_format: WireFormat = field(init=False, repr=False, compare=False, default_factory=Json)
    _: KW_ONLY
    model: str
    prompt: Callable[..., str]
    choices: Sequence[str] | Mapping[str, int]
    instructions: str | None = None
    parse: Callable[[str], Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    token_variable: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [*self.choices] if isinstance(self.choices, Sequence | Mapping) else []
        texts = not isinstance(self.choices, str) and all(isinstance(name, str) and name for name in names)
        if not names or not texts or len({name.lower() for name in names}) < len(names):
            raise ConfigurationError(
                f"choices={self.choices!r} must be names of actions that differ, or a map from them to actions; try "
                "['left', 'right']"
            )
        for name in ("prompt", "parse"):
            value = getattr(self, name)
            if not callable(value) and not (name == "parse" and value is None):
                raise ConfigurationError(f"{name}={value!r} must be a function; try {name}=str")
        if self.token_variable is not None:
            if self.token is not None:
                raise ConfigurationError("token=... and token_variable=... are two tokens; try one of them")
            self._token_of_variable()
        object.__setattr__(self, "as_request", self._request)
        object.__setattr__(self, "actions", self._chosen)

    def warm_up(self, policy: Policy, *example: Any) -> None:
        """Ask once, with zeros: a server may load its model at the first request."""
        with suppress(NoActionError):
            super().warm_up(policy, *example)

    @property
    def _terms(self) -> Terms:
        return (
            super()._terms if self.token_variable is None else replace(super()._terms, token=self._token_of_variable())
        )

    def _token_of_variable(self) -> str:
        assert self.token_variable is not None
        if token := os.environ.get(self.token_variable):
            return token
        raise ConfigurationError(
            f"token_variable={self.token_variable!r} names an environment variable that is not set; try "
            f"export {self.token_variable}=..."
        )

    def _request(self, *inputs: Any) -> dict[str, Any]:
        texts = {"system": self.instructions, "user": self.prompt(*inputs)}
        messages = [{"role": role, "content": text} for role, text in texts.items() if text is not None]
        return {**self.parameters, "model": self.model, "messages": messages}

    def _chosen(self, reply: Any) -> Any:
        """The action in ``reply``."""
        try:
            text = reply["choices"][0]["message"]["content"]
        except (LookupError, TypeError):
            text = None
        if not isinstance(text, str):
            raise WireError(
                f"{str(reply)[:MOST_SHOWN]!r} has no text at choices[0].message.content; is the address that of "
                "chat completions, such as http://127.0.0.1:8080/v1/chat/completions?"
            )
        return self._named(text) if self.parse is None else self.parse(text)

    def _named(self, text: str) -> int:
        """The first of the choices in ``text``."""
        choices = self.choices
        by_name = dict(choices) if isinstance(choices, Mapping) else {name: i for i, name in enumerate(choices)}
        by_word = {str(action): action for action in by_name.values()}
        by_word.update((name.lower(), action) for name, action in by_name.items())
        words = "|".join(map(re.escape, sorted(by_word, key=len, reverse=True)))  # the longest that fits
        found = re.search(rf"(?<!\w)(?:{words})(?!\w)", text.lower())
        if found is None:
            raise NoActionError(
                f"model {self.model!r} answered {text[:MOST_SHOWN]!r}, which names none of {', '.join(by_name)}; try "
                "a prompt that asks for one of these names alone, or parse="
            )
        return by_word[found[0]]
