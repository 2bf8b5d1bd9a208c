"""Theory you can run: worlds with tables, what an agent that acts late can earn there at most, and what it loses."""

from hocket.theory.amdp import AsyncMDP
from hocket.theory.bounds import delay_order, inaction_order, inaction_share, learning_order
from hocket.theory.chains import NotSolvedError
from hocket.theory.delayed import DelayedPolicy, InducedDelayedSemiMDP, Solution
from hocket.theory.example_mdps import random_mdp, recharge, ring, ring_delay_regret
from hocket.theory.regret import Achieved, Decomposition, achieved_in, exact_decomposition
from hocket.theory.tabular_env import TabularEnv, default_of

__all__ = [
    "Achieved",
    "AsyncMDP",
    "Decomposition",
    "DelayedPolicy",
    "InducedDelayedSemiMDP",
    "NotSolvedError",
    "Solution",
    "TabularEnv",
    "achieved_in",
    "default_of",
    "delay_order",
    "exact_decomposition",
    "inaction_order",
    "inaction_share",
    "learning_order",
    "random_mdp",
    "recharge",
    "ring",
    "ring_delay_regret",
]
