"""Where the landmarks of a large graph go, and how many it needs."""

from __future__ import annotations

import torch

from .affinity import Affinity, Kernel
from .nodes import Nodes
from .nystrom import Draft, Options, complete, draft_graph
from .sampling import centroids, spread_nodes, uniform_nodes
from .solution import Solution

__all__ = ["are_small", "choose_landmarks", "draft_with_enough", "spread_out"]

_SPREAD_NODES = 1 << 13
# With residuals of about 0.02, 512 landmarks lost 4e-4 of the subspace that 4096 found in twelve photographs with a
# sharp kernel (38 608 nodes), and 1e-6 to 1e-4 of the exact one on 12 000 nodes of smoother graphs. What a residual
# does to an eigenvector depends on the gaps next to its eigenvalue, which are smaller than the eigenvalue.
_GOOD_RESIDUAL = 0.02
_GOOD_SHARE_OF_EIGENVALUE = 0.05


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


def are_small(residuals: torch.Tensor, values: torch.Tensor) -> bool:
    """Return whether the residuals (k,) are small, in themselves and next to the eigenvalues (k,)."""
    limits = (_GOOD_SHARE_OF_EIGENVALUE * values.abs()).clamp_max(_GOOD_RESIDUAL)
    return bool((residuals <= limits).all())


def draft_with_enough(
    nodes: Nodes, options: Options, n_vectors: int, generator: torch.Generator, *, fewest: int, most: int
) -> tuple[Draft, Solution, torch.Tensor]:
    """Return a draft whose landmarks, at least `fewest` and at most `most`, were doubled until all residuals are small,
    with the solution it leads to and its residuals (k,)."""
    m = min(most, max(fewest, n_vectors))
    while True:
        landmarks = choose_landmarks(nodes.counted(), nodes.affinity, m, generator)
        draft = draft_graph(nodes, landmarks, options, n_vectors, generator)
        solution, residuals = complete(draft, options, generator)
        if m >= most or are_small(residuals, solution.pairs.values):
            return draft, solution, residuals
        m = min(2 * m, most)
