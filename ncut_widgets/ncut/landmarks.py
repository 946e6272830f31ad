"""Where the landmarks of a large graph go, and how many it needs."""

from __future__ import annotations

import torch

from .affinity import Affinity, Kernel
from .nodes import Nodes
from .nystrom import Options, solve_nystrom
from .sampling import centroids, spread_nodes, uniform_nodes
from .solution import Solution

__all__ = ["choose_landmarks", "settle_landmarks", "solve_with_enough", "spread_out"]

_FEWEST, _MOST = 512, 2048
_SPREAD_NODES = 1 << 13
# Residuals below it: on twelve thousand nodes with the structure of photographs, or of noisy clusters, the subspace
# then lost less than 1e-4 of the exact one.
_GOOD_RESIDUAL = 0.02


def spread_out(encoded: torch.Tensor, affinity: Kernel) -> torch.Tensor:
    """Return encoded nodes as points whose distances compare."""
    if isinstance(affinity, Affinity):
        return encoded
    return (encoded - encoded.mean(0)) / encoded.abs().amax().clamp_min(torch.finfo(encoded.dtype).tiny)


def choose_landmarks(sample: torch.Tensor, affinity: Kernel, m: int, generator: torch.Generator) -> torch.Tensor:
    """Return the m landmarks (m, c') of a `sample` (s, c') of encoded nodes: nodes spread out, moved to centroids.

    What a callable affinity compares need not have a mean: its landmarks stay nodes.
    """
    drawn = uniform_nodes(len(sample), max(_SPREAD_NODES, 8 * m), generator).to(sample.device)
    points = sample if len(drawn) == len(sample) else sample[drawn]
    chosen = points[spread_nodes(spread_out(points, affinity), m, generator).to(sample.device)]
    return affinity.settle(centroids(sample, chosen)) if isinstance(affinity, Affinity) else chosen


def solve_with_enough(
    nodes: Nodes, options: Options, generator: torch.Generator
) -> tuple[torch.Tensor, Solution, torch.Tensor]:
    """Return landmarks, doubled until all residuals are small, with the solution and the residuals (k,)."""
    n = len(nodes)
    most = n if n <= 2 * _FEWEST else min(n // 2, _MOST)
    m = min(most, max(_FEWEST, 2 * options.k))
    while True:
        landmarks = choose_landmarks(nodes[:], nodes.affinity, m, generator)
        solution, residuals = solve_nystrom(nodes, torch.arange(n), landmarks, options, generator)
        if m == most or float(residuals.max()) <= _GOOD_RESIDUAL:
            return landmarks, solution, residuals
        m = min(2 * m, most)


def settle_landmarks(
    landmarks: torch.Tensor, sample: torch.Tensor, affinity: Kernel, generator: torch.Generator
) -> torch.Tensor:
    """Return as many landmarks of a larger `sample` (s, c') of encoded nodes, to which those given are a start."""
    if isinstance(affinity, Affinity):
        return affinity.settle(centroids(sample, landmarks))
    return choose_landmarks(sample, affinity, len(landmarks), generator)
