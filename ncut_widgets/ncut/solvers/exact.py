"""The eigenvectors of the graph itself, in memory for half of its matrix."""

from __future__ import annotations

import torch

from ncut_widgets._threads import map_in_order
from ncut_widgets.ncut.graph.extension import Extension, density_weights
from ncut_widgets.ncut.graph.kernels import Affinity, Kernel
from ncut_widgets.ncut.graph.precision import safe_reciprocal
from ncut_widgets.ncut.graph.symmetric import SymmetricMatrix, row_blocks

from .eigensolver import leading_eigenpairs
from .solution import Solution

__all__ = ["solve_exact"]


def solve_exact(
    X: torch.Tensor,
    affinity: Kernel,
    k: int,
    generator: torch.Generator,
    *,
    weights: torch.Tensor | None = None,
    alpha: float = 0.0,
    repulsion_weight: float = 0.0,
    encoded: torch.Tensor | None = None,
) -> Solution:
    """Return the k leading eigenpairs of S D^-1/2 A D^-1/2 S, S^2 being the `weights` (n,) of the nodes `X` (n, c).

    `encoded` (n, c') are these nodes, if that has been done.

    With repulsion R, A becomes A - r R and the degrees those of A + r R; with `alpha`, the weights become those times
    the degrees to the power -alpha.
    """
    E = affinity.encode(X) if encoded is None else encoded
    repulsive = affinity.repulsion_sigma is not None
    A, R = _affinities(E, affinity)
    one = torch.ones_like(E[:, 0])
    mass = one if weights is None else weights
    density = A @ mass if alpha else None
    ours = one if density is None else density_weights(_connected(density), alpha)
    mass = mass * ours
    degrees = A @ mass if R is None else A @ mass + repulsion_weight * (R @ mass)
    _connected(degrees)
    scale = (mass / degrees).sqrt()
    if R is not None:
        for attraction, repulsion in zip(A.blocks, R.blocks, strict=True):
            attraction.sub_(repulsion, alpha=repulsion_weight)
    first = None if repulsive else (mass * degrees).sqrt()
    pairs = leading_eigenpairs(A, k, scale=scale, first=first, generator=generator)
    # Both signs of an eigenvalue extend: only repulsion makes negative ones lead.
    projection = pairs.vectors * scale[:, None] * safe_reciprocal(pairs.values)
    extension = Extension(
        affinity,
        landmarks=E,
        degree_weights=torch.cat([mass, repulsion_weight * mass]) if repulsive else mass,
        density_weights=None if density is None else _padded(one if weights is None else weights, repulsive),
        projection=torch.cat([projection, -repulsion_weight * projection]) if repulsive else projection,
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


def _affinities(E: torch.Tensor, affinity: Kernel) -> tuple[SymmetricMatrix, SymmetricMatrix | None]:
    """Return the affinities between encoded nodes, and their repulsion where there is one."""
    repulsive = affinity.repulsion_sigma is not None

    def compute(here: slice) -> tuple[torch.Tensor, ...]:
        rows, columns = E[here], E[here.start :]
        if isinstance(affinity, Affinity) and repulsive:
            return affinity.both(rows, columns)
        return (affinity(rows, columns),)

    parallel = E.device.type == "cpu" and affinity.is_thread_safe
    blocks, *others = zip(*map_in_order(compute, list(row_blocks(len(E), E.device)), parallel=parallel), strict=True)
    A = SymmetricMatrix.averaged(blocks)
    if isinstance(affinity, Affinity):
        A.fill_diagonal_(1)
    return A, SymmetricMatrix.averaged(others[0]) if repulsive else None


def _padded(values: torch.Tensor, repulsive: bool) -> torch.Tensor:
    return torch.cat([values, torch.zeros_like(values)]) if repulsive else values


def _connected(degrees: torch.Tensor) -> torch.Tensor:
    if not bool((degrees > 0).all()):
        raise ValueError(
            "`affinity` must connect every node to some node; got a row of zeros. Give each node an affinity to itself."
        )
    return degrees
