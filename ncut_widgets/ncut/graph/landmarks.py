"""Chooses landmarks: a few points that represent all nodes."""

from __future__ import annotations

import torch

from .kernels import Kernel
from .sampling import spread_nodes, uniform_nodes

__all__ = ["choose_landmarks"]

_MIN_CANDIDATES = 1 << 13


def choose_landmarks(E: torch.Tensor, kernel: Kernel, m: int, generator: torch.Generator) -> torch.Tensor:
    """Return m landmarks (m, c') of the encoded nodes `E` (n, c').

    They start as nodes that are spread over a sample. `Kernel.place_landmarks` then moves them to centroids, if the
    kernel can compare centroids.
    """
    sampled = uniform_nodes(len(E), max(_MIN_CANDIDATES, 8 * m), generator).to(E.device)
    candidates = E if len(sampled) == len(E) else E[sampled]
    chosen = spread_nodes(kernel.to_comparable_points(candidates), m, generator).to(E.device)
    return kernel.place_landmarks(E, candidates[chosen])
