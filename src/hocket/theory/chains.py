"""The long run of a finite chain with rewards: gain and bias, however many classes it has and however it cycles.

Source: Puterman 1994, section 8.2 and appendix A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hocket.errors import NotSolvedError
from hocket.theory.amdp import Array

DIRECT = 600
"""States with several successors up to which elimination is quick; those with one hardly fill anything in."""
RESIDUAL = 1e-13
GIVE_UP = 6


def gain_and_bias(chain: Any, rewards: Array) -> tuple[Array, Array]:
    """The average reward a step from each state (gain), and the total excess over it on the way (bias).

    g = P g and g + h = r + P h, with h = 0 in the first state of each recurrent class.

    Args:
        chain: sparse CSR, ``[X, X]``.
        rewards: ``[X]``.

    Raises:
        NotSolvedError: if the linear equations resist.
    """
    from scipy import sparse

    size = len(rewards)
    labels, recurrent = _classes(chain)
    gain, bias = np.zeros(size), np.zeros(size)
    inside = np.flatnonzero(recurrent)
    _, first, members = np.unique(labels[inside], return_index=True, return_inverse=True)
    # With h(ref) added to each equation of a class, h(ref) comes out as its gain.
    anchor = sparse.csr_array((np.ones(len(inside)), (np.arange(len(inside)), first[members])), [len(inside)] * 2)
    kept = chain[inside][:, inside]
    relative = solve(sparse.eye_array(len(inside)) - kept + anchor, rewards[inside], branching=_branching(kept))
    gain[inside] = relative[first][members]
    bias[inside] = relative - gain[inside]
    if len(inside) < size:
        outside = np.flatnonzero(~recurrent)
        into = chain[outside][:, inside]
        staying = chain[outside][:, outside]
        system, branching = sparse.eye_array(len(outside)) - staying, _branching(staying)
        gains = gain[inside]
        if np.ptp(gains) == 0:
            gain[outside] = gains[0]
        else:
            gain[outside] = np.clip(solve(system, into @ gains, branching=branching), gains.min(), gains.max())
        bias[outside] = solve(system, rewards[outside] - gain[outside] + into @ bias[inside], branching=branching)
    return gain, bias


def discounted_values(chain: Any, rewards: Array, discount: float) -> Array:
    """v = r + γ P v: the discounted sum of rewards from each state.

    Raises:
        NotSolvedError: if the linear equations resist.
    """
    from scipy import sparse

    return solve(sparse.eye_array(len(rewards)) - discount * chain, rewards, branching=_branching(chain))


def _branching(chain: Any) -> int:
    """The number of states with more than one successor."""
    return int((np.diff(chain.indptr) > 1).sum())


def _classes(chain: Any) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The class of each state, and whether it is recurrent."""
    from scipy.sparse import csgraph

    count, labels = csgraph.connected_components(chain, directed=True, connection="strong")
    rows = np.repeat(np.arange(len(labels)), np.diff(chain.indptr))
    leaves = labels[rows] != labels[chain.indices]
    closed = np.ones(count, bool)
    closed[labels[rows[leaves]]] = False
    return labels, closed[labels]


def solve(system: Any, right: Array, *, branching: int) -> Array:
    """x with ``system`` x = ``right``: by elimination where that is cheap, else iteratively, refined to the end.

    Args:
        branching: states of the chain behind it that have more than one successor.

    Raises:
        NotSolvedError: if the residual stays above 1e-13 of what cancels in it.
    """
    from scipy import sparse
    from scipy.sparse.linalg import LinearOperator, gmres, spilu, splu

    system = sparse.csc_array(system)
    size = len(right)
    if branching <= DIRECT:
        factors = splu(system)
        solution = factors.solve(right)
        return np.asarray(solution + factors.solve(right - system @ solution))
    system = sparse.csr_array(system)
    aim = max(float(np.abs(right).max()), 1e-300)
    for preconditioned in (False, True):
        inverse = None
        if preconditioned:
            try:
                factors = spilu(sparse.csc_array(system), drop_tol=1e-4, fill_factor=8)
            except RuntimeError:
                break  # singular on the way: no help to be had
            inverse = LinearOperator((size, size), factors.solve)
        solution = np.zeros(size)
        left = right
        for _ in range(GIVE_UP):
            step, _ = gmres(system, left, rtol=1e-9, atol=0.0, restart=80, maxiter=3, M=inverse)
            solution = solution + step
            before, left = np.abs(left).max(), right - system @ solution
            if np.abs(left).max() <= RESIDUAL * (aim + np.abs(solution).max()):
                return np.asarray(solution)
            if np.abs(left).max() > 0.5 * before:
                break
    raise NotSolvedError(
        f"the {size:,} linear equations of a policy's long run do not converge (residual "
        f"{np.abs(left).max():.1e}); try a smaller model, or one that mixes faster"
    )
