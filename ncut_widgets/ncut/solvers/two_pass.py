"""Graphs too large to go through more than twice: drafted on a sample of their nodes, finished over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from ncut_widgets.ncut.graph.linalg import eigh, whitening
from ncut_widgets.ncut.graph.low_rank import Columns
from ncut_widgets.ncut.graph.nodes import Nodes
from ncut_widgets.ncut.graph.precision import LOW_RANK_CUT

from .eigensolver import Eigenpairs, fix_signs
from .nystrom import Draft, Options
from .residual import ResidualProbe
from .solution import Solution

__all__ = ["extend_to_all"]

_OVERSAMPLING = 10
# As a share of the eigenvalue.
_LEAST_GAP = 0.01


def extend_to_all(
    draft: Draft, nodes: Nodes, options: Options, generator: torch.Generator
) -> tuple[Solution, torch.Tensor]:
    """Return the eigenvectors over all nodes that a draft from a sample of them leads to, and their residuals (k,).

    A first pass over all nodes gives D and B^T B V, which says by how much the drafted V are wrong: a step of
    Davidson's method, with the sample's matrix in place of the whole, takes the error to about its square. A second
    pass computes B V and finds the best eigenvectors in its span by Rayleigh and Ritz.

    Parameters
    ----------
    draft : Draft
        Of more than k vectors: what sampling moved out of a space that wide is little.
    nodes : Nodes
        All n nodes.
    options : Options
        What is asked for.
    generator : torch.Generator
        Of the CPU.

    Notes
    -----
    O(n m (c' + k)) time, and memory for 2 (k + 10) numbers per node.

    References
    ----------
    Davidson. The Iterative Calculation of a Few of the Lowest Eigenvalues and Corresponding Eigenvectors of Large
    Real-Symmetric Matrices. Journal of Computational Physics 1975.
    """
    like, extension = draft.extension.landmarks, draft.extension
    k = min(options.k, draft.vectors.shape[1])
    columns = Columns(nodes, extension)
    if options.alpha:
        density_weights = draft.core.density_weights(columns.sums()).to(like)
        extension = replace(extension, density_weights=density_weights)
        draft = draft._replace(extension=extension)
    degree_weights, better, leverage = _improve(draft, columns, k)
    projection = draft.core.root @ better
    # A node of the sample stood for several, and no degree was below their number.
    lowest_degree = extension.lowest_degree * (nodes.lightest / draft.columns.nodes.lightest)
    extension = replace(
        extension, degree_weights=degree_weights, projection=projection.to(like), lowest_degree=lowest_degree
    )
    degrees, drafted = like.new_empty(len(nodes)), like.new_empty(len(nodes), projection.shape[1])
    probe = ResidualProbe(nodes, leverage, extension, generator)

    def embed(here: slice) -> Callable[[], object]:
        C = columns[here]
        embedded = extension.embed(C)
        degrees[here], drafted[here] = embedded.degrees, embedded.vectors
        return probe.compare(here, C, embedded)

    columns.for_each_chunk("extend", embed)
    inner = nodes.inner(drafted)
    # The trivial eigenvector is known, with its eigenvalue; what is best is asked of the others.
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
    """Return what makes the degrees of all nodes, an orthonormal V (r, k + 10 at most), and, after a pass over all
    nodes, where the drafted eigenvectors are large (n,)."""
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

        def take_in() -> None:
            image.add_(table[:, :-1])
            sums.add_(table[:, -1])

        return take_in

    columns.for_each_chunk("degrees", add)
    applied = core.root.T @ image
    trivial = core.root.T @ sums
    small = vectors.T @ applied
    # The trivial vector is known: the others are sought beside it. It need not have the largest Ritz value: where the
    # sample drew too few, its degrees are too small, and clusters that live there come out above 1.
    known = torch.nn.functional.normalize(vectors.T @ trivial, dim=0)
    others = torch.linalg.qr(known[:, None], mode="complete").Q[:, 1:]
    small = others.T @ small @ others
    ritz, turn = eigh((small + small.T) / 2)
    kept = min(k + _OVERSAMPLING, vectors.shape[1]) - 1
    ritz, turn = ritz.flip(0)[:kept], others @ turn.flip(1)[:, :kept]
    spectrum, basis = draft.values_below, draft.vectors_below
    # Only downwards: what the sample takes for larger than it is would come up as a pole.
    gaps = torch.maximum(ritz - spectrum[:, None], _LEAST_GAP * ritz.abs().clamp_min(LOW_RANK_CUT[like.dtype]))
    better = vectors @ turn + basis @ ((basis.T @ (applied @ turn)) / gaps)
    better = torch.cat([trivial[:, None], better], dim=1)
    return core.weights(sums).to(like), torch.linalg.qr(better).Q, leverage
