"""Solves the full graph. Half of its matrix is stored."""

from __future__ import annotations

import torch

from ncut_widgets._threads import map_in_order
from ncut_widgets.ncut.graph.extension import Extension, density_weights
from ncut_widgets.ncut.graph.kernels import Kernel
from ncut_widgets.ncut.graph.precision import safe_reciprocal
from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix, row_blocks

from .eigensolver import leading_eigenpairs
from .problem import Problem
from .solution import Solution

__all__ = ["solve_exact"]


def solve_exact(problem: Problem) -> Solution:
    """Return the leading eigenpairs of the full graph, computed with its matrix in O(n^2) memory.

    Raises
    ------
    ValueError
        If a node has no affinity to any node, itself included.
    """
    nodes, kernel, alpha = problem.nodes, problem.nodes.kernel, problem.alpha
    E = nodes[:]
    weights = None if nodes.weights is None else nodes.weights.to(E)
    A, R = _affinities(E, kernel)
    one = torch.ones_like(E[:, 0])
    mass = one if weights is None else weights
    density = A @ mass if alpha else None
    correction = one if density is None else density_weights(_positive(density), alpha)
    mass = mass * correction
    degrees = _positive(A @ mass if R is None else A @ mass + kernel.repulsion_weight * (R @ mass))
    scale = (mass / degrees).sqrt()
    if R is not None:
        for attraction, repulsion in zip(A.blocks, R.blocks, strict=True):
            attraction.sub_(repulsion, alpha=kernel.repulsion_weight)
    first = None if kernel.is_repulsive else (mass * degrees).sqrt()
    pairs = leading_eigenpairs(A, problem.n_eig, scale=scale, first=first, generator=problem.generator)
    # Eigenvectors of both signs of eigenvalue can be extended. Only repulsion causes negative leading eigenvalues.
    projection = pairs.vectors * scale[:, None] * safe_reciprocal(pairs.values)
    extension = Extension(
        kernel,
        landmarks=E,
        degree_weights=_for_all_parts(mass, kernel.repulsion_weight, kernel),
        density_weights=None if density is None else _for_all_parts(one if weights is None else weights, 0.0, kernel),
        projection=_for_all_parts(projection, -kernel.repulsion_weight, kernel),
        alpha=alpha,
        lowest_degree=torch.finfo(E.dtype).tiny,
    )
    if weights is not None:
        # Values of single copies of a node. Nodes of weight 0 are embedded like new nodes.
        counts = (weights > 0)[:, None]
        copies = pairs.vectors / torch.where(counts, weights.sqrt()[:, None], 1)
        vectors = copies if bool(counts.all()) else torch.where(counts, copies, extension(nodes.features))
        pairs = pairs._replace(vectors=vectors)
    return Solution(pairs, degrees, extension, A)


def _affinities(E: torch.Tensor, kernel: Kernel) -> tuple[SymmetricMatrix, SymmetricMatrix | None]:
    """Return the affinities between encoded nodes, and their repulsion if there is one."""

    def compute(here: slice) -> tuple[torch.Tensor, ...]:
        return kernel.parts(E[here], E[here.start :])

    parallel = E.device.type == "cpu" and kernel.is_thread_safe
    blocks, *others = zip(*map_in_order(compute, list(row_blocks(len(E), E.device)), parallel=parallel), strict=True)
    A = SymmetricMatrix.averaged(blocks)
    if kernel.has_unit_diagonal:
        A.fill_diagonal_(1)
    return A, SymmetricMatrix.averaged(others[0]) if others else None


def _for_all_parts(values: torch.Tensor, of_repulsion: float, kernel: Kernel) -> torch.Tensor:
    """Return the values, followed by `of_repulsion` times the values if the kernel has a repulsion."""
    return torch.cat([values, of_repulsion * values]) if kernel.is_repulsive else values


def _positive(degrees: torch.Tensor) -> torch.Tensor:
    if not bool((degrees > 0).all()):
        raise ValueError(
            "`affinity` must connect every node to some node; got a row of zeros. Give each node an affinity to itself."
        )
    return degrees
