"""Metrics of the built-in kernels: they turn features into points whose squared distances are numerically safe."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod

import torch

__all__ = ["MEAN_EXPONENT", "CosineMetric", "EuclideanMetric", "Metric"]

# Mean of d^2 / 2 sigma^2 over pairs of nodes at the automatic sigma, whose square is an eighth of the mean of d^2.
MEAN_EXPONENT = 4.0
# Nodes are far if their mean squared distance to the bulk exceeds this multiple of the mean squared distance within the
# bulk, and of that between the bulk and the origin.
_FAR_MULTIPLE = 6.0
# If the mean of the features is at most this multiple of their spread, they can be centered after the projection: the
# product loses no relevant digit, and there are fewer numbers to subtract from.
_MAX_UNCENTERED_MEAN = 4.0
# Relative squared distances below this are rounding errors in float64.
_ROUNDING = 1e-13


class Metric(ABC):
    """The distance d between nodes, fitted to a sample of them.

    Points are features in a normalized unit, relative to their mean, so that distances between points neither cancel,
    overflow nor underflow.

    Parameters
    ----------
    sample : torch.Tensor of shape (s, c)
        Features.
    device : torch.device
        Device of the points.

    Attributes
    ----------
    unit : float
        Distance between features that corresponds to the distance 1 between points.
    mean : torch.Tensor of shape (c,)
        Center of the points.
    points : torch.Tensor of shape (s, c)
        Points of the sample.
    is_far : bool
        Whether features must be centered before they are projected.
    """

    def __init__(self, sample: torch.Tensor, device: torch.device) -> None:
        self.unit = 1.0
        self.mean = torch.zeros(sample.shape[1], dtype=sample.dtype, device=device)
        points = self.to_points(sample)
        self.mean = points.mean(0)
        if not bool(torch.isfinite(self.mean).all()):
            # The sum of numbers near the largest float overflows, but not their mean.
            self.mean = (points / len(points)).sum(0)
        self.unit, self.is_far = self._unit_and_is_far(sample)
        self.points = self.to_points(sample)

    def in_float64(self) -> Metric:
        """Return the same metric for float64 points; on the CPU if the device has no float64."""
        metric = copy.copy(self)
        device = device_with_float64(self.mean.device)
        metric.mean = self.mean.to(device).double()
        metric.points = self.points.to(device).double()
        return metric

    @abstractmethod
    def to_points(self, X: torch.Tensor) -> torch.Tensor:
        """Return the points (r, c) of features (r, c)."""

    def before_projection(self, X: torch.Tensor) -> torch.Tensor:
        """Return features (r, c) in the form that is projected: centered only if `is_far`."""
        return self.to_points(X)

    def origin(self) -> torch.Tensor:
        """Return the point (c,) of the zero vector."""
        return self.to_points(torch.zeros_like(self.mean)[None])[0]

    def squared_distances(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        """Return d^2 (n, m) between points, in float64 on the CPU; exactly 0 for equal points."""
        return squared_euclidean_distances(E, F)

    @abstractmethod
    def mean_squared_distances(self, share: torch.Tensor) -> torch.Tensor:
        """Return the mean of d^2 (s,) from each point of the sample to all of them, given their `share` (s,)."""

    @abstractmethod
    def far_exponent(self, bulk_to_origin: float) -> float:
        """Return the mean exponent to the bulk above which a node is far, given that of the bulk to the origin."""

    @abstractmethod
    def sigma_from_variance(self, weights: torch.Tensor) -> float | None:
        """Return the automatic sigma, computed without pairs of nodes; None if that is not possible."""

    @abstractmethod
    def _unit_and_is_far(self, sample: torch.Tensor) -> tuple[float, bool]:
        """Return `unit` and `is_far`, once `mean` is known."""


class EuclideanMetric(Metric):
    """d(x, z) = |x - z|."""

    def _unit_and_is_far(self, sample: torch.Tensor) -> tuple[float, bool]:
        spread = float(self.to_points(sample).abs().amax())
        if not math.isfinite(spread):
            dtype = str(sample.dtype).removeprefix("torch.")
            raise ValueError(
                f"The differences between features must be below {torch.finfo(sample.dtype).max:.1e} in {dtype}; got "
                f"features from {float(sample.amin()):.1e} to {float(sample.amax()):.1e}. Divide the features by 10."
            )
        unit = spread if spread > 0 else float(sample.abs().amax()) or 1.0
        return unit, float(self.mean.abs().amax()) > _MAX_UNCENTERED_MEAN * unit

    def to_points(self, X: torch.Tensor) -> torch.Tensor:
        return (X.to(self.mean.device).to(self.mean.dtype) - self.mean) / self.unit

    def before_projection(self, X: torch.Tensor) -> torch.Tensor:
        X = X.to(self.mean.device).to(self.mean.dtype)
        return X - self.mean if self.is_far else X

    def mean_squared_distances(self, share: torch.Tensor) -> torch.Tensor:
        # The mean squared distance to all points is the squared distance to their center plus their variance.
        center = share.to(self.points) @ self.points
        radii = torch.linalg.vector_norm(self.points - center, dim=1).cpu().double().square()
        return radii + share @ radii

    def far_exponent(self, bulk_to_origin: float) -> float:
        return _FAR_MULTIPLE * max(MEAN_EXPONENT, bulk_to_origin)

    def sigma_from_variance(self, weights: torch.Tensor) -> float | None:
        share = (weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)).to(self.points)
        radii = (self.points - share @ self.points).square().sum(1)
        return math.sqrt(float(share @ radii) / 4) * self.unit or None


class CosineMetric(Metric):
    """d(x, z) = 1 - cos(x, z), which is half the squared distance between directions."""

    def _unit_and_is_far(self, sample: torch.Tensor) -> tuple[float, bool]:  # noqa: ARG002
        return 1.0, True

    def to_points(self, X: torch.Tensor) -> torch.Tensor:
        X = X.to(self.mean.device).to(self.mean.dtype)
        # Divide by the largest channel first, so that squares stay in range. A zero node has no direction and stays 0.
        X = X / X.abs().amax(1, keepdim=True).clamp_min(torch.finfo(X.dtype).tiny)
        return X / X.norm(dim=1, keepdim=True).clamp_min(0.5) - self.mean

    def squared_distances(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        return (squared_euclidean_distances(E, F) / 2).square_()

    def mean_squared_distances(self, share: torch.Tensor) -> torch.Tensor:
        return self.squared_distances(self.points, self.points) @ share

    def far_exponent(self, bulk_to_origin: float) -> float:  # noqa: ARG002
        return math.inf

    def sigma_from_variance(self, weights: torch.Tensor) -> float | None:  # noqa: ARG002
        return None


def squared_euclidean_distances(E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
    """Return |e - f|^2 (n, m) in float64 on the CPU, with rounding errors set to 0."""
    E, F = E.cpu().double(), F.cpu().double()
    norms = F.square().sum(1)
    squared = torch.addmm(norms, E, F.T, alpha=-2).add_(E.square().sum(1)[:, None]).clamp_min_(0)
    squared[squared < _ROUNDING * norms.amax()] = 0
    return squared


def device_with_float64(device: torch.device) -> torch.device:
    """Return the device, or the CPU if the device has no float64."""
    return torch.device("cpu") if device.type == "mps" else device
