"""The low-rank affinity matrix A = C W^+ C^T: affinities C of nodes to landmarks, and W between landmarks."""

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

# Up to this many affinities to landmarks are cached. More are computed again in each pass, which takes less time than
# allocating memory.
_MAX_CACHED_AFFINITIES = 1 << 23
# If W is indefinite, its positive eigenvalues are kept down to this share of the most negative one, because the inverse
# amplifies the error of the approximation in directions of smaller eigenvalues.
_INDEFINITE_SHARE = 0.3
# If that would omit eigenvalues above this share of the smallest requested one, as for wide kernels, eigenvalues of
# both signs are kept down to that share. On "cosine" in 3 to 768 channels, 0.01 failed for kernels with few landmarks,
# and 0.2 lost at most 0.6 % of an eigenvector.
_SHARE_OF_SMALLEST = 0.2


class Core(NamedTuple):
    """W^+ = F J F^T for A - r R, and F K F^T for A + r R, where J and K are diagonal matrices of signs."""

    # F, and the diagonals of J and K.
    root: torch.Tensor
    signs: torch.Tensor
    sum_signs: torch.Tensor
    # Number of columns of C that are affinities. They precede the repulsion.
    n_attracting: int

    @property
    def is_definite(self) -> bool:
        return bool((self.signs > 0).all())

    def weights(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the a with C a = (A + r R) w, where `sums` are C^T w: repulsion adds to degrees."""
        return self.root @ (self.sum_signs * (self.root.T @ sums))

    def density_weights(self, sums: torch.Tensor) -> torch.Tensor:
        """Return the b with C b = A w, where `sums` are C^T w: repulsion does not add to the density."""
        weights = self.weights(sums)
        weights[self.n_attracting :] = 0
        return weights


class Columns:
    """The affinities C of nodes to the landmarks, cached if they are few."""

    def __init__(self, nodes: Nodes, extension: Extension) -> None:
        self.nodes = nodes
        self._extension = extension
        self.width = len(extension.landmarks) * extension.kernel.n_parts
        self._cached: torch.Tensor | None = None
        if len(nodes) * self.width <= _MAX_CACHED_AFFINITIES:
            cached = extension.landmarks.new_empty(len(nodes), self.width)

            def cache(here: slice) -> None:
                cached[here] = self[here]

            self.for_each_chunk("affinities", cache)
            self._cached = cached

    def __getitem__(self, here: slice) -> torch.Tensor:
        return self._extension.columns(self.nodes[here]) if self._cached is None else self._cached[here]

    def for_each_chunk(self, what: str, body: ChunkFunction) -> None:
        self.nodes.for_each_chunk(self.width, what, body)

    def sums(self, density: Callable[[torch.Tensor], torch.Tensor | None] | None = None) -> torch.Tensor:
        """Return the sum (m,) of the rows of C, weighted by the nodes and by the `density` weights of the rows."""
        total = torch.zeros(self.width, dtype=torch.float64)

        def add(here: slice) -> Callable[[], object]:
            C = self[here]
            correction = None if density is None else density(C)
            mass = self.nodes.mass(here, C)
            part = (C.T @ (mass if correction is None else mass * correction)).cpu()
            return lambda: total.add_(part)

        self.for_each_chunk("degrees", add)
        return total


def core_of(kernel: Kernel, landmarks: torch.Tensor, *, n_eig: int | None) -> tuple[Core, float]:
    """Return the core of the low-rank A, and the smallest affinity of a landmark to itself.

    If the affinity is indefinite, as "cosine" may be, the core contains the part that `n_eig` eigenvectors need, or the
    positive part if `n_eig` is None.
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
    # C has rounding errors, which the inverse would amplify in directions of smaller eigenvalues of W.
    cut = LOW_RANK_CUT[dtype] * float(values[-1])
    positive = max(cut, -_INDEFINITE_SHARE * float(values[0]))
    both = positive if n_eig is None else _SHARE_OF_SMALLEST * float(values[-min(n_eig, len(values))])
    kept = values > positive if both >= positive else values.abs() > max(cut, both)
    return scale[:, None] * vectors[:, kept] / values[kept].abs().sqrt(), values[kept].sign()


def _signed_root(W: torch.Tensor, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return F (m, r) and signs (r,) with F diag(signs) F^T the pseudo-inverse of the float64 `W`."""
    values, vectors = eigh((W + W.T) / 2)
    kept = values.abs() > noise * values.abs().amax()
    return vectors[:, kept] / values[kept].abs().sqrt(), values[kept].sign()
