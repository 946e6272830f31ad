"""The layers as views paint them, for figures: what js/src/widgets/session/paint.ts does in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ncut_widgets.widgets.session.clusters import apply_groups

if TYPE_CHECKING:
    from ncut_widgets.widgets.session.session import Session

# How much of a cluster is left while another one is selected.
_PALE = 70 / 255
_MOST_CHANNELS = 3


def clusters_layer(session: Session) -> np.ndarray:
    """(n, 4): each cluster in its colour, hidden ones clear, and all but the selected one pale."""
    count = session.n_clusters
    labels = apply_groups(session.labels(count), session.cluster_groups)
    table = np.ones((count, 4), np.float32)
    if count in session._data.clusters.counts:
        table[:, :3] = session._data.clusters.colors(session.rgb, count) / 255
    if session.cluster is not None and (labels == session.cluster).any():
        table[np.arange(count) != session.cluster, 3] = _PALE
    table[[cluster for cluster in session.hidden_clusters if cluster < count], 3] = 0
    return table[labels]


def masks_layer(session: Session) -> np.ndarray:
    """(n, 4): all visible masks in their colours, later ones over earlier ones, clear elsewhere."""
    colors = np.zeros((session.grid.n_nodes, 4), np.float32)
    for item in session.objects:
        if item["visible"]:
            rgb = [int(item["color"][at : at + 2], 16) / 255 for at in (1, 3, 5)]
            colors[session._node_mask(item, session.source)] = [*rgb, 1]
    return colors


def channels_layer(session: Session) -> np.ndarray:
    """(n, 4): the pinned channel as a map, or up to three of them as red, green and blue."""
    from matplotlib import colormaps

    if not session.channels:
        raise ValueError("The layer 'channels' needs a pinned channel; `session.channels` is empty. Pin one.")
    maps = [session._data.array(f"channel_map/{channel}") / 255 for channel in session.channels[:_MOST_CHANNELS]]
    if len(maps) == 1:
        return np.asarray(colormaps["inferno"](maps[0]), dtype=np.float32)
    colors = np.zeros((len(maps[0]), 4), np.float32)
    colors[:, : len(maps)] = np.stack(maps, axis=1)
    colors[:, 3] = 1
    return colors


LAYERS = {"clusters": clusters_layer, "masks": masks_layer, "channels": channels_layer}

# The tabs of the explorer, and the layers that all views show when one of them opens; as in
# js/src/widgets/explorer/view.tsx.
TABS = ("explore", "segment", "clusters", "channels")
TAB_LAYERS = {"segment": "masks", "clusters": "clusters"}
