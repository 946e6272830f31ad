from . import export
from .features import AnchorAlignment, FeatureMaps, concat, extract_features, load_images, sample_images
from .grid import Patch, PatchGrid, PatchMap
from .ncut import Ncut, nystrom_propagate
from .pipeline import Embedding, embed, segment
from .plotting import plot_eigenvectors, plot_embedding, plot_images
from .readouts import (
    ClickMask,
    Coloring,
    Hierarchy,
    Kway,
    click_mask,
    colormap_2d,
    convert_to_lab_color,
    get_mask,
    hierarchy,
    kway_ncut,
    mspace_color,
    pca_color,
    rotate_rgb_cube,
    similarity_heatmap,
    tsne_color,
    umap_color,
    umap_sphere_color,
)
from .widgets import EmbeddingScatter, Explorer, ImageGrid, Session, explore

__version__: str

__all__ = [
    "AnchorAlignment",
    "ClickMask",
    "Coloring",
    "Embedding",
    "EmbeddingScatter",
    "Explorer",
    "FeatureMaps",
    "Hierarchy",
    "ImageGrid",
    "Kway",
    "Ncut",
    "Patch",
    "PatchGrid",
    "PatchMap",
    "Session",
    "click_mask",
    "colormap_2d",
    "concat",
    "convert_to_lab_color",
    "embed",
    "explore",
    "export",
    "extract_features",
    "get_mask",
    "hierarchy",
    "kway_ncut",
    "load_images",
    "mspace_color",
    "nystrom_propagate",
    "pca_color",
    "plot_eigenvectors",
    "plot_embedding",
    "plot_images",
    "rotate_rgb_cube",
    "sample_images",
    "segment",
    "similarity_heatmap",
    "tsne_color",
    "umap_color",
    "umap_sphere_color",
]
