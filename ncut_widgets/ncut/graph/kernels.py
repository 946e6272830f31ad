"""Kernels: the affinity k(x, z) between nodes, its repulsion, and its derivative.

A kernel encodes features once and compares encoded nodes: `kernel(kernel.encode(X), kernel.encode(Z))` is (n, m). To
add a kernel that depends on a distance, subclass `MetricKernel` and list it in `build_kernel.KERNELS`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch

from ncut_widgets._threads import all_threads, map_in_order
from ncut_widgets._validation import Like

from .metric import CosineMetric, EuclideanMetric, Metric, device_with_float64, squared_euclidean_distances
from .precision import LOW_RANK_CUT
from .sampling import centroids
from .symmetric import SymmetricMatrix, row_blocks

__all__ = ["CallableKernel", "CosineKernel", "Kernel", "MetricKernel", "RbfKernel", "ScaleSample"]

# On a CPU, rows are encoded in blocks that stay in its cache from one step to the next.
_BLOCK_ELEMENTS = 1 << 19
# Rows of the blocks of a callable's matrix whose diagonal is needed.
_DIAGONAL_ROWS = 64


class ScaleSample(NamedTuple):
    """The sample of nodes on which the scale of a kernel was measured."""

    # Indices (s,) of the sampled nodes, and which of them (b,) are not outliers.
    sampled: torch.Tensor
    kept: torch.Tensor
    # Automatic sigma of the kernel, if known.
    sigma: float | None


class Kernel(ABC):
    """The affinity between encoded nodes."""

    # Bandwidth of the affinity and of the repulsion; None if the kernel has none.
    sigma: float | None = None
    repulsion_sigma: float | None = None
    # Factor of the repulsion; 0 without.
    repulsion_weight: float = 0.0
    # Bound on the change of the eigenvalues of M caused by a projection of the features.
    blur: float = 0.0
    # Whether sigma was derived from the data, on the nodes in `scale_sample`.
    has_automatic_sigma: bool = False
    scale_sample: ScaleSample | None = None
    # Whether several threads may call the kernel at once.
    is_thread_safe: ClassVar[bool]
    # Whether the affinity of every node to itself is 1.
    has_unit_diagonal: ClassVar[bool]
    # Whether -log of the affinity is the squared distance of encoded nodes.
    has_quadratic_exponent: ClassVar[bool] = False

    @property
    def is_repulsive(self) -> bool:
        """Whether the kernel has a repulsion."""
        return self.repulsion_weight > 0

    @property
    @abstractmethod
    def is_finest(self) -> bool:
        """Whether the kernel is computed in float64 and on all channels."""

    @abstractmethod
    def in_float64(self) -> Kernel:
        """Return the same kernel in float64 and on all channels."""

    @abstractmethod
    def encode(self, X: torch.Tensor) -> torch.Tensor:
        """Return features (n, c) as encoded nodes (n, c'), on the device of the kernel."""

    @abstractmethod
    def __call__(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        """Return the affinities (n, m) between encoded nodes."""

    def parts(self, E: torch.Tensor, F: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the affinities (n, m) between encoded nodes, followed by their repulsion (n, m) if there is one."""
        return (self(E, F),)

    def repulsion_cut(self, dtype: torch.dtype) -> float:
        """Return the eigenvalue, relative to the largest, below which a repulsion in this `dtype` is noise."""
        return LOW_RANK_CUT[dtype]

    @property
    def n_parts(self) -> int:
        """Number of matrices that `parts` returns."""
        return 2 if self.is_repulsive else 1

    @abstractmethod
    def in_high_precision(self, E: torch.Tensor) -> torch.Tensor:
        """Return a few encoded nodes (m, c') in the highest precision that the kernel accepts."""

    def exponents(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        """Return -log of the affinities (n, m) between encoded nodes, in float64 on the CPU."""
        return self(E, F).cpu().double().log().neg_()

    def rescaling(self, sigma: float) -> float:  # noqa: ARG002
        """Return the factor that converts encoded nodes to those of the same kernel with the bandwidth `sigma`."""
        return 1.0

    def far_exponent(self, bulk_to_origin: float) -> float:  # noqa: ARG002
        """Return the mean exponent to the bulk above which a node is far, given that of the bulk to the origin."""
        return math.inf

    @abstractmethod
    def own_affinities(self, E: torch.Tensor) -> torch.Tensor:
        """Return the affinities (n,) of encoded nodes to themselves."""

    @abstractmethod
    def to_comparable_points(self, E: torch.Tensor) -> torch.Tensor:
        """Return encoded nodes as points whose Euclidean distances measure how far apart nodes are."""

    @abstractmethod
    def place_landmarks(self, E: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Return encoded landmarks (m, c') for the encoded nodes `E`, starting from the `chosen` nodes (m, c')."""

    @abstractmethod
    def gradient(self, X: torch.Tensor, Z: torch.Tensor, A: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return the gradient (n, c) of sum_ij weights_ij k(x_i, z_j) with respect to the features `X`.

        Parameters
        ----------
        X : torch.Tensor of shape (n, c)
            Features.
        Z : torch.Tensor of shape (m, c')
            Encoded landmarks, which are constants.
        A : torch.Tensor of shape (n, m)
            The affinities k(X, Z).
        weights : torch.Tensor of shape (n, m)
            Overwritten.
        """

    @abstractmethod
    def symmetric_gradient(
        self, X: torch.Tensor, E: torch.Tensor, A: SymmetricMatrix, left: torch.Tensor, right: torch.Tensor
    ) -> torch.Tensor:
        """Return the gradient (n, c) of half the sum of weights_ij k(x_i, x_j) with respect to the features `X`.

        Parameters
        ----------
        X, E : torch.Tensor of shape (n, c) and (n, c')
            Features, and the same nodes encoded.
        A : SymmetricMatrix of shape (n, n)
            The affinities k(X, X).
        left, right : torch.Tensor of shape (n, r)
            Factors of the weights, left @ right^T, which are symmetric.
        """


class MetricKernel(Kernel):
    """A kernel that depends on the distance between nodes.

    Encoding centers, divides by sigma and, with a `basis`, projects, so that the affinity is a function of the distance
    r between encoded nodes.

    Parameters
    ----------
    metric : Metric
        The distance.
    sigma : float
        Bandwidth of the affinity.
    basis : torch.Tensor of shape (c, c'), optional
        Directions on which centered features are projected.
    blur : float
        Bound on the change of eigenvalues by the projection.
    repulsion_weight, repulsion_sigma : float
        Factor and bandwidth of the repulsion; the bandwidth is used if the factor is above 0.
    """

    metric_type: ClassVar[type[Metric]]
    # Default of `repulsion_sigma`, if it does not depend on the data.
    default_repulsion_sigma: ClassVar[float | None] = None
    # Powers of the largest float that bound encoding factors and encoded nodes, so that exponents stay finite. Nodes
    # that differ in their last digit have an affinity of 0 long before.
    _factor_power: ClassVar[float]
    _coordinate_power: ClassVar[float]

    is_thread_safe = True
    has_unit_diagonal = True

    def __init__(
        self,
        metric: Metric,
        *,
        sigma: float,
        basis: torch.Tensor | None = None,
        blur: float = 0.0,
        repulsion_weight: float = 0.0,
        repulsion_sigma: float | None = None,
    ) -> None:
        self.metric = metric
        self.sigma: float = sigma
        self.repulsion_weight = repulsion_weight
        self.repulsion_sigma = repulsion_sigma
        self.blur = blur
        largest = torch.finfo(metric.mean.dtype).max
        # Divide by the unit first: units may differ from 1 by orders of magnitude, sigma in those units does not.
        relative = max(sigma / metric.unit, torch.finfo(torch.float64).tiny)
        self._factor = min(self._encoding_factor(relative), largest**self._factor_power)
        self._sigma_ratio = 0.0 if repulsion_sigma is None else min(sigma / repulsion_sigma, largest ** (1 / 8))
        self._max_coordinate = largest**self._coordinate_power
        self._basis = None if basis is None else basis * min(self._factor / metric.unit, largest**0.75)
        self._offset = None if self._basis is None else metric.mean @ self._basis

    @property
    def is_finest(self) -> bool:
        return self._basis is None and self.metric.mean.dtype == torch.float64

    def in_float64(self) -> MetricKernel:
        kernel = type(self)(
            self.metric.in_float64(),
            sigma=self.sigma,
            repulsion_weight=self.repulsion_weight,
            repulsion_sigma=self.repulsion_sigma,
        )
        kernel.has_automatic_sigma = self.has_automatic_sigma
        return kernel

    def encode(self, X: torch.Tensor) -> torch.Tensor:
        width = X.shape[1] if self._basis is None else self._basis.shape[1]
        encoded = self.metric.points.new_empty(len(X), width)
        if encoded.device.type != "cpu":
            encoded[:] = self._encode_block(X)
            return encoded
        rows = max(1, _BLOCK_ELEMENTS // X.shape[1])

        def encode(here: slice) -> None:
            encoded[here] = self._encode_block(X[here])

        for _ in map_in_order(encode, [slice(start, start + rows) for start in range(0, len(X), rows)]):
            pass
        return encoded

    def _encode_block(self, X: torch.Tensor) -> torch.Tensor:
        if self._basis is None or self._offset is None:
            return self._bounded(self.metric.to_points(X) * self._factor)
        encoded = self.metric.before_projection(X) @ self._basis
        return self._bounded(encoded if self.metric.is_far else encoded - self._offset)

    def __call__(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        return self._affinities(_negated_squares(E, F))

    def parts(self, E: torch.Tensor, F: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if self.repulsion_sigma is None:
            return (self(E, F),)
        squares = _negated_squares(E, F).clamp_max_(0)
        repulsion = self._repulsion(squares, self.repulsion_sigma)
        return self._affinities(squares), repulsion

    def _affinities(self, negated_squares: torch.Tensor) -> torch.Tensor:
        """Return the affinities at -r^2, which is overwritten."""
        exponent = self._negated_exponent(negated_squares)
        # Products of smaller affinities are subnormal: negligible relative to a degree of 1, but ten times slower to
        # compute. Rounding makes the negated square of a node to itself positive.
        return exponent.clamp_(math.log(torch.finfo(exponent.dtype).tiny) / 3, 0).exp_()

    def in_high_precision(self, E: torch.Tensor) -> torch.Tensor:
        return E.cpu().double()

    def far_exponent(self, bulk_to_origin: float) -> float:
        return self.metric.far_exponent(bulk_to_origin)

    def own_affinities(self, E: torch.Tensor) -> torch.Tensor:
        return E.new_ones(len(E))

    def to_comparable_points(self, E: torch.Tensor) -> torch.Tensor:
        return E

    def place_landmarks(self, E: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return self._to_encoded(centroids(E, chosen))

    def gradient(self, X: torch.Tensor, Z: torch.Tensor, A: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        E = self.encode(X)
        weights = self._times_slopes(weights.mul_(A), E, Z)
        totals = torch.cat([weights @ Z, weights.sum(1, keepdim=True)], dim=1)
        return self._features_gradient(X, _encoded_gradient(E, totals))

    def symmetric_gradient(
        self, X: torch.Tensor, E: torch.Tensor, A: SymmetricMatrix, left: torch.Tensor, right: torch.Tensor
    ) -> torch.Tensor:
        # The last column sums the weights.
        F = torch.cat([E, torch.ones_like(E[:, :1])], dim=1)
        totals = torch.zeros_like(F)

        def contribute(row_block: tuple[slice, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
            here, block = row_block
            weights = (left[here] @ right[here.start :].T).mul_(block)
            weights = self._times_slopes(weights, E[here], E[here.start :])
            return weights @ F[here.start :], weights[:, len(block) :].T @ F[here]

        contributions = map_in_order(contribute, list(A), parallel=E.device.type == "cpu")
        for (here, _), (own, mirrored) in zip(A, contributions, strict=True):
            totals[here] += own
            totals[here.stop :] += mirrored
        return self._features_gradient(X, _encoded_gradient(E, totals))

    def _features_gradient(self, X: torch.Tensor, of_encoded: torch.Tensor) -> torch.Tensor:
        """Return the gradient (n, c) at features `X`, given that at the encoded nodes (n, c')."""
        with torch.enable_grad():
            X = X.detach().requires_grad_()
            return torch.autograd.grad(self.encode(X), X, of_encoded)[0]

    @abstractmethod
    def _encoding_factor(self, sigma: float) -> float:
        """Return the factor from points to encoded nodes, for a `sigma` in the unit of the points."""

    @abstractmethod
    def _bounded(self, encoded: torch.Tensor) -> torch.Tensor:
        """Return encoded nodes whose squares are finite."""

    @abstractmethod
    def _to_encoded(self, means: torch.Tensor) -> torch.Tensor:
        """Return means (m, c') of encoded nodes as encoded nodes."""

    @abstractmethod
    def _negated_exponent(self, negated_squares: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the affinities at -r^2, which is overwritten."""

    @abstractmethod
    def _repulsion(self, negated_squares: torch.Tensor, sigma: float) -> torch.Tensor:
        """Return the repulsion of the bandwidth `sigma` at -r^2."""

    @abstractmethod
    def _times_slopes(self, weights: torch.Tensor, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        """Return the weights (n, m), overwritten, times the derivative of the exponent with respect to r^2."""


class RbfKernel(MetricKernel):
    """A(x, z) = exp(-|x - z|^2 / 2 sigma^2) = exp(-r^2); repulsion 1 - exp(-|x - z|^2 / 2 s^2)."""

    metric_type = EuclideanMetric
    has_quadratic_exponent = True
    _factor_power = 1 / 4
    _coordinate_power = 3 / 8

    def exponents(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        return squared_euclidean_distances(E, F)

    def rescaling(self, sigma: float) -> float:
        return self.sigma / sigma

    def _encoding_factor(self, sigma: float) -> float:
        return 1 / (sigma * math.sqrt(2))

    def _bounded(self, encoded: torch.Tensor) -> torch.Tensor:
        if self._basis is not None:
            # Products of numbers near the largest float may be NaN.
            encoded = encoded.nan_to_num_(self._max_coordinate)
        # Nodes this far away have an affinity of 0 to all others, but their squares must be finite.
        return encoded.clamp_(-self._max_coordinate, self._max_coordinate)

    def _to_encoded(self, means: torch.Tensor) -> torch.Tensor:
        return means

    def _negated_exponent(self, negated_squares: torch.Tensor) -> torch.Tensor:
        return negated_squares

    def _repulsion(self, negated_squares: torch.Tensor, sigma: float) -> torch.Tensor:  # noqa: ARG002
        return (negated_squares * self._sigma_ratio**2).expm1_().neg_()

    def _times_slopes(self, weights: torch.Tensor, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        return weights


class CosineKernel(MetricKernel):
    """A(x, z) = exp(-(1 - cos(x, z))^2 / 2 sigma^2) = exp(-r^4); repulsion exp(-(1 + cos)^2 / 2 s^2).

    1 - cos is half the squared distance between directions, so r^2 = (1 - cos) / (sigma sqrt 2).
    """

    metric_type = CosineMetric
    default_repulsion_sigma = 0.3
    has_quadratic_exponent = False
    _factor_power = 1 / 8
    _coordinate_power = 1 / 8

    def exponents(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        return squared_euclidean_distances(E, F).square_()

    def rescaling(self, sigma: float) -> float:
        return math.sqrt(self.sigma / sigma)

    def repulsion_cut(self, dtype: torch.dtype) -> float:  # noqa: ARG002
        return 1e-2

    def _encoding_factor(self, sigma: float) -> float:
        return 1 / math.sqrt(sigma * math.sqrt(8))

    def _bounded(self, encoded: torch.Tensor) -> torch.Tensor:
        return encoded

    def _to_encoded(self, means: torch.Tensor) -> torch.Tensor:
        # A mean of directions is shorter than a direction: project it back to the sphere.
        points = (means if self._basis is None else means @ (self._basis / self._factor).T) / self._factor
        return self.encode(points + self.metric.mean)

    def _negated_exponent(self, negated_squares: torch.Tensor) -> torch.Tensor:
        return negated_squares.square_().neg_()

    def _repulsion(self, negated_squares: torch.Tensor, sigma: float) -> torch.Tensor:
        # (1 + cos) / (s sqrt 2) = sqrt 2 / s - r^2 sigma / s.
        opposite = (negated_squares * -self._sigma_ratio).sub_(math.sqrt(2) / sigma)
        return opposite.square_().neg_().exp_()

    def _times_slopes(self, weights: torch.Tensor, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        squares = torch.addmm(F.square().sum(1), E, F.T, alpha=-2).add_(E.square().sum(1)[:, None]).clamp_min_(0)
        return weights.mul_(squares.mul_(2))

    def _features_gradient(self, X: torch.Tensor, of_encoded: torch.Tensor) -> torch.Tensor:
        # A zero node has no direction to change.
        return torch.where(X.any(1, keepdim=True), super()._features_gradient(X, of_encoded), 0.0)


class CallableKernel(Kernel):
    """A user's function (X, Z) -> (n, m), whose results are checked.

    Parameters
    ----------
    function : callable
        Returns the affinities (n, m) of features X (n, c) and Z (m, c).
    like : Like
        Type of the arrays that the function takes.
    device : torch.device
        Device of the arrays.
    dtype : torch.dtype
        Type of the fitted features, and thus of all features that are compared with them.
    """

    # The function is called in the thread that called `Ncut`.
    is_thread_safe = False
    has_unit_diagonal = False

    def __init__(
        self, function: Callable[[Any, Any], Any], like: Like, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._function = function
        self._like = like
        self._device = device
        self._dtype = dtype

    @property
    def is_finest(self) -> bool:
        return self._dtype == torch.float64

    def in_float64(self) -> CallableKernel:
        return CallableKernel(self._function, self._like, device_with_float64(self._device), torch.float64)

    def encode(self, X: torch.Tensor) -> torch.Tensor:
        return X.to(self._device, self._dtype)

    def __call__(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        rows, columns = (X.cpu().numpy() if self._like.is_numpy else X for X in (E, F))
        result = torch.as_tensor(all_threads(lambda: self._function(rows, columns))).to(E.device, E.dtype)
        if result.shape != (len(E), len(F)):
            raise ValueError(
                f"`affinity` must return one row per row of X and one column per row of Z, ({len(E)}, {len(F)}); "
                f"got {tuple(result.shape)}. Return the (n, m) matrix of affinities."
            )
        if not bool(torch.isfinite(result.sum())) or bool((result < 0).any()):
            raise ValueError(
                "`affinity` must return finite affinities of at least 0; got NaN, infinity or negative values. "
                "Clip them, or exponentiate a distance."
            )
        return result

    def in_high_precision(self, E: torch.Tensor) -> torch.Tensor:
        return E

    def own_affinities(self, E: torch.Tensor) -> torch.Tensor:
        return torch.cat([self(block, block).diagonal() for block in E.split(_DIAGONAL_ROWS)])

    def to_comparable_points(self, E: torch.Tensor) -> torch.Tensor:
        return (E - E.mean(0)) / E.abs().amax().clamp_min(torch.finfo(E.dtype).tiny)

    def place_landmarks(self, E: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        # The function may compare things that have no mean, so landmarks are nodes.
        return chosen

    def gradient(
        self,
        X: torch.Tensor,
        Z: torch.Tensor,
        A: torch.Tensor,  # noqa: ARG002
        weights: torch.Tensor,
    ) -> torch.Tensor:
        with torch.enable_grad():
            X = X.detach().requires_grad_()
            affinities = self(self.encode(X), Z)
            if not affinities.requires_grad:
                raise ValueError(
                    "`affinity` must be differentiable if features require gradients; got a result without a graph. "
                    "Write it in torch operations, or detach the features."
                )
            return torch.autograd.grad(affinities, X, weights)[0]

    def symmetric_gradient(
        self, X: torch.Tensor, E: torch.Tensor, A: SymmetricMatrix, left: torch.Tensor, right: torch.Tensor
    ) -> torch.Tensor:
        gradient = torch.empty_like(X)
        for here, block in zip(row_blocks(len(E), E.device), A.blocks, strict=True):
            gradient[here] = self.gradient(X[here], E, block, left[here] @ right.T)
        return gradient


def _negated_squares(E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
    """Return -|e - f|^2 (n, m) as one product, because elementwise operations after a product double its cost."""
    one = E.new_ones(1, 1)
    left = torch.cat([E, E.square().sum(1, keepdim=True), one.expand(len(E), 1)], dim=1)
    right = torch.cat([2 * F, -one.expand(len(F), 1), -F.square().sum(1, keepdim=True)], dim=1)
    return torch.mm(left, right.T)


def _encoded_gradient(E: torch.Tensor, totals: torch.Tensor) -> torch.Tensor:
    """Return 2 sum_j w_ij (z_j - e_i), given sum_j w_ij (z_j, 1)."""
    return 2 * (totals[:, :-1] - E * totals[:, -1:])
