"""Export: masks as PNG, COCO and NPZ, clicks as JSON, and a whole session as one file.

The functions take plain data: images, or their names and sizes, and a dict from object names to lists of masks, one per
image, as in `session.images` and `session.masks()`.
"""

from __future__ import annotations

from ncut_widgets.objects import ImageInfo, check_objects

from .clicks import load_clicks, save_clicks
from .coco import load_coco, save_coco
from .download import export_bytes
from .masks import save_label_maps, save_masks, save_overlays
from .npz import load_npz, save_npz
from .session_file import SessionFile, read_session, write_session

__all__ = [
    "ImageInfo",
    "SessionFile",
    "check_objects",
    "export_bytes",
    "load_clicks",
    "load_coco",
    "load_npz",
    "read_session",
    "save_clicks",
    "save_coco",
    "save_label_maps",
    "save_masks",
    "save_npz",
    "save_overlays",
    "write_session",
]
