"""What can be read off an embedding: colours, clusters, similarity."""

from __future__ import annotations

from .color import Coloring, pca_color, tsne_color, umap_color
from .kway import Kway, kway_ncut
from .similarity import similarity_heatmap

__all__ = ["Coloring", "Kway", "kway_ncut", "pca_color", "similarity_heatmap", "tsne_color", "umap_color"]
