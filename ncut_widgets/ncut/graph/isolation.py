"""The rule for outliers: nodes that are isolated at the scale of the others and do not form clusters; applied to a
sample."""

from __future__ import annotations

import math

import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from .metric import MEAN_EXPONENT, Metric

__all__ = [
    "MAX_OUTLIER_SHARE",
    "are_in_clusters",
    "evenly_spaced",
    "isolation_limit",
    "max_sample_radius",
    "may_be_isolated",
    "outlying_points",
]

# A node is isolated if its degree without itself is below twice its affinity to itself (alone, it would have an
# eigenvalue above a third) and below this share of the typical degree.
_MIN_DEGREE = 2.0
_MIN_DEGREE_SHARE = 0.02
# Two nodes are neighbors if d^2 is at most this share of their mean squared distances to the bulk.
_NEIGHBOR_SHARE = 0.25
# A connected group of neighbors is a cluster if it has at least this many nodes and this share of all nodes, and if at
# most half of its nodes are far from the bulk (`Metric.far_exponent`).
_MIN_CLUSTER_SIZE = 3
_MIN_CLUSTER_SHARE = 0.005
# If isolated nodes are more than this share of all nodes, they are not outliers.
MAX_OUTLIER_SHARE = 0.06
_TYPICAL_NODES = 256


def outlying_points(metric: Metric, weights: torch.Tensor, n: float) -> torch.Tensor:
    """Return which points of the sample of a `metric` are outliers at the scale of the sample: bool (s,).

    Outliers may determine that scale. A share p of such outliers is isolated at that scale, too, because their
    exponents to the others are at least 2 / p. If this function is applied repeatedly, each time without the outliers
    found, the scale converges to that of the other nodes.

    Parameters
    ----------
    metric : Metric
        Fitted to a sample of s nodes.
    weights : torch.Tensor of shape (s,)
        Weights of these nodes.
    n : float
        Number of nodes that the sample represents.
    """
    points = metric.points
    outlying = torch.zeros(len(points), dtype=torch.bool)
    weights = weights.cpu().double()
    share = weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
    mean = metric.mean_squared_distances(share)
    spread = float(share @ mean)
    if spread == 0:
        return outlying
    mean = mean * (MEAN_EXPONENT / spread)
    candidate = may_be_isolated(mean, n)
    candidates, bulk = ((some & (weights > 0)).nonzero().flatten() for some in (candidate, ~candidate))
    if len(candidates) == 0 or len(bulk) < 2:
        return outlying

    def exponents(some: torch.Tensor) -> torch.Tensor:
        return metric.squared_distances(points[some], points) * (MEAN_EXPONENT / spread)

    def affinities(some: torch.Tensor) -> torch.Tensor:
        A = exponents(some).neg_().exp_()
        A[torch.arange(len(some)), some] = 0
        return A * (n * share)

    limit = isolation_limit(affinities(evenly_spaced(bulk))[:, bulk].sum(1))
    A = affinities(candidates)
    reached, connected = bulk, torch.zeros(len(candidates), dtype=torch.bool)
    degrees = torch.zeros(len(candidates), dtype=torch.float64)
    # Some candidates are connected to the bulk through other candidates.
    while len(reached):
        degrees += A[:, reached].sum(1)
        new = (degrees >= limit) & ~connected
        connected |= new
        reached = candidates[new]
    if bool(connected.all()):
        return outlying
    bulk_to_origin = share @ (points - metric.origin().to(points)).double().square().sum(1).cpu()
    mean = mean[candidates]
    far = mean > metric.far_exponent(float(bulk_to_origin) * MEAN_EXPONENT / spread)
    clustered = are_in_clusters(exponents(candidates)[:, candidates], mean, share[candidates], far)
    outliers = candidates[~connected & ~clustered]
    outlying[outliers] = float(share[outliers].sum()) <= MAX_OUTLIER_SHARE
    return outlying


def evenly_spaced(nodes: torch.Tensor) -> torch.Tensor:
    """Return at most 256 of the `nodes`, evenly spaced from the first to the last."""
    return nodes[torch.linspace(0, len(nodes) - 1, min(len(nodes), _TYPICAL_NODES)).long()]


def may_be_isolated(mean_exponents: torch.Tensor, n: float) -> torch.Tensor:
    """Return which nodes (s,) may be isolated, given their mean exponents to `n` nodes.

    By Jensen's inequality, the mean of exp(-T) is at least exp(-mean of T).
    """
    return mean_exponents > _max_connected_exponent(n)


def max_sample_radius(n: float) -> float:
    """Return the squared distance from the center of `n` nodes, relative to their variance, within which no node is
    isolated; at least 1."""
    return max(1.0, 2 * _max_connected_exponent(n) / MEAN_EXPONENT - 1)


def _max_connected_exponent(n: float) -> float:
    return math.log(max(n / _MIN_DEGREE, 1.0))


def isolation_limit(degrees: torch.Tensor) -> float:
    """Return the degree without itself below which a node is isolated, given `degrees` (t,) of typical nodes."""
    return min(_MIN_DEGREE, _MIN_DEGREE_SHARE * float(degrees.median()))


def are_in_clusters(
    exponents: torch.Tensor, mean_exponents: torch.Tensor, shares: torch.Tensor, far: torch.Tensor
) -> torch.Tensor:
    """Return which nodes (i,) form clusters among themselves.

    Parameters
    ----------
    exponents : torch.Tensor of shape (i, i)
        Between the nodes.
    mean_exponents : torch.Tensor of shape (i,)
        Between each of them and the bulk.
    shares : torch.Tensor of shape (i,)
        Their shares of the weight of all nodes.
    far : torch.Tensor of shape (i,)
        Whether they are far from the bulk.
    """
    neighbors = exponents <= _NEIGHBOR_SHARE * torch.minimum(mean_exponents[:, None], mean_exponents)
    _, group = connected_components(csr_matrix(neighbors.numpy()), directed=False)
    group = torch.from_numpy(group).long()
    count, n_far = torch.bincount(group), torch.bincount(group, weights=far.double())
    share = torch.bincount(group, weights=shares)
    is_cluster = (count >= _MIN_CLUSTER_SIZE) & (share >= _MIN_CLUSTER_SHARE) & (2 * n_far < count)
    return is_cluster[group]
