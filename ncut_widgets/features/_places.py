"""Anchor places: pixel positions that several sources cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncut_widgets.grid import PatchGrid

__all__ = ["spread_places"]


def spread_places(
    grids: Sequence[PatchGrid], images: Sequence[int], n_places: int, rng: np.random.Generator
) -> np.ndarray:
    """Return (m, 3) rows of image, x, y: patch centers of the coarsest grid, spread evenly over all images.

    The places are distinct: `m` is `n_places`, or the number of those patches if that is smaller.
    """
    places = []
    for image in images:
        coarsest = min((grid.maps[grid.find(image)] for grid in grids), key=lambda m: m.n_nodes)
        width, height = grids[0].image_sizes[image]
        row, column = np.divmod(np.arange(coarsest.n_nodes), coarsest.columns)
        x, y = (column + 0.5) * width / coarsest.columns, (row + 0.5) * height / coarsest.rows
        order = np.argsort(_morton_index(row, column))
        places.append(np.stack([np.full(len(x), image), x, y], axis=1)[order])
    ordered = np.concatenate(places)
    count = min(n_places, len(ordered))
    # Equal steps along a space-filling curve give places that are spread evenly over each image.
    return ordered[((np.arange(count) + rng.random()) * len(ordered) / count).astype(np.int64)]


def _morton_index(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the index of each patch along the Morton (Z-order) curve: the interleaved bits of row and column."""
    index = np.zeros(row.shape, dtype=np.int64)
    for bit in range(16):
        index |= ((row >> bit) & 1) << (2 * bit + 1) | ((column >> bit) & 1) << (2 * bit)
    return index
