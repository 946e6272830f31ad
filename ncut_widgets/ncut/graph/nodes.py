"""The nodes of a graph: features, kernel, weights, and passes over them in chunks."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import torch

from .chunks import ChunkFunction, for_each_chunk
from .kernels import Kernel

__all__ = ["Nodes"]

# Encoded nodes are cached up to this size. Larger ones are computed again in each pass.
_MAX_CACHE_BYTES = 1 << 29


class Nodes:
    """The nodes of a graph.

    Parameters
    ----------
    X : torch.Tensor of shape (n, c)
        Features. A memory map is read a few rows at a time.
    kernel : Kernel
        The affinity between nodes.
    weights : torch.Tensor of shape (n,), optional
        Weight of each node; 1 by default.
    verbose : bool
        Show progress bars.
    """

    def __init__(
        self, X: torch.Tensor, kernel: Kernel, *, weights: torch.Tensor | None = None, verbose: bool = False
    ) -> None:
        self.kernel = kernel
        self._weights = weights
        self._verbose = verbose
        self._X = X
        one = kernel.encode(X[:1])
        self.device = one.device
        # Numbers per node while it is encoded.
        self._width = max(X.shape[1], one.shape[1])
        self._encoded = kernel.encode(X) if len(X) * one.nbytes <= _MAX_CACHE_BYTES else None

    def __len__(self) -> int:
        return len(self._X)

    def __getitem__(self, here: slice | torch.Tensor) -> torch.Tensor:
        """Return encoded nodes (r, c')."""
        table = self._X if self._encoded is None else self._encoded
        rows = table[here.to(table.device) if isinstance(here, torch.Tensor) else here]
        return self.kernel.encode(rows) if self._encoded is None else rows

    @property
    def verbose(self) -> bool:
        """Whether passes over the nodes show progress bars."""
        return self._verbose

    @property
    def features(self) -> torch.Tensor:
        """The features (n, c)."""
        return self._X

    @property
    def weights(self) -> torch.Tensor | None:
        """The weights (n,); None if all are 1."""
        return self._weights

    def counted(self) -> torch.Tensor:
        """Return the encoded nodes with positive weights."""
        if self._weights is None or bool((self._weights > 0).all()):
            return self[:]
        return self[self._weights.nonzero().flatten()]

    def without(self, left_out: torch.Tensor) -> Nodes:
        """Return the nodes, with weight 0 for those `left_out` (n,)."""
        if not bool(left_out.any()):
            return self
        fewer = copy(self)
        mass = torch.ones(len(self), dtype=torch.float64) if self._weights is None else self._weights
        fewer._weights = torch.where(left_out.to(mass.device), 0.0, mass)
        return fewer

    def only(self, kept: torch.Tensor) -> Nodes:
        """Return the nodes with the indices `kept`, with their weights."""
        with torch.enable_grad():
            features = self._X[kept.to(self._X.device)]
        weights = None if self._weights is None else self._weights[kept]
        return Nodes(features, self.kernel, weights=weights, verbose=self._verbose)

    @property
    def lightest(self) -> float:
        """The smallest positive weight."""
        return 1.0 if self._weights is None else float(self._weights[self._weights > 0].min())

    def mass(self, here: slice | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return the weights (r,) of some nodes, with the dtype and device of `like`."""
        if self._weights is None:
            return like.new_ones(len(self._X[here]))
        return self._weights[here.to(self._weights.device) if isinstance(here, torch.Tensor) else here].to(like)

    def take(self, sampled: torch.Tensor) -> Nodes:
        """Return a sample of the nodes, with weights multiplied so that it represents all nodes."""
        taken = object.__new__(Nodes)
        taken.kernel, taken.device, taken._width, taken._verbose = self.kernel, self.device, self._width, False
        taken._X = taken._encoded = self[sampled]
        taken._weights = self.mass(sampled, taken._X) * (len(self) / len(sampled))
        return taken

    def inner(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the weighted inner products (k, k) of the columns of `vectors` (n, k), in float64 on the CPU."""
        k = vectors.shape[1]
        total = torch.zeros(k, k, dtype=torch.float64)

        def add(here: slice) -> Callable[[], object]:
            # float64 if the device has it: for a million nodes, float32 sums limit orthonormality to 1e-4.
            rows = vectors[here] if vectors.device.type == "mps" else vectors[here].double()
            weighted = rows if self._weights is None else rows * self.mass(here, rows)[:, None]
            part = (weighted.T @ rows).cpu()
            return lambda: total.add_(part)

        for_each_chunk(len(self), 4 * k, vectors.device, add)
        return total

    def for_each_chunk(self, width: int, what: str, body: ChunkFunction) -> None:
        """Call `body`, which needs `width` numbers per node, for slices that cover the nodes: see `chunks`."""
        # Encoding takes memory, too.
        width, parallel = max(width, self._width if self._encoded is None else 0), self.kernel.is_thread_safe
        for_each_chunk(len(self), width, self.device, body, what, self._verbose, parallel=parallel)
