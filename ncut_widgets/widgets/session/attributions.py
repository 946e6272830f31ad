"""Attributions of a session: which channels of the features make a cluster, a mask or a selection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ncut_widgets._progress import Progress as ProgressArgument
from ncut_widgets._validation import check_in
from ncut_widgets.ncut import Ncut
from ncut_widgets.readouts import ChannelAttribution, channel_attribution
from ncut_widgets.readouts.attribution import METHODS
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.recent import Recent
from ncut_widgets.widgets.transport.jobs import Progress, no_progress

__all__ = [
    "ATTRIBUTION_SHARE",
    "Attributions",
    "cluster_row",
    "cluster_scores",
    "evidence",
]

_CACHE_SIZE = 8
_MAX_DELETED_CHANNELS = 20
# Share of the time of an evidence request that the attribution takes.
ATTRIBUTION_SHARE = 0.5


class Attributions:
    """Computes attributions, and keeps the latest ones. Any thread may call any method.

    `publish` is called with an attribution that a view requested, and with the `embedding` that it is of.
    """

    def __init__(self, data: SessionData, publish: Callable[[ChannelAttribution, int], None]) -> None:
        self._data = data
        self._publish = publish
        self._cache: Recent[ChannelAttribution] = Recent(_CACHE_SIZE)

    def of_clusters(
        self,
        n_clusters: int,
        method: str,
        progress: ProgressArgument = False,
        *,
        region: str | None = None,
        clusters: Any = None,
        n_maps: int = 0,
        publish: bool = False,
    ) -> ChannelAttribution:
        """Return the attribution of each cluster; see `channel_attribution` for the options."""
        options = {"n_eig": n_clusters, "region": region, "clusters": clusters, "n_maps": n_maps}

        def target() -> np.ndarray:
            return self._data.labels(n_clusters).astype(np.int64)

        return self._attribute(target, method, progress, publish, options)

    def of_mask(
        self, mask: np.ndarray, method: str, progress: Progress = no_progress, *, publish: bool = False
    ) -> ChannelAttribution:
        """Return the attribution of a mask (n,) bool."""
        return self._attribute(lambda: mask, method, progress, publish, {})

    def of_nodes(
        self, nodes: Sequence[int], method: str, progress: Progress = no_progress, *, publish: bool = False
    ) -> ChannelAttribution:
        """Return the attribution of selected nodes."""

        def target() -> Sequence[int]:
            if not nodes:
                raise ValueError("`selection` must hold the patches to attribute; it is empty. Select some.")
            return nodes

        return self._attribute(target, method, progress, publish, {})

    def _attribute(
        self,
        target: Callable[[], Any],
        method: str,
        progress: ProgressArgument,
        publish: bool,
        options: dict[str, Any],
    ) -> ChannelAttribution:
        features = self._data.needed_features("attributions")
        check_in(method, "method", METHODS)
        # In this order: `update` in another thread replaces the graph first.
        embedding = self._data.embedding
        graph = self._data.graph
        wanted = target()
        key = json.dumps([method, embedding, str(sorted(options.items())), _digest(wanted)])
        options = {"n_maps": 0, "progress": progress} | options
        found = self._cache.get(
            key, lambda: channel_attribution(features, wanted, ncut=Ncut(**graph), method=method, **options)
        )
        if publish:
            self._publish(found, embedding)
        return found


def cluster_scores(attribution: ChannelAttribution, n_clusters: int) -> np.ndarray:
    """Return the scores of each cluster, (n_clusters, c) float32; an empty cluster has zeros."""
    scores = np.zeros((n_clusters, attribution.scores.shape[1]), np.float32)
    scores[_clusters_of(attribution)] = attribution.scores
    return scores


def cluster_row(attribution: ChannelAttribution, cluster: int) -> int:
    """Return the row of a cluster in an attribution of clusters, which has no rows for empty ones."""
    clusters = _clusters_of(attribution)
    if cluster not in clusters:
        raise ValueError(f"Cluster {cluster} must have patches for an attribution; it is empty. Choose another.")
    return clusters.index(cluster)


def evidence(attribution: ChannelAttribution, row: int, progress: Progress) -> np.ndarray:
    """Return what deleting channels does to a target, (4, steps) float32.

    The rows: the number of deleted channels, and the target's strength without the top ones, without the bottom ones,
    and without as many random ones (the mean).
    """
    n_deleted = min(_MAX_DELETED_CHANNELS, max(1, len(attribution.channel_names) // 2))
    curves = attribution.faithfulness(n_deleted, target=row, progress=progress)
    return np.stack([curves.counts, curves.top[0], curves.bottom[0], curves.random[0].mean(0)]).astype(np.float32)


def _clusters_of(attribution: ChannelAttribution) -> list[int]:
    return [int(name.removeprefix("cluster ")) for name in attribution.target_names]


def _digest(target: Any) -> str:
    return hashlib.sha1(np.ascontiguousarray(np.asarray(target)).tobytes(), usedforsecurity=False).hexdigest()
