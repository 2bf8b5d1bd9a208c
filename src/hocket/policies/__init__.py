"""Policies: what maps an observation to actions. Importing this does not import torch."""

from hocket.policies.base import FunctionPolicy, Policy, PolicyFactory, Stages, TwoStage
from hocket.policies.charged import Charged
from hocket.policies.torch_policy import TorchPolicy, continuous, greedy

__all__ = [
    "Charged",
    "FunctionPolicy",
    "Policy",
    "PolicyFactory",
    "Stages",
    "TorchPolicy",
    "TwoStage",
    "continuous",
    "greedy",
]
