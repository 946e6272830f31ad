"""Procrustes alignment of a new embedding with the previous one, so that a refit keeps positions and colors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["check_nodes", "procrustes"]


def check_nodes(values: Any, name: str, n: int) -> torch.Tensor:
    """Return node indices as an int64 tensor, checked to be in 0 to n - 1."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and len(array)):
        raise TypeError(
            f"`{name}` must be a 1D array of integers; got shape {array.shape}, dtype {array.dtype}. Pass node indices."
        )
    if len(array) and (array.min() < 0 or array.max() >= n):
        raise ValueError(
            f"`{name}` must be in 0 to {n - 1}; got {array.min()} to {array.max()}. Pass nodes of that fit."
        )
    return torch.from_numpy(array.astype(np.int64))


def procrustes(
    moving: torch.Tensor, fixed: torch.Tensor, *, about_origin: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Align the `moving` points (s, 3) with the `fixed` ones; return (matrix, shift) of x @ matrix + shift.

    The transform is a rotation or reflection with a uniform scale and a shift. With `about_origin`, for points on a
    sphere, it has no scale and no shift.
    """
    a, b = moving.double(), fixed.double()
    if about_origin:
        left, _, right = torch.linalg.svd(a.T @ b)
        return (left @ right).to(moving.dtype), moving.new_zeros(3)
    a_mean, b_mean = a.mean(0), b.mean(0)
    a, b = a - a_mean, b - b_mean
    left, _, right = torch.linalg.svd(a.T @ b)
    # Scale to the size of the fixed points. A least squares scale would shrink the embedding with every refit.
    a_size, b_size = a.norm(), b.norm()
    scale = torch.where((a_size > 0) & (b_size > 0), b_size / a_size.clamp_min(1e-300), torch.ones_like(a_size))
    matrix = scale * (left @ right)
    return matrix.to(moving.dtype), (b_mean - a_mean @ matrix).to(moving.dtype)
