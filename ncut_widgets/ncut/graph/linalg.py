"""Linear algebra of small symmetric matrices."""

from __future__ import annotations

import scipy.linalg
import torch

__all__ = ["eigh", "whitening"]


def eigh(M: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the eigenvalues (n,), ascending, and eigenvectors (n, n) of a symmetric matrix (n, n).

    LAPACK's divide-and-conquer algorithm does not converge for some matrices with many equal eigenvalues. QR iterations
    in float64 then replace it. They converge, but are several times slower.
    """
    try:
        values, vectors = torch.linalg.eigh(M)
    except torch.linalg.LinAlgError:
        if not bool(torch.isfinite(M).all()):
            raise
        values, vectors = map(torch.from_numpy, scipy.linalg.eigh(M.detach().cpu().double().numpy(), driver="ev"))
    return values.to(M), vectors.to(M)


def whitening(inner: torch.Tensor) -> torch.Tensor:
    """Return the upper triangular T with T^T inner T = 1: Gram-Schmidt in the order of the columns."""
    factor = torch.linalg.cholesky(inner)
    eye = torch.eye(len(inner), dtype=inner.dtype)
    return torch.linalg.solve_triangular(factor, eye, upper=False).T.contiguous()
