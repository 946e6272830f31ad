"""Implicit gradients of the embedding with respect to the features.

Eigenvectors satisfy an equation that determines their gradient at the solution, so no eigendecomposition is
differentiated. With G = dL/dU, a change dM of the matrix changes the loss by sum_k z_k^T dM u_k, where

    (lambda_k I - M) z_k = (I - U U^T) g_k                         in the complement of U,
    z_k = sum_l u_l (u_l^T g_k) / (lambda_k - lambda_l)            in the span of U,

and an eigenvalue by u_k^T dM u_k. dL/dA is therefore a matrix of low rank, and is never stored as n x n numbers.

The trivial column is D^1/2 1 for any spectrum, and the other columns are orthogonal to it. Both are differentiated
accordingly, so that no gap is needed if the graph is disconnected and the eigenvalue 1 is multiple. If other
eigenvalues coincide, their eigenvectors are determined only up to a rotation. Quantities that do not depend on it
(projectors, distances between rows) have correct gradients. The dependence on the rotation is ignored.

With weights w of the nodes, all this holds for the orthonormal vectors w^1/2 u of M = S D^-1/2 A D^-1/2 S, where S^2 is
w times the density correction v = (A w)^-alpha.

Nyström is differentiated with fixed landmarks Z: A = C W^+ C^T with C = k(X, Z) changes by dC W^+ C^T + C W^+ dC^T.
This does not differentiate the pseudo-inverse, and is consistent with the exact gradient: if every node is a landmark,
dC + dC^T is the exact dA. The same contraction therefore serves both solvers and `transform`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ncut_widgets._threads import one_thread
from ncut_widgets.ncut.graph.chunks import for_each_chunk
from ncut_widgets.ncut.graph.extension import Extension, density_weights
from ncut_widgets.ncut.solvers.solution import Solution

from .adjoint import ExactGraph, Graph, LowRankGraph
from .shifted_systems import RESOLUTION, guarded_inverse

__all__ = ["extend_with_gradient", "with_gradient"]


def with_gradient(
    nodes: torch.Tensor, solution: Solution, *, weights: torch.Tensor | None, dtype: torch.dtype
) -> Solution:
    """Return the `solution` with eigenvectors and eigenvalues that carry gradients to `nodes`.

    Parameters
    ----------
    nodes : torch.Tensor of shape (n, c)
        The features of the solution, which require gradients.
    solution : Solution
        An exact one with its affinities, or one by Nyström.
    weights : torch.Tensor of shape (n,), optional
        Weights of the nodes, above 0; 1 by default.
    dtype : torch.dtype
        The dtype of the features, in which gradients must be finite. The nodes may be float64 copies.

    Notes
    -----
    Values derived from the data are constant: sigma, landmarks, the projection of many channels. The exact backward
    pass uses the affinities of the solution, which are stored until then. That of Nyström makes four passes over C, six
    with `alpha`, and stores O(n k + m^2) numbers.
    """
    w = solution.degrees.new_ones(()) if weights is None else weights.to(solution.degrees)
    solved = _SolvedGraph(nodes.detach(), solution._replace(affinities=None), w, dtype)
    blocks = () if solution.affinities is None else solution.affinities.blocks
    vectors, values = _Embedding.apply(nodes, solved, *blocks)
    return solution._replace(pairs=solution.pairs._replace(vectors=vectors, values=values))


def extend_with_gradient(
    nodes: torch.Tensor, extension: Extension, *, verbose: bool, dtype: torch.dtype
) -> torch.Tensor:
    """Return the embedding (n, k) of new `nodes`, with gradients with respect to them. The fit is constant."""
    if extension.kernel.is_repulsive:
        raise ValueError(
            "`repulsion_weight` must be 0 if features require gradients; got a fit with repulsion. "
            "Fit without it, or pass `X.detach()`."
        )
    out: torch.Tensor = _Extended.apply(nodes, extension, verbose, dtype)
    return out


class _Embedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: torch.Tensor, solved: _SolvedGraph, *blocks: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ARG004
        ctx.solved = solved
        # Freed by the backward pass, unless it retains its graph.
        ctx.save_for_backward(*blocks)
        # Copies, so that in-place changes by the caller do not affect the backward pass.
        return solved.solution.pairs.vectors.clone(), solved.solution.pairs.values.clone()

    @staticmethod
    @once_differentiable
    @one_thread
    def backward(ctx: Any, of_vectors: torch.Tensor, of_values: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        blocks = ctx.saved_tensors
        gradient = _finite(ctx.solved.backpropagate(blocks, of_vectors, of_values), ctx.solved.dtype)
        return gradient, None, *(None for _ in blocks)


class _Extended(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: torch.Tensor, extension: Extension, verbose: bool, dtype: torch.dtype) -> torch.Tensor:
        ctx.extension, ctx.dtype = extension, dtype
        ctx.save_for_backward(nodes)
        return extension(nodes, verbose=verbose)

    @staticmethod
    @once_differentiable
    @one_thread
    def backward(ctx: Any, of_vectors: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (nodes,) = ctx.saved_tensors
        extension: Extension = ctx.extension
        right = [extension.projection, extension.degree_weights[:, None]]
        if extension.density_weights is not None:
            right.append(extension.density_weights[:, None])
        weights = torch.cat(right, dim=1)
        gradient = torch.empty_like(nodes)
        kernel, landmarks = extension.kernel, extension.landmarks.detach()

        def add(here: slice) -> None:
            C = extension.columns(extension.kernel.encode(nodes[here]))
            vectors, degrees, scale, densities = extension.embed(C)
            of_here = of_vectors[here].to(C)
            of_scale = torch.where(_is_free(degrees, densities, extension), (of_here * vectors).sum(1) / 2, 0.0)
            left = [of_here * scale[:, None], -(of_scale / degrees)[:, None]]
            if extension.density_weights is not None:
                left.append(_of_density(of_scale, C @ extension.density_weights, extension)[:, None])
            gradient[here] = kernel.gradient(nodes[here], landmarks, C, torch.cat(left, dim=1) @ weights.T)

        width, parallel = max(len(weights), nodes.shape[1]), extension.kernel.is_thread_safe
        for_each_chunk(len(nodes), width, weights.device, add, parallel=parallel)
        return _finite(gradient, ctx.dtype), None, None, None


def _finite(gradient: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if not bool(torch.isfinite(gradient.to(dtype)).all()):
        raise ValueError(
            f"Features must be of a size at which gradients with respect to them are finite in {dtype}; got "
            "NaN or infinity. Multiply the features by a number that brings them to about 1, or raise `sigma`."
        )
    return gradient


@dataclass(frozen=True)
class _SolvedGraph:
    """The nodes and the solution of their graph, for the backward pass."""

    nodes: torch.Tensor
    solution: Solution
    # (n,), or () if all are equal.
    weights: torch.Tensor
    # Of the features.
    dtype: torch.dtype

    def backpropagate(
        self, blocks: tuple[torch.Tensor, ...], of_vectors: torch.Tensor, of_values: torch.Tensor
    ) -> torch.Tensor:
        """Return dL/dX (n, c), given dL/dU (n, k) and dL/dlambda (k,)."""
        (values, vectors, _, further), degrees, extension, _ = self.solution
        exact = bool(blocks)
        graph: Graph = (
            ExactGraph(self.nodes, extension, blocks, further) if exact else LowRankGraph(self.nodes, extension)
        )
        # From here on, `vectors` are orthonormal.
        S = self.weights.sqrt().expand(len(degrees))[:, None]
        vectors, of_vectors = vectors * S, of_vectors / S
        first, u, of_u = vectors[:, :1], vectors[:, 1:], of_vectors[:, 1:]
        density, corrections = None, None
        if extension.density_weights is not None:
            density = graph.extended(extension.density_weights)
            corrections = density_weights(density.clamp_min(extension.lowest_degree), extension.alpha)
        weights = self.weights.expand_as(degrees)
        masses = weights if corrections is None else weights * corrections
        scale = (masses / degrees).sqrt()[:, None]

        # Because u_k stays orthogonal to u_0, the component of g_k along u_0 is a gradient of u_0.
        of_first = of_vectors[:, :1] - u @ (first.T @ of_u).T
        of_first = of_first - first * (first.T @ of_first)
        # The trivial vector is (m d)^1/2, normalized, with masses m: the exponents contribute a factor of 1/2.
        of_trivial = (of_first * first)[:, 0] / 2

        inside = u.T @ of_u
        gaps = values[None, 1:] - values[1:, None]
        inside = inside * guarded_inverse(gaps, RESOLUTION[values.dtype]) + torch.diag(of_values[1:])
        outside = of_u - vectors @ (vectors.T @ of_u)
        added, image = graph.solve(scale, values, vectors, outside)
        z, Mz = u @ inside + added, (u * values[1:]) @ inside + image

        # M also depends on the scale of its rows and columns.
        of_scale = ((z * values[1:] + Mz) * u).sum(1) / 2
        free = _is_free(degrees, corrections, extension)
        of_degrees = torch.where(free, (of_trivial - of_scale) / degrees, 0.0)
        left, right = [z * scale, of_degrees[:, None]], [u * scale, masses[:, None]]
        if density is not None:
            # Masses scale the rows and the trivial vector, and contribute to degrees.
            of_masses = torch.where(free, of_trivial + of_scale, 0.0)
            of_masses = of_masses + masses * graph.product(of_degrees[:, None])[:, 0]
            left.append(_of_density(of_masses, density, extension)[:, None])
            right.append(weights[:, None])
        return graph.contract(torch.cat(left + right, dim=1), torch.cat(right + left, dim=1))


def _is_free(degrees: torch.Tensor, corrections: torch.Tensor | None, extension: Extension) -> torch.Tensor:
    """Return which nodes have degrees above the lower bound, so that their scale depends on the features."""
    return degrees > (extension.lowest_degree if corrections is None else extension.lowest_degree * corrections)


def _of_density(of_logarithm: torch.Tensor, density: torch.Tensor, extension: Extension) -> torch.Tensor:
    """Return the gradient of the density p, given that of log p^-alpha."""
    lowest = extension.lowest_degree
    return torch.where(density > lowest, -extension.alpha * of_logarithm / density.clamp_min(lowest), 0.0)
