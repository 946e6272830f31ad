"""Which way a graph is solved: exactly, through landmarks, or through a balanced sample of its nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch

from ncut_widgets._process import warn
from ncut_widgets.errors import DegenerateWarning, NystromWarning
from ncut_widgets.ncut.graph.landmarks import choose_landmarks
from ncut_widgets.ncut.graph.nodes import Nodes
from ncut_widgets.ncut.graph.outliers import isolated_nodes
from ncut_widgets.ncut.graph.precision import EXACT_FLOOR, UnresolvedError, is_zero
from ncut_widgets.ncut.graph.sampling import farthest_nodes, uniform_nodes
from ncut_widgets.ncut.settings import Settings

from .eigensolver import fix_signs
from .exact import solve_exact
from .nystrom import Options, are_small, complete, draft_graph, draft_with_enough_landmarks
from .solution import Solution
from .two_pass import extend_to_all

__all__ = ["Solved", "is_exact", "solve", "with_all_columns"]

_EXACT_NODES = 4096
# Landmarks that are more than this share of the nodes cost more than the exact solution: with 20 480 nodes and 50
# eigenvectors, 5120 landmarks took 143 s, the exact solution 93 s.
_EXACT_SHARE = 5
# Up to here the exact solution takes at most 4 GB in float32.
_MOST_EXACT_NODES = 46_000
_FEWEST_LANDMARKS, _MOST_LANDMARKS = 512, 2048
# Landmarks take time with their cube: 4096 take a minute or two on two cores.
_MOST_LANDMARKS_GIVEN = 4096
# The eigenvectors of larger graphs are drafted on a sample before all nodes are gone through.
_WHOLE_NODES = 1 << 16
_SAMPLE_NODES = 1 << 13
_BALANCED_NODES = 2048
# With residuals of 0.08 to 0.13, 10 eigenvectors of a sharp graph lost 11 % of their subspace.
_POOR_RESIDUAL = 0.1
_POOR_SHARE_OF_EIGENVALUE = 1 / 3


def is_exact(settings: Settings, n: int) -> bool:
    """Return whether the graph of `n` nodes is solved exactly."""
    if settings.solver != "auto":
        return settings.solver == "exact"
    return n <= _EXACT_NODES or n <= min(_EXACT_SHARE * (settings.n_sample or 0), _MOST_EXACT_NODES)


class Solved(NamedTuple):
    """A solution, its residuals (n_eig,), the nodes (l,) that a fixed scale leaves alone, and which were solved."""

    solution: Solution
    residual: torch.Tensor
    lone: torch.Tensor
    kept: torch.Tensor | None = None

    def leverage(self, n: int, weights: torch.Tensor | None) -> torch.Tensor:
        """Return how much of the eigenvectors but the trivial one is on each of all `n` nodes: (n,) on the CPU."""
        squares = self.solution.pairs.vectors[:, 1:].square().sum(1).cpu().double()
        if self.kept is not None:
            squares = squares.new_zeros(n).index_copy_(0, self.kept, squares)
        return squares if weights is None else squares * weights


def solve(table: Nodes, settings: Settings, generator: torch.Generator) -> Solved:
    """Return what the graph of the nodes in the `table` comes to."""
    if settings.balanced:
        return _solve_balanced(table, settings, generator)
    if is_exact(settings, len(table)):
        solution, residual = _solve_exact(table, settings, generator)
    else:
        solution, residual = _solve_nystrom(table, settings, generator)
    return Solved(solution, residual, _lone(table, solution, settings, generator))


def _lone(table: Nodes, solution: Solution, settings: Settings, generator: torch.Generator) -> torch.Tensor:
    if table.kernel.has_automatic_sigma:
        return torch.arange(0)
    return isolated_nodes(table, solution.pairs.vectors, solution.degrees, settings.alpha, generator)


def _solve_exact(table: Nodes, settings: Settings, generator: torch.Generator) -> tuple[Solution, torch.Tensor]:
    encoded = table[:]
    solution = solve_exact(
        table.features,
        table.kernel,
        settings.n_eig,
        generator,
        weights=None if table.weights is None else table.weights.to(encoded),
        alpha=settings.alpha,
        encoded=encoded,
    )
    values = solution.pairs.values
    if not table.kernel.is_finest and float(values.abs().amin()) < EXACT_FLOOR:
        raise UnresolvedError
    return solution, solution.pairs.residuals


def _solve_balanced(table: Nodes, settings: Settings, generator: torch.Generator) -> Solved:
    """Solve the graph of nodes spread out evenly, and extend it to all."""
    nodes, kernel = table.features, table.kernel
    counted = torch.arange(len(nodes)) if table.weights is None else table.weights.nonzero().flatten()
    drawn = counted[uniform_nodes(len(counted), _WHOLE_NODES, generator)].to(nodes.device)
    encoded = kernel.encode(nodes[drawn])
    m = settings.n_sample or max(_BALANCED_NODES, 2 * settings.n_eig)
    chosen = drawn[farthest_nodes(kernel.to_comparable_points(encoded), m, generator).to(nodes.device)]
    spread = Nodes(nodes[chosen], kernel)
    solution, residual = _solve_exact(spread, settings, generator)
    lone = _lone(spread, solution, settings, generator)
    vectors = solution.extension(nodes, verbose=settings.verbose)
    solution = solution._replace(pairs=solution.pairs._replace(vectors=vectors))
    return Solved(solution, residual, chosen.cpu()[lone])


def _solve_nystrom(table: Nodes, settings: Settings, generator: torch.Generator) -> tuple[Solution, torch.Tensor]:
    n = len(table)
    options = Options(settings.n_eig, settings.alpha)
    # Gradients are those of eigenvectors that are exact for the low-rank graph of all nodes, and what repels makes
    # negative eigenvalues, which a sample does not draft.
    whole = n <= _WHOLE_NODES or table.features.requires_grad or table.kernel.is_repulsive
    m = settings.n_sample and min(settings.n_sample, _MOST_LANDMARKS_GIVEN)
    part = table if whole else table.take(uniform_nodes(n, max(_SAMPLE_NODES, 8 * (m or 0)), generator))
    n_vectors = settings.n_eig if whole else 2 * settings.n_eig
    if m is None or m > _MOST_LANDMARKS:
        most = m or min(_MOST_LANDMARKS, max(len(part) // 2, min(len(part), 2 * _FEWEST_LANDMARKS)))
        would_be_exact = whole and settings.solver == "auto" and _EXACT_SHARE * most >= n and n <= _MOST_EXACT_NODES
        draft, solution, residual = draft_with_enough_landmarks(
            part,
            options,
            n_vectors,
            generator,
            fewest=_FEWEST_LANDMARKS if m is None else _MOST_LANDMARKS,
            most=n // _EXACT_SHARE if would_be_exact else most,
        )
        if would_be_exact and not are_small(residual, solution.pairs.values):
            return _solve_exact(table, settings, generator)
    else:
        landmarks = choose_landmarks(part.counted(), part.kernel, m, generator)
        draft = draft_graph(part, landmarks, options, n_vectors, generator)
        if whole:
            solution, residual = complete(draft, options, generator)
    if not whole and draft.core.is_definite:
        solution, residual = extend_to_all(draft, table, options, generator)
    elif not whole:
        # The correction of a draft needs a definite W. Wide kernels that are indefinite, such as "cosine", also need
        # the negative part, so all nodes go through the Gram matrix: O(n m^2) instead of O(n m (c' + k)).
        draft = draft_graph(table, draft.extension.landmarks, options, options.k, generator)
        solution, residual = complete(draft, options, generator)
    _warn_if_poor(residual, solution.pairs.values, n, len(solution.extension.landmarks))
    return solution, residual


def _warn_if_poor(residual: torch.Tensor, values: torch.Tensor, n: int, n_landmarks: int) -> None:
    limits = (_POOR_SHARE_OF_EIGENVALUE * values.abs()).clamp_max(_POOR_RESIDUAL)
    poor = (residual > limits).nonzero().flatten().tolist()
    if poor:
        worst = poor[int((residual / limits)[poor].argmax())]
        remedies = ["Lower `n_eig`"]
        if n_landmarks < min(_MOST_LANDMARKS_GIVEN, n):
            remedies.insert(0, "Raise `n_sample`")
        if float(values[worst]) > 0.5:
            remedies.append("raise `sigma` or `degree`")
        if n <= _MOST_EXACT_NODES:
            remedies.append('pass solver="exact"')
        warn(
            f"{len(poor)} of {len(residual)} eigenvectors are poorly approximated by {n_landmarks} landmarks (first "
            f"eigenvector {poor[0]}; the worst is {worst}, with a residual of {float(residual[worst]):.2g} for an "
            f"eigenvalue of {float(values[worst]):.2g}). {', '.join(remedies[:-1])} or {remedies[-1]}.",
            NystromWarning,
        )


def with_all_columns(
    solution: Solution, residual: torch.Tensor, n_eig: int, weights: torch.Tensor | None, generator: torch.Generator
) -> tuple[Solution, torch.Tensor]:
    """Return the solution with `n_eig` columns: those whose eigenvalues are below the numerical floor are arbitrary,
    with eigenvalue 0, orthonormal to the others. Warn of them, and of all that have eigenvalue 0."""
    pairs, extension = solution.pairs, solution.extension
    missing = n_eig - len(pairs.values)
    if missing:
        V = pairs.vectors
        root = torch.ones_like(V[:, :1]) if weights is None else weights.sqrt().to(V)[:, None]
        added = root * torch.randn(len(V), missing, generator=generator, dtype=torch.float64).to(V)
        for _ in range(2):
            # Twice: once leaves the rounding of the first projection.
            added = torch.linalg.qr(added - (root * V) @ ((root * V).T @ added)).Q
        added = torch.where(root > 0, added / root.masked_fill(root == 0, 1), 0)
        zero = torch.zeros_like(V[0, :1]).expand(missing)
        pairs = pairs._replace(
            values=torch.cat([pairs.values, zero]),
            vectors=torch.cat([V, added * fix_signs(added)], dim=1),
            residuals=torch.cat([pairs.residuals, zero]),
        )
        residual = torch.cat([residual, zero])
        of_missing = torch.zeros_like(extension.projection[:, :1]).expand(-1, missing)
        extension = replace(extension, projection=torch.cat([extension.projection, of_missing], dim=1))
        solution = solution._replace(pairs=pairs, extension=extension)
    _warn_if_degenerate(pairs.values)
    return solution, residual


def _warn_if_degenerate(values: torch.Tensor) -> None:
    empty = is_zero(values).nonzero().flatten().tolist()
    if empty:
        warn(
            f"{len(empty)} of {len(values)} eigenvectors have eigenvalue 0 within rounding and are arbitrary (first "
            f"eigenvector {empty[0]}): at this sigma, the nodes differ in {len(values) - len(empty)} directions only. "
            "Lower `n_eig`, `sigma` or `degree`.",
            DegenerateWarning,
        )
