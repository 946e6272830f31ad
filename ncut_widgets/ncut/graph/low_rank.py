"""A low-rank affinity matrix, A = C W^+ C^T: the affinities C of nodes to landmarks, and the core between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from .chunks import ChunkFunction
from .extension import Extension
from .kernels import Kernel
from .linalg import eigh
from .nodes import Nodes
from .precision import LOW_RANK_CUT

__all__ = ["Columns", "Core", "core_of", "inverse_root"]

# Up to so many affinities to landmarks are kept between the passes over the nodes; beyond that they are computed again,
# which takes less time than memory fresh from the operating system.
_KEPT_AFFINITIES = 1 << 23
# Of an indefinite W, positive directions are kept down to that share of its most negative one, because the inverse
# amplifies what landmarks miss of smaller ones.
_INDEFINITE = 0.3
# If that would leave out more than this share of the smallest eigenvalue asked for, as it does for wide kernels, both
# signs are kept down to that share. On "cosine" in 3 to 768 channels, 0.01 failed for kernels with few landmarks, and
# 0.2 lost at most 0.6 % of an eigenvector.
_SHARE_OF_SMALLEST = 0.2


class Core(NamedTuple):
    """W^+ = F J F^T of the attraction less the repulsion, and F K F^T of their sum: J and K are diagonals of signs."""

    root: torch.Tensor
    signs: torch.Tensor
    of_sum: torch.Tensor
    # How many columns of C attract. They come first.
    n_attracting: int

    @property
    def is_definite(self) -> bool:
        return bool((self.signs > 0).all())

    def weights(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the a with C a = (A + r R) w, where `sums` are C^T w: what repels adds to a degree, too."""
        return self.root @ (self.of_sum * (self.root.T @ sums))

    def density_weights(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the b with C b = A w, where `sums` are C^T w: what repels is no density."""
        weights = self.weights(sums)
        weights[self.n_attracting :] = 0
        return weights


class Columns:
    """The affinities C of nodes to the landmarks, computed once where they fit."""

    def __init__(self, nodes: Nodes, extension: Extension) -> None:
        self.nodes = nodes
        self._extension = extension
        self.width = len(extension.landmarks) * extension.kernel.n_parts
        self._kept: torch.Tensor | None = None
        if len(nodes) * self.width <= _KEPT_AFFINITIES:
            kept = extension.landmarks.new_empty(len(nodes), self.width)

            def keep(here: slice) -> None:
                kept[here] = self[here]

            self.for_each_chunk("affinities", keep)
            self._kept = kept

    def __getitem__(self, here: slice) -> torch.Tensor:
        return self._extension.columns(self.nodes[here]) if self._kept is None else self._kept[here]

    def for_each_chunk(self, what: str, body: ChunkFunction) -> None:
        self.nodes.for_each_chunk(self.width, what, body)

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

        self.for_each_chunk("degrees", add)
        return total


def core_of(kernel: Kernel, landmarks: torch.Tensor, *, n_eig: int | None) -> tuple[Core, float]:
    """Return the core of the low-rank A, and the least affinity of a landmark to itself.

    With `n_eig`, it holds what `n_eig` eigenvectors take of an indefinite affinity, such as "cosine". Without, it holds
    the positive part.
    """
    precise = kernel.in_high_precision(landmarks)
    attraction, *repulsion = (part.cpu().double() for part in kernel.parts(precise, precise))
    root, signs = _root_and_signs(attraction, landmarks.dtype, n_eig)
    core = Core(root, signs, signs, len(attraction))
    for part in repulsion:
        other_root, other_signs = _signed_root(part, kernel.repulsion_cut(landmarks.dtype))
        core = Core(
            torch.block_diag(root, kernel.repulsion_weight**0.5 * other_root),
            torch.cat([signs, -other_signs]),
            torch.cat([signs, other_signs]),
            len(attraction),
        )
    return core, float(attraction.diagonal().min())


def inverse_root(W: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return F (m, r) with F F^T a generalized inverse of the positive part of `W`, for a C of that `dtype`."""
    return _root_and_signs(W, dtype, None)[0]


def _root_and_signs(W: torch.Tensor, dtype: torch.dtype, n_eig: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return F (m, r) and signs (r,) with F diag(signs) F^T a generalized inverse of `W`, for a C of that `dtype`.

    W is float64, because it is inverted. Its eigenvalues are taken relative to its degrees. They are then comparable
    to those of M, and at most 1.
    """
    W = (W + W.T) / 2
    scale = W.abs().sum(1).clamp_min(torch.finfo(W.dtype).tiny).rsqrt()
    values, vectors = eigh(scale[:, None] * W * scale)
    # C is rounded: in directions of W below that level, the inverse would amplify noise.
    cut = LOW_RANK_CUT[dtype] * float(values[-1])
    positive = max(cut, -_INDEFINITE * float(values[0]))
    both = positive if n_eig is None else _SHARE_OF_SMALLEST * float(values[-min(n_eig, len(values))])
    kept = values > positive if both >= positive else values.abs() > max(cut, both)
    return scale[:, None] * vectors[:, kept] / values[kept].abs().sqrt(), values[kept].sign()


def _signed_root(W: torch.Tensor, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return F (m, r) and signs (r,) with F diag(signs) F^T the pseudo-inverse of the float64 `W`."""
    values, vectors = eigh((W + W.T) / 2)
    kept = values.abs() > noise * values.abs().amax()
    return vectors[:, kept] / values[kept].abs().sqrt(), values[kept].sign()
