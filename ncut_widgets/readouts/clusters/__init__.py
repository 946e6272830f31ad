"""Divide the nodes of an embedding into clusters: k-way cuts, and cuts at several numbers of clusters."""

from __future__ import annotations

from .hierarchy import Hierarchy, hierarchy
from .kway import Kway, kway_ncut

__all__ = ["Hierarchy", "Kway", "hierarchy", "kway_ncut"]
