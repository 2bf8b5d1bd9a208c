import numpy as np
import pytest
from scipy import sparse

from hocket.errors import NotSolvedError
from hocket.theory.chains import gain_and_bias, solve


def long_run(chain, rewards):
    """By averaging 2^20 steps, doubled up; works for cycles too."""
    total, power, length = np.array(rewards, float), np.array(chain, float), 1
    while length < 2**20:
        total = total + power @ total
        power = power @ power
        length *= 2
    return total / length


CHAINS = {
    "one class": [[0.5, 0.5, 0], [0.2, 0.3, 0.5], [1, 0, 0]],
    "a cycle": [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    "two classes and a state that leads to both": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0.1, 0.2, 0.3, 0.4]],
    "nothing moves": np.eye(3),
    "transient states in a row": [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]],
}


@pytest.mark.parametrize("name", CHAINS)
def test_gain_and_bias(name):
    chain = np.array(CHAINS[name], float)
    rewards = np.arange(1.0, len(chain) + 1) ** 2
    gain, bias = gain_and_bias(sparse.csr_array(chain), rewards)
    assert gain == pytest.approx(long_run(chain, rewards), abs=1e-4)
    assert chain @ gain == pytest.approx(gain, abs=1e-12)
    assert rewards + chain @ bias == pytest.approx(gain + bias, abs=1e-12)


def test_gambling_between_two_classes():
    # From 2: to 0 with 0.1 and to 1 with 0.3 before staying; so 1/4 and 3/4 in the end.
    chain = np.array([[1, 0, 0], [0, 1, 0], [0.1, 0.3, 0.6]])
    gain, _ = gain_and_bias(sparse.csr_array(chain), np.array([8.0, 4, 100]))
    assert gain == pytest.approx([8, 4, 5])


@pytest.mark.parametrize("kind", ["dense", "slow", "cycle"])
def test_large_systems_are_solved_to_the_end(kind):
    size, rng = 3000, np.random.default_rng(0)
    if kind == "cycle":
        chain = sparse.csr_array((np.ones(size), (np.arange(size), (np.arange(size) + 1) % size)))
    else:
        columns = rng.integers(0, size, (size, 8))
        rows = np.repeat(np.arange(size), 8)
        chain = sparse.csr_array((np.full(8 * size, 1 / 8), (rows, columns.ravel())), (size, size))
        if kind == "slow":
            chain = sparse.csr_array(0.9999 * sparse.eye_array(size) + 0.0001 * chain)
    rewards = rng.uniform(size=size)
    gain, bias = gain_and_bias(chain, rewards)
    assert np.ptp(gain) == 0
    assert np.abs(rewards + chain @ bias - gain - bias).max() <= 1e-11 * (1 + np.abs(bias).max())


def test_divergence_is_refused_by_name():
    # A line of 5,000 states, three wide, whose two ends differ by 2^5000: beyond any float.
    size = 5000
    diagonals = [np.full(size - 1, -2.0), np.ones(size), np.full(size - 1, -2.0), np.full(size - 2, 0.1)]
    system = sparse.diags_array(diagonals, offsets=[-1, 0, 1, 2])
    with pytest.raises(NotSolvedError, match="5,000 linear equations"):
        solve(system, np.ones(size), branching=size)
