"""Segment objects by clicks and boxes, and refine masks of patches to pixels."""

from __future__ import annotations

from .click_mask import ClickMask, click_mask, get_mask
from .click_ncut import ClickNcut, click_ncut
from .dense_crf import DenseCrf
from .guided_filter import GuidedFilter
from .prompts import box_nodes, drop_specks
from .refine import refine_heatmap, refine_mask
from .similarity import similarity_heatmap

__all__ = [
    "ClickMask",
    "ClickNcut",
    "DenseCrf",
    "GuidedFilter",
    "box_nodes",
    "click_mask",
    "click_ncut",
    "drop_specks",
    "get_mask",
    "refine_heatmap",
    "refine_mask",
    "similarity_heatmap",
]
