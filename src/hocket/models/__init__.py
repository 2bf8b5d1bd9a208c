"""Networks as policies. Importing this does not import torch; ``hocket.models.impala`` does."""

from hocket.models.torch_policy import TorchPolicy, continuous, greedy

__all__ = ["TorchPolicy", "continuous", "greedy"]
