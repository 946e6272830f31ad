"""What can be read off an embedding: colours, clusters, similarity."""

from __future__ import annotations

from .attribution import ChannelAttribution, Faithfulness, PermutedTargets, backbone_attribution, channel_attribution
from .click import ClickMask, click_mask, get_mask
from .click_ncut import ClickNcut, click_ncut
from .color import mspace_color, pca_color, tsne_color, umap_color, umap_sphere_color
from .coloring import Coloring
from .colormap import colormap_2d, convert_to_lab_color, rotate_rgb_cube
from .hierarchy import Hierarchy, hierarchy
from .kway import Kway, kway_ncut
from .refine import DenseCrf, GuidedFilter, refine_heatmap, refine_mask
from .similarity import similarity_heatmap

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
