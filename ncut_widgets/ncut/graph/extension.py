"""The extension of the eigenvectors of a graph to other nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from .chunks import for_each_chunk
from .kernels import Kernel

__all__ = ["Embedded", "Extension", "density_weights"]


class Embedded(NamedTuple):
    """Some nodes after the extension."""

    # Eigenvectors (r, k).
    vectors: torch.Tensor
    # Degrees d (r,).
    degrees: torch.Tensor
    # (v / d)^1/2 (r,).
    scale: torch.Tensor
    # Density weights v (r,); None if alpha is 0.
    densities: torch.Tensor | None


@dataclass(frozen=True)
class Extension:
    """The eigenvectors at any node x, computed through the landmarks Z. It is all that `transform` needs.

    With C(x) the affinities k(x, Z), followed by the repulsions if there are any,

        u(x) = (v(x) / d(x))^1/2 C(x) P,   d(x) = C(x) a,   v(x) = (C(x) b)^-alpha
    """

    kernel: Kernel
    landmarks: torch.Tensor
    # a, b and P, with one row per column of C; b is None if alpha is 0.
    degree_weights: torch.Tensor
    density_weights: torch.Tensor | None
    projection: torch.Tensor
    alpha: float
    lowest_degree: float

    def columns(self, E: torch.Tensor) -> torch.Tensor:
        """Return C (r, m), or (r, 2 m) with repulsion, of encoded nodes."""
        parts = self.kernel.parts(E, self.landmarks)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def densities(self, C: torch.Tensor) -> torch.Tensor | None:
        """Return the density weights v (r,) of nodes with the columns `C`; None if alpha is 0."""
        if self.density_weights is None:
            return None
        return density_weights((C @ self.density_weights).clamp_min(self.lowest_degree), self.alpha)

    def embed(self, C: torch.Tensor) -> Embedded:
        """Return the eigenvectors, degrees and scale of nodes with the columns `C`."""
        # One product, so that C is read once.
        table = C @ torch.cat([self.projection, self.degree_weights[:, None]], dim=1)
        densities = self.densities(C)
        if densities is None:
            degrees = table[:, -1].clamp_min(self.lowest_degree)
            scale = degrees.rsqrt()
        else:
            degrees = torch.maximum(table[:, -1], densities * self.lowest_degree)
            scale = (densities / degrees).sqrt()
        return Embedded(table[:, :-1] * scale[:, None], degrees, scale, densities)

    def __call__(self, X: torch.Tensor, *, verbose: bool = False) -> torch.Tensor:
        """Return the eigenvectors (n, k) at the nodes `X` (n, c)."""
        vectors = self.projection.new_empty(len(X), self.projection.shape[1])

        def embed(here: slice) -> None:
            vectors[here] = self.embed(self.columns(self.kernel.encode(X[here]))).vectors

        width, parallel = max(len(self.projection), X.shape[1]), self.kernel.is_thread_safe
        for_each_chunk(len(X), width, vectors.device, embed, "extend", verbose, parallel=parallel)
        return vectors


def density_weights(density: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return density^-alpha: weights of the nodes that correct for their density.

    References
    ----------
    Coifman, Lafon. Diffusion Maps. Applied and Computational Harmonic Analysis 2006.
    """
    return density.pow(-alpha)
