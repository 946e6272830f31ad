"""The colors of the layers as views paint them, for figures and stills; as in `js/src/widgets/session/layers.ts`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ncut_widgets.objects import MaskObject
from ncut_widgets.readouts import similarity_heatmap
from ncut_widgets.widgets.session.data import SessionData
from ncut_widgets.widgets.session.masks import Masks

__all__ = [
    "TABS",
    "TAB_LAYERS",
    "paint_channels",
    "paint_clusters",
    "paint_eigenvector",
    "paint_heatmap",
    "paint_masks",
]

# The tabs of the explorer, and the layers that all views show when a tab opens; as in
# `js/src/widgets/explorer/view.tsx`.
TABS = ("explore", "segment", "clusters", "channels")
TAB_LAYERS = {"segment": "masks", "clusters": "clusters"}

# Opacity of the other clusters while one is selected.
_UNSELECTED_ALPHA = 70 / 255
_MAX_CHANNELS = 3


def paint_clusters(
    labels: np.ndarray, colors: np.ndarray, *, selected: int | None, hidden: Iterable[int]
) -> np.ndarray:
    """Return the colors (n, 4) of clusters.

    Parameters
    ----------
    labels : (n,) uint8
    colors : (n_clusters, 3) uint8
    selected : int or None
        All other clusters are pale.
    hidden : iterable of int
        Transparent clusters.
    """
    count = len(colors)
    table = np.ones((count, 4), np.float32)
    table[:, :3] = colors / 255
    if selected is not None and (labels == selected).any():
        table[np.arange(count) != selected, 3] = _UNSELECTED_ALPHA
    table[[cluster for cluster in hidden if cluster < count], 3] = 0
    return table[labels]


def paint_masks(masks: Masks, objects: Sequence[MaskObject], source: str, n_nodes: int) -> np.ndarray:
    """Return the colors (n, 4) of the visible masks, later ones over earlier ones; transparent elsewhere."""
    colors = np.zeros((n_nodes, 4), np.float32)
    for item in objects:
        if item["visible"]:
            rgb = [int(item["color"][at : at + 2], 16) / 255 for at in (1, 3, 5)]
            colors[masks.node_mask(item, source)] = [*rgb, 1]
    return colors


def paint_eigenvector(vector: np.ndarray) -> np.ndarray:
    """Return the colors (n, 4) of an eigenvector: blue for negative values, white for zero, red for positive ones."""
    from matplotlib import colormaps

    limit = float(np.quantile(np.abs(vector), 0.99)) or 1.0
    return np.asarray(colormaps["RdBu_r"](0.5 + 0.5 * vector / limit), dtype=np.float32)


def paint_heatmap(eigenvectors: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
    """Return the colors (n, 4) of the largest similarity to any of the nodes; low values are more transparent."""
    from matplotlib import colormaps

    heat = np.max([similarity_heatmap(eigenvectors, eigenvectors[node]) for node in nodes], axis=0)
    colors = np.asarray(colormaps["inferno"](heat), dtype=np.float32)
    colors[:, 3] = (90 + 165 * np.clip(1.5 * heat, 0, 1)) / 255
    return colors


def paint_channels(data: SessionData, channels: Sequence[int]) -> np.ndarray:
    """Return the colors (n, 4) of one channel as a map, or of two or three as red, green and blue."""
    from matplotlib import colormaps

    maps = [data.channel_map(channel) / 255 for channel in channels[:_MAX_CHANNELS]]
    if len(maps) == 1:
        return np.asarray(colormaps["inferno"](maps[0]), dtype=np.float32)
    colors = np.zeros((len(maps[0]), 4), np.float32)
    colors[:, : len(maps)] = np.stack(maps, axis=1)
    colors[:, 3] = 1
    return colors
