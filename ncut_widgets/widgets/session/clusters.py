"""The clusters of a session at every number of clusters, computed on demand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from ncut_widgets.readouts import hierarchy

__all__ = ["Clusters", "apply_groups"]


class Clusters:
    """The nodes clustered into 2 to `max_level` clusters with stable numbers: see `hierarchy`.

    Any thread may call any method. The arrays are shared and therefore read-only.
    """

    def __init__(self, eigenvectors: np.ndarray, max_level: int) -> None:
        # A single cluster only if there is one eigenvector or one node.
        self.counts = list(range(min(2, max_level), max_level + 1))
        self._hierarchy = hierarchy(eigenvectors, n_clusters=self.counts)
        self._labels: dict[int, np.ndarray] = {}
        self._colors: tuple[Any, np.ndarray] | None = None
        self._lock = Lock()

    def labels(self, n_clusters: int) -> np.ndarray:
        """Return the cluster of each node, (n,) uint8. Clusters keep their numbers when their count changes."""
        self._check(n_clusters)
        for level in self.counts[: self.counts.index(n_clusters) + 1]:
            # Locked for one level at a time, so that a request for few clusters does not wait for one for many.
            if level not in self._labels:
                with self._lock:
                    if level not in self._labels:
                        self._labels[level] = _frozen(self._hierarchy.labels(level))
        return self._labels[n_clusters]

    def parents(self, n_clusters: int) -> np.ndarray:
        """Return the one of ``n_clusters - 1`` clusters that covers most of each: (n_clusters,) int16, -1 for none."""
        self.labels(n_clusters)
        return _frozen(self._hierarchy.parents(n_clusters).astype(np.int16))

    def colors(self, rgb: Any, n_clusters: int) -> np.ndarray:
        """Return the color of each cluster, from the colors (n, 3) of the nodes: (n_clusters, 3) uint8."""
        self.labels(n_clusters)
        known = self._colors
        # The colors of fewer clusters are the first rows of the colors of more.
        if known is None or known[0] is not rgb or len(known[1]) < n_clusters:
            table = np.rint(np.asarray(self._hierarchy.colors(rgb, n_clusters)) * 255).astype(np.uint8)
            known = self._colors = (rgb, _frozen(table))
        return known[1][:n_clusters]

    def _check(self, n_clusters: int) -> None:
        if n_clusters not in self.counts:
            raise ValueError(
                f"`n_clusters` must be from {self.counts[0]} to {self.counts[-1]}; got {n_clusters}. "
                "For more, compute more eigenvectors."
            )


def apply_groups(labels: np.ndarray, groups: Iterable[Sequence[int]]) -> np.ndarray:
    """Return uint8 `labels` in which the clusters of each group have its smallest number. Groups are disjoint."""
    shown = np.arange(256, dtype=np.uint8)
    for group in groups:
        if group:
            shown[list(group)] = min(group)
    return shown[labels]


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
