"""Checks the weights of nodes."""

from __future__ import annotations

from typing import Any

import torch

from ncut_widgets._validation import to_tensor

__all__ = ["check_weights"]

# Products of two such weights and a number of nodes do not overflow in float32.
_MIN_WEIGHT, _MAX_WEIGHT = 1e-9, 1e9


def check_weights(X: Any, sample_weight: Any, n: int) -> torch.Tensor | None:
    """Return the weights (n,) of the nodes, in float64 on the CPU: `sample_weight`, or those of feature maps `X`.

    Raises
    ------
    ValueError
        If they are not one finite number of at least 0 per node, or fewer than two are positive.
    """
    if sample_weight is None:
        sample_weight = getattr(X, "weights", None) if hasattr(X, "grid") else None
    if sample_weight is None:
        return None
    weights = to_tensor(sample_weight, "sample_weight")[0].detach().cpu().double()
    if tuple(weights.shape) != (n,):
        raise ValueError(
            f"`sample_weight` must be of shape ({n},), one weight per node; got {tuple(weights.shape)}. "
            "Pass one weight for each."
        )
    if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()):
        raise ValueError(
            "`sample_weight` must be finite and at least 0; got "
            f"{float(weights.amin()):g} to {float(weights.amax()):g}. A node of weight 0 is embedded, but does not "
            "influence the others."
        )
    outside = (weights > 0) & ((weights < _MIN_WEIGHT) | (weights > _MAX_WEIGHT))
    if bool(outside.any()):
        node = int(outside.nonzero()[0, 0])
        raise ValueError(
            f"`sample_weight` must be 0 or from {_MIN_WEIGHT:g} to {_MAX_WEIGHT:g}; got {float(weights[node]):g} for "
            f"node {node}. Multiply all weights by one number, and set those that hardly count to 0."
        )
    if int((weights > 0).sum()) < 2:
        raise ValueError(
            f"`sample_weight` must be positive for at least 2 nodes; got {int((weights > 0).sum())}, all other weights "
            "are zero. Give more nodes a positive weight."
        )
    return weights
