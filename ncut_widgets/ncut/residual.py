"""How far eigenvectors are from being ones, estimated on a few nodes with their true affinities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .nystrom import Extension

_ROWS = 256


class ResidualProbe:
    """Estimates |M u - lambda u| (k,), M being made with the true affinities of 256 of the nodes.

    Half of them are drawn uniformly and half where the eigenvectors are large, weighted accordingly: vectors that live
    on few nodes are seen too. The degrees of all other nodes are those of the approximation, which are too small where
    landmarks are few: the estimate is then cautious, up to some three times the true residual.

    Parameters
    ----------
    E : torch.Tensor of shape (s, c')
        Encoded nodes to choose from, each of which stands for `weight` nodes of the graph.
    vectors : torch.Tensor of shape (s, k)
        Their eigenvectors, which a draft may give.
    extension : Extension
        Only its affinity is used.
    generator : torch.Generator
        Of the CPU.
    """

    def __init__(
        self,
        E: torch.Tensor,
        vectors: torch.Tensor,
        extension: Extension,
        generator: torch.Generator,
        *,
        weight: float = 1.0,
    ) -> None:
        n = len(E)
        chance = 0.5 / n + 0.5 * (weight * vectors.square()).mean(1).double().cpu()
        chance = chance / chance.sum()
        draws = torch.rand(min(_ROWS, n), generator=generator, dtype=torch.float64)
        picked = torch.searchsorted(chance.cumsum(0), draws).clamp_max(n - 1)
        self._affinity = extension.affinity
        self._nodes = E[picked.to(E.device)]
        self._weights = (weight / (len(picked) * chance[picked])).to(E)
        self._degrees = torch.zeros_like(self._weights)
        self._image: torch.Tensor | float = 0.0

    def add(self, E: torch.Tensor, scaled: torch.Tensor) -> None:
        """Take in the encoded nodes `E` (r, c') with their D^-1/2 u (r, k)."""
        A = self._affinity(self._nodes, E)
        self._degrees += A.sum(1)
        self._image = self._image + A @ scaled

    def residuals(self, extension: Extension, values: torch.Tensor, turn: torch.Tensor | None = None) -> torch.Tensor:
        """Return the estimate once all nodes were added, for the vectors that were given times `turn`."""
        image = self._image / self._degrees.sqrt()[:, None]
        image = image if turn is None else image @ turn
        missing = image - extension.embed(self._affinity(self._nodes, extension.landmarks)) * values
        return (missing.square() * self._weights[:, None]).sum(0).sqrt()
