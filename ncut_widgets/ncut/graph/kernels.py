"""The affinity between nodes, and the scale at which it looks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ncut_widgets._threads import all_threads, map_in_order
from ncut_widgets._validation import Like

from .bandwidth import PairwiseDistances
from .isolation import MOST_OUTLIERS, outlying_rows, reach_of, squared_distances
from .linalg import eigh
from .sampling import uniform_nodes

__all__ = ["AFFINITIES", "Affinity", "CallableAffinity", "Kernel", "build_affinity"]

AFFINITIES = ("rbf", "cosine")

_SCALE_NODES = 1024
_BASIS_NODES = 2048
# Above this many channels, distances for the landmarks are taken on the leading principal directions: as many as leave
# affinities within a few percent, and at most so many. What is equal for all pairs cancels in the normalisation.
_MANY_CHANNELS = 64
_MOST_DIRECTIONS = 128
_STEP = 16
_SPREAD_OF_EXPONENTS = 0.03
_ITERATIONS = 4
_SHARPEST = 1e15
_OPPOSITE_SIGMA = 0.3
# On a CPU, rows are encoded in blocks that stay in its cache from one step to the next.
_BLOCK_ELEMENTS = 1 << 19
# Up to this ratio of the mean of the features to their spread, they can be centred after the projection: the product
# loses no digit that matters, and there are fewer numbers to subtract from.
_FAR_FROM_ORIGIN = 4.0


class Affinity:
    """A(x, z) = exp(-d(x, z)^2 / 2 sigma^2) of encoded nodes, with d = |x - z| (rbf) or 1 - cos(x, z) (cosine).

    `affinity(affinity.encode(X), affinity.encode(Z))` is the (n, m) matrix. Encoding centres, divides by the scale
    and, with a `basis`, projects, so that with r = |e(x) - e(z)| the kernels are exp(-r^2) and exp(-r^4).

    With `repulsion_sigma`, `repulsion` is how much two nodes push each other apart: 1 - exp(-|x - z|^2 / 2 s^2) (rbf)
    or exp(-(1 + cos)^2 / 2 s^2) (cosine), both functions of r as well.
    """

    is_thread_safe = True

    # The sample that the scale was measured on.
    bulk: Bulk | None = None

    def __init__(
        self,
        frame: Frame,
        *,
        sigma: float,
        basis: torch.Tensor | None,
        blur: float = 0.0,
        repulsion_sigma: float | None = None,
    ) -> None:
        self.sigma = sigma
        self.repulsion_sigma = repulsion_sigma
        # How much eigenvalues of M may change because the basis leaves out directions.
        self.blur = blur
        self._frame = frame
        # The ratio first: units may be far from one, sigma in those units is not.
        relative = max(sigma / frame.unit, torch.finfo(torch.float64).tiny)
        shrink = 1 / math.sqrt(relative * math.sqrt(8)) if frame.cosine else 1 / (relative * math.sqrt(2))
        # So that exponents, of which these are the square or the fourth power, stay in range. Nodes that differ in
        # their last digit have an affinity of 0 long before.
        largest = torch.finfo(frame.mean.dtype).max
        self._shrink = min(shrink, largest ** (1 / 8 if frame.cosine else 1 / 4))
        self._ratio = 0.0 if repulsion_sigma is None else min(sigma / repulsion_sigma, largest ** (1 / 8))
        self._longest = largest ** (1 / 8 if frame.cosine else 3 / 8)
        self._basis = None if basis is None else basis * min(self._shrink / frame.unit, largest**0.75)
        self._offset = None if self._basis is None else frame.mean @ self._basis

    @property
    def is_cosine(self) -> bool:
        return self._frame.cosine

    @property
    def is_finest(self) -> bool:
        return self._basis is None and self._frame.mean.dtype == torch.float64

    def in_float64(self) -> Affinity:
        """Return the same affinity in float64 and on all channels."""
        return Affinity(self._frame.in_float64(), sigma=self.sigma, basis=None, repulsion_sigma=self.repulsion_sigma)

    def encode(self, X: torch.Tensor) -> torch.Tensor:
        """Return the rows of `X` in the units of the kernel, on the device of the affinity."""
        width = X.shape[1] if self._basis is None else self._basis.shape[1]
        encoded = self._frame.sampled.new_empty(len(X), width)
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
            encoded = self._frame.place(X) * self._shrink
        else:
            encoded = self._frame.near(X) @ self._basis
            encoded = encoded if self._frame.is_far else encoded - self._offset
            # Products of numbers near the end of their range.
            encoded = encoded if self._frame.cosine else encoded.nan_to_num_(self._longest)
        # Nodes as far out as that are like no other, but their squares have to be numbers.
        return encoded if self._frame.cosine else encoded.clamp_(-self._longest, self._longest)

    def origin(self) -> torch.Tensor:
        """Return the encoded zero vector (c',)."""
        return self.encode(self._frame.mean.new_zeros(1, len(self._frame.mean)))[0]

    def to_scale(self, sigma: float) -> float:
        """Return the factor that turns encoded rows into those of the same affinity at another `sigma`."""
        ratio = self.sigma / sigma
        return math.sqrt(ratio) if self.is_cosine else ratio

    def settle(self, means: torch.Tensor) -> torch.Tensor:
        """Return means of encoded rows as rows that could be encoded: directions have length one."""
        if not self._frame.cosine:
            return means
        whole = (means if self._basis is None else means @ (self._basis / self._shrink).T) / self._shrink
        return self.encode(whole + self._frame.mean)

    def __call__(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        """Return the (n, m) affinities of encoded rows, in their dtype."""
        return self._attract(self._negated_squares(E, F))

    def both(self, E: torch.Tensor, F: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the affinities (n, m) of encoded rows, and their repulsion (n, m)."""
        if self.repulsion_sigma is None:
            raise RuntimeError("The affinity has no repulsion.")
        squares = self._negated_squares(E, F).clamp_max_(0)
        if self._frame.cosine:
            # r^2 = (1 - cos) / (sigma sqrt 2), so that this is -(1 + cos) / (s sqrt 2).
            opposite = (squares * -self._ratio).sub_(math.sqrt(2) / self.repulsion_sigma)
            repulsion = opposite.square_().neg_().exp_()
        else:
            repulsion = (squares * self._ratio**2).expm1_().neg_()
        return self._attract(squares), repulsion

    def _attract(self, squares: torch.Tensor) -> torch.Tensor:
        exponent = squares.square_().neg_() if self._frame.cosine else squares
        # Products of smaller affinities are subnormal: nothing next to a degree of 1, but ten times slower to compute.
        # Rounding makes a node's square to itself more than 0.
        return exponent.clamp_(math.log(torch.finfo(exponent.dtype).tiny) / 3, 0).exp_()

    @staticmethod
    def _negated_squares(E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        """Return -|e - f|^2 (n, m), as one product: what follows a product element by element costs as much again."""
        one = E.new_ones(1, 1)
        left = torch.cat([E, E.square().sum(1, keepdim=True), one.expand(len(E), 1)], dim=1)
        right = torch.cat([2 * F, -one.expand(len(F), 1), -F.square().sum(1, keepdim=True)], dim=1)
        return torch.mm(left, right.T)


class CallableAffinity:
    """A user's `(X, Z) -> (n, m)`, called with the kind of array the user passed, and checked."""

    # A user's function is called by the thread that called `Ncut`.
    is_thread_safe = False
    sigma = None
    repulsion_sigma = None
    blur = 0.0

    def __init__(
        self, function: Callable[[Any, Any], Any], like: Like, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._function = function
        self._like = like
        self._device = device
        # Of the fitted nodes, and so of all that are compared with them.
        self._dtype = dtype

    @property
    def is_finest(self) -> bool:
        return self._dtype == torch.float64

    def in_float64(self) -> CallableAffinity:
        """Return the same affinity, called with float64 arrays."""
        return CallableAffinity(self._function, self._like, _with_float64(self._device), torch.float64)

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


Kernel = Affinity | CallableAffinity


def build_affinity(
    X: torch.Tensor,
    affinity: str | Callable[[Any, Any], Any],
    *,
    sigma: float | None,
    degree: float | None,
    repulsive: bool,
    repulsion_sigma: float | None,
    weights: torch.Tensor | None,
    project: bool,
    like: Like,
    device: torch.device,
    generator: torch.Generator,
) -> Kernel:
    """Return the affinity for the nodes `X`, with its scale chosen where none was given.

    Without `sigma` and `degree`, sigma^2 is an eighth of the mean squared distance between two nodes (for "rbf",
    half the root mean square distance of the nodes from their mean; for "cosine" the distance is 1 - cos). With
    `degree`, it is the sigma at which the mean over all pairs of nodes is `degree`. Both are measured on at most 1024
    nodes, without outliers (`outlying_rows`), and both follow the units of the features. The scale of repulsion is then
    that of the first rule for "rbf", and 0.3 for "cosine", where it has units of its own.
    """
    if callable(affinity):
        return CallableAffinity(affinity, like, device, X.dtype)
    sampled = uniform_nodes(len(X), _SCALE_NODES, generator)
    wide = torch.ones(len(X), dtype=torch.float64) if weights is None else weights
    n = float((wide > 0).sum())
    frame, kept = _frame_of_bulk(X[sampled.to(X.device)], wide[sampled], n, affinity == "cosine", device)
    spread, chosen = None, None
    if sigma is None or (repulsive and repulsion_sigma is None and not frame.cosine):
        squared = squared_distances(frame.sampled, frame.sampled, cosine=frame.cosine)
        share = float(wide[sampled][kept].sum() / wide[sampled].sum().clamp_min(torch.finfo(wide.dtype).tiny))
        n_effective = max(1.0, float(wide.sum() ** 2 / wide.square().sum()) * share)
        pairs = PairwiseDistances(squared, wide[sampled][kept], n_effective)
        spread = pairs.sigma_of_spread() * frame.unit
        if degree is not None:
            chosen = pairs.sigma_of_degree(degree) * frame.unit
    if repulsive:
        repulsion_sigma = repulsion_sigma or (_OPPOSITE_SIGMA if frame.cosine else spread)
    sigma = sigma or chosen or spread
    whole = Affinity(frame, sigma=float(sigma or 1.0), basis=None, repulsion_sigma=repulsion_sigma)
    bulk = Bulk(sampled, kept, spread or _spread_of(frame, wide[sampled][kept]))
    if not project or X.shape[1] <= _MANY_CHANNELS:
        whole.bulk = bulk
        return whole
    sample = whole.encode(X[uniform_nodes(len(X), _BASIS_NODES, generator).to(X.device)])
    if not frame.cosine:
        sample = _shortened(sample, whole.encode(X[sampled[kept].to(X.device)]), n)
    basis, blur = _leading_directions(sample)
    projected = Affinity(frame, sigma=whole.sigma, basis=basis, blur=blur, repulsion_sigma=repulsion_sigma)
    projected.bulk = bulk
    return projected


def _spread_of(frame: Frame, weights: torch.Tensor) -> float | None:
    """Return the automatic sigma of "rbf" without a look at pairs of nodes; None for "cosine"."""
    if frame.cosine:
        return None
    share = (weights / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)).to(frame.sampled)
    radii = (frame.sampled - share @ frame.sampled).square().sum(1)
    return math.sqrt(float(share @ radii) / 4) * frame.unit or None


class Bulk(NamedTuple):
    """The nodes (s,) of a sample, which of them are no outliers (b,), and the automatic sigma, if it is known."""

    sampled: torch.Tensor
    kept: torch.Tensor
    sigma: float | None


def _frame_of_bulk(
    sample: torch.Tensor, weights: torch.Tensor, n: float, cosine: bool, device: torch.device
) -> tuple[Frame, torch.Tensor]:
    """Return the frame of the rows of a `sample` (s, c) of `n` nodes that are no outliers, and which these are."""
    kept = torch.arange(len(sample))
    while True:
        # Again without those: next to a number a million times as large, others lose their digits.
        frame = Frame(sample[kept.to(sample.device)], cosine, device)
        origin = frame.place(sample.new_zeros(1, sample.shape[1]))[0]
        fewer = kept[~outlying_rows(frame.sampled, weights[kept], origin, n, cosine=cosine)]
        if len(fewer) == len(kept) or float(weights[fewer].sum()) < (1 - MOST_OUTLIERS) * float(weights.sum()):
            return frame, kept
        kept = fewer


def _shortened(sample: torch.Tensor, bulk: torch.Tensor, n: float) -> torch.Tensor:
    """Return encoded rows (s, c) of which those that may be outliers are moved as near to the `bulk` (b, c) as others.

    Directions in which nothing but a few rows are far are kept, but not for what they weigh.
    """
    center = bulk.mean(0)
    variance = float((bulk - center).square().sum(1).mean())
    longest = math.sqrt(variance * reach_of(n))
    radii = (sample - center).norm(dim=1, keepdim=True)
    return center + (sample - center) * (longest / radii.clamp_min(max(longest, torch.finfo(radii.dtype).tiny)))


class Frame:
    """Where the features lie and in which unit, so that distances neither cancel, overflow nor underflow."""

    def __init__(self, sample: torch.Tensor, cosine: bool, device: torch.device) -> None:
        self.cosine = cosine
        self.unit = 1.0
        self.mean = torch.zeros(sample.shape[1], dtype=sample.dtype, device=device)
        placed = self.place(sample)
        self.mean = placed.mean(0)
        if not bool(torch.isfinite(self.mean).all()):
            # A sum of numbers near the largest float overflows, their mean does not.
            self.mean = (placed / len(placed)).sum(0)
        self.is_far = cosine
        if not cosine:
            spread = float(self.place(sample).abs().amax())
            self.unit = spread if spread > 0 else float(sample.abs().amax()) or 1.0
            self.is_far = float(self.mean.abs().amax()) > _FAR_FROM_ORIGIN * self.unit
        self.sampled = self.place(sample)

    def in_float64(self) -> Frame:
        frame = copy.copy(self)
        device = _with_float64(self.mean.device)
        frame.mean = self.mean.to(device).double()
        frame.sampled = self.sampled.to(device).double()
        return frame

    def near(self, X: torch.Tensor) -> torch.Tensor:
        """Return the rows of `X` as a projection may take them: less their mean only where `is_far`."""
        X = X.to(self.mean.device).to(self.mean.dtype)
        if self.cosine:
            return self.place(X)
        return X - self.mean if self.is_far else X

    def place(self, X: torch.Tensor) -> torch.Tensor:
        X = X.to(self.mean.device).to(self.mean.dtype)
        if not self.cosine:
            return (X - self.mean) / self.unit
        # The largest channel first, so that squares stay in range. A zero node has no direction and stays zero.
        X = X / X.abs().amax(1, keepdim=True).clamp_min(torch.finfo(X.dtype).tiny)
        return X / X.norm(dim=1, keepdim=True).clamp_min(0.5) - self.mean


def _with_float64(device: torch.device) -> torch.device:
    """Return the device, or the CPU if the device has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def _leading_directions(sample: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Return an orthonormal basis (c, r) of nearly the leading principal directions of an encoded sample (s, c), and by
    how much leaving out the others may change an eigenvalue of M.

    Leaving out directions of variances v_j changes the exponents -r^2 of pairs by random amounts of standard deviation
    (8 sum v_j^2)^1/2 about their mean. What changes within pairs is 2 z_i . z_j in the coordinates z left out, which as
    a matrix over n nodes has the norm 2 n max v_j.
    """
    centred = sample - sample.mean(0)
    covariance = (centred.T @ centred / len(sample)).cpu()
    # By subspace iteration. A start from the sample itself needs no generator, and leans to where the variance is.
    block = torch.linalg.qr(centred[: _MOST_DIRECTIONS + _STEP].T.cpu()).Q
    for _ in range(_ITERATIONS):
        block = torch.linalg.qr(covariance @ block).Q
    variances, rotation = eigh(block.T @ covariance @ block)
    variances, rotation = variances.flip(0), rotation.flip(1)
    left_out = covariance.double().square().sum() - variances.double().square().cumsum(0)
    enough = int(((8 * left_out.clamp_min(0)).sqrt() > _SPREAD_OF_EXPONENTS).sum()) + 1
    kept = min(_MOST_DIRECTIONS, _STEP * math.ceil(enough / _STEP), len(variances))
    blur = 2 * float(variances[kept]) if kept < len(variances) else 0.0
    return (block @ rotation[:, :kept]).to(sample.device), blur
