"""Rows of eigenvectors as directions: the geometry that colours, clusters and heatmaps share."""

from __future__ import annotations

import numpy as np
import torch

from ncut_widgets._threads import one_blas_thread

__all__ = ["farthest_points", "unit_rows"]


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Return rows (..., k) scaled to length one; a zero row stays zero, so it is similar to nothing."""
    # Divided by its largest entry first, so that tiny rows neither underflow nor lose their direction.
    largest = rows.detach().abs().amax(-1, keepdim=True)
    rows = rows / torch.where(largest > 0, largest, torch.ones_like(largest))
    length = rows.norm(dim=-1, keepdim=True)
    return rows / torch.where(length > 0, length, torch.ones_like(length))


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
