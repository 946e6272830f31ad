"""Directions of embedding rows, used by all readouts."""

from __future__ import annotations

import torch

__all__ = ["unit_rows"]


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Return rows (..., k) scaled to length one; a zero row stays zero, so it is similar to nothing."""
    # Divided by its largest entry first, so that tiny rows neither underflow nor lose their direction.
    largest = rows.detach().abs().amax(-1, keepdim=True)
    rows = rows / torch.where(largest > 0, largest, torch.ones_like(largest))
    length = rows.norm(dim=-1, keepdim=True)
    return rows / torch.where(length > 0, length, torch.ones_like(length))
