"""What a solved graph is: its eigenpairs, and how it extends to other nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ncut_widgets._progress import progress
from ncut_widgets._threads import map_in_order

from .affinity import Kernel
from .eigensolver import Eigenpairs
from .symmetric import SymmetricMatrix

__all__ = ["Body", "Extension", "Solution", "density_weights", "inverse_unless_vanishing", "sweep", "vanishing"]

# What a pass over the nodes holds at a time: on a CPU it should stay in the cache, on a GPU it should keep it busy.
_CPU_CHUNK_ELEMENTS = 1 << 20
_GPU_CHUNK_ELEMENTS = 1 << 27


# What is done for a slice of the nodes; what it returns is called in the order of the slices.
Body = Callable[[slice], Callable[[], object] | None]


class Embedded(NamedTuple):
    """Of some nodes: their eigenvectors (r, k), degrees d (r,), (v / d)^1/2 (r,), and v (r,) unless it is 1."""

    vectors: torch.Tensor
    degrees: torch.Tensor
    scale: torch.Tensor
    densities: torch.Tensor | None


@dataclass(frozen=True)
class Extension:
    """The eigenvectors at any node x, through the landmarks Z: what `transform` needs of a fit.

    With C(x) the affinities k(x, Z), followed by the repulsions where there are any,

        u(x) = (v(x) / d(x))^1/2 C(x) P,   d(x) = C(x) a,   v(x) = (C(x) b)^-alpha
    """

    affinity: Kernel
    landmarks: torch.Tensor
    # a, b and P, of as many rows as C has columns; b is None where alpha is 0.
    degree_weights: torch.Tensor
    density_weights: torch.Tensor | None
    projection: torch.Tensor
    alpha: float
    lowest_degree: float

    def columns(self, E: torch.Tensor) -> torch.Tensor:
        """Return C (r, m), or (r, 2 m) with repulsion, of encoded nodes."""
        if self.affinity.repulsion_sigma is None:
            return self.affinity(E, self.landmarks)
        return torch.cat(self.affinity.both(E, self.landmarks), dim=1)

    def densities(self, C: torch.Tensor) -> torch.Tensor | None:
        """Return the weights v (r,) that correct the density at nodes with the columns `C`; None where it stays."""
        if self.density_weights is None:
            return None
        return density_weights((C @ self.density_weights).clamp_min(self.lowest_degree), self.alpha)

    def embed(self, C: torch.Tensor) -> Embedded:
        """Return the eigenvectors at nodes with the columns `C`, and what they were scaled by."""
        # One product: C is read once.
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
            vectors[here] = self.embed(self.columns(self.affinity.encode(X[here]))).vectors

        width, parallel = max(len(self.projection), X.shape[1]), self.affinity.is_thread_safe
        sweep(len(X), width, vectors.device, embed, "extend", verbose, parallel=parallel)
        return vectors


class Solution(NamedTuple):
    """The eigenpairs of a graph, the degrees of its nodes (n,), the extension to others, and A where it is exact.

    The vectors u are the values of single copies of a node: with the weights w of the nodes, sum_i w_i u_i u_i^T = 1.
    """

    pairs: Eigenpairs
    degrees: torch.Tensor
    extension: Extension
    affinities: SymmetricMatrix | None = None


def density_weights(density: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return density^-alpha: as weights of the nodes, they take the density out of the graph.

    References
    ----------
    Coifman, Lafon. Diffusion Maps. Applied and Computational Harmonic Analysis 2006.
    """
    return density.pow(-alpha)


def sweep(
    n: int,
    width: int,
    device: torch.device,
    body: Body,
    what: str = "",
    verbose: bool = False,
    *,
    parallel: bool = True,
) -> None:
    """Call `body` for slices that cover the nodes 0 ... n-1, as long as rows of `width` numbers allow.

    On a CPU, worker threads run it for several slices at once, unless `parallel` is false. What it adds to a total, it
    returns as a function, which is called in the order of the slices: sums are the same in every run. If the device
    runs out of memory, slices become shorter. A `body` that fails must have changed nothing.
    """
    elements = _CPU_CHUNK_ELEMENTS if device.type == "cpu" else _GPU_CHUNK_ELEMENTS
    rows, start = max(1, elements // width), 0
    with progress(n, f"ncut: {what}", unit="node", show=verbose) as done:
        if device.type == "cpu" and parallel:
            slices = [slice(first, min(n, first + rows)) for first in range(0, n, rows)]
            for here, add in zip(slices, map_in_order(body, slices), strict=True):
                if add is not None:
                    add()
                done(here.stop - here.start)
            return
        while start < n:
            here = slice(start, min(n, start + rows))
            try:
                add = body(here)
                if add is not None:
                    add()
            except torch.cuda.OutOfMemoryError:
                if rows == 1:
                    raise
                rows = max(1, rows // 2)
                torch.cuda.empty_cache()
                continue
            done(here.stop - start)
            start = here.stop


def vanishing(values: torch.Tensor) -> torch.Tensor:
    """Return which eigenvalues are zero up to rounding: such vectors are arbitrary and live on the nodes given only."""
    return values.abs() < 1e2 * torch.finfo(values.dtype).eps


def inverse_unless_vanishing(values: torch.Tensor) -> torch.Tensor:
    """Return 1 / values, and 0 where these vanish."""
    return torch.where(vanishing(values), 0.0, 1 / torch.where(vanishing(values), 1.0, values))
