"""From gradients, or from cuts without a channel, to one number for every target and channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .scores import Deletions, Step, gradients_of_scores, steps
from .targets import Targets

__all__ = ["METHODS", "REGIONS", "REGION_OF", "aggregate", "attribute_all", "falls"]

# Where each looks unless told otherwise.
REGION_OF = {"gradient": "target", "abs_gradient": "target", "gradient_x_input": "all", "ablation": "all"}
METHODS = tuple(REGION_OF)
REGIONS = ("target", "all")
_CHUNK_ELEMENTS = 1 << 22


def aggregate(
    gradient: torch.Tensor, nodes: torch.Tensor, means: torch.Tensor, members: torch.Tensor, method: str, region: str
) -> np.ndarray:
    """Return the attribution (c,) in float64 that a gradient (n, c) makes, given which nodes (n,) are the target's."""
    total = torch.zeros(gradient.shape[1], dtype=torch.float64)
    members = members.to(gradient.device)
    rows = max(1, _CHUNK_ELEMENTS // gradient.shape[1])
    for start in range(0, len(gradient), rows):
        here = slice(start, start + rows)
        g, inside = gradient[here], members[here]
        if method == "abs_gradient":
            part = g.abs()
        elif method == "gradient_x_input":
            part = g * (nodes[here].to(g) - means.to(g))
        elif region == "all":
            part = torch.where(inside[:, None], g, -g)
        else:
            part = g
        total += (part if region == "all" else part[inside]).sum(0).cpu().double()
    counted = 1 if method == "gradient_x_input" else len(gradient) if region == "all" else int(members.sum())
    return total.numpy() / counted


def attribute_all(
    deletions: Deletions, several: Sequence[Targets], method: str, region: str, show: bool | Step
) -> tuple[np.ndarray, np.ndarray]:
    """Return the attributions (p, t, c) of p sets of targets of the same nodes, and their scores (p, t)."""
    if method == "ablation":
        raw, of_all = falls(deletions, several[1:], show)
        return raw.reshape(len(several), -1, raw.shape[1]), of_all.reshape(len(several), -1)
    found, scores_found = [], []
    with steps(len(several), "permuted targets", show) as done:
        for targets in several:
            scores, gradients = gradients_of_scores(deletions.nodes, targets, deletions.weights, deletions.ncut)
            rows = [
                aggregate(gradient, deletions.nodes, deletions.means, targets.members(row), method, region)
                for row, gradient in enumerate(gradients)
            ]
            found.append(np.stack(rows))
            scores_found.append(scores.cpu().numpy())
            done(1)
    return np.stack(found), np.stack(scores_found)


def falls(deletions: Deletions, others: Sequence[Targets], show: bool | Step) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the score of every target falls without each channel (t, c), and the scores (t,)."""
    whole = deletions.scores([], others).double()
    c = deletions.nodes.shape[1]
    raw = np.empty((len(whole), c))
    with steps(c, "ablation", show) as done:
        for channel in range(c):
            raw[:, channel] = (whole - deletions.scores([channel], others).double()).numpy()
            done(1)
    return raw, whole.numpy()
