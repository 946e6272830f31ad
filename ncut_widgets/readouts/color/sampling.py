"""Farthest-point sampling of the nodes to lay out.

`ncut.sampling.farthest_nodes` draws landmarks by the same rule. It starts at a random node, returns sorted indices and
works on the device of the features. Here the start is fixed and the order matters, and numpy takes a fifth of the time
for 800 of 2400 rows.
"""

from __future__ import annotations

import numpy as np

from ncut_widgets._threads import one_blas_thread

__all__ = ["farthest_points"]


@one_blas_thread
def farthest_points(rows: np.ndarray, n_points: int) -> np.ndarray:
    """Return the indices of `n_points` rows, starting with row 0, each the farthest from all previous ones."""
    sampled = np.zeros(n_points, dtype=np.int64)
    squared_norms = np.square(rows).sum(1)
    squared_distances = np.full(len(rows), np.inf, dtype=rows.dtype)
    for i in range(1, n_points):
        last = sampled[i - 1]
        to_last = squared_norms + squared_norms[last] - 2 * (rows @ rows[last])
        np.minimum(squared_distances, to_last, out=squared_distances)
        squared_distances[last] = -1
        sampled[i] = squared_distances.argmax()
    return sampled
