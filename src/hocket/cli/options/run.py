"""Options of ``hocket run``; ``hocket plan`` and ``hocket decompose`` derive theirs from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hocket.cli.options.acting import ACTING_NEEDS, ActingArguments
from hocket.cli.options.typed import Need, given


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments(ActingArguments):
    """The options of ``hocket run``; the config.json of a run folder keeps them."""

    seconds: float = 20.0
    """Length of the run in seconds of the environment's own time."""
    ticks: int | None = None
    """Length of the run in ticks, instead of --seconds."""
    policy: str = "network"
    """The policy: an untrained network (an IMPALA net on 84x84 pictures, else two hidden layers), random actions,
    FILE.py:NAME for a policy of your own, the folder or a checkpoint that hocket train has saved, or the address of
    hocket serve, such as ws://127.0.0.1:8000; several with commas."""
    token: str | None = None
    """The token of hocket serve; the environment variable HOCKET_TOKEN if not given."""
    bfloat16: bool = False
    """Run the network in bfloat16."""
    out: Path | None = None
    """Save the run into this folder."""


USUAL = RunArguments()
BY_WORD = ("network", "random")
"""The values of --policy that name a built-in policy, even where a folder has that name."""


def is_network(policy: str) -> bool:
    """True if ``--policy`` names an untrained network or a trained one."""
    return policy == "network" or (policy not in BY_WORD and Path(policy).exists())


def is_remote(policy: str) -> bool:
    """True if ``--policy`` names a server."""
    return policy.startswith(("ws://", "wss://"))


UNTRAINED = Need("policy", lambda policy: policy == "network", "--policy network")
NETWORK = Need("policy", is_network, "--policy network")
NEEDS = {
    **ACTING_NEEDS,
    "seconds": Need("ticks", lambda ticks: not given(ticks), "a run without --ticks", replaces=True),
    "width": UNTRAINED,
    "deep": UNTRAINED,
    "bfloat16": UNTRAINED,
    "threads": NETWORK,
    "device": NETWORK,
    "token": Need("policy", is_remote, "--policy ws://…"),
}
"""Options that have no effect without a value of another option."""
NOT_KEPT = ("out", "json", "token")
"""Options that a run's config.json does not keep."""


def ticks_of(options: RunArguments, hz: float) -> int:
    """The length of the run in ticks."""
    return options.ticks if options.ticks is not None else max(1, round(options.seconds * hz))
