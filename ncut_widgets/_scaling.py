"""Scaling of rows of any magnitude, so that their squares and sums neither overflow nor underflow."""

from __future__ import annotations

import math

import torch

__all__ = ["SafeScaler"]


class SafeScaler:
    """Centers and scales the rows of a sample to [-2, 2], and other rows in the same way.

    Equal rows stay equal. In units of the sample's largest absolute value, rows farther from 0 than the sixth root of
    the largest float are moved to that distance along their direction.

    Parameters
    ----------
    sample : torch.Tensor of shape (s, c)
        Finite values.

    Examples
    --------
    >>> scaler = SafeScaler(torch.tensor([[1e38], [3e38]]))
    >>> scaler(torch.tensor([[1e38], [3e38]])).flatten().round(decimals=3).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, sample: torch.Tensor) -> None:
        # A power of two, so that the division is exact.
        self._unit = math.ldexp(1.0, math.frexp(float(sample.abs().amax()))[1] - 1)
        self._farthest = torch.finfo(sample.dtype).max ** (1 / 6)
        self.mean = (sample / self._unit).mean(0)
        spread = (sample / self._unit - self.mean).abs().amax()
        self.spread = torch.where(spread > 0, spread, torch.ones_like(spread))

    def __call__(self, nodes: torch.Tensor) -> torch.Tensor:
        """Return rows (n, c) of the sample's dtype, centered and scaled."""
        largest = nodes.abs().amax(1, keepdim=True)
        is_far = largest / self._unit > self._farthest
        moved = nodes / torch.where(is_far, largest, 1) * self._farthest
        mean, spread = self.mean.to(nodes), self.spread.to(nodes)
        return (torch.where(is_far, moved, nodes / self._unit) - mean) / spread
