"""Look inside vision models from Jupyter: Normalized Cut embeddings of image features in linked, live widgets.

Names load when they are first used, so that importing the package costs little and the engine
(`ncut_widgets.ncut`) never pulls in a widget or plotting library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "ncut_widgets.grid": ("Patch", "PatchGrid", "PatchMap"),
    "ncut_widgets.features": ("FeatureMaps", "concat", "extract_features", "load_images", "sample_images"),
    "ncut_widgets.ncut": ("Ncut", "nystrom_propagate"),
    "ncut_widgets.readouts": ("Coloring", "kway_ncut", "pca_color", "similarity_heatmap", "tsne_color", "umap_color"),
    "ncut_widgets.pipeline": ("Embedding", "embed", "segment"),
    "ncut_widgets.plotting": ("plot_eigenvectors", "plot_embedding", "plot_images"),
    "ncut_widgets.widgets": ("EmbeddingScatter", "Explorer", "ImageGrid", "Session", "explore"),
}
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [*sorted(_MODULE_OF), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'ncut_widgets' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from ncut_widgets.features import FeatureMaps, concat, extract_features, load_images, sample_images
    from ncut_widgets.grid import Patch, PatchGrid, PatchMap
    from ncut_widgets.ncut import Ncut, nystrom_propagate
    from ncut_widgets.pipeline import Embedding, embed, segment
    from ncut_widgets.plotting import plot_eigenvectors, plot_embedding, plot_images
    from ncut_widgets.readouts import Coloring, kway_ncut, pca_color, similarity_heatmap, tsne_color, umap_color
    from ncut_widgets.widgets import EmbeddingScatter, Explorer, ImageGrid, Session, explore
