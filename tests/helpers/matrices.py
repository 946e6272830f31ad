"""Random matrices with a known structure."""

from __future__ import annotations

import numpy as np


def noisy_directions(n_clusters, n_per_cluster, *, n_channels=8, noise=0.15, seed=0):
    """Return float32 rows around `n_clusters` orthogonal directions, and the cluster of each row."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_clusters), n_per_cluster)
    rows = np.eye(n_channels)[labels] + noise * rng.normal(size=(len(labels), n_channels))
    return rows.astype(np.float32), labels


class WeightedMaps:
    """The part of weighted feature maps that the engine uses."""

    grid = "a grid"

    def __init__(self, X, weights):
        self._X, self.weights = X, weights

    def flatten(self):
        return self._X
