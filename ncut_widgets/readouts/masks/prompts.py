"""Validate clicks and boxes, convert them to prompt eigenvectors, and drop small components of masks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from ncut_widgets._validation import Like, check_features, to_tensor
from ncut_widgets.grid import PatchGrid, PatchMap
from ncut_widgets.readouts._directions import unit_rows

__all__ = ["box_nodes", "box_prompts", "check_clicks", "check_eigenvectors", "drop_specks"]

_EIGHT_NEIGHBORS = np.ones((3, 3), dtype=bool)
# Rounding error of the weights. If none is larger, the box cannot be told from its surroundings.
_MIN_WEIGHT = 1e-12


def drop_specks(mask: np.ndarray, grid: PatchGrid, min_area: int) -> np.ndarray:
    """Return the mask (n,) without its 8-connected components of fewer than `min_area` patches."""
    result = np.empty_like(mask)
    for image_mask, image_result in zip(grid.split(mask), grid.split(result), strict=True):
        components, _ = ndimage.label(image_mask, structure=_EIGHT_NEIGHBORS)
        image_result[:] = image_mask & (np.bincount(components.ravel()) >= min_area)[components]
    return result


def box_prompts(rows: torch.Tensor, boxes: Any, name: str, grid: PatchGrid | None, source: str | None) -> torch.Tensor:
    """Return the prompts (p, k) of boxes (image, x0, y0, x1, y1) in pixels.

    A prompt is the weighted mean direction of the nodes inside the box. The weights are squared cosine distances from
    the mean direction of a ring around the box, which adds half of the box size on each side. Background inside the
    box continues in the ring and therefore has small weights.
    """
    array = np.asarray(boxes)
    if array.size == 0:
        return rows[:0]
    if grid is None:
        raise ValueError(f"`{name}` requires `grid` if nodes are flat; got None. Pass the grid of the features.")
    return torch.stack([_box_prompt(rows, grid, box, source)[0] for box in _check_boxes(array, name, grid)])


def box_nodes(rows: torch.Tensor, boxes: Any, name: str, grid: PatchGrid, source: str | None) -> list[int]:
    """Return for each box the node inside that is most similar to its prompt, for methods that take only nodes."""
    array, nodes = np.asarray(boxes), []
    for box in _check_boxes(array, name, grid) if array.size else ():
        prompt, inside = _box_prompt(rows, grid, box, source)
        similarity = unit_rows(rows[torch.from_numpy(inside).to(rows.device)]) @ prompt
        nodes.append(int(inside[int(similarity.cpu().numpy().argmax())]))
    return nodes


def _box_prompt(
    rows: torch.Tensor, grid: PatchGrid, box: tuple[int, float, float, float, float], source: str | None
) -> tuple[torch.Tensor, np.ndarray]:
    """Return the prompt (k,) of a box and the nodes inside."""
    image, x0, y0, x1, y1 = box
    index = grid.find(image, source)
    patch_map, (width, height) = grid.maps[index], grid.image_sizes[image]
    top, bottom = _patches_in(y0, y1, patch_map.rows, height)
    left, right = _patches_in(x0, x1, patch_map.columns, width)
    margin_y, margin_x = math.ceil((bottom - top) / 2), math.ceil((right - left) / 2)
    nodes = np.arange(patch_map.n_nodes).reshape(patch_map.rows, patch_map.columns) + int(grid.offsets[index])
    inside = np.zeros(nodes.shape, dtype=bool)
    inside[top:bottom, left:right] = True
    around = np.zeros_like(inside)
    around[max(0, top - margin_y) : bottom + margin_y, max(0, left - margin_x) : right + margin_x] = True

    units, surroundings = (
        unit_rows(rows[torch.from_numpy(nodes[area]).to(rows.device)]) for area in (inside, around & ~inside)
    )
    background = unit_rows(surroundings.sum(0))
    # Squared, because the background inside differs slightly from the ring and may cover more patches than the object.
    weights = (1 - units @ background).clamp_min(0).square()
    if not bool(background.any()) or not bool((weights > _MIN_WEIGHT).any()):
        return units.mean(0), nodes[inside]
    return weights @ units / weights.sum(), nodes[inside]


def _patches_in(start: float, stop: float, count: int, length: int) -> tuple[int, int]:
    """Return the half-open range of patches with centers in an interval of pixels, or the patch at its midpoint."""
    first, last = max(0, math.ceil(start * count / length - 0.5)), min(count, math.ceil(stop * count / length - 0.5))
    if first < last:
        return first, last
    middle = min(count - 1, max(0, math.floor((start + stop) / 2 * count / length)))
    return middle, middle + 1


def check_eigenvectors(
    eigenvectors: Any, grid: PatchGrid | None, name: str
) -> tuple[torch.Tensor, PatchGrid | None, Like, tuple[int, ...]]:
    """Return eigenvectors as rows (n, k), with their grid, the caller's array type, and the leading shape."""
    tensor, like = to_tensor(eigenvectors, name)
    if tensor.ndim not in (2, 4):
        # scikit-learn's checks look for "Reshape your data".
        raise ValueError(
            f"`{name}` must be of shape (n, k) or (b, h, w, k); got {tuple(tensor.shape)}. Reshape your data, or add a "
            f"leading axis to a single image, `{name}[None]`."
        )
    shape = tuple(tensor.shape[:-1])
    flat = tensor.reshape(math.prod(shape), tensor.shape[-1]).detach()
    rows = check_features(flat, name)[0]
    if len(shape) == 3:
        if grid is not None:
            raise ValueError(
                f"`grid` must be None for `{name}` of shape (b, h, w, k); got a grid of {grid.n_nodes} nodes. "
                "Leave it out, or pass flat eigenvectors (n, k)."
            )
        b, h, w = shape
        return rows, PatchGrid([(w, h)] * b, [PatchMap(i, h, w) for i in range(b)]), like, shape
    if grid is not None and grid.n_nodes != len(rows):
        raise ValueError(
            f"`grid` must have as many nodes as `{name}`, {len(rows)}; got {grid.n_nodes}. Pass the grid of the "
            "features that these eigenvectors come from."
        )
    return rows, grid, like, shape


def check_clicks(clicks: Any, name: str, n: int, grid: PatchGrid | None) -> np.ndarray:
    """Return the nodes of clicks, which are node indices below `n` or, with a `grid`, (image, row, column)."""
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
                f"shape {array.shape}. Wrap a single click in a list."
            )
        top = (grid.n_images, grid.maps[0].rows, grid.maps[0].columns)
        outside = ((array < 0) | (array >= top)).any(1)
        if outside.any():
            raise ValueError(
                f"`{name}` must be within {top} (images, rows, columns); got {tuple(array[outside][0].tolist())}. "
                "Indices start at 0."
            )
        return np.ravel_multi_index(tuple(array.T), top).astype(np.int64)
    if array.ndim != 1:
        raise ValueError(
            f"`{name}` must be a list of nodes, because the eigenvectors are flat; got an array of shape "
            f"{array.shape}. Convert image, row and column to a node with `PatchGrid.node`."
        )
    outside = (array < 0) | (array >= n)
    if outside.any():
        raise ValueError(f"`{name}` must be in 0 to {n - 1}; got {array[outside][0]}. Pass node indices.")
    return array.astype(np.int64)


def _check_boxes(array: np.ndarray, name: str, grid: PatchGrid) -> list[tuple[int, float, float, float, float]]:
    """Return boxes (image, x0, y0, x1, y1), checked to be within their images."""
    if array.dtype.kind not in "iuf":
        raise TypeError(f"`{name}` must hold numbers; got {array.dtype}. Pass (image, x0, y0, x1, y1).")
    if array.ndim != 2 or array.shape[1] != 5:
        raise ValueError(
            f"`{name}` must be a list of (image, x0, y0, x1, y1); got an array of shape {array.shape}. "
            "Wrap a single box in a list."
        )
    boxes = []
    for image, x0, y0, x1, y1 in array.astype(np.float64).tolist():
        if image not in range(grid.n_images):
            raise ValueError(
                f"`{name}` must refer to images 0 to {grid.n_images - 1}; got {image:g}. Indices start at 0."
            )
        width, height = grid.image_sizes[int(image)]
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ValueError(
                f"`{name}` must have x0 < x1 and y0 < y1 within the {width} x {height} pixels of image {image:g}; got "
                f"({x0:g}, {y0:g}, {x1:g}, {y1:g}). Reorder the corners, or clip the box to the image."
            )
        boxes.append((int(image), x0, y0, x1, y1))
    return boxes
