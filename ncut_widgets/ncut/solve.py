"""Which way a graph is solved: exactly, through landmarks, or through a balanced sample of its nodes."""

from __future__ import annotations

import warnings

import torch

from ncut_widgets.errors import DegenerateWarning, NystromWarning

from .affinity import Kernel
from .exact import solve_exact
from .landmarks import choose_landmarks, draft_with_enough, spread_out
from .large import extend_to_all
from .nodes import Nodes
from .nystrom import Options, complete, draft_graph
from .sampling import farthest_nodes, uniform_nodes
from .settings import Settings
from .solution import Solution, vanishing

__all__ = ["is_exact", "solve"]

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


def solve(
    nodes: torch.Tensor,
    affinity: Kernel,
    weights: torch.Tensor | None,
    settings: Settings,
    generator: torch.Generator,
) -> tuple[Solution, torch.Tensor]:
    """Return the solution of the graph of the `nodes` (n, c), and the residuals (n_eig,)."""
    if settings.balanced:
        return _solve_balanced(nodes, affinity, settings, generator)
    if is_exact(settings, len(nodes)):
        return _solve_exact(nodes, affinity, weights, settings, generator)
    return _solve_nystrom(nodes, affinity, weights, settings, generator)


def _solve_exact(
    nodes: torch.Tensor,
    affinity: Kernel,
    weights: torch.Tensor | None,
    settings: Settings,
    generator: torch.Generator,
) -> tuple[Solution, torch.Tensor]:
    of_nodes = None if weights is None else weights.to(affinity.encode(nodes[:1]))
    solution = solve_exact(
        nodes,
        affinity,
        settings.n_eig,
        generator,
        weights=of_nodes,
        alpha=settings.alpha,
        repulsion_weight=settings.repulsion_weight,
    )
    _warn_if_degenerate(solution.pairs.values)
    return solution, solution.pairs.residuals


def _solve_balanced(
    nodes: torch.Tensor, affinity: Kernel, settings: Settings, generator: torch.Generator
) -> tuple[Solution, torch.Tensor]:
    """Solve the graph of nodes spread out evenly, and extend it to all."""
    drawn = uniform_nodes(len(nodes), _WHOLE_NODES, generator).to(nodes.device)
    encoded = affinity.encode(nodes[drawn])
    m = settings.n_sample or max(_BALANCED_NODES, 2 * settings.n_eig)
    chosen = drawn[farthest_nodes(spread_out(encoded, affinity), m, generator).to(nodes.device)]
    solution, residual = _solve_exact(nodes[chosen], affinity, None, settings, generator)
    vectors = solution.extension(nodes, verbose=settings.verbose)
    return solution._replace(pairs=solution.pairs._replace(vectors=vectors)), residual


def _solve_nystrom(
    nodes: torch.Tensor,
    affinity: Kernel,
    weights: torch.Tensor | None,
    settings: Settings,
    generator: torch.Generator,
) -> tuple[Solution, torch.Tensor]:
    n = len(nodes)
    table = Nodes(nodes, affinity, weights=weights, verbose=settings.verbose)
    options = Options(settings.n_eig, settings.alpha, settings.repulsion_weight)
    # Gradients are those of eigenvectors that are exact for the low-rank graph of all nodes, and what repels makes
    # negative eigenvalues, which a sample does not draft.
    whole = n <= _WHOLE_NODES or nodes.requires_grad or settings.repulsion_weight > 0
    m = settings.n_sample
    part = table if whole else table.take(uniform_nodes(n, max(_SAMPLE_NODES, 8 * (m or 0)), generator))
    n_vectors = settings.n_eig if whole else 2 * settings.n_eig
    if m is None:
        draft, solution, residual = draft_with_enough(part, options, n_vectors, generator)
    else:
        draft = draft_graph(part, choose_landmarks(part[:], affinity, m, generator), options, n_vectors, generator)
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
