"""Builds the kernel of a graph: derives its bandwidth from the data, and projects many channels on a few."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ncut_widgets._validation import Like, torch_generator

from .bandwidth import PairwiseDistances
from .isolation import MAX_OUTLIER_SHARE, max_sample_radius, outlying_points
from .kernels import CallableKernel, CosineKernel, Kernel, MetricKernel, RbfKernel, ScaleSample
from .linalg import eigh
from .metric import Metric
from .sampling import uniform_nodes

__all__ = ["KERNELS", "build_kernel"]

# Built-in kernels by their name.
KERNELS: dict[str, type[MetricKernel]] = {"rbf": RbfKernel, "cosine": CosineKernel}

_SCALE_NODES = 1024
_BASIS_NODES = 2048
# Features with more elements and channels than these are compared on their leading principal directions. For fewer, a
# projection would save little time and lose precision.
_MIN_PROJECTED_ELEMENTS = 1 << 24
_MIN_PROJECTED_CHANNELS = 65
# Their number is a multiple of the step, up to the maximum, such that the exponents of pairs change by random amounts
# of at most this standard deviation. A change that is equal for all pairs cancels in the normalization.
_MAX_DIRECTIONS = 128
_DIRECTIONS_STEP = 16
_MAX_EXPONENT_DEVIATION = 0.03
_SUBSPACE_ITERATIONS = 4


def build_kernel(
    X: torch.Tensor,
    affinity: str | Callable[[Any, Any], Any] = "rbf",
    *,
    sigma: float | None = None,
    degree: float | None = None,
    repulsion_weight: float = 0.0,
    repulsion_sigma: float | None = None,
    weights: torch.Tensor | None = None,
    project: bool = False,
    like: Like | None = None,
    device: torch.device | None = None,
    generator: torch.Generator | None = None,
) -> Kernel:
    """Return the kernel for the nodes `X`.

    Without `sigma` and `degree`, sigma^2 is an eighth of the mean squared distance between two nodes (for "rbf", sigma
    is half the root mean square distance of the nodes from their mean; for "cosine" the distance is 1 - cos). With
    `degree`, it is the sigma at which the mean affinity of all pairs of nodes is `degree`. Both are measured on at most
    1024 nodes without outliers (`outlying_points`), and follow the units of the features. The default bandwidth of the
    repulsion is that of the first rule for "rbf", and 0.3 for "cosine", whose distance has its own unit.

    Parameters
    ----------
    X : torch.Tensor of shape (n, c)
        Features.
    affinity : {"rbf", "cosine"} or callable
        The kernel, or a function (X, Z) -> (n, m).
    sigma, degree : float, optional
        Bandwidth, or the mean affinity that determines it; at most one of them, none for a callable.
    repulsion_weight, repulsion_sigma : float, optional
        Factor and bandwidth of the repulsion.
    weights : torch.Tensor of shape (n,), optional
        Weights of the nodes, in float64 on the CPU; 1 by default.
    project : bool
        Whether features of many nodes and channels may be projected on their leading principal directions.
    like : Like, optional
        Type of the arrays that a callable takes; tensors by default.
    device : torch.device, optional
        Where to compute; by default on the device of the features.
    generator : torch.Generator, optional
        CPU generator of the samples; seeded with 0 by default.
    """
    device = X.device if device is None else device
    generator = torch_generator(0) if generator is None else generator
    if callable(affinity):
        like = Like(is_numpy=False, dtype=X.dtype, device=X.device) if like is None else like
        return CallableKernel(affinity, like, device, X.dtype)
    kernel_type = KERNELS[affinity]
    sampled = uniform_nodes(len(X), _SCALE_NODES, generator)
    mass = torch.ones(len(X), dtype=torch.float64) if weights is None else weights
    n = float((mass > 0).sum())
    metric, kept = _metric_without_outliers(X[sampled.to(X.device)], mass[sampled], n, kernel_type.metric_type, device)
    automatic = sigma is None
    repulsion_sigma = repulsion_sigma or kernel_type.default_repulsion_sigma
    automatic_sigma, degree_sigma = None, None
    if automatic or (repulsion_weight > 0 and repulsion_sigma is None):
        squared = metric.squared_distances(metric.points, metric.points)
        share = float(mass[sampled][kept].sum() / mass[sampled].sum().clamp_min(torch.finfo(mass.dtype).tiny))
        n_effective = max(1.0, float(mass.sum() ** 2 / mass.square().sum()) * share)
        pairs = PairwiseDistances(squared, mass[sampled][kept], n_effective)
        automatic_sigma = pairs.automatic_sigma() * metric.unit
        if degree is not None:
            degree_sigma = pairs.sigma_of_degree(degree) * metric.unit
    bandwidth = float(sigma or degree_sigma or automatic_sigma or 1.0)
    repulsion_sigma = (repulsion_sigma or automatic_sigma) if repulsion_weight > 0 else None

    def kernel_with(basis: torch.Tensor | None = None, blur: float = 0.0) -> MetricKernel:
        return kernel_type(
            metric,
            sigma=bandwidth,
            basis=basis,
            blur=blur,
            repulsion_weight=repulsion_weight,
            repulsion_sigma=repulsion_sigma,
        )

    kernel = kernel_with()
    if project and X.shape[1] >= _MIN_PROJECTED_CHANNELS and X.numel() > _MIN_PROJECTED_ELEMENTS:
        sample = kernel.encode(X[uniform_nodes(len(X), _BASIS_NODES, generator).to(X.device)])
        if kernel.has_quadratic_exponent:
            sample = _with_limited_radius(sample, kernel.encode(X[sampled[kept].to(X.device)]), n)
        kernel = kernel_with(*_leading_directions(sample))
    kernel.has_automatic_sigma = automatic
    kernel.scale_sample = ScaleSample(sampled, kept, automatic_sigma or metric.sigma_from_variance(mass[sampled][kept]))
    return kernel


def _metric_without_outliers(
    sample: torch.Tensor, weights: torch.Tensor, n: float, metric_type: type[Metric], device: torch.device
) -> tuple[Metric, torch.Tensor]:
    """Return the metric fitted to the rows of a `sample` (s, c) of `n` nodes that are not outliers, and these rows."""
    kept = torch.arange(len(sample))
    while True:
        # Fit again without outliers: in a unit that is a million times too large, the others lose their digits.
        metric = metric_type(sample[kept.to(sample.device)], device)
        fewer = kept[~outlying_points(metric, weights[kept], n)]
        if len(fewer) == len(kept) or float(weights[fewer].sum()) < (1 - MAX_OUTLIER_SHARE) * float(weights.sum()):
            return metric, kept
        kept = fewer


def _with_limited_radius(sample: torch.Tensor, bulk: torch.Tensor, n: float) -> torch.Tensor:
    """Return encoded nodes (s, c), with possible outliers moved as close to the `bulk` (b, c) as the other nodes.

    Directions in which only a few nodes are far from the others are kept, but do not dominate the variance.
    """
    center = bulk.mean(0)
    variance = float((bulk - center).square().sum(1).mean())
    radius = math.sqrt(variance * max_sample_radius(n))
    radii = (sample - center).norm(dim=1, keepdim=True)
    return center + (sample - center) * (radius / radii.clamp_min(max(radius, torch.finfo(radii.dtype).tiny)))


def _leading_directions(sample: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return an orthonormal basis (c, r) of approximately the leading principal directions of encoded nodes (s, c), and
    a bound on the change of the eigenvalues of M without the other directions.

    Without directions of variances v_j, the exponents -r^2 of pairs change by random amounts of standard deviation
    (8 sum v_j^2)^1/2. The part of the change that differs within pairs is 2 z_i . z_j, with z the coordinates in the
    omitted directions. As a matrix over n nodes, it has the norm 2 n max v_j.
    """
    centered = sample - sample.mean(0)
    covariance = (centered.T @ centered / len(sample)).cpu()
    # Subspace iteration. Starting with the sample needs no generator, and is biased to directions of large variance.
    block = torch.linalg.qr(centered[: _MAX_DIRECTIONS + _DIRECTIONS_STEP].T.cpu()).Q
    for _ in range(_SUBSPACE_ITERATIONS):
        block = torch.linalg.qr(covariance @ block).Q
    variances, rotation = eigh(block.T @ covariance @ block)
    variances, rotation = variances.flip(0), rotation.flip(1)
    omitted = covariance.double().square().sum() - variances.double().square().cumsum(0)
    enough = int(((8 * omitted.clamp_min(0)).sqrt() > _MAX_EXPONENT_DEVIATION).sum()) + 1
    kept = min(_MAX_DIRECTIONS, _DIRECTIONS_STEP * math.ceil(enough / _DIRECTIONS_STEP), len(variances))
    blur = 2 * float(variances[kept]) if kept < len(variances) else 0.0
    return (block @ rotation[:, :kept]).to(sample.device), blur
