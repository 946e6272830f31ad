from .features import FeatureMaps, concat, extract_features, load_images, sample_images
from .grid import Patch, PatchGrid, PatchMap
from .ncut import Ncut, nystrom_propagate
from .pipeline import Embedding, embed, segment
from .plotting import plot_eigenvectors, plot_embedding, plot_images
from .readouts import Coloring, Kway, kway_ncut, pca_color, similarity_heatmap, tsne_color, umap_color
from .widgets import EmbeddingScatter, Explorer, ImageGrid, Session, explore

__version__: str

__all__ = [
    "Coloring",
    "Embedding",
    "EmbeddingScatter",
    "Explorer",
    "FeatureMaps",
    "ImageGrid",
    "Kway",
    "Ncut",
    "Patch",
    "PatchGrid",
    "PatchMap",
    "Session",
    "concat",
    "embed",
    "explore",
    "extract_features",
    "kway_ncut",
    "load_images",
    "nystrom_propagate",
    "pca_color",
    "plot_eigenvectors",
    "plot_embedding",
    "plot_images",
    "sample_images",
    "segment",
    "similarity_heatmap",
    "tsne_color",
    "umap_color",
]
