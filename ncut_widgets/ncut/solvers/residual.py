"""How far eigenvectors are from being ones, estimated on a few nodes with their true affinities."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ncut_widgets.ncut.graph.extension import Embedded, Extension
from ncut_widgets.ncut.graph.nodes import Nodes

__all__ = ["ResidualProbe"]

_ROWS = 128
# Directions of the trends below that share of the largest are one trend twice.
_SAME_TREND = 1e-6


class ResidualProbe:
    """Estimates |M u - lambda u| (k,), M being made with the true affinities of 128 of the nodes.

    Half of them are drawn uniformly and half where the eigenvectors are large, weighted accordingly: vectors that live
    on few nodes are seen too. Their own degrees are exact. Those of all other nodes are approximations, which are too
    small where landmarks are few: by how much is learnt from the 128, as a trend over the size of the degree, and with
    alpha of the density. What is told is one standard error above the estimate.

    Parameters
    ----------
    nodes : Nodes
        All of the graph.
    leverage : torch.Tensor of shape (n,)
        Where their eigenvectors are large: the mean of u^2 over these, which may be drafts.
    extension : Extension
        Its affinity, degrees and densities are used, not its projection.
    generator : torch.Generator
        Of the CPU.
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
        chance = (mass / mass.sum()).cpu().double()
        where_large = (mass * leverage).cpu().double()
        chance = 0.5 * chance + 0.5 * where_large / where_large.sum()
        draws = torch.rand(min(_ROWS, n), generator=generator, dtype=torch.float64)
        picked = torch.searchsorted(chance.cumsum(0), draws).clamp_max(n - 1)
        self._nodes = nodes
        self._extension = extension
        self._picked = nodes[picked]
        # Of the mean over the nodes that were picked.
        self._weights = nodes.mass(picked, leverage) / chance[picked].to(leverage)
        C = extension.columns(self._picked)
        self._known = extension.embed(C)
        self._trends = _Trends(_magnitudes(C[:, : len(extension.landmarks)], self._known))
        self._density = torch.zeros_like(self._weights)
        self._degrees = leverage.new_zeros(len(picked), self._trends.count)
        self._image = leverage.new_zeros(len(picked), 0)
        self.width = 4 * len(picked)

    def compare(self, here: slice, C: torch.Tensor, embedded: Embedded) -> Callable[[], None]:
        """Return what takes in some nodes, with the columns `C` and their eigenvectors (r, k): a function to call."""
        kernel, (vectors, _, scale, ours) = self._extension.kernel, embedded
        E = self._nodes[here]
        mass = self._nodes.mass(here, E)
        attraction, *repulsion = kernel.parts(self._picked, E)
        A = total = attraction
        for part in repulsion:
            part.mul_(kernel.repulsion_weight)
            A, total = attraction - part, attraction + part
        trends = self._trends(_magnitudes(C[:, : len(self._extension.landmarks)], embedded))
        # u is (v / d)^1/2 C P: M acts on the mass it has, times the density weights. Once for each trend.
        acted = trends[:, :, None] * (vectors * (mass * scale)[:, None])[:, None]
        image = A @ acted.flatten(1)
        degrees = (total @ mass)[:, None] if ours is None else total @ (trends * (mass * ours)[:, None])
        density = None if ours is None else attraction @ mass

        def add() -> None:
            self._degrees[:, : degrees.shape[1]] += degrees
            if density is not None:
                self._density += density
            self._image = image if self._image.shape[1] == 0 else self._image + image

        return add

    def residuals(self, extension: Extension, values: torch.Tensor, turn: torch.Tensor | None = None) -> torch.Tensor:
        """Return the estimate once all nodes were added, for the vectors that were given times `turn`."""
        known = self._known
        if known.densities is None:
            scale = self._degrees[:, 0].rsqrt()
        else:
            densities = self._density.pow(-extension.alpha)
            ratios, plain = densities / known.densities, self._degrees[:, 0]
            # A mean of ratios is between them.
            ratio = (self._degrees @ self._trends.fit(ratios)) / plain
            degrees = plain * ratio.clamp(float(ratios.amin()), float(ratios.amax()))
            scale = (densities / degrees).sqrt()
        image = self._image.unflatten(1, (self._trends.count, -1))
        image = torch.einsum("itk,t->ik", image, self._trends.fit(scale / known.scale)) * scale[:, None]
        image = image if turn is None else image @ turn
        missing = image - extension.embed(extension.columns(self._picked)).vectors * values
        squares = missing.square() * self._weights[:, None]
        error = squares.std(0, correction=0) / len(squares) ** 0.5
        return (squares.mean(0) + error).sqrt()


class _Trends:
    """Smooth functions of nodes, few enough to be fitted to those that were picked.

    Parameters
    ----------
    magnitudes : torch.Tensor of shape (s, p)
        What they are functions of, at the nodes picked.
    """

    def __init__(self, magnitudes: torch.Tensor) -> None:
        self._low, self._high = magnitudes.amin(0), magnitudes.amax(0)
        at_picked = self(magnitudes)
        self.count = at_picked.shape[1]
        self._inverse = torch.linalg.pinv(at_picked.cpu().double(), rtol=_SAME_TREND)

    def __call__(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Return the functions (r, count) at other nodes: a parabola in each of the magnitudes, level outside."""
        middle, reach = (self._low + self._high) / 2, (self._high - self._low) / 2
        flat = reach <= _SAME_TREND
        inside = torch.minimum(torch.maximum(magnitudes, self._low), self._high)
        z = ((inside - middle) / reach.masked_fill(flat, 1)).masked_fill(flat, 0)
        return torch.cat([torch.ones_like(z[:, :1]), z, z.square()], dim=1)

    def fit(self, ratios: torch.Tensor) -> torch.Tensor:
        """Return the coefficients (count,) of the functions that come nearest to `ratios` (s,) at the nodes picked."""
        return (self._inverse @ ratios.cpu().double()).to(ratios)


def _magnitudes(C: torch.Tensor, embedded: Embedded) -> torch.Tensor:
    """Return (r, p) the affinity to the nearest landmark, and the logarithms of the degrees and density weights."""
    nearest = C.amax(1)
    if embedded.densities is None:
        return torch.stack([nearest, embedded.degrees.log()], dim=1)
    return torch.stack([nearest, embedded.degrees.log(), embedded.densities.log()], dim=1)
