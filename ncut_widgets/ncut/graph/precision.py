"""The eigenvalues that float32 and float64 resolve."""

from __future__ import annotations

import torch

__all__ = ["EXACT_FLOOR", "LOW_RANK_CUT", "LOW_RANK_FLOOR", "UnresolvedError", "is_zero", "safe_reciprocal"]

# Without the directions of W whose eigenvalues are below t, the error of A is t. The rounding error of C^T C causes an
# error of the eigenvalues of eps / (60 t) (6000 nodes, 512 landmarks). Both are relative to the largest eigenvalue, and
# their sum is smallest near these cuts.
LOW_RANK_CUT = {torch.float32: 1e-5, torch.float64: 2e-9}
# Fifty times that sum. The eigenvectors of smaller eigenvalues may be noise.
LOW_RANK_FLOOR = {torch.float32: 5e-3, torch.float64: 1e-7}
# In float32, the rounding error of M is 1e-7. Larger eigenvalues are resolved if they differ by 1 %.
EXACT_FLOOR = 2e-3


class UnresolvedError(Exception):
    """Eigenvalues are too small for the precision of the kernel. `Ncut` then solves again in float64."""


def is_zero(values: torch.Tensor) -> torch.Tensor:
    """Return which eigenvalues are 0 within rounding. Their eigenvectors are arbitrary and cannot be extended."""
    return values.abs() < 1e2 * torch.finfo(values.dtype).eps


def safe_reciprocal(values: torch.Tensor) -> torch.Tensor:
    """Return 1 / values, or 0 for values that are 0 within rounding."""
    return torch.where(is_zero(values), 0.0, 1 / torch.where(is_zero(values), 1.0, values))
