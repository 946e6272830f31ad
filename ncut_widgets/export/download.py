"""Any export as the bytes of one file, to be handed to a browser."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ncut_widgets._validation import check_in

from ._files import to_json, zip_of
from .coco import coco_document
from .masks import label_map_files, mask_files, overlay_files
from .npz import write_npz
from .state import clicks_document

__all__ = ["FORMATS", "export_bytes"]

# The name that a browser gives the file, by the format asked for.
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
    """Return a name and the content of one file with everything in it.

    Parameters
    ----------
    format : "masks", "overlays", "labels", "coco", "npz" or "clicks"
        "masks", "overlays" and "labels" are zips of what `save_masks`, `save_overlays` and `save_label_maps` write;
        the others are the files of `save_coco`, `save_npz` and `save_clicks`.
    images : list of PIL.Image or (name, width, height)
        Those of the masks; overlays need the pictures.
    masks : dict of str to list of (height, width) bool arrays, optional
        By the name of the object, one mask for each image. All formats but "clicks" need them.
    objects : list of dict
        As in ``session.objects``. "clicks" needs them, the others take the colors of those in `masks` from here.
    opacity : float in [0, 1]
        Of the masks in overlays.

    Returns
    -------
    name : str
        Such as "masks.zip".
    content : bytes

    Raises
    ------
    TypeError, ValueError
        Where there is no such format, or as the function that writes it.

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
        raise ValueError(f"`masks` is needed for the format {format!r}. Pass the masks of the objects.")
    if format == "coco":
        return name, to_json(coco_document(images, masks))
    if format == "npz":
        buffer = io.BytesIO()
        write_npz(buffer, images, masks)
        return name, buffer.getvalue()
    colors = {item["name"]: item["color"] for item in objects if item.get("name") in masks and "color" in item}
    files: Iterator[tuple[str, bytes]]
    if format == "overlays":
        files = overlay_files(images, masks, colors=colors, opacity=opacity)
    elif format == "labels":
        files = label_map_files(images, masks, colors=colors)
    else:
        files = mask_files(images, masks)
    return name, zip_of(files)
