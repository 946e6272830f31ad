"""The panels of a view's still image, from the state of its session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncut_widgets.export.still import BarGroup, BarsPanel, ImagesPanel, LegendEntry, ScatterPanel
from ncut_widgets.widgets.session import Session

__all__ = ["bars_panel", "cluster_legend", "images_panel", "object_legend", "scatter_panel"]


def images_panel(session: Session, layer: str, *, wait: bool, legend: Sequence[LegendEntry] = ()) -> ImagesPanel:
    """Return the images with a layer; without one if it is empty."""
    colors = None if _is_empty(session, layer) else session.layer_colors(layer, wait=wait)
    return ImagesPanel(
        session.images, session.grid, colors, session.source, blend=session.blend, smooth=session.smooth, legend=legend
    )


def scatter_panel(session: Session, *, wait: bool) -> ScatterPanel:
    """Return the points in the colors of the layer, or in the default colors if it is empty."""
    layer = "heatmap" if session.selection and session.layer != "channels" else session.layer
    if layer == "image" or _is_empty(session, layer):
        layer = "ncut"
    colors = session.layer_colors(layer, wait=wait)
    if layer not in ("clusters", "masks"):
        colors[:, 3] = 1
    coords = session.coords if wait else session.visible_colors[1]
    if session.hide_outliers and not session.outliers.all():
        coords, colors = coords[~session.outliers], colors[~session.outliers]
    return ScatterPanel(coords, colors, camera=session.camera, point_size=session.point_size)


def bars_panel(session: Session) -> BarsPanel | None:
    """Return the strongest channels of the latest attribution, the selected cluster first; None without attribution."""
    found = session.attribution
    if found is None:
        return None
    selected = f"cluster {session.selected_cluster}"
    targets = sorted(range(len(found.target_names)), key=lambda row: found.target_names[row] != selected)
    count = min(BarsPanel.max_bars, len(found.channel_names))
    groups = []
    for row in targets:
        ranked = found.top_k(count, target=row)
        title = session.cluster_names.get(found.target_names[row].removeprefix("cluster "), found.target_names[row])
        groups.append(BarGroup(title, [channel.name for channel in ranked], [channel.score for channel in ranked]))
    return BarsPanel(groups)


def object_legend(session: Session) -> list[LegendEntry]:
    """Return the visible objects."""
    return [
        LegendEntry(item["name"], [int(item["color"][at : at + 2], 16) / 255 for at in (1, 3, 5)])
        for item in session.objects
        if item["visible"]
    ]


def cluster_legend(session: Session, *, wait: bool) -> list[LegendEntry]:
    """Return the visible clusters with their share of the nodes."""
    colors = session.cluster_colors(wait=wait) / 255
    shares = np.bincount(session.labels(merged=True), minlength=len(colors)) / session.grid.n_nodes
    names = session.cluster_names
    return [
        LegendEntry(f"{names.get(str(cluster), f'Cluster {cluster}')} {share:.0%}", colors[cluster])
        for cluster, share in enumerate(shares[: len(colors)])
        if share > 0 and cluster not in session.hidden_clusters
    ]


def _is_empty(session: Session, layer: str) -> bool:
    """Return whether views show nothing in this layer."""
    return (
        layer == "image"
        or (layer == "heatmap" and not session.selection)
        or (layer == "channels" and not session.pinned_channels)
        or (layer == "masks" and not any(item["visible"] for item in session.objects))
    )
