"""Farthest-point sampling of the nodes to lay out."""

from __future__ import annotations

import numpy as np

from ncut_widgets._threads import one_blas_thread

__all__ = ["farthest_points"]


@one_blas_thread
def farthest_points(rows: np.ndarray, n_points: int) -> np.ndarray:
    """Return the indices of `n_points` rows, each the farthest from all before it, beginning with the first."""
    picked = np.zeros(n_points, dtype=np.int64)
    squared = np.square(rows).sum(1)
    nearest = np.full(len(rows), np.inf, dtype=rows.dtype)
    for i in range(1, n_points):
        last = picked[i - 1]
        np.minimum(nearest, squared + squared[last] - 2 * (rows @ rows[last]), out=nearest)
        nearest[last] = -1
        picked[i] = nearest.argmax()
    return picked
