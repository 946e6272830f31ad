"""Solves large graphs in two passes over all nodes, after a draft on a sample of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from ncut_widgets.ncut.graph.linalg import eigh, whitening
from ncut_widgets.ncut.graph.low_rank import Columns
from ncut_widgets.ncut.graph.precision import LOW_RANK_CUT

from .eigensolver import Eigenpairs, fix_signs
from .nystrom import Draft
from .problem import Problem
from .residual import ResidualProbe
from .solution import Solution

__all__ = ["extend_to_all"]

_OVERSAMPLING = 10
# Relative to the eigenvalue.
_MIN_GAP = 0.01


def extend_to_all(draft: Draft, problem: Problem) -> tuple[Solution, torch.Tensor]:
    """Return the solution for all nodes, given a draft for a sample of them, and its residuals (k,).

    The first pass over all nodes computes D and B^T B V, and thus the error of the drafted V. A step of Davidson's
    method, with the matrix of the sample as preconditioner, reduces the error to about its square. The second pass
    computes B V, and finds the best eigenvectors in its span by the Rayleigh-Ritz method.

    Parameters
    ----------
    draft : Draft
        With more than k vectors, because sampling hardly changes the space that they span.
    problem : Problem
        The problem of all n nodes.

    Notes
    -----
    O(n m (c' + k)) time, and memory for 2 (k + 10) numbers per node.

    References
    ----------
    Davidson. The Iterative Calculation of a Few of the Lowest Eigenvalues and Corresponding Eigenvectors of Large
    Real-Symmetric Matrices. Journal of Computational Physics 1975.
    """
    nodes, like, extension = problem.nodes, draft.extension.landmarks, draft.extension
    k = min(problem.n_eig, draft.vectors.shape[1])
    columns = Columns(nodes, extension)
    if problem.alpha:
        density_weights = draft.core.density_weights(columns.sums()).to(like)
        extension = replace(extension, density_weights=density_weights)
        draft = draft._replace(extension=extension)
    degree_weights, better, leverage = _improve(draft, columns, k)
    projection = draft.core.root @ better
    # The weight of a node in the sample was that of several nodes, and so was the lowest degree.
    lowest_degree = extension.lowest_degree * (nodes.lightest / draft.columns.nodes.lightest)
    extension = replace(
        extension, degree_weights=degree_weights, projection=projection.to(like), lowest_degree=lowest_degree
    )
    degrees, drafted = like.new_empty(len(nodes)), like.new_empty(len(nodes), projection.shape[1])
    probe = ResidualProbe(nodes, leverage, extension, problem.generator)

    def embed(here: slice) -> Callable[[], object]:
        C = columns[here]
        embedded = extension.embed(C)
        degrees[here], drafted[here] = embedded.degrees, embedded.vectors
        return probe.compare(here, C, embedded)

    columns.for_each_chunk("extend", embed)
    inner = nodes.inner(drafted)
    # The trivial eigenvector and its eigenvalue are known. The Rayleigh-Ritz method finds the others.
    values, rotation = eigh(inner[1:, 1:])
    turn = torch.zeros_like(inner[:, :k])
    turn[0, 0] = 1
    turn[1:, 1:] = rotation.flip(1)[:, : k - 1]
    turn = turn @ whitening(turn.T @ inner @ turn)
    vectors = drafted @ turn.to(like)
    signs = fix_signs(vectors)
    vectors *= signs
    turn *= signs.cpu().double()
    values = torch.cat([values.new_ones(1), values.flip(0)[: k - 1]]).clamp_max(1).to(like)
    extension = replace(extension, projection=(projection @ turn).to(like))
    solution = Solution(Eigenpairs(values, vectors, torch.zeros_like(values)), degrees, extension)
    return solution, probe.residuals(extension, values, turn.to(like))


def _improve(draft: Draft, columns: Columns, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make the first pass over all nodes.

    Return the degree weights of the extension, an orthonormal V (r, at most k + 10), and the mean of u^2 (n,) over the
    drafted eigenvectors.
    """
    core, extension, vectors = draft.core, draft.extension, draft.vectors
    like = extension.landmarks
    extension = replace(extension, projection=(core.root @ vectors).to(like))
    sums = torch.zeros(columns.width, dtype=torch.float64)
    image = torch.zeros(columns.width, vectors.shape[1], dtype=torch.float64)
    leverage = like.new_empty(len(columns.nodes))

    def add(here: slice) -> Callable[[], object]:
        C = columns[here]
        embedded = extension.embed(C)
        leverage[here] = embedded.vectors[:, :k].square().mean(1)
        mass = columns.nodes.mass(here, C)
        density = mass if embedded.densities is None else mass * embedded.densities
        table = C.T @ torch.cat([embedded.vectors * (mass * embedded.scale)[:, None], density[:, None]], dim=1)
        table = table.cpu()

        def accumulate() -> None:
            image.add_(table[:, :-1])
            sums.add_(table[:, -1])

        return accumulate

    columns.for_each_chunk("degrees", add)
    applied = core.root.T @ image
    trivial = core.root.T @ sums
    small = vectors.T @ applied
    # The trivial vector is known, and the others are orthogonal to it. It may not have the largest Ritz value: degrees
    # are too small in regions with too few samples, and eigenvalues of clusters there are above 1.
    known = torch.nn.functional.normalize(vectors.T @ trivial, dim=0)
    others = torch.linalg.qr(known[:, None], mode="complete").Q[:, 1:]
    small = others.T @ small @ others
    ritz, turn = eigh((small + small.T) / 2)
    kept = min(k + _OVERSAMPLING, vectors.shape[1]) - 1
    ritz, turn = ritz.flip(0)[:kept], others @ turn.flip(1)[:, :kept]
    spectrum, basis = draft.values_below, draft.vectors_below
    # Eigenvalues that the sample overestimates must not become poles.
    gaps = torch.maximum(ritz - spectrum[:, None], _MIN_GAP * ritz.abs().clamp_min(LOW_RANK_CUT[like.dtype]))
    better = vectors @ turn + basis @ ((basis.T @ (applied @ turn)) / gaps)
    better = torch.cat([trivial[:, None], better], dim=1)
    return core.weights(sums).to(like), torch.linalg.qr(better).Q, leverage
