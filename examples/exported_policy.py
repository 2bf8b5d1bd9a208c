"""A program of torch.export balances CartPole although each inference takes three ticks.

    python examples/exported_policy.py [--compile]

Needs: pip install 'hocket[train]', and a C++ compiler for --compile
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import gymnasium as gym
import torch
from torch import nn

import hocket


class Balance(nn.Module):
    """Pushes to the side to which the pole leans. Yours is trained."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.tensor([[0, 0.1, 1, 0.5]]))

    def forward(self, observation):
        return (observation @ self.weights.T) * torch.tensor([-1, 1])


if __name__ == "__main__":
    mode = "default" if "--compile" in sys.argv else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "balance.pt2"
        torch.export.save(torch.export.export(Balance().eval(), (torch.zeros(1, 4),)), path)
        policy = hocket.TorchPolicy(partial(torch.export.load, path), compile_mode=mode)
        clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.05))
        for rule in hocket.Sequential(), hocket.TickDispatch(workers=3):
            summary = hocket.run(gym.make("CartPole-v1"), policy, rule, clock, ticks=2000).summary()
            print(f"{type(rule).__name__:<12}  coverage {summary.coverage:.2f}, mean return {summary.return_mean:.0f}")
