"""Linear systems with a symmetric operator, one shift of it for each right-hand side."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ncut_widgets._process import warn
from ncut_widgets.errors import DegenerateWarning
from ncut_widgets.ncut.graph.linalg import eigh
from ncut_widgets.ncut.solvers.eigensolver import MAX_CYCLES, depth_of_cycle, krylov_basis

__all__ = ["RESOLUTION", "guarded_inverse", "solve_shifted"]

# Eigenvalues closer than this are one: the eigensolver does not tell their eigenvectors apart.
RESOLUTION = {torch.float32: 1e-5, torch.float64: 1e-10}
_CARRIED = 10
# Relative residual of the linear systems.
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
# If the iteration needs more than so many cycles, a full decomposition of up to so many rows takes less time.
_QUICK_CYCLES = 2
_DENSE_NODES = 2048


def guarded_inverse(gaps: torch.Tensor, resolution: float) -> torch.Tensor:
    """Return 1 / gaps, falling to 0 where gaps are below the resolution, and equal to it in all digits above."""
    cubed = gaps.pow(3)
    return cubed / (cubed * gaps + resolution**4)


def solve_shifted(
    apply: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor, rhs: torch.Tensor, further: torch.Tensor
) -> torch.Tensor:
    """Return the z_k with (lambda_k - P M P) z_k = rhs_k, P projecting onto the complement of leading eigenvectors.

    Parameters
    ----------
    apply : callable
        P M P. The systems are then positive definite.
    values : torch.Tensor of shape (k,)
        The lambda_k.
    rhs : torch.Tensor of shape (n, k)
        In the complement.
    further : torch.Tensor of shape (n, p)
        Spans roughly the eigenvectors that slow the iteration down: those next to the leading ones.

    Notes
    -----
    Block conjugate gradients in their Lanczos form: the k systems differ by a shift only, so that one Krylov space of
    all right-hand sides serves each of them, and one product with M all of them. In it the gaps lambda_k - theta are
    explicit, and a direction whose eigenvalue coincides with lambda_k is left out rather than divided by zero. What is
    known of the eigenvectors to come joins the block: a product with a few columns more costs the same.
    """
    n, width = rhs.shape
    resolution = RESOLUTION[rhs.dtype]
    z, residual = torch.zeros_like(rhs), rhs
    enough = rhs.norm(dim=0) * _TOLERANCE[rhs.dtype]
    for cycle in range(MAX_CYCLES if width else 0):
        block = torch.cat([further, residual], dim=1)
        # A block as wide as the matrix spans all there is.
        if block.shape[1] >= n or (cycle >= _QUICK_CYCLES and n <= _DENSE_NODES):
            return _solve_dense(apply, values, rhs)
        basis, image = krylov_basis(apply, block, depth_of_cycle(cycle, n, block.shape[1]))
        small = basis.T @ image
        thetas, rotation = eigh((small + small.T) / 2)
        inverse = guarded_inverse(values - thetas[:, None], resolution)
        # What is left out is settled: no further cycle could resolve it either.
        weights = rotation.T @ (basis.T @ residual)
        step = rotation @ (weights * inverse)
        z = z + basis @ step
        missed = basis @ (rotation @ (weights * (1 - inverse * (values - thetas[:, None]))))
        residual = residual - (basis @ step) * values + image @ step - missed
        if bool((residual.norm(dim=0) <= enough).all()):
            return z
        further = basis @ rotation[:, -max(_CARRIED, further.shape[1]) :]
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
