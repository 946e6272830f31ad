"""Where the landmarks of a large graph go, and how many it needs."""

from __future__ import annotations

import torch

from .affinity import Affinity, Kernel
from .nodes import Nodes
from .nystrom import Draft, Options, complete, draft_graph
from .sampling import centroids, spread_nodes, uniform_nodes
from .solution import Solution

__all__ = ["choose_landmarks", "draft_with_enough", "spread_out"]

_FEWEST, _MOST = 512, 2048
_SPREAD_NODES = 1 << 13
# With residuals about that, 512 landmarks lost 4e-4 of the subspace that 4096 found in twelve photographs with a sharp
# kernel (38 608 nodes), and 1e-6 to 1e-4 of the exact one on 12 000 nodes of smoother graphs.
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


def draft_with_enough(
    nodes: Nodes, options: Options, n_vectors: int, generator: torch.Generator
) -> tuple[Draft, Solution, torch.Tensor]:
    """Return a draft whose landmarks were doubled until all residuals are small, what it comes to, and these (k,)."""
    n = len(nodes)
    most = n if n <= 2 * _FEWEST else min(n // 2, _MOST)
    m = min(most, max(_FEWEST, n_vectors))
    while True:
        landmarks = choose_landmarks(nodes.counted(), nodes.affinity, m, generator)
        draft = draft_graph(nodes, landmarks, options, n_vectors, generator)
        solution, residuals = complete(draft, options, generator)
        if m == most or float(residuals.max()) <= _GOOD_RESIDUAL:
            return draft, solution, residuals
        m = min(2 * m, most)
