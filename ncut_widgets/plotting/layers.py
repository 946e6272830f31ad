"""The layers that can be drawn over images."""

from __future__ import annotations

__all__ = ["LAYERS", "SESSION_LAYERS"]

LAYERS = ("image", "ncut", "eigenvector", "clusters", "heatmap", "masks", "channels")
# Layers for which a session computes the colors.
SESSION_LAYERS = ("clusters", "masks", "channels")
