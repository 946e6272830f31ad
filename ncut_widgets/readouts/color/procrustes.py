"""Turning a new embedding onto the last one, so that a refit does not reshuffle what has been learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["check_nodes", "procrustes"]


def check_nodes(values: Any, name: str, n: int) -> torch.Tensor:
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and len(array)):
        raise TypeError(
            f"`{name}` must be a 1D array of integers; got shape {array.shape} of {array.dtype}. Pass node indices."
        )
    if len(array) and (array.min() < 0 or array.max() >= n):
        raise ValueError(
            f"`{name}` must lie in 0 to {n - 1}; got {array.min()} to {array.max()}. Pass nodes of that fit."
        )
    return torch.from_numpy(array.astype(np.int64))


def procrustes(
    moving: torch.Tensor, fixed: torch.Tensor, *, about_origin: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """The similarity, as x @ turn + shift, that brings the `moving` points (s, 3) closest to the `fixed` ones.

    Where the origin has a meaning, as the centre of a sphere has, it stays where it is and sizes stay as they are.
    """
    a, b = moving.double(), fixed.double()
    if about_origin:
        left, _, right = torch.linalg.svd(a.T @ b)
        return (left @ right).to(moving.dtype), moving.new_zeros(3)
    a_mean, b_mean = a.mean(0), b.mean(0)
    a, b = a - a_mean, b - b_mean
    left, _, right = torch.linalg.svd(a.T @ b)
    # Scaled to the old size, not by least squares, which would shrink a little with every refit.
    a_size, b_size = a.norm(), b.norm()
    scale = torch.where((a_size > 0) & (b_size > 0), b_size / a_size.clamp_min(1e-300), torch.ones_like(a_size))
    turn = scale * (left @ right)
    return turn.to(moving.dtype), (b_mean - a_mean @ turn).to(moving.dtype)
