"""The distance at which nodes stop being alike, where the user leaves it to the data."""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq

__all__ = ["sigma_of_degree", "sigma_of_spread"]


def sigma_of_spread(squared: torch.Tensor, weights: torch.Tensor, n_effective: float) -> float:
    """Return the sigma with sigma^2 an eighth of the mean of the `squared` distances (s, s) between nodes.

    `weights` (s,) are those of the nodes, and `n_effective` is how many nodes of equal weight the whole graph, of
    which these are a sample, is worth: 1 / n_effective is the share of pairs that are a node and itself.
    """
    mean = float(_mean_of_pairs(squared, weights)) * (1 - 1 / n_effective)
    return math.sqrt(mean / 8) or 1.0


def sigma_of_degree(squared: torch.Tensor, weights: torch.Tensor, n_effective: float, degree: float) -> float:
    """Return the sigma at which exp(-d^2 / 2 sigma^2) has the mean `degree` over all pairs; else as above."""

    def mean_affinity(A: torch.Tensor) -> float:
        return float(_mean_of_pairs(A, weights)) * (1 - 1 / n_effective) + 1 / n_effective

    lowest = mean_affinity((squared == 0).double())
    if lowest > 1 - 1e-12:
        return 1.0
    if degree <= lowest:
        raise ValueError(
            f"`degree` must be above {lowest:.3g} for these {n_effective:.0f} nodes, where that share of all pairs is "
            f"identical; got {degree:g}. Raise it, pass more images, or give `sigma`."
        )
    positive = squared[squared > 0]
    low, high = math.log(float(positive.min())) / 2 - 4, math.log(float(positive.max())) / 2 + 8
    root = brentq(lambda s: mean_affinity((squared * (-0.5 * math.exp(-2 * s))).exp()) - degree, low, high, xtol=1e-9)
    return math.exp(root)


def _mean_of_pairs(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The mean over pairs of different rows."""
    all_pairs = weights @ values @ weights - weights.square() @ values.diagonal()
    return all_pairs / (weights.sum() ** 2 - weights.square().sum()).clamp_min(torch.finfo(weights.dtype).tiny)
