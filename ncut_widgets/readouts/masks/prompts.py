"""The prompts of a mask, checked and taken to eigenvectors, and the specks that it is rid of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from ncut_widgets._validation import Like, check_features, to_tensor
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["box_nodes", "box_prompts", "check_clicks", "check_eigvecs", "drop_specks"]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
# Cosines agree to about this much: a box of nothing but its surroundings is all background, or all object.
_SMALLEST_WEIGHT = 1e-12


def drop_specks(mask: np.ndarray, grid: PatchGrid, smallest: int) -> np.ndarray:
    """Return the mask (n,) without what is connected, also over corners, to fewer than `smallest` patches."""
    kept = np.empty_like(mask)
    for here, there in zip(grid.split(mask), grid.split(kept), strict=True):
        components, _ = ndimage.label(here, structure=_EIGHT_NEIGHBOURS)
        there[:] = here & (np.bincount(components.ravel()) >= smallest)[components]
    return kept


def box_prompts(rows: torch.Tensor, boxes: Any, name: str, grid: PatchGrid | None, source: str | None) -> torch.Tensor:
    """Return the prompts (p, k) of boxes (image, x0, y0, x1, y1) in pixels.

    Each is the mean direction of the nodes inside, weighted by the square of how little they are like the mean
    direction of the ring around the box, half as wide as the box on each side. What lies in the box but goes on
    outside, the background, so counts little.
    """
    array = np.asarray(boxes)
    if array.size == 0:
        return rows[:0]
    if grid is None:
        raise ValueError(f"`grid` is needed with `{name}` of flat nodes. Pass the grid of the features.")
    return torch.stack([_box_prompt(rows, grid, box, source)[0] for box in _check_boxes(array, name, grid)])


def box_nodes(rows: torch.Tensor, boxes: Any, name: str, grid: PatchGrid, source: str | None) -> list[int]:
    """Return for each box the node inside that is most like its prompt: what stands for it where nodes are clicked."""
    array, found = np.asarray(boxes), []
    for box in _check_boxes(array, name, grid) if array.size else ():
        prompt, inside = _box_prompt(rows, grid, box, source)
        likeness = unit_rows(rows[torch.from_numpy(inside).to(rows.device)]) @ prompt
        found.append(int(inside[int(likeness.cpu().numpy().argmax())]))
    return found


def _box_prompt(
    rows: torch.Tensor, grid: PatchGrid, box: tuple[int, float, float, float, float], source: str | None
) -> tuple[torch.Tensor, np.ndarray]:
    """Return the prompt (k,) and the nodes inside."""
    image, x0, y0, x1, y1 = box
    index = grid.find(image, source)
    m, (width, height) = grid.maps[index], grid.image_sizes[image]
    top, bottom = _centres_in(y0, y1, m.rows, height)
    left, right = _centres_in(x0, x1, m.columns, width)
    down, across = math.ceil((bottom - top) / 2), math.ceil((right - left) / 2)
    place = np.arange(m.n_nodes).reshape(m.rows, m.columns) + int(grid.offsets[index])
    inside = np.zeros(place.shape, dtype=bool)
    inside[top:bottom, left:right] = True
    ring = np.zeros_like(inside)
    ring[max(0, top - down) : bottom + down, max(0, left - across) : right + across] = True

    units, surroundings = (
        unit_rows(rows[torch.from_numpy(place[where]).to(rows.device)]) for where in (inside, ring & ~inside)
    )
    background = unit_rows(surroundings.sum(0))
    # Squared: the background inside is only nearly that of the ring, and there may be much more of it than object.
    weights = (1 - units @ background).clamp_min(0).square()
    if not bool(background.any()) or not bool((weights > _SMALLEST_WEIGHT).any()):
        return units.mean(0), place[inside]
    return weights @ units / weights.sum(), place[inside]


def _centres_in(start: float, stop: float, count: int, length: int) -> tuple[int, int]:
    """Return the half-open range of patches whose centres lie in an interval, or the one under its middle."""
    first, last = max(0, math.ceil(start * count / length - 0.5)), min(count, math.ceil(stop * count / length - 0.5))
    if first < last:
        return first, last
    middle = min(count - 1, max(0, math.floor((start + stop) / 2 * count / length)))
    return middle, middle + 1


def check_eigvecs(
    eigvecs: Any, grid: PatchGrid | None, name: str = "eigvecs"
) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
    """Return the rows (n, k), their grid, how to hand results back, and in which shape."""
    tensor, like = to_tensor(eigvecs, name)
    if tensor.ndim not in (2, 4):
        raise ValueError(
            f"`{name}` must be of shape (n, k) or (b, h, w, k); got {tuple(tensor.shape)}. Reshape your data, or give "
            f"a single image a leading axis, `{name}[None]`."
        )
    shape = tuple(tensor.shape[:-1])
    flat = tensor.reshape(math.prod(shape), tensor.shape[-1]).detach()
    rows = check_features(flat, name)[0]
    if len(shape) == 3:
        if grid is not None:
            raise ValueError(
                f"`grid` must be None for `{name}` of shape (b, h, w, k); got one of {grid.n_nodes} nodes. "
                "Drop it, or pass flat eigenvectors (n, k)."
            )
        b, h, w = shape
        return rows, PatchGrid([(w, h)] * b, [PatchMap(i, h, w) for i in range(b)]), like, shape
    if grid is not None and grid.n_nodes != len(rows):
        raise ValueError(
            f"`grid` must have as many nodes as `{name}`, {len(rows)}; got {grid.n_nodes}. Pass the grid of the same "
            "features."
        )
    return rows, grid, like, shape


def check_clicks(clicks: Any, name: str, n: int, grid: PatchGrid | None) -> np.ndarray:
    """Return the nodes of clicks: numbers below `n` or, with a `grid`, (image, row, column) in it."""
    array = np.asarray(clicks)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"`{name}` must hold integers; got {array.dtype}. Convert pixels to nodes with `PatchGrid.node_at`."
        )
    if grid is not None:
        if array.ndim != 2 or array.shape[1] != 3:
            raise ValueError(
                f"`{name}` must be a list of (image, row, column) for `eigvecs` of shape (b, h, w, k); got an array of "
                f"shape {array.shape}. Put a single click into a list."
            )
        top = (grid.n_images, grid.maps[0].rows, grid.maps[0].columns)
        outside = ((array < 0) | (array >= top)).any(1)
        if outside.any():
            raise ValueError(
                f"`{name}` must lie within {top} (images, rows, columns); got {tuple(array[outside][0].tolist())}. "
                "Indices count from 0."
            )
        return np.ravel_multi_index(tuple(array.T), top).astype(np.int64)
    if array.ndim != 1:
        raise ValueError(
            f"`{name}` must be a list of nodes, as there is one row per node; got an array of shape {array.shape}. "
            "Convert image, row and column to a node with `PatchGrid.node`."
        )
    outside = (array < 0) | (array >= n)
    if outside.any():
        raise ValueError(f"`{name}` must lie in 0 to {n - 1}; got {array[outside][0]}. Pass numbers of nodes.")
    return array.astype(np.int64)


def _check_boxes(array: np.ndarray, name: str, grid: PatchGrid) -> list[tuple[int, float, float, float, float]]:
    """Return boxes (image, x0, y0, x1, y1) that lie within their images."""
    if array.dtype.kind not in "iuf":
        raise TypeError(f"`{name}` must hold numbers; got {array.dtype}. Pass (image, x0, y0, x1, y1).")
    if array.ndim != 2 or array.shape[1] != 5:
        raise ValueError(
            f"`{name}` must be a list of (image, x0, y0, x1, y1); got an array of shape {array.shape}. "
            "Put a single box into a list."
        )
    found = []
    for image, x0, y0, x1, y1 in array.astype(np.float64).tolist():
        if image not in range(grid.n_images):
            raise ValueError(f"`{name}` must name images 0 to {grid.n_images - 1}; got {image:g}. Count from 0.")
        width, height = grid.image_sizes[int(image)]
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(
                f"`{name}` must have x0 < x1 and y0 < y1 within the {width} x {height} pixels of image {image:g}; got "
                f"({x0:g}, {y0:g}, {x1:g}, {y1:g}). Order the corners, and cut the box at the edge."
            )
        found.append((int(image), x0, y0, x1, y1))
    return found
