"""Places that several sources see, and what each of them sees there."""

from __future__ import annotations

import math

import numpy as np
import torch

from ncut_widgets.grid import PatchGrid

__all__ = ["means_within", "spread_places"]


def spread_places(grids: list[PatchGrid], images: list[int], n_anchors: int, rng: np.random.Generator) -> np.ndarray:
    """(m, 5): image, x0, y0, x1, y1 of patches of the coarsest source, spread evenly over those of all images."""
    boxes = []
    for image in images:
        coarsest = min((grid.maps[grid.find(image)] for grid in grids), key=lambda m: m.n_nodes)
        width, height = grids[0].image_sizes[image]
        row, column = np.divmod(np.arange(coarsest.n_nodes), coarsest.columns)
        edges = np.stack([column, row, column + 1, row + 1], axis=1) * np.tile(
            [width / coarsest.columns, height / coarsest.rows], 2
        )
        along = np.argsort(_along_curve(row, column))
        boxes.append(np.concatenate([np.full((len(row), 1), image), edges], axis=1)[along])
    patches = np.concatenate(boxes)
    count = min(n_anchors, len(patches))
    # At equal steps along a curve that fills each image: near in the plane are those that are near on it.
    return patches[((np.arange(count) + rng.random()) * len(patches) / count).astype(np.int64)]


def _along_curve(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The place of each patch along Morton's curve: the bits of row and column in turns."""
    place = np.zeros(row.shape, dtype=np.int64)
    for bit in range(16):
        place |= ((row >> bit) & 1) << (2 * bit + 1) | ((column >> bit) & 1) << (2 * bit)
    return place


def means_within(grid: PatchGrid, maps: list[torch.Tensor], boxes: np.ndarray) -> torch.Tensor:
    """(m, c): the mean feature within each box, patches on its edge counting by the part within."""
    means = []
    for image, x0, y0, x1, y1 in boxes.tolist():
        patches = maps[grid.find(int(image))]
        width, height = grid.image_sizes[int(image)]
        rows, by_row = _overlap(y0 / height, y1 / height, patches.shape[0])
        columns, by_column = _overlap(x0 / width, x1 / width, patches.shape[1])
        share = torch.outer(by_row, by_column).to(patches)
        means.append((patches[rows, columns] * share[..., None]).sum((0, 1)) / share.sum())
    return torch.stack(means)


def _overlap(start: float, stop: float, n: int) -> tuple[slice, torch.Tensor]:
    """Which of n equal cells an interval of [0, 1] touches, and how much of each."""
    # Boxes of the very same cells may miss their edges by a rounding error.
    first, last = math.floor(start * n + 1e-6), min(n, math.ceil(stop * n - 1e-6))
    cells = torch.arange(first, last, dtype=torch.float64)
    return slice(first, last), (cells + 1).clamp_max(stop * n) - cells.clamp_min(start * n)
