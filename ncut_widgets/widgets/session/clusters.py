"""The clusters of a session: every level of the slider, cut when a view asks for it, in whichever thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from ncut_widgets.readouts import hierarchy

__all__ = ["Clusters", "apply_groups"]


class Clusters:
    """All cuts of a session's nodes into at most `max_level` clusters, as views fetch them: see `hierarchy`.

    Safe to ask from several threads. Arrays are read-only, for they are shared.
    """

    def __init__(self, eigenvectors: np.ndarray, max_level: int) -> None:
        # A single cluster is on offer only where there is no second eigenvector or no second node.
        self.counts = list(range(min(2, max_level), max_level + 1))
        self._hierarchy = hierarchy(eigenvectors, n_clusters=self.counts)
        self._labels: dict[int, np.ndarray] = {}
        self._colors: tuple[Any, np.ndarray] | None = None
        self._lock = Lock()

    def labels(self, n_clusters: int) -> np.ndarray:
        """Return the lineage number of each node's cluster: (n,) uint8."""
        self._check(n_clusters)
        for level in self.counts[: self.counts.index(n_clusters) + 1]:
            # Held for one level only: whoever wants few clusters need not wait until another has many.
            if level not in self._labels:
                with self._lock:
                    if level not in self._labels:
                        self._labels[level] = _frozen(self._hierarchy.labels(level))
        return self._labels[n_clusters]

    def parents(self, n_clusters: int) -> np.ndarray:
        """Return the cluster of the cut before that covers most of each: (n_clusters,) int16, or -1 for none."""
        self.labels(n_clusters)
        return _frozen(self._hierarchy.parents(n_clusters).astype(np.int16))

    def colors(self, rgb: Any, n_clusters: int) -> np.ndarray:
        """Return the colour of each lineage number, from those (n, 3) of the nodes: (n_clusters, 3) uint8."""
        self.labels(n_clusters)
        known = self._colors
        # Those of fewer clusters are the first of those of more.
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
    """Return uint8 `labels` in which the clusters of each group, disjoint from the others, have its smallest number."""
    shown = np.arange(256, dtype=np.uint8)
    for group in groups:
        if group:
            shown[list(group)] = min(group)
    return shown[labels]


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
