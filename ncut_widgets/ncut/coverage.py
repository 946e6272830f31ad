"""How far a fitted sample covers new nodes."""

from __future__ import annotations

import torch

from .graph.chunks import for_each_chunk
from .graph.kernels import Affinity, Kernel
from .graph.landmarks import choose_landmarks
from .graph.low_rank import inverse_root

__all__ = ["Coverage"]

_LANDMARKS = 512
_WORST = 0.05
# Where a kernel is so sharp that fitted nodes explain less than that of one another, they cover nothing.
_LEAST = 0.01
_BLOCK = 64


class Coverage:
    r"""The share of a node that the fitted nodes explain, next to the share that they explain of their own kind.

    With W the affinities between landmarks Z among the `sample`, the part of a node x in their span is

        p(x) = k(x, Z) W^+ k(Z, x) / k(x, x)   in [0, 1]

    and its coverage min(1, p(x) / max(p_5, 0.01)). With landmarks among one half of the sample, 95 % of the other half
    have at least p_5.

    Parameters
    ----------
    sample : torch.Tensor of shape (s, c')
        Fitted nodes, encoded, in random order.
    affinity : Kernel
        That encoded them.
    generator : torch.Generator
        Of the CPU.
    """

    def __init__(self, sample: torch.Tensor, affinity: Kernel, generator: torch.Generator) -> None:
        self._affinity = affinity
        held_out, known = sample[::2], sample[1::2]
        self._span(known, generator)
        self._typical = max(float(torch.quantile(self._explained(held_out).cpu().double(), _WORST)), _LEAST)
        self._span(sample, generator)

    def __call__(self, X: torch.Tensor, *, verbose: bool = False) -> torch.Tensor:
        """Return the coverage (n,) of the nodes `X` (n, c)."""
        covered = self._root.new_empty(len(X))

        def cover(here: slice) -> None:
            covered[here] = self._explained(self._affinity.encode(X[here])) / self._typical

        width = max(2 * len(self._landmarks), X.shape[1])
        for_each_chunk(
            len(X), width, covered.device, cover, "coverage", verbose, parallel=self._affinity.is_thread_safe
        )
        return covered.clamp_(0, 1)

    def _span(self, known: torch.Tensor, generator: torch.Generator) -> None:
        affinity = self._affinity
        self._landmarks = choose_landmarks(known, affinity, _LANDMARKS, generator)
        wide = self._landmarks.cpu().double() if isinstance(affinity, Affinity) else self._landmarks
        self._root = inverse_root(affinity(wide, wide).cpu().double(), known.dtype).to(known)

    def _explained(self, E: torch.Tensor) -> torch.Tensor:
        explained = (self._affinity(E, self._landmarks) @ self._root).square().sum(1)
        if isinstance(self._affinity, Affinity):
            return explained
        # Others need not have an affinity of 1 to themselves.
        own = torch.cat([self._affinity(block, block).diagonal() for block in E.split(_BLOCK)])
        return explained / own.clamp_min(torch.finfo(own.dtype).tiny)
