"""Solves linear systems of a symmetric operator with a different shift for each right-hand side."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ncut_widgets._process import warn
from ncut_widgets.errors import DegenerateWarning
from ncut_widgets.ncut.graph.linalg import eigh
from ncut_widgets.ncut.solvers.eigensolver import MAX_CYCLES, depth_of_cycle, krylov_basis

__all__ = ["RESOLUTION", "guarded_inverse", "solve_shifted"]

# Eigenvalues closer than this count as equal, because the eigensolver does not resolve their eigenvectors.
RESOLUTION = {torch.float32: 1e-5, torch.float64: 1e-10}
# Ritz vectors that a cycle passes to the next.
_KEPT_VECTORS = 10
# Relative residual of the linear systems.
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
# After this many cycles, a full decomposition of at most this many rows takes less time.
_MAX_CYCLES_BEFORE_DENSE = 2
_MAX_DENSE_NODES = 2048


def guarded_inverse(gaps: torch.Tensor, resolution: float) -> torch.Tensor:
    """Return 1 / gaps, smoothly reduced to 0 for gaps below the resolution."""
    cubed = gaps.pow(3)
    return cubed / (cubed * gaps + resolution**4)


def solve_shifted(
    apply: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor, rhs: torch.Tensor, further: torch.Tensor
) -> torch.Tensor:
    """Return the z_k with (lambda_k - P M P) z_k = rhs_k, where P projects onto the complement of leading eigenvectors.

    Parameters
    ----------
    apply : callable
        Multiplies by P M P. The systems are positive definite.
    values : torch.Tensor of shape (k,)
        The lambda_k.
    rhs : torch.Tensor of shape (n, k)
        Right-hand sides, in the complement.
    further : torch.Tensor of shape (n, p)
        Approximately spans the eigenvectors next to the leading ones, which would slow down the iteration.

    Notes
    -----
    Block conjugate gradients in Lanczos form: the systems differ only by a shift, so one Krylov space of all right-hand
    sides and one product with M serve all systems. The gaps lambda_k - theta in this space are explicit, and directions
    whose eigenvalue coincides with lambda_k are omitted instead of divided by zero. The columns of `further` are added
    to the block, because a few more columns do not make a product slower.
    """
    n, width = rhs.shape
    resolution = RESOLUTION[rhs.dtype]
    z, residual = torch.zeros_like(rhs), rhs
    enough = rhs.norm(dim=0) * _TOLERANCE[rhs.dtype]
    for cycle in range(MAX_CYCLES if width else 0):
        block = torch.cat([further, residual], dim=1)
        # A block as wide as the matrix spans the whole space.
        if block.shape[1] >= n or (cycle >= _MAX_CYCLES_BEFORE_DENSE and n <= _MAX_DENSE_NODES):
            return _solve_dense(apply, values, rhs)
        basis, image = krylov_basis(apply, block, depth_of_cycle(cycle, n, block.shape[1]))
        small = basis.T @ image
        thetas, rotation = eigh((small + small.T) / 2)
        inverse = guarded_inverse(values - thetas[:, None], resolution)
        # Omitted directions are final, because later cycles cannot resolve them either.
        weights = rotation.T @ (basis.T @ residual)
        step = rotation @ (weights * inverse)
        z = z + basis @ step
        missed = basis @ (rotation @ (weights * (1 - inverse * (values - thetas[:, None]))))
        residual = residual - (basis @ step) * values + image @ step - missed
        if bool((residual.norm(dim=0) <= enough).all()):
            return z
        further = basis @ rotation[:, -max(_KEPT_VECTORS, further.shape[1]) :]
    if width == 0:
        return z
    warn(
        f"The gradient of {int((residual.norm(dim=0) > enough).sum())} of {width + 1} eigenvectors has not converged: "
        "the next eigenvalue is too close to theirs. Choose an `n_eig` at which eigenvalues have a gap, or pass "
        "float64 features.",
        DegenerateWarning,
    )
    return z


def _solve_dense(
    apply: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor, rhs: torch.Tensor
) -> torch.Tensor:
    matrix = apply(torch.eye(len(rhs), dtype=rhs.dtype, device=rhs.device))
    thetas, vectors = eigh((matrix + matrix.T) / 2)
    return vectors @ ((vectors.T @ rhs) * guarded_inverse(values - thetas[:, None], RESOLUTION[rhs.dtype]))
