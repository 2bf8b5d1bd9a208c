"""``hocket envs``."""

from __future__ import annotations

from hocket.cli import console
from hocket.envs import known_environments


def envs() -> None:
    """List the known environments, and what each needs."""
    rows = []
    for known in known_environments():
        count = f" ({known.count} games)" if known.count > 1 else ""
        brings = f", with a ROM of yours: --env-args {known.brings}" if known.brings else ""
        here = f"yes{brings}" if known.available else f"no: pip install '{known.needs}'{brings}"
        rows.append((known.id + count, f"{float(known.hz):g}" if known.hz else "any", known.actions, here))
    console.table("Environments that hocket knows", ("id", "hz", "actions", "here"), rows)
    console.say("Any other Gymnasium id works too, given --hz; its observations must be a Box.")
