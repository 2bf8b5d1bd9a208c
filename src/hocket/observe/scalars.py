"""How training stands, as named numbers: what boards of curves are given."""

from __future__ import annotations

import math

from hocket.instrument import Progress


def scalars_of(progress: Progress) -> dict[str, float]:
    """By name; what is not there is left out."""
    learner = progress.learner
    scalars = {
        "acting/coverage": progress.coverage,
        "acting/delay_ticks": progress.delay_ticks,
        "acting/episode_return": progress.episode_return,
        "acting/epsilon": learner.epsilon,
        "learning/loss": learner.loss,
        "learning/updates": float(learner.updates),
        "learning/updates_per_s": progress.updates_per_s,
        "learning/staleness": learner.staleness,
    }
    return {name: value for name, value in scalars.items() if not math.isnan(value)}


def evaluation_of(mean_return: float) -> dict[str, float]:
    """The same of an evaluation."""
    return {} if math.isnan(mean_return) else {"evaluation/mean_return": mean_return}
