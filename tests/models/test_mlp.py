import subprocess
import sys

import numpy as np
import pytest
import torch

from hocket.errors import ConfigurationError
from hocket.models.mlp import Mlp, between


def test_shapes_and_size():
    network = Mlp(12, 3, hidden=8)
    assert network(torch.zeros(5, 3, 4)).shape == (5, 3)
    assert sum(p.numel() for p in network.parameters()) == (12 + 1) * 8 + (8 + 1) * 8 + (8 + 1) * 3


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float64, torch.float32])
def test_takes_any_numbers(dtype):
    assert Mlp(4, 2)(torch.ones(1, 4, dtype=dtype)).dtype == torch.float32


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, -3)])
def test_sizes_are_positive(sizes):
    with pytest.raises(ConfigurationError, match="must all be at least 1"):
        Mlp(*sizes)


def test_between_squashes_into_the_box():
    low, high = np.array([[-2.0, 0.0]]), np.array([[2.0, 1.0]])
    decide = between(low, high)
    assert decide(torch.tensor([0.0, 0.0])).tolist() == [[0.0, 0.5]]
    assert decide(torch.tensor([1e9, -1e9])).tolist() == [[2.0, 0.0]]
    assert decide(torch.tensor([0.0, 0.0], dtype=torch.bfloat16)).shape == (1, 2)


def test_between_never_leaves_a_box_through_rounding():
    rng = np.random.default_rng(0)
    low = rng.uniform(-1, 0, 1000).astype(np.float32)
    high = rng.uniform(0, 1, 1000).astype(np.float32)
    action = between(low, high)(torch.full((1000,), 1e9))
    assert (low + (high - low) > high).any()  # which would have been refused
    assert (action <= high).all() and (action >= low).all()


def test_without_torch_the_error_names_the_extra():
    code = "import sys; sys.modules['torch'] = None\nfrom hocket.models.mlp import Mlp"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "MissingExtraError" in done.stderr and "hocket[train]" in done.stderr
