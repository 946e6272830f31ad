"""Unit rows of an embedding, for comparisons by cosine in all readouts."""

from __future__ import annotations

import torch

__all__ = ["unit_rows"]


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Return rows (..., k) scaled to unit length. A zero row stays zero, so that its cosine with any row is 0."""
    # Divide by the largest entry first, because the squares of tiny entries would underflow.
    largest = rows.detach().abs().amax(-1, keepdim=True)
    rows = rows / torch.where(largest > 0, largest, torch.ones_like(largest))
    length = rows.norm(dim=-1, keepdim=True)
    return rows / torch.where(length > 0, length, torch.ones_like(length))
