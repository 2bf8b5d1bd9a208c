"""Policies: functions of one observation, and factories that build them once in every worker.

Consecutive observations go to different workers, so a policy must be a function of its observation (frame stack
included). One that carries state from call to call would see every N-th observation only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hocket.errors import ConfigurationError

Policy = Callable[..., Any]
"""Maps one observation (an array as the environment's observation space describes it) to one action, or, where the
factory's ``chunk_length`` exceeds 1, to an array of 1 to ``chunk_length`` actions for consecutive ticks.
Where the factory's ``pending`` exceeds 0, a second argument holds the codes of the pending actions, ``(pending,)``.

It may be an object with an integer attribute ``version``: that of the weights that gave its last answer, 0 without.
Executors read it after each call; a run keeps it by inference (`Metrics.inferences`) and tells it to learners."""


class PolicyFactory(ABC):
    """Builds the policy. Must be picklable (cloudpickle: lambdas and notebooks included)."""

    chunk_length: int = 1
    """The most actions that one answer may hold."""
    pending: int = 0
    """How many codes of pending actions the policy is called with, as a second argument; 0: it is called without.
    See `hocket.drivers.pending`."""
    preload: tuple[str, ...] = ()
    """Modules that worker processes should share already imported."""

    @abstractmethod
    def build(self) -> Policy:
        """The policy; called once in every worker."""

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:  # noqa: B027
        """Do beforehand what makes a first call slow; ``example`` is what it is called with, all zeros."""


@dataclass(frozen=True)
class FunctionPolicy(PolicyFactory):
    """A plain function as a policy.

    ``chunk_length`` says how many actions it may answer with, ``pending`` how many codes it is called with.
    """

    function: Policy
    chunk_length: int = 1
    pending: int = 0

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ConfigurationError(
                f"policy={self.function!r} is not callable; give a function of one observation or a PolicyFactory"
            )
        if self.pending < 0:
            raise ConfigurationError(f"pending={self.pending!r} must be 0 or more; try 0")
        if self.chunk_length < 1:
            raise ConfigurationError(f"chunk_length={self.chunk_length!r} must be at least 1; try 1")

    def build(self) -> Policy:
        return self.function


def as_factory(policy: PolicyFactory | Policy) -> PolicyFactory:
    """``policy`` itself if it is a factory, else a factory of it."""
    return policy if isinstance(policy, PolicyFactory) else FunctionPolicy(policy)
