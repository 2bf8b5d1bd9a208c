"""Learning while acting: from transitions to new weights. Importing this does not import torch."""

from typing import TYPE_CHECKING

from hocket.public import exports

if TYPE_CHECKING:
    from hocket.learn.acting import WeightReader as WeightReader
    from hocket.learn.acting import Weights as Weights
    from hocket.learn.algorithms.algorithm import Algorithm as Algorithm
    from hocket.learn.algorithms.algorithm import TargetSync as TargetSync
    from hocket.learn.algorithms.algorithm import UpdateResult as UpdateResult
    from hocket.learn.algorithms.deep_q import DeepQ as DeepQ
    from hocket.learn.algorithms.dqn import DQN as DQN
    from hocket.learn.algorithms.entropy_losses import actor_loss as actor_loss
    from hocket.learn.algorithms.entropy_losses import critics_loss as critics_loss
    from hocket.learn.algorithms.entropy_losses import soft_targets as soft_targets
    from hocket.learn.algorithms.entropy_losses import temperature_loss as temperature_loss
    from hocket.learn.algorithms.imitating_dqn import ImitatingDQN as ImitatingDQN
    from hocket.learn.algorithms.losses import Loss as Loss
    from hocket.learn.algorithms.losses import distribution_loss as distribution_loss
    from hocket.learn.algorithms.losses import distribution_targets as distribution_targets
    from hocket.learn.algorithms.losses import margin_loss as margin_loss
    from hocket.learn.algorithms.losses import q_loss as q_loss
    from hocket.learn.algorithms.losses import td_targets as td_targets
    from hocket.learn.algorithms.rainbow import Rainbow as Rainbow
    from hocket.learn.algorithms.sac import SAC as SAC
    from hocket.learn.algorithms.sac import ActorCriticNetwork as ActorCriticNetwork
    from hocket.learn.algorithms.sac import SACLosses as SACLosses
    from hocket.learn.algorithms.schedules import Linear as Linear
    from hocket.learn.algorithms.schedules import constant as constant
    from hocket.learn.algorithms.tensors import Tensors as Tensors
    from hocket.learn.algorithms.tensors import Transitions as Transitions
    from hocket.learn.exploration import EpsilonGreedy as EpsilonGreedy
    from hocket.learn.exploration import Exploration as Exploration
    from hocket.learn.exploration import OwnNoise as OwnNoise
    from hocket.learn.exploration import TickCounter as TickCounter
    from hocket.learn.head_versions import HeadVersion as HeadVersion
    from hocket.learn.head_versions import HeadVersions as HeadVersions
    from hocket.learn.learners.options import InLoop as InLoop
    from hocket.learn.learners.options import Learners as Learners
    from hocket.learn.learners.options import ParallelBatch as ParallelBatch
    from hocket.learn.learners.options import RoundRobin as RoundRobin
    from hocket.learn.policy import LearnedPolicy as LearnedPolicy
    from hocket.learn.policy import greedy_policy as greedy_policy
    from hocket.learn.replay.assembly import Batch as Batch
    from hocket.learn.replay.collector import Collector as Collector
    from hocket.learn.replay.replay import Replay as Replay
    from hocket.learn.replay.reward_scaling import RewardScaling as RewardScaling
    from hocket.learn.replay.transitions import Decided as Decided
    from hocket.learn.replay.transitions import Transition as Transition
    from hocket.learn.replay.transitions import TransitionBuilder as TransitionBuilder
else:
    __all__, __getattr__, __dir__ = exports(__name__)
