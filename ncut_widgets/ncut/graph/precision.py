"""Which eigenvalues the arithmetic resolves, and the request for a better one."""

from __future__ import annotations

import torch

__all__ = ["EXACT_FLOOR", "LOW_RANK_CUT", "LOW_RANK_FLOOR", "UnresolvedError", "is_zero", "safe_reciprocal"]

# Leaving out the directions of W whose eigenvalues are below t makes A wrong by t, and the rounding of C^T C enters the
# eigenvalues as eps / (60 t) (6000 nodes, 512 landmarks), both relative to the largest eigenvalue. The sum is smallest
# near these cuts.
LOW_RANK_CUT = {torch.float32: 1e-5, torch.float64: 2e-9}
# Fifty times that sum. Eigenvectors of smaller eigenvalues may be noise.
LOW_RANK_FLOOR = {torch.float32: 5e-3, torch.float64: 1e-7}
# In float32, the rounding of M is 1e-7. From here on, eigenvalues that are 1 % apart are told apart.
EXACT_FLOOR = 2e-3


class UnresolvedError(Exception):
    """The eigenvalues are too small for the precision of the affinity. `Ncut` solves again with `in_float64`."""


def is_zero(values: torch.Tensor) -> torch.Tensor:
    """Return which eigenvalues are zero up to rounding: such vectors are arbitrary and live on the nodes given only."""
    return values.abs() < 1e2 * torch.finfo(values.dtype).eps


def safe_reciprocal(values: torch.Tensor) -> torch.Tensor:
    """Return 1 / values, and 0 where these vanish."""
    return torch.where(is_zero(values), 0.0, 1 / torch.where(is_zero(values), 1.0, values))
