"""The affinity between nodes, and the scale at which it looks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ncut_widgets._validation import Like

from .sampling import uniform_nodes

__all__ = ["AFFINITIES", "Affinity", "build_affinity"]

AFFINITIES = ("rbf", "cosine")

_SCALE_NODES = 1024
_BASIS_NODES = 4096
# Above this many channels, distances for the landmarks are taken on the leading principal directions.
_MANY_CHANNELS = 256
_KEPT_DIRECTIONS = 128
# On a CPU, rows are encoded in blocks that stay in its cache from one step to the next.
_BLOCK_ELEMENTS = 1 << 19


class Affinity:
    """A(x, z) = exp(-d(x, z)^2 / 2 sigma^2) of encoded nodes, with d = |x - z| (rbf) or 1 - cos(x, z) (cosine).

    `affinity(affinity.encode(X), affinity.encode(Z))` is the (n, m) matrix. Encoding centres, divides by the scale
    and, with a `basis`, projects, so that with r = |e(x) - e(z)| the kernels are exp(-r^2) and exp(-r^4).
    """

    def __init__(self, frame: _Frame, *, sigma: float, basis: torch.Tensor | None) -> None:
        self.sigma = sigma
        self._frame = frame
        self._basis = basis
        # The ratio first: units may be far from one, sigma in those units is not.
        relative = sigma / frame.unit
        self._shrink = 1 / math.sqrt(relative * math.sqrt(8)) if frame.cosine else 1 / (relative * math.sqrt(2))

    def encode(self, X: torch.Tensor) -> torch.Tensor:
        """Return the rows of `X` in the units of the kernel, on the device of the affinity."""
        width = X.shape[1] if self._basis is None else self._basis.shape[1]
        encoded = self._frame.sampled.new_empty(len(X), width)
        rows = max(1, _BLOCK_ELEMENTS // X.shape[1]) if encoded.device.type == "cpu" else len(X)
        for start in range(0, len(X), rows):
            here = slice(start, start + rows)
            placed = self._frame.place(X[here]) * self._shrink
            encoded[here] = placed if self._basis is None else placed @ self._basis
        return encoded

    def __call__(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        """Return the (n, m) affinities of encoded rows, in their dtype."""
        squared = _squared_distances(E, F)
        A = (squared.square_() if self._frame.cosine else squared).neg_().exp_()
        # Products of smaller affinities are subnormal: nothing next to a degree of 1, but ten times slower to compute.
        return torch.threshold_(A, torch.finfo(A.dtype).tiny ** (1 / 3), 0.0)


class CallableAffinity:
    """A user's `(X, Z) -> (n, m)`, called with the kind of array the user passed, and checked."""

    sigma = None

    def __init__(self, function: Callable[[Any, Any], Any], like: Like, device: torch.device) -> None:
        self._function = function
        self._like = like
        self._device = device

    def encode(self, X: torch.Tensor) -> torch.Tensor:
        return X.to(self._device)

    def __call__(self, E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
        rows, columns = (X.cpu().numpy() if self._like.is_numpy else X for X in (E, F))
        result = torch.as_tensor(self._function(rows, columns)).to(E.device, E.dtype)
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


def build_affinity(
    X: torch.Tensor,
    affinity: str | Callable[[Any, Any], Any],
    *,
    sigma: float | None,
    degree: float | None,
    project: bool,
    like: Like,
    device: torch.device,
    generator: torch.Generator,
) -> Affinity | CallableAffinity:
    """Return the affinity for the nodes `X`, with its scale chosen where none was given.

    Without `sigma` and `degree`, sigma^2 is an eighth of the mean squared distance between two nodes (for "rbf",
    half the root mean square distance of the nodes from their mean; for "cosine" the distance is 1 - cos). With
    `degree`, it is the sigma at which the mean over all pairs of nodes is `degree`. Both are taken on at most 1024
    nodes, and both follow the units of the features.
    """
    if callable(affinity):
        return CallableAffinity(affinity, like, device)
    frame = _Frame(X[uniform_nodes(len(X), _SCALE_NODES, generator).to(X.device)], affinity == "cosine", device)
    if sigma is None:
        squared = _off_diagonal(frame.sampled)
        squared = (squared / 2).square() if frame.cosine else squared
        relative = _sigma_of_spread(squared) if degree is None else _sigma_of_degree(squared, degree, len(X))
        sigma = relative * frame.unit
    basis = None
    if project and X.shape[1] > _MANY_CHANNELS:
        sample = X[uniform_nodes(len(X), _BASIS_NODES, generator).to(X.device)]
        basis = _leading_directions(frame.place(sample))
    return Affinity(frame, sigma=sigma, basis=basis)


class _Frame:
    """Where the features lie and in which unit, so that distances neither cancel, overflow nor underflow."""

    def __init__(self, sample: torch.Tensor, cosine: bool, device: torch.device) -> None:
        self.cosine = cosine
        self.unit = 1.0
        self._mean = torch.zeros(sample.shape[1], dtype=sample.dtype, device=device)
        self._mean = self.place(sample).mean(0)
        if not cosine:
            spread = float(self.place(sample).abs().amax())
            self.unit = spread if spread > 0 else float(sample.abs().amax()) or 1.0
        self.sampled = self.place(sample)

    def place(self, X: torch.Tensor) -> torch.Tensor:
        X = X.to(self._mean.device, self._mean.dtype)
        if not self.cosine:
            return (X - self._mean) / self.unit
        # The largest channel first, so that squares stay in range. A zero node has no direction and stays zero.
        X = X / X.abs().amax(1, keepdim=True).clamp_min(torch.finfo(X.dtype).tiny)
        return X / X.norm(dim=1, keepdim=True).clamp_min(0.5) - self._mean


def _squared_distances(E: torch.Tensor, F: torch.Tensor) -> torch.Tensor:
    squared = torch.addmm(F.square().sum(1), E, F.T, alpha=-2)
    return squared.add_(E.square().sum(1)[:, None]).clamp_min_(0)


def _off_diagonal(E: torch.Tensor) -> torch.Tensor:
    """Squared distances between different rows; float64 and cut at rounding, so that equal rows are at zero."""
    E = E.double()
    squared = _squared_distances(E, E)
    squared[squared < 1e-13 * E.square().sum(1).amax()] = 0
    above = torch.triu_indices(len(E), len(E), offset=1, device=E.device)
    return squared[above[0], above[1]]


def _sigma_of_spread(squared: torch.Tensor) -> float:
    return math.sqrt(float(squared.mean()) / 8) or 1.0


def _sigma_of_degree(squared: torch.Tensor, degree: float, n: int) -> float:
    """Bisect log sigma for the mean affinity over all pairs of n nodes, each with itself included."""
    lowest = float((squared == 0).double().mean()) * (1 - 1 / n) + 1 / n
    if lowest == 1:
        return 1.0
    if degree <= lowest:
        raise ValueError(
            f"`degree` must be above {lowest:.3g} for these {n} nodes, where that share of all pairs is identical; "
            f"got {degree:g}. Raise it, pass more images, or give `sigma`."
        )
    positive = squared[squared > 0]
    low, high = math.log(float(positive.min())) / 2 - 4, math.log(float(positive.max())) / 2 + 8
    for _ in range(40):
        middle = (low + high) / 2
        mean = float((squared * (-0.5 * math.exp(-2 * middle))).exp().mean()) * (1 - 1 / n) + 1 / n
        low, high = (low, middle) if mean > degree else (middle, high)
    return math.exp((low + high) / 2)


def _leading_directions(sample: torch.Tensor) -> torch.Tensor:
    centred = sample - sample.mean(0)
    _, directions = torch.linalg.eigh(centred.T @ centred)
    return directions[:, -_KEPT_DIRECTIONS:].contiguous()
