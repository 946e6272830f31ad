"""Exact, dense t-SNE of a small sample in three dimensions.

Barnes-Hut trees pay off for tens of thousands of points in two dimensions. For a thousand points in three dimensions,
dense matrix arithmetic takes about one second, and scikit-learn's tree ten or more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ncut_widgets._threads import one_blas_thread

__all__ = ["TSNE_STEPS", "tsne_layout"]

_EXAGGERATION = 4.0
_EXAGGERATED_STEPS = 100
_FINAL_STEPS = 200
TSNE_STEPS = _EXAGGERATED_STEPS + _FINAL_STEPS
_ENTROPY_TOLERANCE = 1e-4


@one_blas_thread
def tsne_layout(rows: np.ndarray, start: np.ndarray, *, perplexity: float, on_step: Callable[[], object]) -> np.ndarray:
    """Return coordinates (m, 3) whose Student-t neighborhoods match the Gaussian neighborhoods of `rows` (m, k).

    Minimizes KL(P | Q), with q_ij proportional to 1 / (1 + |y_i - y_j|^2), by gradient descent from `start` (m, 3)
    with momentum, per-coordinate gains, and early exaggeration by a factor of 4. `on_step` is called before each step.

    O(m^2) time for each of 300 steps, O(m^2) memory. Deterministic.

    References
    ----------
    van der Maaten, Hinton. Visualizing Data using t-SNE. JMLR 2008.
    """
    return _descend(_joint_probabilities(rows, perplexity), start, on_step)


def _joint_probabilities(rows: np.ndarray, perplexity: float) -> np.ndarray:
    """Return the symmetric neighbor probabilities (m, m) in float32, with bandwidths found by bisection."""
    rows = rows.astype(np.float64)
    squared = np.square(rows).sum(1)
    distance = np.maximum(squared[:, None] + squared - 2 * rows @ rows.T, 0)
    np.fill_diagonal(distance, np.inf)
    distance -= distance.min(1, keepdims=True)
    m = len(rows)
    scale = np.partition(distance, min(int(perplexity), m - 2), axis=1)[:, min(int(perplexity), m - 2)]
    # If all neighbors of a node coincide, any bandwidth will do.
    precision = 1 / np.where(scale > 0, scale, 1.0)
    low, high = np.zeros(m), np.full(m, np.inf)
    off_diagonal = np.where(np.isinf(distance), 0.0, distance).astype(np.float32)
    p = np.empty_like(off_diagonal)
    for _ in range(50):
        np.multiply(off_diagonal, -precision[:, None].astype(np.float32), out=p)
        np.exp(p, out=p)
        np.fill_diagonal(p, 0)
        total = p.sum(1, dtype=np.float64)
        # H = log(total) + precision * E[distance] avoids the logarithm of every entry.
        entropy = np.log(total) + precision * np.einsum("ij,ij->i", p, off_diagonal) / total
        excess = entropy - np.log(perplexity)
        if np.abs(excess).max() < _ENTROPY_TOLERANCE:
            break
        low, high = np.where(excess > 0, precision, low), np.where(excess > 0, high, precision)
        precision = np.where(np.isinf(high), precision * 2, (low + high) / 2)
        precision = np.minimum(precision, 1e30)
    p /= total[:, None].astype(np.float32)
    p += p.T.copy()
    return p / p.sum()


def _descend(p: np.ndarray, start: np.ndarray, on_step: Callable[[], object]) -> np.ndarray:
    m = len(p)
    y = np.asarray(start, dtype=np.float32)
    rate = max(m / _EXAGGERATION / 4, 50.0)
    velocity, gains = np.zeros_like(y), np.ones_like(y)
    affinity, weight = np.empty((m, m), np.float32), np.empty((m, m), np.float32)
    left, right, homogeneous = (np.ones((m, d), np.float32) for d in (5, 5, 4))
    for step in range(TSNE_STEPS):
        on_step()
        exaggerated = step < _EXAGGERATED_STEPS
        # One matrix product gives 1 + |y_i - y_j|^2 and another the gradient, to keep passes over (m, m) arrays few.
        squared = np.square(y).sum(1)
        left[:, :3], left[:, 3] = -2 * y, squared + 1
        right[:, :3], right[:, 4] = y, squared
        np.matmul(left, right.T, out=affinity)
        np.maximum(affinity, 1, out=affinity)
        np.reciprocal(affinity, out=affinity)
        np.fill_diagonal(affinity, 0)
        np.multiply(affinity, -1 / (affinity.sum() * (_EXAGGERATION if exaggerated else 1)), out=weight)
        weight += p
        weight *= affinity
        homogeneous[:, :3] = y
        force = weight @ homogeneous
        gradient = (4 * _EXAGGERATION if exaggerated else 4) * (force[:, 3:] * y - force[:, :3])
        gains = np.where(velocity * gradient < 0, gains + 0.2, np.maximum(gains * 0.8, 0.01))
        velocity = (0.5 if exaggerated else 0.8) * velocity - rate * gains * gradient
        y = y + velocity
    return y
