"""A low-rank affinity matrix, A = C W^+ C^T: the affinities C of nodes to landmarks, and the core between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from .affinity import Affinity, Kernel
from .nodes import Nodes
from .solution import Body, Extension

__all__ = ["Columns", "Core", "core_of", "inverse_root"]

# Up to so many affinities to landmarks are kept between the passes over the nodes; beyond that they are computed again,
# which takes less time than memory fresh from the operating system.
_KEPT_AFFINITIES = 1 << 23
# Directions of W below that share of its largest are noise in a C of that precision.
_NOISE = {torch.float32: 1e-7, torch.float64: 1e-12}
# What is kept of an indefinite W. Positive directions down to that share of its most negative one: with all, a sharp
# "cosine" kernel in 4 channels and 420 landmarks lost 2 of 5 eigenvectors; with less, few landmarks blow noise up.
_INDEFINITE = 0.3
# And of the repulsion that belongs to "cosine", both signs down to that share of the largest.
_OPPOSITE = 1e-2


class Core(NamedTuple):
    """W^+ = F J F^T of the attraction less the repulsion, and F K F^T of their sum: J and K are diagonals of signs."""

    root: torch.Tensor
    signs: torch.Tensor
    of_sum: torch.Tensor

    @property
    def is_definite(self) -> bool:
        return bool((self.signs > 0).all())

    def weights(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the a with C a = (A + r R) w, where `sums` are C^T w: what repels adds to a degree, too."""
        return self.root @ (self.of_sum * (self.root.T @ sums))

    def density_weights(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the b with C b = A w, where `sums` are C^T w: what repels is no density."""
        attracts = len(sums) if self.is_definite else len(sums) // 2
        weights = self.weights(sums)
        weights[attracts:] = 0
        return weights


class Columns:
    """The affinities C of nodes to the landmarks, computed once where they fit."""

    def __init__(self, nodes: Nodes, extension: Extension) -> None:
        self.nodes = nodes
        self._extension = extension
        self.width = len(extension.landmarks) * (1 if extension.affinity.repulsion_sigma is None else 2)
        self._kept: torch.Tensor | None = None
        if len(nodes) * self.width <= _KEPT_AFFINITIES:
            kept = extension.landmarks.new_empty(len(nodes), self.width)

            def keep(here: slice) -> None:
                kept[here] = self[here]

            self.sweep("affinities", keep)
            self._kept = kept

    def __getitem__(self, here: slice) -> torch.Tensor:
        return self._extension.columns(self.nodes[here]) if self._kept is None else self._kept[here]

    def sweep(self, what: str, body: Body) -> None:
        self.nodes.sweep(self.width, what, body)

    def take(self, sampled: torch.Tensor) -> Columns:
        """Return the columns of some of the nodes, each of which stands for its share of all."""
        nodes = self.nodes.take(sampled)
        if self._kept is None:
            return Columns(nodes, self._extension)
        taken = object.__new__(Columns)
        taken.nodes, taken._extension, taken.width = nodes, self._extension, self.width
        taken._kept = self._kept[sampled.to(self._kept.device)]
        return taken

    def sums(self, density: Callable[[torch.Tensor], torch.Tensor | None] | None = None) -> torch.Tensor:
        """Return the sum of the rows of C by the weights of the nodes, times the `density` weights of the rows."""
        total = torch.zeros(self.width, dtype=torch.float64)

        def add(here: slice) -> Callable[[], object]:
            C = self[here]
            of_rows = None if density is None else density(C)
            mass = self.nodes.mass(here, C)
            part = (C.T @ (mass if of_rows is None else mass * of_rows)).cpu()
            return lambda: total.add_(part)

        self.sweep("degrees", add)
        return total


def core_of(affinity: Kernel, landmarks: torch.Tensor, repulsion_weight: float) -> tuple[Core, float]:
    """Return the core of the low-rank A, and the least affinity of a landmark to itself."""
    wide = landmarks.cpu().double() if isinstance(affinity, Affinity) else landmarks
    if affinity.repulsion_sigma is None:
        W = affinity(wide, wide).cpu().double()
        root = inverse_root(W, landmarks.dtype)
        one = torch.ones_like(root[0])
        return Core(root, one, one), float(W.diagonal().min())
    attraction, repulsion = affinity.both(wide, wide)
    root = inverse_root(attraction, landmarks.dtype)
    other_root, other_signs = _signed_root(repulsion, _OPPOSITE if affinity.is_cosine else _NOISE[landmarks.dtype])
    roots = torch.block_diag(root, repulsion_weight**0.5 * other_root)
    one = torch.ones_like(root[0])
    core = Core(roots, torch.cat([one, -other_signs]), torch.cat([one, other_signs]))
    return core, float(attraction.diagonal().min())


def inverse_root(W: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return F (m, r) with F F^T the pseudo-inverse of what is positive in the float64 `W`, for a C of that `dtype`."""
    values, vectors = torch.linalg.eigh((W + W.T) / 2)
    # C carries its own rounding: directions of W below that level hold noise, which the inverse would blow up. An
    # affinity that is not quite positive definite ("cosine" is none) says by its negative eigenvalues what is noise.
    kept = values > max(_NOISE[dtype] * float(values[-1]), -_INDEFINITE * float(values[0]))
    return vectors[:, kept] / values[kept].sqrt()


def _signed_root(W: torch.Tensor, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return F (m, r) and signs (r,) with F diag(signs) F^T the pseudo-inverse of the float64 `W`."""
    values, vectors = torch.linalg.eigh((W + W.T) / 2)
    kept = values.abs() > noise * values.abs().amax()
    return vectors[:, kept] / values[kept].abs().sqrt(), values[kept].sign()
