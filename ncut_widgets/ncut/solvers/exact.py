"""The eigenvectors of the graph itself, in memory for half of its matrix."""

from __future__ import annotations

import torch

from ncut_widgets._threads import map_in_order
from ncut_widgets.ncut.graph.extension import Extension, density_weights
from ncut_widgets.ncut.graph.kernels import Kernel
from ncut_widgets.ncut.graph.precision import safe_reciprocal
from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix, row_blocks

from .eigensolver import leading_eigenpairs
from .solution import Solution

__all__ = ["solve_exact"]


def solve_exact(
    X: torch.Tensor,
    kernel: Kernel,
    k: int,
    generator: torch.Generator,
    *,
    weights: torch.Tensor | None = None,
    alpha: float = 0.0,
    encoded: torch.Tensor | None = None,
) -> Solution:
    """Return the k leading eigenpairs of S D^-1/2 A D^-1/2 S, S^2 being the `weights` (n,) of the nodes `X` (n, c).

    `encoded` (n, c') are these nodes, if that has been done.

    With repulsion R, A becomes A - r R and the degrees those of A + r R; with `alpha`, the weights become those times
    the degrees to the power -alpha.
    """
    E = kernel.encode(X) if encoded is None else encoded
    A, R = _affinities(E, kernel)
    one = torch.ones_like(E[:, 0])
    mass = one if weights is None else weights
    density = A @ mass if alpha else None
    ours = one if density is None else density_weights(_connected(density), alpha)
    mass = mass * ours
    degrees = A @ mass if R is None else A @ mass + kernel.repulsion_weight * (R @ mass)
    _connected(degrees)
    scale = (mass / degrees).sqrt()
    if R is not None:
        for attraction, repulsion in zip(A.blocks, R.blocks, strict=True):
            attraction.sub_(repulsion, alpha=kernel.repulsion_weight)
    first = None if kernel.is_repulsive else (mass * degrees).sqrt()
    pairs = leading_eigenpairs(A, k, scale=scale, first=first, generator=generator)
    # Both signs of an eigenvalue extend: only repulsion makes negative ones lead.
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
        # Of single copies. A node that does not count is embedded as a new one.
        counts = (weights > 0)[:, None]
        copies = pairs.vectors / torch.where(counts, weights.sqrt()[:, None], 1)
        vectors = copies if bool(counts.all()) else torch.where(counts, copies, extension(X))
        pairs = pairs._replace(vectors=vectors)
    return Solution(pairs, degrees, extension, A)


def _affinities(E: torch.Tensor, kernel: Kernel) -> tuple[SymmetricMatrix, SymmetricMatrix | None]:
    """Return the affinities between encoded nodes, and their repulsion where there is one."""

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


def _connected(degrees: torch.Tensor) -> torch.Tensor:
    if not bool((degrees > 0).all()):
        raise ValueError(
            "`affinity` must connect every node to some node; got a row of zeros. Give each node an affinity to itself."
        )
    return degrees
