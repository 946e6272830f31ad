"""Which way a graph is solved: exactly, through landmarks, or through a balanced sample of its nodes."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch

from ncut_widgets.errors import DegenerateWarning, NystromWarning

from .exact import solve_exact
from .landmarks import choose_landmarks, draft_with_enough, spread_out
from .large import extend_to_all
from .nodes import Nodes
from .nystrom import Options, complete, draft_graph
from .outliers import lone_nodes
from .sampling import farthest_nodes, uniform_nodes
from .settings import Settings
from .solution import Solution, vanishing

__all__ = ["Solved", "is_exact", "solve"]

_EXACT_NODES = 4096
# The eigenvectors of larger graphs are drafted on a sample before all nodes are gone through.
_WHOLE_NODES = 1 << 16
_SAMPLE_NODES = 1 << 13
_BALANCED_NODES = 2048
# Where residuals were 0.08 to 0.13, 10 eigenvectors of a sharp graph lost 11 % of their subspace.
_POOR_RESIDUAL = 0.1


def is_exact(settings: Settings, n: int) -> bool:
    """Return whether the graph of `n` nodes is solved exactly."""
    return settings.solver == "exact" or (settings.solver == "auto" and n <= max(_EXACT_NODES, settings.n_sample or 0))


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
    fixed = settings.sigma is not None or callable(settings.affinity)
    return lone_nodes(table, solution, settings.alpha, generator) if fixed else torch.arange(0)


def _solve_exact(table: Nodes, settings: Settings, generator: torch.Generator) -> tuple[Solution, torch.Tensor]:
    encoded = table[:]
    solution = solve_exact(
        table.features,
        table.affinity,
        settings.n_eig,
        generator,
        weights=None if table.weights is None else table.weights.to(encoded),
        alpha=settings.alpha,
        repulsion_weight=settings.repulsion_weight,
        encoded=encoded,
    )
    _warn_if_degenerate(solution.pairs.values)
    return solution, solution.pairs.residuals


def _solve_balanced(table: Nodes, settings: Settings, generator: torch.Generator) -> Solved:
    """Solve the graph of nodes spread out evenly, and extend it to all."""
    nodes, affinity = table.features, table.affinity
    counted = torch.arange(len(nodes)) if table.weights is None else table.weights.nonzero().flatten()
    drawn = counted[uniform_nodes(len(counted), _WHOLE_NODES, generator)].to(nodes.device)
    encoded = affinity.encode(nodes[drawn])
    m = settings.n_sample or max(_BALANCED_NODES, 2 * settings.n_eig)
    chosen = drawn[farthest_nodes(spread_out(encoded, affinity), m, generator).to(nodes.device)]
    spread = Nodes(nodes[chosen], affinity)
    solution, residual = _solve_exact(spread, settings, generator)
    lone = _lone(spread, solution, settings, generator)
    vectors = solution.extension(nodes, verbose=settings.verbose)
    solution = solution._replace(pairs=solution.pairs._replace(vectors=vectors))
    return Solved(solution, residual, chosen.cpu()[lone])


def _solve_nystrom(table: Nodes, settings: Settings, generator: torch.Generator) -> tuple[Solution, torch.Tensor]:
    n = len(table)
    options = Options(settings.n_eig, settings.alpha, settings.repulsion_weight)
    # Gradients are those of eigenvectors that are exact for the low-rank graph of all nodes, and what repels makes
    # negative eigenvalues, which a sample does not draft.
    whole = n <= _WHOLE_NODES or table.features.requires_grad or settings.repulsion_weight > 0
    m = settings.n_sample
    part = table if whole else table.take(uniform_nodes(n, max(_SAMPLE_NODES, 8 * (m or 0)), generator))
    n_vectors = settings.n_eig if whole else 2 * settings.n_eig
    if m is None:
        draft, solution, residual = draft_with_enough(part, options, n_vectors, generator)
    else:
        landmarks = choose_landmarks(part.counted(), part.affinity, m, generator)
        draft = draft_graph(part, landmarks, options, n_vectors, generator)
        if whole:
            solution, residual = complete(draft, options, generator)
    if not whole:
        solution, residual = extend_to_all(draft, table, options, generator)
    _warn_if_poor(residual, n, len(solution.extension.landmarks))
    return solution, residual


def _warn_if_poor(residual: torch.Tensor, n: int, n_sample: int) -> None:
    poor = (residual > _POOR_RESIDUAL).nonzero().flatten().tolist()
    if poor:
        warnings.warn(
            f"{len(poor)} of {len(residual)} eigenvectors are poorly approximated (residual up to "
            f"{float(residual.max()):.2g}, first eigenvector {poor[0]}): {n_sample} landmarks are few for a graph "
            f"of {n} nodes this sharp. Raise `n_sample`, raise `sigma` or `degree`, lower `n_eig`, or pass "
            'solver="exact".',
            NystromWarning,
            stacklevel=6,
        )


def _warn_if_degenerate(values: torch.Tensor) -> None:
    empty = vanishing(values).nonzero().flatten().tolist()
    if empty:
        warnings.warn(
            f"{len(empty)} of {len(values)} eigenvectors have eigenvalue 0 and are arbitrary (first eigenvector "
            f"{empty[0]}): the nodes are identical, or alike at this sigma, in all but {len(values) - len(empty)} "
            "directions. Lower `n_eig`, or lower `sigma` or `degree`.",
            DegenerateWarning,
            stacklevel=6,
        )
