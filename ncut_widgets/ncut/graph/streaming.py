"""Samples nodes from features that arrive in chunks, from a source larger than memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ncut_widgets._estimator import NodeEstimator
from ncut_widgets._validation import Like, check_features

from .weights import check_weights

__all__ = ["sample_of_chunks"]


def sample_of_chunks(
    chunks: Iterable[Any], size: int, generator: torch.Generator, columns: NodeEstimator | None = None
) -> tuple[torch.Tensor, torch.Tensor, Like, int]:
    """Return nodes sampled uniformly from all `chunks`, their weights, their array type, and the number of all nodes.

    The chunks are read once. All must have the columns of the first, which `columns` stores. If there are fewer than
    `size` nodes, all are returned.

    References
    ----------
    Vitter. Random Sampling with a Reservoir. ACM TOMS 1985. This
    implementation keeps the nodes with the smallest random keys.
    """
    columns = NodeEstimator() if columns is None else columns
    kept, like, total = None, None, 0
    keys = weights = torch.empty(0, dtype=torch.float64)
    for index, chunk in enumerate(chunks):
        if kept is not None:
            columns.check_names(chunk)
        nodes, found = check_features(
            chunk,
            f"chunks[{index}]",
            n_channels=None if kept is None else kept.shape[1],
            channels="as chunks[0] has",
            advice="Extract all chunks with the same backbone and settings.",
        )
        if kept is None:
            columns.remember_columns(chunk, nodes)
        like = like or found
        total += len(nodes)
        drawn, own = (
            torch.rand(len(nodes), generator=generator, dtype=torch.float64),
            check_weights(chunk, None, len(nodes)),
        )
        kept = nodes if kept is None else torch.cat([kept, nodes.to(kept)])
        keys, weights = torch.cat([keys, drawn]), torch.cat([weights, torch.ones_like(drawn) if own is None else own])
        chosen = keys.argsort(stable=True)[:size].sort().values
        kept, keys, weights = kept[chosen.to(kept.device)], keys[chosen], weights[chosen]
    if kept is None or like is None:
        raise ValueError("`chunks` must hold at least one chunk of features; got none. Pass an iterable of (n, c).")
    return kept, weights, like, total
