"""Normalized Cut: features of all patches of all images in, one spectral embedding out."""

from __future__ import annotations

from .estimator import Ncut
from .propagate import nystrom_propagate

__all__ = ["Ncut", "nystrom_propagate"]
