"""Coverage: how well a fitted sample represents new nodes."""

from __future__ import annotations

import torch

from .graph.chunks import for_each_chunk
from .graph.kernels import Kernel
from .graph.landmarks import choose_landmarks
from .graph.low_rank import inverse_root

__all__ = ["Coverage"]

_LANDMARKS = 512
# Quantile of the held-out nodes that defines a coverage of 1.
_QUANTILE = 0.05
# If a kernel is so sharp that fitted nodes explain less than this share of each other, coverage is below 1 everywhere.
_MIN_EXPLAINED = 0.01


class Coverage:
    r"""The share of a node that the fitted nodes explain, relative to the share that they explain of each other.

    With W the affinities between landmarks Z of the `sample`, the share of a node x in their span is

        p(x) = k(x, Z) W^+ k(Z, x) / k(x, x)   in [0, 1]

    and its coverage is min(1, p(x) / max(p_5, 0.01)), where p_5 is the 5 % quantile of p over one half of the sample,
    with landmarks of the other half.

    Parameters
    ----------
    sample : torch.Tensor of shape (s, c')
        Encoded fitted nodes, in random order.
    kernel : Kernel
        The kernel of the fit.
    generator : torch.Generator
        CPU generator.
    """

    def __init__(self, sample: torch.Tensor, kernel: Kernel, generator: torch.Generator) -> None:
        self._kernel = kernel
        held_out, known = sample[::2], sample[1::2]
        self._span(known, generator)
        self._typical = max(float(torch.quantile(self._explained(held_out).cpu().double(), _QUANTILE)), _MIN_EXPLAINED)
        self._span(sample, generator)

    def __call__(self, X: torch.Tensor, *, verbose: bool = False) -> torch.Tensor:
        """Return the coverage (n,) of the nodes `X` (n, c)."""
        covered = self._root.new_empty(len(X))

        def cover(here: slice) -> None:
            covered[here] = self._explained(self._kernel.encode(X[here])) / self._typical

        width = max(2 * len(self._landmarks), X.shape[1])
        for_each_chunk(len(X), width, covered.device, cover, "coverage", verbose, parallel=self._kernel.is_thread_safe)
        return covered.clamp_(0, 1)

    def _span(self, known: torch.Tensor, generator: torch.Generator) -> None:
        kernel = self._kernel
        self._landmarks = choose_landmarks(known, kernel, _LANDMARKS, generator)
        precise = kernel.in_high_precision(self._landmarks)
        self._root = inverse_root(kernel(precise, precise).cpu().double(), known.dtype).to(known)

    def _explained(self, E: torch.Tensor) -> torch.Tensor:
        explained = (self._kernel(E, self._landmarks) @ self._root).square().sum(1)
        own = self._kernel.own_affinities(E)
        return explained / own.clamp_min(torch.finfo(own.dtype).tiny)
