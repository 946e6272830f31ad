"""Places that several sources see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncut_widgets.grid import PatchGrid

__all__ = ["spread_places"]


def spread_places(
    grids: Sequence[PatchGrid], images: Sequence[int], n_places: int, rng: np.random.Generator
) -> np.ndarray:
    """(m, 3) image, x, y: centers of patches of the coarsest grid, spread evenly over those of all the images.

    No two are the same: `m` is `n_places`, or the number of such patches where that is less.
    """
    places = []
    for image in images:
        coarsest = min((grid.maps[grid.find(image)] for grid in grids), key=lambda m: m.n_nodes)
        width, height = grids[0].image_sizes[image]
        row, column = np.divmod(np.arange(coarsest.n_nodes), coarsest.columns)
        x, y = (column + 0.5) * width / coarsest.columns, (row + 0.5) * height / coarsest.rows
        along = np.argsort(_along_curve(row, column))
        places.append(np.stack([np.full(len(x), image), x, y], axis=1)[along])
    ordered = np.concatenate(places)
    count = min(n_places, len(ordered))
    # At equal steps along a curve that fills each image: near in the plane are those that are near on it.
    return ordered[((np.arange(count) + rng.random()) * len(ordered) / count).astype(np.int64)]


def _along_curve(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The place of each patch along Morton's curve: the bits of row and column in turns."""
    place = np.zeros(row.shape, dtype=np.int64)
    for bit in range(16):
        place |= ((row >> bit) & 1) << (2 * bit + 1) | ((column >> bit) & 1) << (2 * bit)
    return place
