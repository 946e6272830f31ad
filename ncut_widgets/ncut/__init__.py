"""Normalized Cut: features of all patches of all images in, one spectral embedding out."""

from __future__ import annotations

from .propagate import nystrom_propagate

__all__ = ["nystrom_propagate"]
