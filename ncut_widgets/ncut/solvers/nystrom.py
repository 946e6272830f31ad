"""Solves the low-rank graph that landmarks span, in memory of a few numbers per node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from ncut_widgets.ncut.graph.extension import Extension
from ncut_widgets.ncut.graph.landmarks import choose_landmarks
from ncut_widgets.ncut.graph.linalg import eigh, whitening
from ncut_widgets.ncut.graph.low_rank import Columns, Core, core_of
from ncut_widgets.ncut.graph.precision import LOW_RANK_CUT, LOW_RANK_FLOOR, UnresolvedError

from .eigensolver import Eigenpairs, fix_signs, leading_eigenpairs
from .problem import Problem
from .residual import ResidualProbe
from .solution import Solution

__all__ = ["Draft", "are_small", "complete", "draft_graph", "draft_with_enough_landmarks"]

# Eigenvalues are resolved if they exceed this multiple of `Kernel.blur`.
_BLUR_MULTIPLE = 4
# With residuals of about 0.02, 512 landmarks lost 4e-4 of the subspace that 4096 found in twelve photographs with a
# sharp kernel (38 608 nodes), and 1e-6 to 1e-4 of the exact one on 12 000 nodes of smoother graphs. The error of an
# eigenvector also depends on the gaps next to its eigenvalue, which are smaller than the eigenvalue.
_GOOD_RESIDUAL = 0.02
_GOOD_SHARE_OF_EIGENVALUE = 0.05
# Eigenvalues of the float64 B^T B below this share of the largest are 0.
_RANK_CUT = 1e-14


class Draft(NamedTuple):
    """Eigenvectors of the low-rank M, as coordinates: (v / d)^1/2 C P at any node, where P = F V."""

    problem: Problem
    columns: Columns
    core: Core
    # C^T S^2 D^-1 C. In float64 on the CPU, like everything small.
    gram: torch.Tensor
    values: torch.Tensor
    vectors: torch.Tensor
    # The eigenpairs of B^T B below these, if there are more vectors than `n_eig`.
    values_below: torch.Tensor
    vectors_below: torch.Tensor
    # Without its projection.
    extension: Extension


def draft_graph(problem: Problem, landmarks: torch.Tensor, n_vectors: int) -> Draft:
    """Return up to `n_vectors` eigenvectors of S D^-1/2 C W^+ C^T D^-1/2 S.

    There are fewer than `n_eig` if the other eigenvalues are below the numerical floor.

    With F F^T = W^+ and S^2 the weights of the nodes, the eigenvectors of this n x n matrix of rank m are B V, where
    B = S D^-1/2 C F and V are the eigenvectors of the m x m matrix B^T B.

    Parameters
    ----------
    problem : Problem
        The nodes, and the number of eigenpairs.
    landmarks : torch.Tensor of shape (m, c')
        Encoded landmarks; nodes or other points.
    n_vectors : int
        Number of eigenvectors to draft.

    Raises
    ------
    UnresolvedError
        If some of the `n_eig` eigenvalues are below the numerical floor of a kernel that can be made more precise.

    Notes
    -----
    O(n m (c' + m) + m^3) time. The small problems are solved in float64 on the CPU: W^-1/2 in float32 is wrong beyond
    1024 landmarks, not every accelerator has float64, and none solves them much faster.
    """
    nodes, kernel, n_eig = problem.nodes, problem.nodes.kernel, problem.n_eig
    core, lowest = core_of(kernel, landmarks, n_eig=n_eig)
    no_projection = landmarks.new_zeros(len(core.root), 0)
    extension = Extension(kernel, landmarks, no_projection, None, no_projection, problem.alpha, lowest * nodes.lightest)
    columns = Columns(nodes, extension)
    if problem.alpha:
        extension = replace(extension, density_weights=core.density_weights(columns.sums()).to(landmarks))
    sums = columns.sums(extension.densities)
    extension = replace(extension, degree_weights=core.weights(sums).to(landmarks))
    gram = torch.zeros(columns.width, columns.width, dtype=torch.float64)

    def add(here: slice) -> Callable[[], object]:
        C = columns[here]
        scaled = C * (extension.embed(C).scale * nodes.mass(here, C).sqrt())[:, None]
        part = (scaled.T @ scaled).cpu()
        return lambda: gram.add_(part)

    columns.for_each_chunk("Gram matrix", add)
    inner = core.root.T @ gram @ core.root
    k = min(n_vectors, len(inner))
    below = inner.new_zeros(0), inner.new_zeros(len(inner), 0)
    if core.is_definite and n_vectors > n_eig:
        pairs, below = _all_eigenpairs(inner, k, core.root.T @ sums)
        vectors = pairs.vectors
    elif core.is_definite:
        pairs = leading_eigenpairs(inner, k, first=core.root.T @ sums, generator=problem.generator)
        vectors = pairs.vectors
    else:
        # With B^T B = L L^T, the eigenvectors of B J B^T are B J L v, where v are those of L^T J L.
        spectrum, basis = eigh(inner)
        factor = core.signs[:, None] * (basis * spectrum.clamp_min(0).sqrt())
        # Without repulsion, the v of the trivial vector is known: L^-1 F^T C^T S^2 1.
        known = None
        if not kernel.is_repulsive:
            kept = spectrum > _RANK_CUT * float(spectrum[-1])
            known = torch.where(kept, (basis.T @ (core.root.T @ sums)) / torch.where(kept, spectrum, 1).sqrt(), 0)
        small = factor.T @ (core.signs[:, None] * factor)
        pairs = leading_eigenpairs(small, k, first=known, generator=problem.generator)
        vectors = factor @ pairs.vectors
    rank = int((pairs.values > LOW_RANK_CUT[landmarks.dtype]).sum())
    resolved = int((pairs.values > max(LOW_RANK_FLOOR[landmarks.dtype], _BLUR_MULTIPLE * kernel.blur)).sum())
    if resolved < n_eig:
        if not kernel.is_finest:
            raise UnresolvedError
        rank = max(1, resolved)
    return Draft(problem, columns, core, gram, pairs.values[:rank], vectors[:, :rank], *below, extension)


def _all_eigenpairs(
    inner: torch.Tensor, k: int, first: torch.Tensor
) -> tuple[Eigenpairs, tuple[torch.Tensor, torch.Tensor]]:
    """Return the k leading eigenpairs of `inner` (r, r), the `first` of which is known, and all those below."""
    first = first / first.norm()
    # Shift the known vector below the spectrum, so that it cannot mix with others of eigenvalue 1.
    values, vectors = eigh(inner - 3 * torch.outer(first, first))
    values, vectors = values[1:].flip(0), vectors[:, 1:].flip(1)
    pairs = Eigenpairs(
        torch.cat([values.new_ones(1), values[: k - 1]]),
        torch.cat([first[:, None], vectors[:, : k - 1]], dim=1),
        values.new_zeros(k),
    )
    return pairs, (values[k - 1 :], vectors[:, k - 1 :])


def complete(draft: Draft) -> tuple[Solution, torch.Tensor]:
    """Return the solution of a draft, with orthonormal eigenvectors, and an estimate of their residuals (k,)."""
    # The inner products of (v / d)^1/2 C P are known in advance, which removes most of the rounding error. The rest is
    # removed below, after it has been computed in the precision of the features.
    problem, columns, core, gram, extension = draft.problem, draft.columns, draft.core, draft.gram, draft.extension
    values, vectors = draft.values[: problem.n_eig], draft.vectors[:, : problem.n_eig]
    nodes, like = columns.nodes, extension.landmarks
    projection = core.root @ vectors
    projection = projection @ whitening(projection.T @ gram @ projection)
    extension = replace(extension, projection=projection.to(like))
    degrees, vectors = like.new_empty(len(nodes)), like.new_empty(len(nodes), projection.shape[1])

    def embed(here: slice) -> None:
        vectors[here], degrees[here], _, _ = extension.embed(columns[here])

    columns.for_each_chunk("eigenvectors", embed)
    turn = whitening(nodes.inner(vectors))
    turn = turn * fix_signs(vectors @ turn.to(like)).cpu().double()
    vectors = vectors @ turn.to(like)
    extension = replace(extension, projection=(projection @ turn).to(like))
    probe = ResidualProbe(nodes, vectors.square().mean(1), extension, problem.generator)

    def compare(here: slice) -> Callable[[], object]:
        C = columns[here]
        return probe.compare(here, C, extension.embed(C))

    nodes.for_each_chunk(max(probe.width, columns.width), "residuals", compare)
    # Rounding can make them larger than 1.
    values = values.clamp_max(1)
    pairs = Eigenpairs(values.to(like), vectors, torch.zeros_like(values).to(like))
    return Solution(pairs, degrees, extension), probe.residuals(extension, pairs.values)


def are_small(residuals: torch.Tensor, values: torch.Tensor) -> bool:
    """Return whether all residuals (k,) are small, absolutely and relative to the eigenvalues (k,)."""
    limits = (_GOOD_SHARE_OF_EIGENVALUE * values.abs()).clamp_max(_GOOD_RESIDUAL)
    return bool((residuals <= limits).all())


def draft_with_enough_landmarks(
    problem: Problem, n_vectors: int, *, fewest: int, most: int
) -> tuple[Draft, Solution, torch.Tensor]:
    """Return a draft, its solution and the residuals (k,).

    The number of landmarks starts at `fewest` and doubles, up to `most`, until all residuals are small.
    """
    nodes, m = problem.nodes, min(most, max(fewest, n_vectors))
    while True:
        landmarks = choose_landmarks(nodes.counted(), nodes.kernel, m, problem.generator)
        draft = draft_graph(problem, landmarks, n_vectors)
        solution, residuals = complete(draft)
        if m >= most or are_small(residuals, solution.pairs.values):
            return draft, solution, residuals
        m = min(2 * m, most)
