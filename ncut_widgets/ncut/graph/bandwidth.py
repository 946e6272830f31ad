"""Derives the bandwidth sigma of a kernel from the distances between nodes."""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq

__all__ = ["PairwiseDistances"]


class PairwiseDistances:
    """Squared distances between the nodes of a sample, which represents all pairs of nodes of a graph.

    Parameters
    ----------
    squared : torch.Tensor of shape (s, s)
        Between the sampled nodes, in float64 on the CPU, 0 for equal nodes. In a unit in which their fourth powers do
        not overflow.
    weights : torch.Tensor of shape (s,)
        Weights of the sampled nodes.
    n_effective : float
        Effective number of nodes of the graph: a share 1 / n_effective of all pairs are a node and itself.
    """

    def __init__(self, squared: torch.Tensor, weights: torch.Tensor, n_effective: float) -> None:
        above = torch.triu_indices(len(squared), len(squared), offset=1)
        self._squared = squared[above[0], above[1]]
        shares = weights[above[0]] * weights[above[1]]
        self._shares = shares / shares.sum().clamp_min(torch.finfo(shares.dtype).tiny)
        self._n = n_effective

    def automatic_sigma(self) -> float:
        """Return the sigma whose square is an eighth of the mean squared distance over all pairs."""
        return math.sqrt(float(self._shares @ self._squared) * (1 - 1 / self._n) / 8) or 1.0

    def sigma_of_degree(self, degree: float) -> float:
        """Return the sigma at which exp(-d^2 / 2 sigma^2) has the mean `degree` over all pairs."""
        apart = (self._squared > 0) & (self._shares > 0)
        lowest = self._mean_affinity((self._squared == 0).double())
        if not bool(apart.any()) or lowest > 1 - 1e-12:
            return 1.0
        if degree <= lowest:
            raise ValueError(
                f"`degree` must be above {lowest:.3g} for these {self._n:.0f} nodes, of which that share of pairs "
                f"is identical; got {degree:g}. Raise it, pass more images, or give `sigma`."
            )

        def excess(log_sigma: float) -> float:
            return self._mean_affinity((self._squared * (-0.5 * math.exp(-2 * log_sigma))).exp_()) - degree

        squared = self._squared[apart]
        low, high = math.log(float(squared.min())) / 2 - 4, math.log(float(squared.max())) / 2 + 20
        # At the ends, the affinity of all different pairs is 0 or 1 to the last digit.
        if excess(low) >= 0:
            return math.exp(low)
        if excess(high) <= 0:
            return math.exp(high)
        return math.exp(brentq(excess, low, high, xtol=1e-8))

    def _mean_affinity(self, A: torch.Tensor) -> float:
        return float(self._shares @ A) * (1 - 1 / self._n) + 1 / self._n
