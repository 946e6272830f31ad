"""Gradients of the embedding with respect to the features, without differentiating an eigendecomposition.

Eigenvectors are defined by an equation, so their gradient follows from it at the solution. With G = dL/dU, a change
dM of the matrix changes the loss by sum_k z_k^T dM u_k, where

    (lambda_k I - M) z_k = (I - U U^T) g_k   beside   z_k = sum_l u_l (u_l^T g_k) / (lambda_k - lambda_l)  within U,

and an eigenvalue by u_k^T dM u_k. That is a matrix dL/dA of low rank, of which n x n entries never exist at once.

The trivial column is D^1/2 1 whatever its neighbours in the spectrum are, and the others stay orthogonal to it; both
are differentiated as such, so that a graph in pieces, where the eigenvalue 1 is multiple, needs no gap there. Among the
other columns, eigenvalues that coincide leave the eigenvectors undetermined up to a rotation: what depends on that
rotation gets no gradient, what does not (projectors, distances between rows) gets its own.

With weights w of the nodes, all this holds for the orthonormal vectors w^1/2 u of M = S D^-1/2 A D^-1/2 S, S^2 being
w times the correction v = (A w)^-alpha of the density.

Nyström is differentiated with its landmarks Z held fixed: A = C W^+ C^T with C = k(X, Z) then changes by
dC W^+ C^T + C W^+ dC^T. That never differentiates the pseudo-inverse, and it is consistent: where every node is a
landmark, dC + dC^T is the exact dA. One contraction therefore serves both, and `transform` too.
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
        The features that the solution was found for; they require gradients.
    solution : Solution
        Of `solve_exact`, with the affinities, or of `solve_nystrom`.
    weights : torch.Tensor of shape (n,), optional
        Of the nodes, above 0; one by default.
    dtype : torch.dtype
        In which gradients must be finite: that of the features, of which the nodes may be float64 copies.

    Notes
    -----
    What was chosen from the data stays fixed: sigma, landmarks, the projection of many channels. The exact backward
    pass takes the affinities that the solution was found from, which are held until then. That of Nyström goes four
    times through C, six times with `alpha`, and holds O(n k + m^2).
    """
    w = solution.degrees.new_ones(()) if weights is None else weights.to(solution.degrees)
    problem = _Problem(nodes.detach(), solution._replace(affinities=None), w, dtype)
    blocks = () if solution.affinities is None else solution.affinities.blocks
    vectors, values = _Embedding.apply(nodes, problem, *blocks)
    return solution._replace(pairs=solution.pairs._replace(vectors=vectors, values=values))


def extend_with_gradient(
    nodes: torch.Tensor, extension: Extension, *, verbose: bool, dtype: torch.dtype
) -> torch.Tensor:
    """Return the embedding (n, k) of new `nodes`, carrying gradients to them; the fit is held fixed."""
    if extension.kernel.is_repulsive:
        raise ValueError(
            "`repulsion_weight` must be 0 if features require gradients; got a fit with repulsion. "
            "Fit without it, or pass `X.detach()`."
        )
    out: torch.Tensor = _Extended.apply(nodes, extension, verbose, dtype)
    return out


class _Embedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: torch.Tensor, problem: _Problem, *blocks: torch.Tensor) -> tuple[torch.Tensor, ...]:  # noqa: ARG004
        ctx.problem = problem
        # Freed by the backward pass, unless it is asked to retain its graph.
        ctx.save_for_backward(*blocks)
        # Copies: what the caller does to them in place must not reach the backward pass.
        return problem.solution.pairs.vectors.clone(), problem.solution.pairs.values.clone()

    @staticmethod
    @once_differentiable
    @one_thread
    def backward(ctx: Any, of_vectors: torch.Tensor, of_values: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        blocks = ctx.saved_tensors
        gradient = _finite(ctx.problem.pull_back(blocks, of_vectors, of_values), ctx.problem.dtype)
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
class _Problem:
    """An eigenproblem that has been solved, ready to be differentiated."""

    nodes: torch.Tensor
    solution: Solution
    # (n,), or one for all.
    weights: torch.Tensor
    # In which gradients must be finite.
    dtype: torch.dtype

    def pull_back(
        self, blocks: tuple[torch.Tensor, ...], of_vectors: torch.Tensor, of_values: torch.Tensor
    ) -> torch.Tensor:
        """Return dL/dX (n, c), given dL/dU (n, k) and dL/dlambda (k,)."""
        (values, vectors, _, further), degrees, extension, _ = self.solution
        exact = bool(blocks)
        graph: Graph = (
            ExactGraph(self.nodes, extension, blocks, further) if exact else LowRankGraph(self.nodes, extension)
        )
        # From here on of the orthonormal vectors.
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

        # u_k turns away from u_0 as u_0 turns towards it: what g_k has along u_0 is a gradient of u_0.
        of_first = of_vectors[:, :1] - u @ (first.T @ of_u).T
        of_first = of_first - first * (first.T @ of_first)
        # The trivial vector is (m d)^1/2, for masses m, divided by its length; a share of a half for either.
        of_trivial = (of_first * first)[:, 0] / 2

        inside = u.T @ of_u
        gaps = values[None, 1:] - values[1:, None]
        inside = inside * guarded_inverse(gaps, RESOLUTION[values.dtype]) + torch.diag(of_values[1:])
        outside = of_u - vectors @ (vectors.T @ of_u)
        added, image = graph.solve(scale, values, vectors, outside)
        z, Mz = u @ inside + added, (u * values[1:]) @ inside + image

        # M changes by its rows and columns being scaled, too.
        of_scale = ((z * values[1:] + Mz) * u).sum(1) / 2
        free = _is_free(degrees, corrections, extension)
        of_degrees = torch.where(free, (of_trivial - of_scale) / degrees, 0.0)
        left, right = [z * scale, of_degrees[:, None]], [u * scale, masses[:, None]]
        if density is not None:
            # Masses scale rows and the trivial vector, and add up to degrees.
            of_masses = torch.where(free, of_trivial + of_scale, 0.0)
            of_masses = of_masses + masses * graph.product(of_degrees[:, None])[:, 0]
            left.append(_of_density(of_masses, density, extension)[:, None])
            right.append(weights[:, None])
        return graph.contract(torch.cat(left + right, dim=1), torch.cat(right + left, dim=1))


def _is_free(degrees: torch.Tensor, corrections: torch.Tensor | None, extension: Extension) -> torch.Tensor:
    """Return for which nodes the scale follows the features: degrees that would be too small are set to the lowest."""
    return degrees > (extension.lowest_degree if corrections is None else extension.lowest_degree * corrections)


def _of_density(of_logarithm: torch.Tensor, density: torch.Tensor, extension: Extension) -> torch.Tensor:
    """Return the gradient of the density p, given that of log p^-alpha."""
    lowest = extension.lowest_degree
    return torch.where(density > lowest, -extension.alpha * of_logarithm / density.clamp_min(lowest), 0.0)
