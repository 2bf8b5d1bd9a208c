"""Networks. Importing this does not import torch."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.models.actor_and_critics import ActorCritic as ActorCritic
    from hocket.models.actor_and_critics import Critic as Critic
    from hocket.models.actor_and_critics import GaussianActor as GaussianActor
    from hocket.models.actor_and_critics import TwinCritics as TwinCritics
    from hocket.models.actor_and_critics import actor_critic as actor_critic
    from hocket.models.actor_and_critics import squashed as squashed
    from hocket.models.actor_and_critics import vector_trunk as vector_trunk
    from hocket.models.hand_derived import HandDerived as HandDerived
    from hocket.models.heads import DistributionalHead as DistributionalHead
    from hocket.models.heads import Head as Head
    from hocket.models.heads import NoisyLinear as NoisyLinear
    from hocket.models.heads import ValueHead as ValueHead
    from hocket.models.impala import ImpalaNet as ImpalaNet
    from hocket.models.impala import parameter_count as parameter_count
    from hocket.models.mlp import Mlp as Mlp
    from hocket.models.mlp import between as between
    from hocket.models.qnetwork import QNetwork as QNetwork
    from hocket.models.qnetwork import impala_trunk as impala_trunk
    from hocket.models.qnetwork import minatar_trunk as minatar_trunk
    from hocket.models.qnetwork import mlp_trunk as mlp_trunk
    from hocket.models.qnetwork import newest_encoder as newest_encoder
    from hocket.models.qnetwork import q_network as q_network
else:
    __all__, __getattr__, __dir__ = exports(__name__)
