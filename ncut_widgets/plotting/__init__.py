"""Static figures: matplotlib for images, plotly for the 3D embedding, either one for channel attribution."""

from __future__ import annotations

from .attribution import plot_attribution, plot_faithfulness
from .embedding import plot_embedding
from .images import plot_eigenvectors, plot_images

__all__ = ["plot_attribution", "plot_eigenvectors", "plot_embedding", "plot_faithfulness", "plot_images"]
