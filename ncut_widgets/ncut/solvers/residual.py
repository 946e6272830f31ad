"""Estimates the residuals of approximate eigenvectors, from the true affinities of a few nodes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ncut_widgets.ncut.graph.extension import Embedded, Extension
from ncut_widgets.ncut.graph.nodes import Nodes

__all__ = ["ResidualProbe"]

_SAMPLED_NODES = 128
# Singular values of the trends below this share of the largest are 0.
_TREND_CUT = 1e-6


class ResidualProbe:
    """Estimates |M u - lambda u| (k,) from the true affinities of 128 sampled nodes to all nodes.

    Half of the samples are uniform, half are drawn in proportion to u^2, and the estimate is weighted accordingly, so
    that eigenvectors that are localized on few nodes are covered. The degrees of the sampled nodes are exact. The
    degrees of the other nodes are those of the approximation, which are too small in regions with few landmarks. Their
    correction is fitted to the samples, as a smooth function of the degree, the affinity to the nearest landmark and,
    with alpha, the density. The result is one standard error above the estimate.

    Parameters
    ----------
    nodes : Nodes
        All nodes of the graph.
    leverage : torch.Tensor of shape (n,)
        Mean of u^2 over the eigenvectors, which may be drafts.
    extension : Extension
        Its kernel, degrees and densities are used, not its projection.
    generator : torch.Generator
        CPU generator.
    """

    def __init__(
        self,
        nodes: Nodes,
        leverage: torch.Tensor,
        extension: Extension,
        generator: torch.Generator,
    ) -> None:
        n = len(nodes)
        mass = nodes.mass(slice(None), leverage)
        probability = (mass / mass.sum()).cpu().double()
        by_leverage = (mass * leverage).cpu().double()
        probability = 0.5 * probability + 0.5 * by_leverage / by_leverage.sum()
        draws = torch.rand(min(_SAMPLED_NODES, n), generator=generator, dtype=torch.float64)
        sampled = torch.searchsorted(probability.cumsum(0), draws).clamp_max(n - 1)
        self._nodes = nodes
        self._extension = extension
        self._sampled = nodes[sampled]
        # Weights of the mean over the sampled nodes.
        self._weights = nodes.mass(sampled, leverage) / probability[sampled].to(leverage)
        C = extension.columns(self._sampled)
        self._known = extension.embed(C)
        self._trends = _Trends(_magnitudes(C[:, : len(extension.landmarks)], self._known))
        self._density = torch.zeros_like(self._weights)
        self._degrees = leverage.new_zeros(len(sampled), self._trends.count)
        self._image = leverage.new_zeros(len(sampled), 0)
        self.width = 4 * len(sampled)

    def compare(self, here: slice, C: torch.Tensor, embedded: Embedded) -> Callable[[], None]:
        """Return a function that adds some nodes, given their columns `C` (r, m) and eigenvectors."""
        kernel, (vectors, _, scale, densities) = self._extension.kernel, embedded
        E = self._nodes[here]
        mass = self._nodes.mass(here, E)
        attraction, *repulsion = kernel.parts(self._sampled, E)
        A = total = attraction
        for part in repulsion:
            part.mul_(kernel.repulsion_weight)
            A, total = attraction - part, attraction + part
        trends = self._trends(_magnitudes(C[:, : len(self._extension.landmarks)], embedded))
        # u is (v / d)^1/2 C P, and M multiplies it by the mass and the density weights. Once for each trend.
        weighted = trends[:, :, None] * (vectors * (mass * scale)[:, None])[:, None]
        image = A @ weighted.flatten(1)
        degrees = (total @ mass)[:, None] if densities is None else total @ (trends * (mass * densities)[:, None])
        density = None if densities is None else attraction @ mass

        def add() -> None:
            self._degrees[:, : degrees.shape[1]] += degrees
            if density is not None:
                self._density += density
            self._image = image if self._image.shape[1] == 0 else self._image + image

        return add

    def residuals(self, extension: Extension, values: torch.Tensor, turn: torch.Tensor | None = None) -> torch.Tensor:
        """Return the residuals (k,) after all nodes were added, for the given vectors times `turn`."""
        known = self._known
        if known.densities is None:
            scale = self._degrees[:, 0].rsqrt()
        else:
            densities = self._density.pow(-extension.alpha)
            ratios, plain = densities / known.densities, self._degrees[:, 0]
            # A mean of ratios is between the smallest and the largest.
            ratio = (self._degrees @ self._trends.fit(ratios)) / plain
            degrees = plain * ratio.clamp(float(ratios.amin()), float(ratios.amax()))
            scale = (densities / degrees).sqrt()
        image = self._image.unflatten(1, (self._trends.count, -1))
        image = torch.einsum("itk,t->ik", image, self._trends.fit(scale / known.scale)) * scale[:, None]
        image = image if turn is None else image @ turn
        missing = image - extension.embed(extension.columns(self._sampled)).vectors * values
        squares = missing.square() * self._weights[:, None]
        error = squares.std(0, correction=0) / len(squares) ** 0.5
        return (squares.mean(0) + error).sqrt()


class _Trends:
    """A few smooth functions of the nodes, to be fitted to values at the sampled nodes.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (s, p)
        Their arguments at the sampled nodes.
    """

    def __init__(self, magnitudes: torch.Tensor) -> None:
        self._low, self._high = magnitudes.amin(0), magnitudes.amax(0)
        at_sampled = self(magnitudes)
        self.count = at_sampled.shape[1]
        self._inverse = torch.linalg.pinv(at_sampled.cpu().double(), rtol=_TREND_CUT)

    def __call__(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Return the functions (r, count) at other nodes: a parabola in each magnitude, constant outside its range."""
        middle, reach = (self._low + self._high) / 2, (self._high - self._low) / 2
        flat = reach <= _TREND_CUT
        inside = torch.minimum(torch.maximum(magnitudes, self._low), self._high)
        z = ((inside - middle) / reach.masked_fill(flat, 1)).masked_fill(flat, 0)
        return torch.cat([torch.ones_like(z[:, :1]), z, z.square()], dim=1)

    def fit(self, ratios: torch.Tensor) -> torch.Tensor:
        """Return the coefficients (count,) of the least-squares fit to `ratios` (s,) at the sampled nodes."""
        return (self._inverse @ ratios.cpu().double()).to(ratios)


def _magnitudes(C: torch.Tensor, embedded: Embedded) -> torch.Tensor:
    """Return the affinity to the nearest landmark and the logarithms of degrees and density weights: (r, p)."""
    nearest = C.amax(1)
    if embedded.densities is None:
        return torch.stack([nearest, embedded.degrees.log()], dim=1)
    return torch.stack([nearest, embedded.degrees.log(), embedded.densities.log()], dim=1)
