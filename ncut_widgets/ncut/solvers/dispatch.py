"""Selects the solver: exact, Nyström with landmarks, or exact on a balanced sample of the nodes."""

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

from .eigensolver import fix_signs
from .exact import solve_exact
from .nystrom import are_small, complete, draft_graph, draft_with_enough_landmarks
from .problem import Problem
from .solution import Solution
from .two_pass import extend_to_all

__all__ = ["Solved", "is_exact", "solve", "with_all_columns"]

_EXACT_NODES = 4096
# With fewer nodes per landmark, the exact solution takes less time: with 20 480 nodes and 50 eigenvectors, 5120
# landmarks took 143 s, the exact solution 93 s.
_MIN_NODES_PER_LANDMARK = 5
# The exact solution of this many nodes takes 4 GB in float32.
_MAX_EXACT_NODES = 46_000
# Range of the automatic number of landmarks.
_MIN_LANDMARKS, _MAX_AUTO_LANDMARKS = 512, 2048
# Time grows with the cube of the number of landmarks: 4096 take one or two minutes on two cores.
_MAX_LANDMARKS = 4096
# Larger graphs are drafted on a sample.
_WHOLE_NODES = 1 << 16
_SAMPLE_NODES = 1 << 13
_BALANCED_NODES = 2048
# With residuals of 0.08 to 0.13, 10 eigenvectors of a sharp graph lost 11 % of their subspace.
_POOR_RESIDUAL = 0.1
_POOR_SHARE_OF_EIGENVALUE = 1 / 3


def is_exact(n: int, solver: str, n_landmarks: int | None) -> bool:
    """Return whether a graph of `n` nodes is solved exactly from the start."""
    if solver != "auto":
        return solver == "exact"
    return n <= _EXACT_NODES or n <= min(_MIN_NODES_PER_LANDMARK * (n_landmarks or 0), _MAX_EXACT_NODES)


class Solved(NamedTuple):
    """The result of `solve`."""

    solution: Solution
    # Of the eigenvectors: (n_eig,).
    residual: torch.Tensor
    # Indices (l,) of nodes that are isolated at a sigma that is not automatic.
    isolated: torch.Tensor
    # Indices of the solved nodes among all nodes, if the others were left out.
    kept: torch.Tensor | None = None

    def leverage(self, n: int, weights: torch.Tensor | None) -> torch.Tensor:
        """Return the weight of the nontrivial eigenvectors on each of all `n` nodes: (n,) on the CPU."""
        squares = self.solution.pairs.vectors[:, 1:].square().sum(1).cpu().double()
        if self.kept is not None:
            squares = squares.new_zeros(n).index_copy_(0, self.kept, squares)
        return squares if weights is None else squares * weights


def solve(problem: Problem) -> Solved:
    """Return the solution of the problem."""
    if problem.balanced:
        return _solve_balanced(problem)
    exact = is_exact(len(problem.nodes), problem.solver, problem.n_landmarks)
    solution, residual = _solve_exact(problem) if exact else _solve_nystrom(problem)
    return Solved(solution, residual, _isolated(problem, solution))


def _isolated(problem: Problem, solution: Solution) -> torch.Tensor:
    if problem.nodes.kernel.has_automatic_sigma:
        return torch.arange(0)
    vectors, degrees = solution.pairs.vectors, solution.degrees
    return isolated_nodes(problem.nodes, vectors, degrees, problem.alpha, problem.generator)


def _solve_exact(problem: Problem) -> tuple[Solution, torch.Tensor]:
    solution = solve_exact(problem)
    if not problem.nodes.kernel.is_finest and float(solution.pairs.values.abs().amin()) < EXACT_FLOOR:
        raise UnresolvedError
    return solution, solution.pairs.residuals


def _solve_balanced(problem: Problem) -> Solved:
    """Solve the graph of evenly spread nodes, and extend the eigenvectors to all nodes."""
    nodes, features, kernel = problem.nodes, problem.nodes.features, problem.nodes.kernel
    counted = torch.arange(len(nodes)) if nodes.weights is None else nodes.weights.nonzero().flatten()
    drawn = counted[uniform_nodes(len(counted), _WHOLE_NODES, problem.generator)].to(features.device)
    points = kernel.to_comparable_points(kernel.encode(features[drawn]))
    m = problem.n_landmarks or max(_BALANCED_NODES, 2 * problem.n_eig)
    chosen = drawn[farthest_nodes(points, m, problem.generator).to(features.device)]
    spread = problem.on(Nodes(features[chosen], kernel))
    solution, residual = _solve_exact(spread)
    isolated = _isolated(spread, solution)
    vectors = solution.extension(features, verbose=nodes.verbose)
    solution = solution._replace(pairs=solution.pairs._replace(vectors=vectors))
    return Solved(solution, residual, chosen.cpu()[isolated])


def _solve_nystrom(problem: Problem) -> tuple[Solution, torch.Tensor]:
    nodes, n, n_eig, generator = problem.nodes, len(problem.nodes), problem.n_eig, problem.generator
    # A draft on a sample does not suit gradients, which are those of eigenvectors that are exact for the low-rank graph
    # of all nodes, nor the negative eigenvalues that repulsion causes.
    whole = n <= _WHOLE_NODES or nodes.features.requires_grad or nodes.kernel.is_repulsive
    m = problem.n_landmarks and min(problem.n_landmarks, _MAX_LANDMARKS)
    part = nodes if whole else nodes.take(uniform_nodes(n, max(_SAMPLE_NODES, 8 * (m or 0)), generator))
    n_vectors = n_eig if whole else 2 * n_eig
    if m is None or m > _MAX_AUTO_LANDMARKS:
        most = m or min(_MAX_AUTO_LANDMARKS, max(len(part) // 2, min(len(part), 2 * _MIN_LANDMARKS)))
        prefers_exact = (
            whole and problem.solver == "auto" and n <= min(_MIN_NODES_PER_LANDMARK * most, _MAX_EXACT_NODES)
        )
        draft, solution, residual = draft_with_enough_landmarks(
            problem.on(part),
            n_vectors,
            fewest=_MIN_LANDMARKS if m is None else _MAX_AUTO_LANDMARKS,
            most=n // _MIN_NODES_PER_LANDMARK if prefers_exact else most,
        )
        if prefers_exact and not are_small(residual, solution.pairs.values):
            return _solve_exact(problem)
    else:
        landmarks = choose_landmarks(part.counted(), part.kernel, m, generator)
        draft = draft_graph(problem.on(part), landmarks, n_vectors)
        if whole:
            solution, residual = complete(draft)
    if not whole and draft.core.is_definite:
        solution, residual = extend_to_all(draft, problem)
    elif not whole:
        # The correction of a draft needs a definite W. Wide kernels that are indefinite, such as "cosine", also need
        # the negative part, so all nodes contribute to the Gram matrix: O(n m^2) instead of O(n m (c' + k)).
        solution, residual = complete(draft_graph(problem, draft.extension.landmarks, n_eig))
    _warn_if_poor(residual, solution.pairs.values, n, len(solution.extension.landmarks))
    return solution, residual


def _warn_if_poor(residual: torch.Tensor, values: torch.Tensor, n: int, n_landmarks: int) -> None:
    limits = (_POOR_SHARE_OF_EIGENVALUE * values.abs()).clamp_max(_POOR_RESIDUAL)
    poor = (residual > limits).nonzero().flatten().tolist()
    if poor:
        worst = poor[int((residual / limits)[poor].argmax())]
        remedies = ["Lower `n_eig`"]
        if n_landmarks < min(_MAX_LANDMARKS, n):
            remedies.insert(0, "Raise `n_sample`")
        if float(values[worst]) > 0.5:
            remedies.append("raise `sigma` or `degree`")
        if n <= _MAX_EXACT_NODES:
            remedies.append('pass solver="exact"')
        warn(
            f"{len(poor)} of {len(residual)} eigenvectors are poorly approximated by {n_landmarks} landmarks (first "
            f"eigenvector {poor[0]}; the worst is {worst}, with a residual of {float(residual[worst]):.2g} for an "
            f"eigenvalue of {float(values[worst]):.2g}). {', '.join(remedies[:-1])} or {remedies[-1]}.",
            NystromWarning,
        )


def with_all_columns(solution: Solution, residual: torch.Tensor, problem: Problem) -> tuple[Solution, torch.Tensor]:
    """Return the solution and its residuals with `n_eig` columns, and warn of those with eigenvalue 0.

    Columns whose eigenvalues are below the numerical floor are arbitrary, orthonormal to the others, with eigenvalue 0.
    """
    weights, n_eig, generator = problem.nodes.weights, problem.n_eig, problem.generator
    pairs, extension = solution.pairs, solution.extension
    missing = n_eig - len(pairs.values)
    if missing:
        V = pairs.vectors
        root = torch.ones_like(V[:, :1]) if weights is None else weights.sqrt().to(V)[:, None]
        added = root * torch.randn(len(V), missing, generator=generator, dtype=torch.float64).to(V)
        for _ in range(2):
            # Twice, to remove the rounding error of the first projection.
            added = torch.linalg.qr(added - (root * V) @ ((root * V).T @ added)).Q
        added = torch.where(root > 0, added / root.masked_fill(root == 0, 1), 0)
        zero = torch.zeros_like(V[0, :1]).expand(missing)
        pairs = pairs._replace(
            values=torch.cat([pairs.values, zero]),
            vectors=torch.cat([V, added * fix_signs(added)], dim=1),
            residuals=torch.cat([pairs.residuals, zero]),
        )
        residual = torch.cat([residual, zero])
        no_projection = torch.zeros_like(extension.projection[:, :1]).expand(-1, missing)
        extension = replace(extension, projection=torch.cat([extension.projection, no_projection], dim=1))
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
