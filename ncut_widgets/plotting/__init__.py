"""The views as figures for papers, and for hosts without widgets: matplotlib for images, plotly for the cloud."""

from __future__ import annotations

from .embedding import plot_embedding
from .images import plot_eigenvectors, plot_images

__all__ = ["plot_eigenvectors", "plot_embedding", "plot_images"]
