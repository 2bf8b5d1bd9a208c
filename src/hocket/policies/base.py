"""Policies: functions of one observation, in one stage or two, and factories that build them once in every worker.

Consecutive observations go to different workers, so a policy must be a function of its observation (frame stack
included). One that carries state from call to call would see every N-th observation only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum
from typing import Any

from numpy.typing import NDArray

from hocket.core.cadence import NS_PER_S
from hocket.errors import ConfigurationError

Policy = Callable[..., Any]
"""Maps one observation to one action, or, where the factory's ``chunk_length`` exceeds 1, to an array of 1 to
``chunk_length`` actions for consecutive ticks. An observation is an array, or what else its space describes: a number,
a text, a dict or a tuple of observations.
Where the factory's ``pending`` exceeds 0, a second argument holds the pending actions, the *committed prefix* of
real-time chunking (`hocket.spaces.codec.PendingActions`): of Discrete actions ``(pending,)``. With ``delay_told`` the
last argument is the expected delay.

It may be an object with an integer attribute ``version``: that of the weights that gave its last answer, 0 without.
Executors read it after each call; a run records it by inference (`Metrics.inferences`) and passes it to learners."""


class Alignment(Enum):
    """The tick that a step of a chunk is for, where ``chunk_length`` exceeds 1.

    A single action (``chunk_length`` 1) is always for the tick that its rule releases it for.
    """

    OBSERVATION = "observation"
    """Step j of the chunk from observation k is for tick k + 1 + j and no other. Steps whose ticks have passed when the
    answer comes are skipped."""
    RELEASE = "release"
    """Step 0 is for the tick that the answer is released for, however old its observation is by then."""


def check_alignment(alignment: Alignment) -> None:
    """Refuse what is no alignment, such as its name as text."""
    if not isinstance(alignment, Alignment):
        raise ConfigurationError(
            f"alignment={alignment!r} is not one of {', '.join(map(str, Alignment))}; try hocket.Alignment.OBSERVATION"
        )


@dataclass(frozen=True)
class Stages:
    """A policy in two stages; calling it runs both in a row. A subclass may have a ``version``, as any policy.

    Args:
        trunk: the slow stage, ``trunk(observation) -> features``: anything; it stays in the worker.
        head: the quick one, ``head(features[, pending_actions][, newest][, delay]) -> action``. ``pending_actions`` (if
            the factory's ``pending`` exceeds 0) are those executed since the observation; ``newest`` (if the factory
            says so) is the newest observation; ``delay`` (if it ``delay_told``) is an array of one number, the ticks
            from the observation to the action, and 0 with ``None`` for features: see `PolicyFactory.delay_told`.
    """

    trunk: Callable[[Any], Any]
    head: Callable[..., Any]

    def __call__(self, observation: Any, *inputs: Any) -> Any:
        """The action, with nothing between the stages."""
        return self.head(self.trunk(observation), *inputs)


class Batching(ABC):
    """A policy, or a stage of one, whose inferences of several copies of an environment can be computed in one call."""

    @abstractmethod
    def prepare(self, *inputs: Any) -> Any:
        """The state of an inference at its start: its inputs, copied, the weights' version, chance."""

    @abstractmethod
    def answer(self, prepared: Sequence[Any]) -> list[Any]:
        """The results of inferences that have been prepared, by this policy or by others of the same network."""

    def __call__(self, *inputs: Any) -> Any:
        """One inference."""
        return self.answer((self.prepare(*inputs),))[0]


class PolicyFactory(ABC):
    """Builds the policy. Must be picklable (cloudpickle: lambdas and notebooks included)."""

    chunk_length: int = 1
    """The most actions that one answer may hold."""
    alignment: Alignment = Alignment.OBSERVATION
    """The ticks that the actions of a chunk are for."""
    pending: int = 0
    """The number of pending actions that the policy gets as a second argument; 0: none, and no such argument.
    See `hocket.drivers.pending_actions`."""
    head_s: float = 0.0
    """Seconds before its tick's deadline at which the head of a two-stage policy is called; 0: one stage.
    They must cover the head and the way to its worker and back."""
    newest: bool = False
    """True if a head also gets the newest observation."""
    delay_told: bool = False
    """True if the policy also gets its delay in ticks, as int64 ``(1,)``.

    One stage: the expected delay, from the observation to the tick that the inference aims at; 0 if its rule aims at
    none (`TickDispatch` alone aims at ticks). Two stages: the head gets the delay of its action, and acts alone while
    there are no features: in the first ticks of an episode, until an inference has acted, the tick loop calls it in
    place of the default, with None for features, all pending actions unknown, the newest observation and the delay 0.
    Where that fails, the default acts.
    """
    corrects: bool = False
    """True if a head corrects each action of a chunk when its tick is due: see `build_chunk_head`. ``pending``,
    ``newest`` and ``delay_told`` are then of this head, and workers get observations alone."""
    preload: tuple[str, ...] = ()
    """Modules that are imported once, before worker processes start."""
    waits: bool = False
    """True if the policy waits for another computer or device: its workers are threads unless told otherwise."""

    @abstractmethod
    def build(self) -> Policy:
        """The policy, `Stages` if ``head_s`` exceeds 0; called once in every worker."""

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:  # noqa: B027
        """Makes a first call that would be slow; ``example`` are its arguments, all zeros.

        For two stages these are the trunk's, then the head's without the features: ``policy(*example)`` runs both.
        """

    def build_alone(self) -> Stages | None:
        """The policy whose head acts alone, called once in the tick loop's process.

        None with one stage, and unless it ``delay_told``.
        """
        if not (self.head_s and self.delay_told):
            return None
        policy = built(self)
        assert isinstance(policy, Stages)
        return policy

    def warm_up_alone(self, policy: Stages, *inputs: NDArray[Any]) -> None:  # noqa: B027
        """Makes a first call of the head of `build_alone` that would be slow; ``inputs`` are all but the features."""

    def build_chunk_head(self) -> Callable[..., Any]:
        """The head that corrects chunks, called once in the tick loop's process, if the factory ``corrects``.

        It is ``head(plan[, pending_actions][, newest][, delay]) -> action``. ``plan`` holds the actions of the chunk
        from the tick that is due on, ``(steps left, *action shape)``; the rest is as of `Stages`. It runs in the tick,
        which acts later by its time.
        """
        raise NotImplementedError(f"{type(self).__name__} corrects chunks and builds no head for them")

    @property
    def head_ns(self) -> int:
        """``head_s`` in nanoseconds."""
        return round(self.head_s * NS_PER_S)

    @property
    def horizon_ticks(self) -> int:
        """The most ticks after its observation that an answer has actions for; 0 if they count from its release."""
        return self.chunk_length if self.chunk_length > 1 and self.alignment is Alignment.OBSERVATION else 0


@dataclass(frozen=True)
class FunctionPolicy(PolicyFactory):
    """A plain function as a policy.

    ``chunk_length`` is the most actions of one answer, ``alignment`` says which ticks they are for, ``pending`` is the
    number of pending actions that it gets, and with ``delay_told`` it gets its expected delay.
    """

    function: Policy
    chunk_length: int = 1
    pending: int = 0
    alignment: Alignment = Alignment.OBSERVATION
    delay_told: bool = False

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


@dataclass(frozen=True)
class TwoStage(PolicyFactory):
    """Late binding: a slow ``trunk`` of the observation, and a quick ``head`` just before its action is due.

    ``trunk(observation) -> features``; ``head(features[, pending_actions][, newest][, delay]) -> action``, called
    ``head_s`` seconds before the deadline of its tick (0.001 if None), in the same worker. It gets ``pending`` pending
    actions, here those executed since the observation, and with ``newest`` the newest observation. A head that ends
    after the deadline has missed its bind: the default acts. On the wall clock a quarter of a tick is safe, 0.004 at
    60 Hz: the worker sleeps and must wake up.

    With ``delay_told`` the head gets the delay as well, and acts alone in an episode's first ticks, in the tick loop
    and with None for features; see `Stages`.

    **A head on a chunk.** If ``trunk`` is a factory of a policy whose answers are chunks, the head corrects each of
    their actions when its tick is due. In place of the features it gets the actions of the chunk from that tick on,
    ``(steps left, *action shape)``. It runs in the tick loop, which acts later by its time, so ``head_s`` is left out,
    and workers are free while a chunk plays. It never acts without a chunk; where it fails, the action is executed as
    it was planned.
    """

    trunk: Callable[[Any], Any] | PolicyFactory
    head: Callable[..., Any]
    _: KW_ONLY
    pending: int = 0
    head_s: float = None  # type: ignore[assignment]
    newest: bool = False
    delay_told: bool = False
    chunk_length: int = field(init=False, repr=False)
    alignment: Alignment = field(init=False, repr=False)
    corrects: bool = field(init=False, repr=False)
    preload: tuple[str, ...] = field(init=False, repr=False)
    waits: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        trunk, corrects = self.trunk, isinstance(self.trunk, PolicyFactory)
        if not corrects and not callable(trunk):
            raise ConfigurationError(f"trunk={trunk!r} is not callable; give a function, or a factory of chunks")
        if not callable(self.head):
            raise ConfigurationError(f"head={self.head!r} is not callable; give a function")
        if self.pending < 0:
            raise ConfigurationError(f"pending={self.pending!r} must be 0 or more; try 0")
        if isinstance(trunk, PolicyFactory):
            self._check_chunks(trunk)
        elif self.head_s == 0:
            raise ConfigurationError("head_s=0 leaves the head no time; try head_s=0.001, or a policy in one stage")
        given: Any = self.head_s
        if given is None:
            object.__setattr__(self, "head_s", 0.0 if corrects else 0.001)
        object.__setattr__(self, "corrects", corrects)
        for name in ("chunk_length", "alignment", "preload", "waits"):
            object.__setattr__(self, name, getattr(trunk if corrects else PolicyFactory, name))
        as_factory(self)

    def _check_chunks(self, trunk: PolicyFactory) -> None:
        """Refuse a trunk whose chunks no head can correct."""
        if trunk.chunk_length == 1:
            raise ConfigurationError(
                f"trunk={trunk!r} answers with single actions, and a head corrects chunks; try "
                "FunctionPolicy(function, chunk_length=8), or a function that makes features"
            )
        if trunk.head_s or trunk.corrects:
            raise ConfigurationError(f"trunk={trunk!r} has a head of its own; try its trunk alone")
        if trunk.pending or trunk.delay_told:
            raise ConfigurationError(
                f"trunk={trunk!r} is told pending actions or its delay, and here only the head can be; try "
                "TwoStage(..., pending=, delay_told=) and a trunk without"
            )
        if self.head_s:
            raise ConfigurationError(
                f"head_s={self.head_s!r} with a trunk of chunks: their head runs when the tick is due; leave it out"
            )

    def build(self) -> Policy:
        return self.trunk.build() if isinstance(self.trunk, PolicyFactory) else Stages(self.trunk, self.head)

    def build_chunk_head(self) -> Callable[..., Any]:
        return self.head

    def warm_up(self, policy: Policy, *example: NDArray[Any]) -> None:
        if isinstance(self.trunk, PolicyFactory):
            self.trunk.warm_up(policy, *example)


def as_factory(policy: PolicyFactory | Policy) -> PolicyFactory:
    """``policy`` itself if it is a factory, else a factory of it.

    Raises:
        ConfigurationError: if its options of stages contradict each other.
    """
    if not isinstance(policy, PolicyFactory):
        return FunctionPolicy(policy)
    head_s = policy.head_s
    if not (isinstance(head_s, int | float) and math.isfinite(head_s) and (head_s == 0 or policy.head_ns > 0)):
        raise ConfigurationError(f"head_s={head_s!r} must be 0 or a positive number of seconds; try 0.001")
    if head_s and policy.chunk_length > 1:
        raise ConfigurationError(
            f"chunk_length={policy.chunk_length} with head_s={head_s} is not supported: a head in a worker decides on "
            "one tick; try hocket.TwoStage(policy, head), whose head corrects the chunks of policy, or head_s=0"
        )
    if policy.corrects and policy.chunk_length == 1:
        raise ConfigurationError("corrects=True has no effect on single actions; try chunk_length=8")
    check_alignment(policy.alignment)
    if policy.newest and not (head_s or policy.corrects):
        raise ConfigurationError(
            "newest=True has no effect on a policy in one stage; try hocket.TwoStage, or head_s=0.001"
        )
    if head_s and policy.delay_told and not policy.newest:
        raise ConfigurationError(
            "delay_told=True lets a head act without features, and this one is not given the newest observation; try "
            "newest=True"
        )
    return policy


def built(factory: PolicyFactory) -> Policy:
    """Builds the policy and checks its stages.

    Raises:
        ConfigurationError: if it has two stages with ``head_s`` 0, or one stage with ``head_s`` above 0.
    """
    policy = factory.build()
    if isinstance(policy, Stages) != (factory.head_s > 0):
        raise ConfigurationError(
            f"build() of {factory!r} returned {policy!r} with head_s={factory.head_s}; "
            "hocket.Stages belong with a head_s above 0, all else with 0"
        )
    return policy
