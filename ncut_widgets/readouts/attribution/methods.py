"""Attribution methods: reduce gradients, or the effects of ablation, to one number per target and channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ncut_widgets._progress import Progress
from ncut_widgets._validation import check_in

from .scores import ChannelAblation, progress_steps, score_gradients
from .targets import Targets

__all__ = ["METHODS", "REGIONS", "ablation_effects", "aggregate", "attribute_target_sets", "check_method"]

_DEFAULT_REGION = {"gradient": "target", "abs_gradient": "target", "gradient_x_input": "all", "ablation": "all"}
METHODS = tuple(_DEFAULT_REGION)
REGIONS = ("target", "all")
_CHUNK_ELEMENTS = 1 << 22


def check_method(method: Any, region: Any) -> tuple[str, str]:
    """Return the validated method, and the region or the default region of the method."""
    method = check_in(method, "method", METHODS)
    return method, _DEFAULT_REGION[method] if region is None else check_in(region, "region", REGIONS)


def aggregate(
    gradient: torch.Tensor, nodes: torch.Tensor, means: torch.Tensor, members: torch.Tensor, method: str, region: str
) -> np.ndarray:
    """Return the attribution (c,), in float64, of a gradient (n, c) to a target with the nodes `members` (n,)."""
    total = torch.zeros(gradient.shape[1], dtype=torch.float64)
    members = members.to(gradient.device)
    rows = max(1, _CHUNK_ELEMENTS // gradient.shape[1])
    for start in range(0, len(gradient), rows):
        chunk = slice(start, start + rows)
        g, inside = gradient[chunk], members[chunk]
        if method == "abs_gradient":
            part = g.abs()
        elif method == "gradient_x_input":
            part = g * (nodes[chunk].to(g) - means.to(g))
        elif region == "all":
            part = torch.where(inside[:, None], g, -g)
        else:
            part = g
        total += (part if region == "all" else part[inside]).sum(0).cpu().double()
    count = 1 if method == "gradient_x_input" else len(gradient) if region == "all" else int(members.sum())
    return total.numpy() / count


def attribute_target_sets(
    ablation: ChannelAblation, target_sets: Sequence[Targets], method: str, region: str, show: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Return the attributions (p, t, c) and scores (p, t) of p sets of t targets among the nodes of `ablation`.

    The first set must be the targets of `ablation`.
    """
    if method == "ablation":
        raw, scores = ablation_effects(ablation, target_sets[1:], show)
        return raw.reshape(len(target_sets), -1, raw.shape[1]), scores.reshape(len(target_sets), -1)
    raw_sets, score_sets = [], []
    with progress_steps(len(target_sets), "permuted targets", show) as advance:
        for targets in target_sets:
            target_scores, gradients = score_gradients(ablation.nodes, targets, ablation.weights, ablation.ncut)
            rows = [
                aggregate(gradient, ablation.nodes, ablation.means, targets.members(row), method, region)
                for row, gradient in enumerate(gradients)
            ]
            raw_sets.append(np.stack(rows))
            score_sets.append(target_scores.cpu().numpy())
            advance(1)
    return np.stack(raw_sets), np.stack(score_sets)


def ablation_effects(
    ablation: ChannelAblation, others: Sequence[Targets], show: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Return the decrease of the score of each target without each channel (t, c), and the scores (t,).

    `others` are further targets among the same nodes, which follow the targets of `ablation`.
    """
    full_scores = ablation.scores([], others).double()
    c = ablation.nodes.shape[1]
    raw = np.empty((len(full_scores), c))
    with progress_steps(c, "ablation", show) as advance:
        for channel in range(c):
            raw[:, channel] = (full_scores - ablation.scores([channel], others).double()).numpy()
            advance(1)
    return raw, full_scores.numpy()
