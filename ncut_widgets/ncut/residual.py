"""How far eigenvectors are from being ones, estimated on a few nodes with their true affinities."""

from __future__ import annotations

import torch

from .nodes import Nodes
from .solution import Embedded, Extension

__all__ = ["ResidualProbe"]

_ROWS = 128


class ResidualProbe:
    """Estimates |M u - lambda u| (k,), M being made with the true affinities of 128 of the nodes.

    Half of them are drawn uniformly and half where the eigenvectors are large, weighted accordingly: vectors that live
    on few nodes are seen too. The degrees of all other nodes are those of the approximation, which are too small where
    landmarks are few: the estimate is then cautious, up to some three times the true residual. With alpha, densities of
    all other nodes are approximations, too, and caution is lost: of a graph too sharp for its landmarks it may see half
    of what is wrong, and where there is repulsion as well a quarter.

    Parameters
    ----------
    drawn : Nodes
        Those to choose from, weighted by what each stands for.
    vectors : torch.Tensor of shape (s, k)
        Their eigenvectors, which a draft may give.
    extension : Extension
        Its affinity, degrees and densities are used, not its projection.
    repulsion_weight : float
        Of the affinity, where it has repulsion.
    generator : torch.Generator
        Of the CPU.
    of : Nodes, optional
        All nodes, which are to be added; by default those to choose from.
    """

    def __init__(
        self,
        drawn: Nodes,
        vectors: torch.Tensor,
        extension: Extension,
        repulsion_weight: float,
        generator: torch.Generator,
        *,
        of: Nodes | None = None,
    ) -> None:
        n = len(drawn)
        self._nodes = drawn if of is None else of
        mass = drawn.mass(slice(None), vectors)
        chance = 0.5 * mass / mass.sum() + 0.5 * (mass[:, None] * vectors.square()).mean(1)
        chance = chance.cpu().double()
        chance = chance / chance.sum()
        draws = torch.rand(min(_ROWS, n), generator=generator, dtype=torch.float64)
        picked = torch.searchsorted(chance.cumsum(0), draws).clamp_max(n - 1)
        self._extension = extension
        self._repulsion_weight = repulsion_weight
        self._picked = drawn[picked]
        self._weights = drawn.mass(picked, vectors) / (len(picked) * chance[picked]).to(vectors)
        self._degrees = torch.zeros_like(self._weights)
        self._density = torch.zeros_like(self._weights)
        self._image = vectors.new_zeros(len(picked), 0)
        self.width = 4 * len(picked)

    def add(self, here: slice, embedded: Embedded) -> None:
        """Take in some nodes with their eigenvectors (r, k)."""
        affinity, (vectors, _, scale, ours) = self._extension.affinity, embedded
        E = self._nodes[here]
        mass = self._nodes.mass(here, E)
        if affinity.repulsion_sigma is None:
            A = attraction = total = affinity(self._picked, E)
        else:
            attraction, repulsion = affinity.both(self._picked, E)
            repulsion = repulsion.mul_(self._repulsion_weight)
            A, total = attraction - repulsion, attraction + repulsion
        # u is (v / d)^1/2 C P: M acts on the mass it has, times the density weights.
        image = A @ (vectors * (mass * scale)[:, None])
        self._degrees += total @ (mass if ours is None else mass * ours)
        if ours is not None:
            self._density += attraction @ mass
        self._image = image if self._image.shape[1] == 0 else self._image + image

    def residuals(self, extension: Extension, values: torch.Tensor, turn: torch.Tensor | None = None) -> torch.Tensor:
        """Return the estimate once all nodes were added, for the vectors that were given times `turn`."""
        scale = self._degrees.rsqrt()
        if extension.density_weights is not None:
            scale = scale * self._density.pow(-extension.alpha / 2)
        image = self._image * scale[:, None]
        image = image if turn is None else image @ turn
        missing = image - extension.embed(extension.columns(self._picked)).vectors * values
        return (missing.square() * self._weights[:, None]).sum(0).sqrt()
