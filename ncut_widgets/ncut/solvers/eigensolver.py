"""Leading eigenpairs of a symmetric operator, with fixed signs.

The sign of an eigenvector is arbitrary. It is chosen so that the sum of the cubes of the entries is positive, and
therefore does not depend on the order of the nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ncut_widgets.errors import ConvergenceError
from ncut_widgets.ncut.graph.linalg import eigh
from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix

__all__ = ["MAX_CYCLES", "Eigenpairs", "depth_of_cycle", "fix_signs", "krylov_basis", "leading_eigenpairs"]

MAX_CYCLES = 48

# Up to this size, a full decomposition is as fast as an iteration.
_DENSE_NODES = 640
# Up to this size, a full decomposition replaces an iteration that stalls: if a kernel is so sharp that most nodes are
# isolated, M is almost the identity, and an iteration does not resolve its eigenvalues.
_MAX_STALLED_DENSE_NODES = 8192
_OVERSAMPLING = 10
_DEPTH = 6
# After each `_PATIENCE` cycles the depth doubles, at most `_DOUBLINGS` times.
_PATIENCE = 6
_DOUBLINGS = 4
# A dense decomposition takes as long as n / width cycles divided by this number.
_CYCLES_PER_DECOMPOSITION = 4
# An orthonormal block stays well conditioned without its part in another space if that part is at most this large.
_ALMOST_ORTHOGONAL = 0.1
_MAX_PROJECTIONS = 6
# Moves the known eigenvalue 1 below the spectrum, so that its vector is not found a second time.
_SHIFT = 3.0
# The iteration ends at residuals of this share of the eigenvalue, clamped to these limits. The lower limit in float32
# is set by rounding errors.
_SHARE_OF_EIGENVALUE = 1e-3
_TOLERANCE = {torch.float32: (2e-6, 2e-5), torch.float64: (1e-13, 1e-9)}


class Eigenpairs(NamedTuple):
    """Eigenvalues (k,) descending, orthonormal eigenvectors (n, k), and |M u - lambda u| of each (k,).

    `further` (n, p) approximately spans the next eigenvectors: a good start for other iterations.
    """

    values: torch.Tensor
    vectors: torch.Tensor
    residuals: torch.Tensor
    further: torch.Tensor | None = None


def fix_signs(vectors: torch.Tensor) -> torch.Tensor:
    """Return the factor, +1 or -1, of each column, according to the rule of this module."""
    cubes = (vectors / vectors.abs().amax(0).clamp_min(torch.finfo(vectors.dtype).tiny)).pow(3).sum(0)
    return torch.where(cubes < 0, -1.0, 1.0).to(vectors.dtype)


def leading_eigenpairs(
    matrix: torch.Tensor | SymmetricMatrix,
    k: int,
    *,
    scale: torch.Tensor | None = None,
    first: torch.Tensor | None,
    generator: torch.Generator,
) -> Eigenpairs:
    """Return the k algebraically largest eigenpairs of M = S A S, where A is the symmetric `matrix` (n, n).

    Parameters
    ----------
    matrix : torch.Tensor or SymmetricMatrix of shape (n, n)
        A. The spectrum of M must be in [-1, 1].
    k : int
        Number of eigenpairs, from 1 to n.
    scale : torch.Tensor of shape (n,), optional
        The diagonal of S; 1 by default.
    first : torch.Tensor of shape (n,), optional
        An eigenvector with eigenvalue 1, if known. Its multiple of length 1 becomes column 0, even if 1 is a multiple
        eigenvalue.
    generator : torch.Generator
        CPU generator of the starting block.

    Raises
    ------
    ConvergenceError
        If the iteration does not reach its tolerance.

    Notes
    -----
    Restarted block Krylov iteration, with blocks of k + 10 vectors: eigenvalues near 1 are clustered (one for each well
    separated region), which Lanczos iterations with single vectors resolve slowly, and products with blocks are fast.
    """
    operator = _Operator(matrix, scale, None if first is None else first / first.norm())
    if operator.known is None:
        pairs = _largest(operator, k, generator)
        return pairs._replace(vectors=pairs.vectors * fix_signs(pairs.vectors))
    rest = _largest(operator, k - 1, generator)
    missed = (operator.scaled(operator.known[:, None])[:, 0] - operator.known).norm()
    vectors = torch.cat([operator.known[:, None], rest.vectors], dim=1)
    return Eigenpairs(
        torch.cat([vectors.new_ones(1), rest.values]),
        vectors * fix_signs(vectors),
        torch.cat([missed[None], rest.residuals]),
        rest.further,
    )


@dataclass(frozen=True)
class _Operator:
    """M = S A S, with the `known` vector (of length 1 and eigenvalue 1) moved below its spectrum."""

    matrix: torch.Tensor | SymmetricMatrix
    scale: torch.Tensor | None
    known: torch.Tensor | None

    @property
    def like(self) -> torch.Tensor:
        return self.matrix.blocks[0] if isinstance(self.matrix, SymmetricMatrix) else self.matrix

    def scaled(self, block: torch.Tensor) -> torch.Tensor:
        """Return M times the `block` (n, w)."""
        if self.scale is None:
            return self.matrix @ block
        return (self.matrix @ (block * self.scale[:, None])) * self.scale[:, None]

    def __call__(self, block: torch.Tensor) -> torch.Tensor:
        image = self.scaled(block)
        return image if self.known is None else image - _SHIFT * self.known[:, None] * (self.known @ block)

    def dense(self) -> torch.Tensor:
        M = self.matrix.dense() if isinstance(self.matrix, SymmetricMatrix) else self.matrix
        if self.scale is not None:
            M = M * self.scale[:, None] * self.scale
        return M if self.known is None else M - _SHIFT * torch.outer(self.known, self.known)


def _largest(operator: _Operator, k: int, generator: torch.Generator) -> Eigenpairs:
    n = len(operator.matrix)
    if k == 0:
        none = operator.like.new_empty(n, 0)
        return Eigenpairs(none[0], none, none[0], none)
    if n <= _DENSE_NODES or 4 * k >= n:
        return _decompose(operator, k)
    return _block_krylov(operator, k, generator)


def _decompose(operator: _Operator, k: int) -> Eigenpairs:
    M = operator.dense()
    values, vectors = eigh(M)
    n = len(M)
    further = vectors[:, max(0, n - k - _DENSE_NODES) : n - k]
    values, vectors = values.flip(0)[:k], vectors[:, n - k :].flip(1)
    return Eigenpairs(values, vectors, (M @ vectors - vectors * values).norm(dim=0), further)


def _block_krylov(operator: _Operator, k: int, generator: torch.Generator) -> Eigenpairs:
    n, like = len(operator.matrix), operator.like
    lowest, highest = _TOLERANCE[like.dtype]
    width = min(k + _OVERSAMPLING, n // 4)
    block = torch.randn(n, width, generator=generator, dtype=torch.float64).to(like)
    worst = tolerance = torch.inf
    first = 0.0
    for cycle in range(MAX_CYCLES):
        basis, image = krylov_basis(operator, block, depth_of_cycle(cycle, n, width))
        small = basis.T @ image
        values, rotation = eigh((small + small.T) / 2)
        values, rotation = values.flip(0)[:width], rotation.flip(1)[:, :width]
        block = basis @ rotation
        residuals = (image @ rotation - block * values).norm(dim=0)
        tolerances = (_SHARE_OF_EIGENVALUE * values[:k].abs()).clamp(lowest, highest)
        last = (residuals[:k] / tolerances).argmax()
        worst, tolerance = float(residuals[last]), float(tolerances[last])
        if worst <= tolerance:
            return Eigenpairs(values[:k], torch.linalg.qr(block[:, :k]).Q, residuals[:k], block[:, k:])
        first = first or worst / tolerance
        slow = cycle == _PATIENCE - 1 and _cycles_left(first, worst / tolerance, cycle) > n / (
            _CYCLES_PER_DECOMPOSITION * width
        )
        if n <= _MAX_STALLED_DENSE_NODES and (slow or cycle == 2 * _PATIENCE):
            return _decompose(operator, k)
    raise ConvergenceError(
        f"The eigenvectors must converge to a residual of {tolerance:g}; got {worst:.2g} after {MAX_CYCLES} "
        "cycles, because many eigenvalues nearly coincide. Raise `sigma` or `degree`, or pass float64 features."
    )


def _cycles_left(first: float, last: float, cycles: int) -> float:
    """Return how many more cycles a residual takes to reach 1, if it went from `first` to `last` in `cycles` cycles."""
    return cycles * math.log(last) / math.log(first / last) if last < first else math.inf


def depth_of_cycle(cycle: int, n: int, width: int) -> int:
    """Return the number of products with blocks (n, width) in a cycle: more after many cycles."""
    return max(1, min(_DEPTH << min(cycle // _PATIENCE, _DOUBLINGS), n // width))


def krylov_basis(
    apply: Callable[[torch.Tensor], torch.Tensor], block: torch.Tensor, depth: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an orthonormal basis (n, depth w) of span{X, MX, M^2 X, ...} for a block X (n, w), and its image."""
    n, width = block.shape
    if width >= n:
        basis = torch.eye(n, dtype=block.dtype, device=block.device)
        return basis, apply(basis)
    basis, image = block.new_empty(n, width * depth), block.new_empty(n, width * depth)
    for step in range(depth):
        here, before = slice(step * width, (step + 1) * width), basis[:, : step * width]
        # One projection is not enough if the new block is almost in the span of the previous ones. If it is in the
        # span, as when M is the identity within rounding, the rest is noise, most of which is in the span again.
        for turn in range(_MAX_PROJECTIONS):
            inside = before.T @ block
            block = torch.linalg.qr(block - before @ inside).Q
            if turn > 0 and float(inside.norm()) < _ALMOST_ORTHOGONAL:
                break
        basis[:, here] = block
        image[:, here] = block = apply(block)
    return basis, image
