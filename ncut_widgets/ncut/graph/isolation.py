"""Which nodes of a sample are outliers: isolated at the scale of the others, and not in a cluster of their own."""

from __future__ import annotations

import math

import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

__all__ = [
    "MEAN_EXPONENT",
    "MOST_OUTLIERS",
    "are_in_clusters",
    "evenly",
    "far_exponent",
    "isolation_limit",
    "may_be_isolated",
    "outlying_rows",
    "reach_of",
    "squared_distances",
]

# The exponent of two nodes is d^2 / 2 sigma^2 at the automatic sigma, whose square is an eighth of the mean of d^2.
MEAN_EXPONENT = 4.0
# A node is isolated if its degree without itself is below twice its affinity to itself (cut off alone, it then has an
# eigenvalue above a third) and below this share of the typical degree.
_ISOLATED_DEGREE = 2.0
_ISOLATED_SHARE = 0.02
# Two nodes are near each other if d^2 is at most this share of their mean squared distances from the bulk.
_NEAR = 0.25
# Nodes near each other, directly or through others, form a cluster if they are at least so many, and at least this
# share of all nodes...
_FEWEST_IN_A_CLUSTER = 3
_CLUSTER_SHARE = 0.005
# ...unless most of them are far: their mean squared distance from the bulk is more than this multiple of that within
# the bulk, and of that of the bulk from the origin.
_FAR = 6.0
# More than this share of all nodes are not outliers.
MOST_OUTLIERS = 0.06
_TYPICAL_NODES = 256


def outlying_rows(
    rows: torch.Tensor, weights: torch.Tensor, origin: torch.Tensor, n: float, *, cosine: bool
) -> torch.Tensor:
    """Return which of the `rows` (s, c), a sample of `n` nodes, are outliers at the scale of all rows: bool (s,).

    A share p of outliers that sets the scale is isolated at that scale, too: their exponents to the others are at
    least 2 / p. So whoever calls again without the outliers, until there are none, arrives at the scale of the bulk.
    """
    outlying = torch.zeros(len(rows), dtype=torch.bool)
    weights = weights.cpu().double()
    share = weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
    if cosine:
        squared = squared_distances(rows, rows, cosine=True)
        mean = squared @ share
    else:
        # The mean squared distance from all rows is that from their center, plus their variance.
        radii = torch.linalg.vector_norm(rows - share.to(rows) @ rows, dim=1).cpu().double().square()
        mean = radii + share @ radii
    spread = float(share @ mean)
    if spread == 0:
        return outlying
    mean = mean * (MEAN_EXPONENT / spread)
    candidate = may_be_isolated(mean, n)
    candidates, within = ((some & (weights > 0)).nonzero().flatten() for some in (candidate, ~candidate))
    if len(candidates) == 0 or len(within) < 2:
        return outlying

    def exponents(some: torch.Tensor) -> torch.Tensor:
        between = squared[some] if cosine else squared_distances(rows[some], rows, cosine=False)
        return between * (MEAN_EXPONENT / spread)

    def affinities(some: torch.Tensor) -> torch.Tensor:
        A = exponents(some).neg_().exp_()
        A[torch.arange(len(some)), some] = 0
        return A * (n * share)

    limit = isolation_limit(affinities(evenly(within))[:, within].sum(1))
    A = affinities(candidates)
    reached, joined = within, torch.zeros(len(candidates), dtype=torch.bool)
    degrees = torch.zeros(len(candidates), dtype=torch.float64)
    # Some candidates are connected to the bulk through others.
    while len(reached):
        degrees += A[:, reached].sum(1)
        new = (degrees >= limit) & ~joined
        joined |= new
        reached = candidates[new]
    if bool(joined.all()):
        return outlying
    size = float(share @ (rows - origin.to(rows)).double().square().sum(1).cpu()) * MEAN_EXPONENT / spread
    mean = mean[candidates]
    far = mean > far_exponent(size, cosine=cosine)
    grouped = are_in_clusters(exponents(candidates)[:, candidates], mean, share[candidates], far)
    outliers = candidates[~joined & ~grouped]
    outlying[outliers] = float(share[outliers].sum()) <= MOST_OUTLIERS
    return outlying


def evenly(some: torch.Tensor) -> torch.Tensor:
    """Return a few of the nodes, from the first to the last."""
    return some[torch.linspace(0, len(some) - 1, min(len(some), _TYPICAL_NODES)).long()]


def may_be_isolated(mean_exponents: torch.Tensor, n: float) -> torch.Tensor:
    """Return whether nodes (s,) with these mean exponents to `n` others may be isolated.

    By Jensen's inequality the mean of exp(-T) is at least exp(-mean of T).
    """
    return mean_exponents > _largest_sure_exponent(n)


def reach_of(n: float) -> float:
    """Return the squared distance from the center of `n` nodes, in multiples of their variance, up to which no node is
    isolated; at least 1."""
    return max(1.0, 2 * _largest_sure_exponent(n) / MEAN_EXPONENT - 1)


def _largest_sure_exponent(n: float) -> float:
    return math.log(max(n / _ISOLATED_DEGREE, 1.0))


def isolation_limit(degrees: torch.Tensor) -> float:
    """Return the degree without itself below which a node is isolated, given `degrees` (t,) of typical nodes."""
    return min(_ISOLATED_DEGREE, _ISOLATED_SHARE * float(degrees.median()))


def far_exponent(size: float, *, cosine: bool) -> float:
    """Return the mean exponent to the bulk above which a node is far; `size` is that of the bulk to the origin."""
    return math.inf if cosine else _FAR * max(MEAN_EXPONENT, size)


def are_in_clusters(
    exponents: torch.Tensor, mean_exponents: torch.Tensor, shares: torch.Tensor, far: torch.Tensor
) -> torch.Tensor:
    """Return which of some nodes (i,) are in clusters of their own, from the `exponents` (i, i) between them, their
    `mean_exponents` (i,) to the bulk and their `shares` (i,) of all nodes."""
    near = exponents <= _NEAR * torch.minimum(mean_exponents[:, None], mean_exponents)
    _, group = connected_components(csr_matrix(near.numpy()), directed=False)
    group = torch.from_numpy(group).long()
    count, n_far = torch.bincount(group), torch.bincount(group, weights=far.double())
    share = torch.bincount(group, weights=shares)
    is_cluster = (count >= _FEWEST_IN_A_CLUSTER) & (share >= _CLUSTER_SHARE) & (2 * n_far < count)
    return is_cluster[group]


def squared_distances(E: torch.Tensor, F: torch.Tensor, *, cosine: bool) -> torch.Tensor:
    """Return the squared distances (n, m) of placed rows, |e - f|^2 or (1 - cos)^2, on the CPU.

    float64 and cut off at rounding, so that equal rows are at zero.
    """
    E, F = E.cpu().double(), F.cpu().double()
    norms = F.square().sum(1)
    squared = torch.addmm(norms, E, F.T, alpha=-2).add_(E.square().sum(1)[:, None]).clamp_min_(0)
    squared[squared < 1e-13 * norms.amax()] = 0
    return (squared / 2).square_() if cosine else squared
