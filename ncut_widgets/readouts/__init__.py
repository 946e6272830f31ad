"""Readouts of an embedding: colors, clusters, masks, and the channels behind clusters and masks."""

from __future__ import annotations

from .attribution import ChannelAttribution, Faithfulness, PermutedTargets, backbone_attribution, channel_attribution
from .clusters import Hierarchy, Kway, hierarchy, kway_ncut
from .color import (
    Coloring,
    colormap_2d,
    convert_to_lab_color,
    mspace_color,
    pca_color,
    rotate_rgb_cube,
    tsne_color,
    umap_color,
    umap_sphere_color,
)
from .masks import (
    ClickMask,
    ClickNcut,
    DenseCrf,
    GuidedFilter,
    click_mask,
    click_ncut,
    get_mask,
    refine_heatmap,
    refine_mask,
    similarity_heatmap,
)

__all__ = [
    "ChannelAttribution",
    "ClickMask",
    "ClickNcut",
    "Coloring",
    "DenseCrf",
    "Faithfulness",
    "GuidedFilter",
    "Hierarchy",
    "Kway",
    "PermutedTargets",
    "backbone_attribution",
    "channel_attribution",
    "click_mask",
    "click_ncut",
    "colormap_2d",
    "convert_to_lab_color",
    "get_mask",
    "hierarchy",
    "kway_ncut",
    "mspace_color",
    "pca_color",
    "refine_heatmap",
    "refine_mask",
    "rotate_rgb_cube",
    "similarity_heatmap",
    "tsne_color",
    "umap_color",
    "umap_sphere_color",
]
