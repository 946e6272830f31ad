"""Decompositions of small symmetric matrices that also succeed if LAPACK's fastest algorithm does not converge."""

from __future__ import annotations

import scipy.linalg
import torch

__all__ = ["eigh"]


def eigh(M: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the eigenvalues (n,), ascending, and eigenvectors (n, n) of a symmetric matrix (n, n).

    Divide and conquer fails on some matrices with many equal eigenvalues. QR iterations are several times slower, and
    converge in float64.
    """
    try:
        values, vectors = torch.linalg.eigh(M)
    except torch.linalg.LinAlgError:
        if not bool(torch.isfinite(M).all()):
            raise
        values, vectors = map(torch.from_numpy, scipy.linalg.eigh(M.detach().cpu().double().numpy(), driver="ev"))
    return values.to(M), vectors.to(M)
