"""Theory you can run: worlds with tables, what an agent that acts late can earn there at most, and what it loses."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.theory.amdp import AsyncMDP as AsyncMDP
    from hocket.theory.bounds import delay_order as delay_order
    from hocket.theory.bounds import inaction_order as inaction_order
    from hocket.theory.bounds import inaction_share as inaction_share
    from hocket.theory.bounds import learning_order as learning_order
    from hocket.theory.clairvoyant import clairvoyant_bound as clairvoyant_bound
    from hocket.theory.clairvoyant import workload_bound as workload_bound
    from hocket.theory.delayed import DelayedPolicy as DelayedPolicy
    from hocket.theory.delayed import InducedDelayedSemiMDP as InducedDelayedSemiMDP
    from hocket.theory.delayed import Solution as Solution
    from hocket.theory.example_mdps import random_mdp as random_mdp
    from hocket.theory.example_mdps import recharge as recharge
    from hocket.theory.example_mdps import ring as ring
    from hocket.theory.example_mdps import ring_delay_regret as ring_delay_regret
    from hocket.theory.regret import Achieved as Achieved
    from hocket.theory.regret import Decomposition as Decomposition
    from hocket.theory.regret import achieved_in as achieved_in
    from hocket.theory.regret import exact_decomposition as exact_decomposition
    from hocket.theory.tabular_env import TabularEnv as TabularEnv
    from hocket.theory.tabular_env import default_of as default_of
else:
    __all__, __getattr__, __dir__ = exports(__name__)
