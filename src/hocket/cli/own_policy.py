"""A policy of the user's own, by the file it is in."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium as gym

from hocket.cli.run import RunOptions, make_policy
from hocket.errors import ConfigurationError
from hocket.policy import Policy, PolicyFactory, as_factory


def choose_policy(words: str, options: RunOptions, env: gym.Env[Any, Any]) -> PolicyFactory:
    """``network`` or ``random`` as in ``hocket run``, else ``FILE.py:NAME``: a policy, or a factory of policies."""
    if words in ("network", "random"):
        return make_policy(options, env)
    return as_factory(load_policy(words))


def load_policy(words: str) -> PolicyFactory | Policy:
    """What ``FILE.py:NAME`` names. The file is run.

    Raises:
        ConfigurationError: if there is no such thing, or it cannot be called.
    """
    file, _, name = words.rpartition(":")
    path = Path(file)
    if not name or path.suffix != ".py" or not path.is_file():
        raise ConfigurationError(f"--policy {words} must be network, random or FILE.py:NAME, with a file that is there")
    module_name = f"_hocket_policy_{path.stem}"
    spec = spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[module_name] = module  # as an import would, for dataclasses and pickles
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"--policy {words}: {path} cannot be run: {type(error).__name__}: {error}") from error
    cloudpickle.register_pickle_by_value(module)  # worker processes cannot import it
    found = getattr(module, name, None)
    if not isinstance(found, PolicyFactory) and not callable(found):
        raise ConfigurationError(f"--policy {words}: {name} is {found!r}; it must be a function or a PolicyFactory")
    policy: PolicyFactory | Policy = found
    return policy
