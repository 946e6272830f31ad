"""Gradients of the embedding with respect to the features, without differentiating an eigendecomposition.

Eigenvectors are defined by an equation, so their gradient follows from it at the solution. With G = dL/dU, a change
dM of the matrix changes the loss by sum_k z_k^T dM u_k, where

    (lambda_k I - M) z_k = (I - U U^T) g_k   beside   z_k = sum_l u_l (u_l^T g_k) / (lambda_k - lambda_l)  within U,

and an eigenvalue by u_k^T dM u_k. That is a matrix dL/dA of low rank, of which n x n entries never exist at once.

The trivial column is D^1/2 1 whatever its neighbours in the spectrum are, and the others stay orthogonal to it; both
are differentiated as such, so that a graph in pieces, where the eigenvalue 1 is multiple, needs no gap there. Among the
other columns, eigenvalues that coincide leave the eigenvectors undetermined up to a rotation: what depends on that
rotation gets no gradient, what does not (projectors, distances between rows) gets its own.

Nyström is differentiated with its landmarks Z held fixed: A = C W^+ C^T with C = k(X, Z) then changes by
dC W^+ C^T + C W^+ dC^T. That never differentiates the pseudo-inverse, and it is consistent: where every node is a
landmark, dC + dC^T is the exact dA. One contraction therefore serves both, and `transform` too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ncut_widgets.errors import DegenerateWarning

from .affinity import CallableAffinity
from .nystrom import _core
from .solution import Extension, Solution

__all__ = ["extend_with_gradient", "with_gradient"]

_CHUNK_ELEMENTS = 1 << 22
_DEPTH = 12
_MAX_CYCLES = 100
# Relative residual of the linear systems.
_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
# Eigenvalues closer than this are one: the eigensolver does not tell their eigenvectors apart.
_RESOLUTION = {torch.float32: 1e-5, torch.float64: 1e-10}


def with_gradient(nodes: torch.Tensor, solution: Solution, *, cosine: bool, exact: bool) -> Solution:
    """Return the `solution` with eigenvectors and eigenvalues that carry gradients to `nodes`.

    Parameters
    ----------
    nodes : torch.Tensor of shape (n, c)
        The features that the solution was found for; they require gradients.
    solution : Solution
        Of `solve_exact` or `solve_nystrom`.
    cosine : bool
        Whether a built-in affinity is "cosine" rather than "rbf".
    exact : bool
        Whether the solution is that of M itself, or of its Nyström approximation.

    Notes
    -----
    What was chosen from the data stays fixed: sigma, landmarks, the projection of many channels. Nyström eigenvectors
    that were drafted on a sample of the nodes are taken for those of all nodes. The exact backward
    pass holds M once, O(n^2) memory; that of Nyström passes three times over C and holds O(n k + m^2).
    """
    vectors, values = _Embedding.apply(nodes, _Problem(nodes.detach(), solution, cosine, exact))
    return solution._replace(pairs=solution.pairs._replace(vectors=vectors, values=values))


def extend_with_gradient(nodes: torch.Tensor, extension: Extension, *, cosine: bool, verbose: bool) -> torch.Tensor:
    """Return the embedding (n, k) of new `nodes`, carrying gradients to them; the fit is held fixed."""
    out: torch.Tensor = _Extended.apply(nodes, extension, cosine, verbose)
    return out


class _Embedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: torch.Tensor, problem: _Problem) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ARG004
        ctx.problem = problem
        # Copies: what the caller does to them in place must not reach the backward pass.
        return problem.solution.pairs.vectors.clone(), problem.solution.pairs.values.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_vectors: torch.Tensor, of_values: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.problem.pull_back(of_vectors, of_values), None


class _Extended(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: torch.Tensor, extension: Extension, cosine: bool, verbose: bool) -> torch.Tensor:
        ctx.extension, ctx.cosine = extension, cosine
        ctx.save_for_backward(nodes)
        return extension(nodes, verbose=verbose)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_vectors: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (nodes,) = ctx.saved_tensors
        extension: Extension = ctx.extension
        right = torch.cat([extension.projection, extension.degree_weights[:, None].to(extension.projection)], dim=1)
        gradient = torch.empty_like(nodes)
        for here in _blocks(len(nodes), max(len(extension.landmarks), nodes.shape[1])):
            C = extension.affinity(extension.affinity.encode(nodes[here]), extension.landmarks.detach())
            vectors, degrees, _, _ = extension.embed(C)
            of_degrees = -(of_vectors[here] * vectors).sum(1) / (2 * degrees)
            of_degrees = torch.where(degrees > extension.lowest_degree, of_degrees, 0.0)
            left = torch.cat([of_vectors[here] / degrees.sqrt()[:, None], of_degrees[:, None]], dim=1)
            gradient[here] = _through_affinity(nodes[here], extension, left @ right.T, C, ctx.cosine)
        return gradient, None, None, None


@dataclass(frozen=True)
class _Problem:
    """An eigenproblem that has been solved, ready to be differentiated."""

    nodes: torch.Tensor
    solution: Solution
    cosine: bool
    exact: bool

    def pull_back(self, of_vectors: torch.Tensor, of_values: torch.Tensor) -> torch.Tensor:
        """Return dL/dX (n, c), given dL/dU (n, k) and dL/dlambda (k,)."""
        (values, vectors, _), degrees, _ = self.solution
        root = degrees.sqrt()
        first, rest = vectors[:, :1], vectors[:, 1:]
        # u_k turns away from u_0 as u_0 turns towards it: what g_k has along u_0 is a gradient of u_0.
        of_first = of_vectors[:, :1] - rest @ (first.T @ of_vectors[:, 1:]).T
        of_first = (of_first - first * (first.T @ of_first))[:, 0]
        # The trivial vector is root / |root|, turned by the sign rule; all its entries are positive.
        of_degrees = of_first / (2 * root * root.norm())

        inside = rest.T @ of_vectors[:, 1:]
        gaps = values[None, 1:] - values[1:, None]
        inside = inside * _guarded_inverse(gaps, _RESOLUTION[values.dtype]) + torch.diag(of_values[1:])
        outside = of_vectors[:, 1:] - vectors @ (vectors.T @ of_vectors[:, 1:])
        contract = self._exact if self.exact else self._nystrom
        return contract(outside, rest @ inside, (rest * values[1:]) @ inside, of_degrees)

    def _low_rank(
        self, z: torch.Tensor, Mz: torch.Tensor, of_degrees: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (n, r) factors of dL/dA + (dL/dA)^T, degrees being sums of A."""
        (values, vectors, _), degrees, extension = self.solution
        u = vectors[:, 1:]
        of_degrees = of_degrees - ((z * values[1:] + Mz) * u).sum(1) / (2 * degrees)
        # Degrees that would be too small are set to the lowest one, and stay there.
        of_degrees = torch.where(degrees > extension.lowest_degree, of_degrees, 0.0)
        root = degrees.sqrt()[:, None]
        h, one = of_degrees[:, None], torch.ones_like(root)
        return torch.cat([z / root, u / root, h, one], dim=1), torch.cat([u / root, z / root, one, h], dim=1)

    def _exact(
        self, outside: torch.Tensor, z: torch.Tensor, Mz: torch.Tensor, of_degrees: torch.Tensor
    ) -> torch.Tensor:
        (values, vectors, _), degrees, extension = self.solution
        n = len(degrees)
        E = extension.landmarks.detach()
        A = torch.empty(n, n, dtype=E.dtype, device=E.device)
        for here in _blocks(n, max(n, E.shape[1])):
            A[here] = extension.affinity(E[here], E)
        root = degrees.sqrt()[:, None]

        def apply(block: torch.Tensor) -> torch.Tensor:
            # A is symmetric, and a wide product reads it faster than a tall one.
            block = ((block / root).T @ A).T / root
            return block - vectors @ (vectors.T @ block)

        added = _solve_deflated(apply, values[1:], outside)
        left, right = self._low_rank(z + added, Mz + apply(added), of_degrees)
        gradient = torch.empty_like(self.nodes)
        for here in _blocks(n, max(n, E.shape[1])):
            gradient[here] = _through_affinity(self.nodes[here], extension, left[here] @ right.T, A[here], self.cosine)
        return gradient

    def _nystrom(
        self, outside: torch.Tensor, z: torch.Tensor, Mz: torch.Tensor, of_degrees: torch.Tensor
    ) -> torch.Tensor:
        (values, _, _), degrees, extension = self.solution
        affinity, landmarks = extension.affinity, extension.landmarks.detach()
        root = degrees.sqrt()[:, None]

        def columns() -> Iterator[tuple[slice, torch.Tensor]]:
            for here in _blocks(len(degrees), max(len(landmarks), self.nodes.shape[1])):
                yield here, affinity(affinity.encode(self.nodes[here]), landmarks)

        # What the solution took for noise, its gradient leaves out as well.
        R = _core(affinity, landmarks, 0.0)[0].root.to(landmarks.device)
        # M = B B^T with B = D^-1/2 C R, so (lambda - M)^-1 = (1 + B (lambda - B^T B)^-1 B^T) / lambda.
        gram, seen = R.new_zeros(len(R), len(R)), R.new_zeros(len(R), outside.shape[1])
        for here, C in columns():
            scaled = C / root[here]
            gram += scaled.T @ scaled
            seen += scaled.T @ outside[here]
        small_values, small_vectors = torch.linalg.eigh(R.T @ gram @ R)
        beyond = small_vectors[:, : max(0, len(small_values) - len(values))]
        wide_values = values[1:].double()
        gaps = wide_values - small_values[: beyond.shape[1], None]
        w = beyond @ (beyond.T @ (R.T @ seen) * _guarded_inverse(gaps, _RESOLUTION[values.dtype]))
        lift = (R @ w).to(values)
        inverse = _guarded_inverse(values[1:], _RESOLUTION[values.dtype])
        added = torch.empty_like(outside)
        for here, C in columns():
            added[here] = (outside[here] + C @ lift / root[here]) * inverse
        left, right = self._low_rank(z + added, Mz + added * values[1:] - outside, of_degrees)

        projected = R.new_zeros(len(R), right.shape[1])
        for here, C in columns():
            projected += C.T @ right[here]
        projected = (R @ (R.T @ projected)).to(values)
        gradient = torch.empty_like(self.nodes)
        for here, C in columns():
            gradient[here] = _through_affinity(self.nodes[here], extension, left[here] @ projected.T, C, self.cosine)
        return gradient


def _through_affinity(
    X: torch.Tensor, extension: Extension, weights: torch.Tensor, A: torch.Tensor, cosine: bool
) -> torch.Tensor:
    """Return the gradient (r, c) of sum_ij weights_ij k(x_i, z_j) at the nodes `X`, with A = k(X, Z) (r, m) known."""
    affinity, landmarks = extension.affinity, extension.landmarks.detach()
    with torch.enable_grad():
        X = X.detach().requires_grad_()
        E = affinity.encode(X)
        if isinstance(affinity, CallableAffinity):
            output, of_output = affinity(E, landmarks), weights
            if not output.requires_grad:
                raise ValueError(
                    "`affinity` must be differentiable where gradients are asked for; got a result without a graph. "
                    "Write it in torch operations, or detach the features."
                )
        else:
            output, of_output = E, _of_encoded(E.detach(), landmarks, weights.mul_(A), cosine)
        (gradient,) = torch.autograd.grad(output, X, of_output)
    # A zero node has no direction to change.
    return torch.where(X.detach().any(1, keepdim=True), gradient, 0.0) if cosine else gradient


def _of_encoded(E: torch.Tensor, F: torch.Tensor, weights: torch.Tensor, cosine: bool) -> torch.Tensor:
    """Return dL/dE from weights_ij = A_ij dL/dA_ij, where A is exp(-r^2), or exp(-r^4) for cosine."""
    if cosine:
        squared = torch.addmm(F.square().sum(1), E, F.T, alpha=-2).add_(E.square().sum(1)[:, None]).clamp_min_(0)
        weights = weights * squared.mul_(2)
    return 2 * (weights @ F - E * weights.sum(1, keepdim=True))


def _solve_deflated(
    apply: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor, rhs: torch.Tensor
) -> torch.Tensor:
    """Return the z_k with (lambda_k - M) z_k = rhs_k, on the complement of the leading eigenvectors.

    Parameters
    ----------
    apply : callable
        M followed by the projection onto that complement, where all the systems are positive definite.
    values : torch.Tensor of shape (k,)
        The lambda_k.
    rhs : torch.Tensor of shape (n, k)
        In the complement.

    Notes
    -----
    Block conjugate gradients in their Lanczos form: the k systems differ by a shift only, so that one Krylov space of
    all right-hand sides serves each of them, and one product with M all of them. In it the gaps lambda_k - theta are
    explicit, and a direction whose eigenvalue coincides with lambda_k is left out rather than divided by zero.
    """
    n, width = rhs.shape
    resolution = _RESOLUTION[rhs.dtype]
    z, residual = torch.zeros_like(rhs), rhs
    enough = rhs.norm(dim=0) * _TOLERANCE[rhs.dtype]
    for _ in range(_MAX_CYCLES if width else 0):
        basis, image = _krylov_basis(apply, residual, max(1, min(_DEPTH, n // width)))
        small = basis.T @ image
        thetas, rotation = torch.linalg.eigh((small + small.T) / 2)
        inverse = _guarded_inverse(values - thetas[:, None], resolution)
        # What is left out is settled: no further cycle could resolve it either.
        weights = rotation.T @ (basis.T @ residual)
        step = rotation @ (weights * inverse)
        z = z + basis @ step
        missed = basis @ (rotation @ (weights * (1 - inverse * (values - thetas[:, None]))))
        residual = residual - (basis @ step) * values + image @ step - missed
        if bool((residual.norm(dim=0) <= enough).all()):
            return z
    if width == 0:
        return z
    warnings.warn(
        f"The gradient of {int((residual.norm(dim=0) > enough).sum())} of {width + 1} eigenvectors has not converged: "
        "the next eigenvalue is too close to theirs. Choose an `n_eig` at which eigenvalues have a gap, or pass "
        "float64 features.",
        DegenerateWarning,
        stacklevel=2,
    )
    return z


def _krylov_basis(
    apply: Callable[[torch.Tensor], torch.Tensor], block: torch.Tensor, depth: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """An orthonormal basis of span{R, MR, M^2 R, ...} and its image under M."""
    n, width = block.shape
    basis, image = block.new_empty(n, width * depth), block.new_empty(n, width * depth)
    for step in range(depth):
        here, before = slice(step * width, (step + 1) * width), basis[:, : step * width]
        # Twice: once is not enough where the new block lies almost inside the old ones.
        for _ in range(2):
            block = torch.linalg.qr(block - before @ (before.T @ block)).Q
        basis[:, here] = block
        image[:, here] = block = apply(block)
    return basis, image


def _guarded_inverse(gaps: torch.Tensor, resolution: float) -> torch.Tensor:
    """Return 1 / gaps, falling to 0 where gaps are below the resolution, and equal to it in all digits above."""
    cubed = gaps.pow(3)
    return cubed / (cubed * gaps + resolution**4)


def _blocks(n: int, width: int) -> Iterator[slice]:
    rows = max(1, _CHUNK_ELEMENTS // width)
    for start in range(0, n, rows):
        yield slice(start, min(n, start + rows))
