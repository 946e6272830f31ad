"""Color the nodes of an embedding: 3D layouts, their colors, and color maps."""

from __future__ import annotations

from .coloring import Coloring
from .colormap import colormap_2d, convert_to_lab_color, rotate_rgb_cube
from .functional import mspace_color, pca_color, tsne_color, umap_color, umap_sphere_color

__all__ = [
    "Coloring",
    "colormap_2d",
    "convert_to_lab_color",
    "mspace_color",
    "pca_color",
    "rotate_rgb_cube",
    "tsne_color",
    "umap_color",
    "umap_sphere_color",
]
