"""Exports as the bytes of one file, for a download in the browser."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ncut_widgets._validation import check_in

from ._files import to_json, zip_of
from .clicks import clicks_document
from .coco import coco_document
from .masks import label_map_files, mask_files, overlay_files
from .npz import write_npz

__all__ = ["FORMATS", "export_bytes"]

# File names of the downloads, by format.
FORMATS = {
    "masks": "masks.zip",
    "overlays": "overlays.zip",
    "labels": "labels.zip",
    "coco": "coco.json",
    "npz": "masks.npz",
    "clicks": "clicks.json",
}


def export_bytes(
    format: str,
    images: Any,
    masks: Mapping[str, Sequence[Any]] | None = None,
    objects: Sequence[Mapping[str, Any]] = (),
    *,
    opacity: float = 0.5,
) -> tuple[str, bytes]:
    """Return the name and content of one file with the masks or clicks of all objects.

    Parameters
    ----------
    format : "masks", "overlays", "labels", "coco", "npz" or "clicks"
        "masks", "overlays" and "labels" are zips of the files of `save_masks`, `save_overlays` and `save_label_maps`;
        the others are the files of `save_coco`, `save_npz` and `save_clicks`.
    images : list of PIL.Image or (name, width, height)
        The images of the masks; overlays require PIL images.
    masks : dict of str to list of (height, width) bool arrays, optional
        From the name of an object to one mask per image. Required by all formats except "clicks".
    objects : list of dict
        As in ``session.objects``. Required by "clicks"; the other formats use the colors of the objects in `masks`.
    opacity : float in [0, 1]
        Opacity of the masks in overlays.

    Returns
    -------
    name : str
        For example "masks.zip".
    content : bytes

    Raises
    ------
    TypeError, ValueError
        If the format is unknown; also the errors of the function that writes the format.

    Examples
    --------
    >>> import io, zipfile
    >>> import numpy as np
    >>> name, content = export_bytes("masks", [("cat.jpg", 3, 2)], {"paw": [np.eye(2, 3, dtype=bool)]})
    >>> name, zipfile.ZipFile(io.BytesIO(content)).namelist()
    ('masks.zip', ['paw/cat.png', 'masks.json'])
    """
    name = FORMATS[check_in(format, "format", tuple(FORMATS))]
    if format == "clicks":
        return name, to_json(clicks_document(images, objects))
    if masks is None:
        raise ValueError(f"`masks` is required for the format {format!r}. Pass the masks of the objects.")
    if format == "coco":
        return name, to_json(coco_document(images, masks))
    if format == "npz":
        buffer = io.BytesIO()
        write_npz(buffer, images, masks)
        return name, buffer.getvalue()
    colors = {item["name"]: item["color"] for item in objects if item.get("name") in masks and "color" in item}
    zipped: dict[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
        "overlays": lambda: overlay_files(images, masks, colors=colors, opacity=opacity),
        "labels": lambda: label_map_files(images, masks, colors=colors),
        "masks": lambda: mask_files(images, masks),
    }
    return name, zip_of(zipped[format]())
