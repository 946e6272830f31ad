"""Where the landmarks of a large graph go, and how many it needs."""

from __future__ import annotations

import torch

from .kernels import Affinity, Kernel
from .sampling import centroids, spread_nodes, uniform_nodes

__all__ = ["choose_landmarks", "spread_out"]

_SPREAD_NODES = 1 << 13


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
