"""The nodes of a graph, weighted, in the units of its kernel, gone through a few at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import torch

from .chunks import ChunkFunction, for_each_chunk
from .kernels import Kernel

__all__ = ["Nodes"]

# Up to so many bytes of encoded nodes are kept between the passes over them. More are computed again in each pass.
_KEPT_BYTES = 1 << 29


class Nodes:
    """The nodes of a graph.

    Parameters
    ----------
    X : torch.Tensor of shape (n, c)
        Features; a memory map is read a few rows at a time.
    kernel : Kernel
        Encodes them.
    weights : torch.Tensor of shape (n,), optional
        How many nodes each stands for; one by default.
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
        # Of the widest row that a pass holds.
        self._width = max(X.shape[1], one.shape[1])
        self._encoded = kernel.encode(X) if len(X) * one.nbytes <= _KEPT_BYTES else None

    def __len__(self) -> int:
        return len(self._X)

    def __getitem__(self, here: slice | torch.Tensor) -> torch.Tensor:
        """Return encoded rows."""
        table = self._X if self._encoded is None else self._encoded
        rows = table[here.to(table.device) if isinstance(here, torch.Tensor) else here]
        return self.kernel.encode(rows) if self._encoded is None else rows

    @property
    def verbose(self) -> bool:
        """Whether passes over the nodes show progress bars."""
        return self._verbose

    @property
    def features(self) -> torch.Tensor:
        """The features (n, c), as they came."""
        return self._X

    @property
    def weights(self) -> torch.Tensor | None:
        """How many nodes each stands for (n,), if not one each."""
        return self._weights

    def counted(self) -> torch.Tensor:
        """Return the encoded rows of the nodes that have a weight."""
        if self._weights is None or bool((self._weights > 0).all()):
            return self[:]
        return self[self._weights.nonzero().flatten()]

    def without(self, left_out: torch.Tensor) -> Nodes:
        """Return the nodes with no weight for those that are `left_out` (n,)."""
        if not bool(left_out.any()):
            return self
        fewer = copy(self)
        mass = torch.ones(len(self), dtype=torch.float64) if self._weights is None else self._weights
        fewer._weights = torch.where(left_out.to(mass.device), 0.0, mass)
        return fewer

    def only(self, kept: torch.Tensor) -> Nodes:
        """Return some of the nodes, each with its own weight."""
        with torch.enable_grad():
            features = self._X[kept.to(self._X.device)]
        weights = None if self._weights is None else self._weights[kept]
        return Nodes(features, self.kernel, weights=weights, verbose=self._verbose)

    @property
    def lightest(self) -> float:
        """The least weight of a node that has any."""
        return 1.0 if self._weights is None else float(self._weights[self._weights > 0].min())

    def mass(self, here: slice | torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return the weights of some nodes, in the dtype and on the device of `like`."""
        if self._weights is None:
            return like.new_ones(len(self._X[here]))
        return self._weights[here.to(self._weights.device) if isinstance(here, torch.Tensor) else here].to(like)

    def take(self, sampled: torch.Tensor) -> Nodes:
        """Return some of the nodes, each with the weight of its share of all."""
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
            # float64 where there is one: at a million nodes, float32 sums leave orthonormality at 1e-4.
            rows = vectors[here] if vectors.device.type == "mps" else vectors[here].double()
            weighted = rows if self._weights is None else rows * self.mass(here, rows)[:, None]
            part = (weighted.T @ rows).cpu()
            return lambda: total.add_(part)

        for_each_chunk(len(self), 4 * k, vectors.device, add)
        return total

    def for_each_chunk(self, width: int, what: str, body: ChunkFunction) -> None:
        """Call `body` for slices that cover the nodes, of which it makes rows of `width` numbers."""
        # Encoding again takes memory of its own.
        width, parallel = max(width, self._width if self._encoded is None else 0), self.kernel.is_thread_safe
        for_each_chunk(len(self), width, self.device, body, what, self._verbose, parallel=parallel)
