"""The leading eigenpairs of a symmetric operator, and the one rule for their signs.

The rule: an eigenvector is determined up to its sign, so every column is turned to make the sum of the cubes of its
entries positive. The column then points to its few large entries, whatever the order of the nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from ncut_widgets.errors import ConvergenceError

__all__ = ["Eigenpairs", "fix_signs", "leading_eigenpairs"]

# Up to here a full decomposition is as fast as an iteration.
_DENSE_NODES = 640
_OVERSAMPLING = 10
_DEPTH = 6
_MAX_CYCLES = 100
# Takes the known eigenvalue 1 below the spectrum, so that its vector cannot come up a second time.
_SHIFT = 3.0
_TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9}


class Eigenpairs(NamedTuple):
    """Eigenvalues (k,) descending, orthonormal eigenvectors (n, k), and |M u - lambda u| of each (k,)."""

    values: torch.Tensor
    vectors: torch.Tensor
    residuals: torch.Tensor


def fix_signs(vectors: torch.Tensor) -> torch.Tensor:
    """Return the +1 or -1 for every column by which the rule of this module multiplies it."""
    cubes = (vectors / vectors.abs().amax(0).clamp_min(torch.finfo(vectors.dtype).tiny)).pow(3).sum(0)
    return torch.where(cubes < 0, -1.0, 1.0).to(vectors.dtype)


def leading_eigenpairs(
    matrix: torch.Tensor, k: int, *, first: torch.Tensor | None, generator: torch.Generator
) -> Eigenpairs:
    """Return the k algebraically largest eigenpairs of the symmetric `matrix` (n, n).

    Parameters
    ----------
    matrix : torch.Tensor of shape (n, n)
        Symmetric, with spectrum in [-1, 1].
    k : int
        How many, from 1 to n.
    first : torch.Tensor of shape (n,), optional
        An eigenvector with eigenvalue 1, where one is known. It becomes column 0 as it is, also where 1 is a multiple
        eigenvalue.
    generator : torch.Generator
        Of the CPU; it draws the start.

    Raises
    ------
    ConvergenceError
        Where the iteration does not reach its tolerance.

    Notes
    -----
    Restarted block Krylov iteration: blocks of k + 10 vectors, because eigenvalues near 1 come in clusters (one per
    well separated region) that single-vector Lanczos resolves slowly, and matrix products run at full speed.
    """
    if first is None:
        pairs = _largest(matrix, k, None, generator)
        return pairs._replace(vectors=pairs.vectors * fix_signs(pairs.vectors))
    first = first / first.norm()
    rest = _largest(matrix, k - 1, first, generator)
    known = (matrix @ first - first).norm()
    vectors = torch.cat([first[:, None], rest.vectors], dim=1)
    return Eigenpairs(
        torch.cat([first.new_ones(1), rest.values]),
        vectors * fix_signs(vectors),
        torch.cat([known[None], rest.residuals]),
    )


def _largest(matrix: torch.Tensor, k: int, known: torch.Tensor | None, generator: torch.Generator) -> Eigenpairs:
    """The k largest eigenpairs, `known` (of length 1 and eigenvalue 1) left out."""
    n = len(matrix)

    def deflated(block: torch.Tensor) -> torch.Tensor:
        image = matrix @ block
        return image if known is None else image - _SHIFT * known[:, None] * (known @ block)

    if k == 0:
        return Eigenpairs(matrix.new_empty(0), matrix.new_empty(n, 0), matrix.new_empty(0))
    if n <= _DENSE_NODES or 4 * k >= n:
        values, vectors = torch.linalg.eigh(matrix if known is None else matrix - _SHIFT * torch.outer(known, known))
        values, vectors = values.flip(0)[:k], vectors.flip(1)[:, :k]
        return Eigenpairs(values, vectors, (matrix @ vectors - vectors * values).norm(dim=0))
    return _block_krylov(deflated, k, n, matrix, generator)


def _block_krylov(
    apply: Callable[[torch.Tensor], torch.Tensor], k: int, n: int, like: torch.Tensor, generator: torch.Generator
) -> Eigenpairs:
    tolerance = _TOLERANCE[like.dtype]
    width = min(k + _OVERSAMPLING, n // 4)
    block = torch.randn(n, width, generator=generator, dtype=torch.float64).to(like)
    worst = torch.inf
    for _ in range(_MAX_CYCLES):
        basis, image = _krylov_basis(apply, torch.linalg.qr(block).Q, min(_DEPTH, n // width))
        small = basis.T @ image
        values, rotation = torch.linalg.eigh((small + small.T) / 2)
        values, rotation = values.flip(0)[:width], rotation.flip(1)[:, :width]
        block = basis @ rotation
        residuals = (image @ rotation - block * values).norm(dim=0)
        worst = float(residuals[:k].max())
        if worst <= tolerance:
            return Eigenpairs(values[:k], torch.linalg.qr(block[:, :k]).Q, residuals[:k])
    raise ConvergenceError(
        f"`n_eig` eigenvectors must converge to {tolerance:g}; got a residual of {worst:.2g} after {_MAX_CYCLES} "
        "cycles, because many eigenvalues nearly coincide. Raise `sigma` or `degree`, or pass float64 features."
    )


def _krylov_basis(
    apply: Callable[[torch.Tensor], torch.Tensor], block: torch.Tensor, depth: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """An orthonormal basis of span{Q, MQ, M^2 Q, ...} and its image under M."""
    n, width = block.shape
    basis, image = block.new_empty(n, width * depth), block.new_empty(n, width * depth)
    for step in range(depth):
        here = slice(step * width, (step + 1) * width)
        basis[:, here] = block
        image[:, here] = apply(block)
        before = basis[:, : here.stop]
        block = image[:, here]
        # Twice: once is not enough where the new block lies almost inside the old ones.
        for _ in range(2):
            block = torch.linalg.qr(block - before @ (before.T @ block)).Q
    return basis, image
