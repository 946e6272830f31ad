"""Objects with their clicks, boxes and mask settings as JSON files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ncut_widgets.objects import ImageInfo, MaskObject, check_objects, describe_images

from ._files import field, read_json, replacing, to_json

__all__ = ["clicks_document", "load_clicks", "save_clicks"]

_FORMAT = "ncut-widgets clicks"
_VERSION = 1


def save_clicks(images: Any, objects: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> Path:
    """Write objects, with their clicks, boxes and mask settings, to a JSON file, and return its path.

    Parameters
    ----------
    images : list of PIL.Image or (name, width, height)
        The images that the clicks refer to.
    objects : list of dict
        As in ``session.objects``; missing values get the defaults of `check_objects`.
    path : path
        The file to write, usually ``*.json``; missing folders are created, an existing file is replaced.

    Returns
    -------
    pathlib.Path
        The file, which also contains the names and sizes of the images, and a version.

    Raises
    ------
    TypeError, ValueError
        If an object is invalid; in that case nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> paw = {"name": "paw", "clicks": [{"image": 0, "x": 12.5, "y": 3.0, "positive": True}]}
    >>> path = save_clicks([("cat.jpg", 40, 30)], [paw], Path(tempfile.mkdtemp(), "clicks.json"))
    >>> load_clicks(path, [("dog.jpg", 40, 30), ("cat.jpg", 40, 30)])[0]["clicks"]
    [{'image': 1, 'x': 12.5, 'y': 3.0, 'positive': True}]
    """
    document = clicks_document(images, objects)
    with replacing(path) as file:
        file.write(to_json(document))
    return Path(path)


def clicks_document(images: Any, objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of `save_clicks`'s file as a dict."""
    infos = describe_images(images)
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "images": [image._asdict() for image in infos],
        "objects": check_objects(objects, infos),
    }


def load_clicks(path: str | os.PathLike[str], images: Any) -> list[MaskObject]:
    """Return the objects of a file written by `save_clicks`, with clicks that refer to `images`.

    Parameters
    ----------
    path : path
    images : list of PIL.Image or (name, width, height)
        Must contain each image that has clicks, with the same name and size. If it is not at the same index, exactly
        one image must match, and the clicks are assigned to that image.

    Returns
    -------
    list of dict
        Complete objects, as in ``session.objects``.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, of a different type or of a newer version, or an image with clicks is not in `images`.

    Examples
    --------
    See `save_clicks`.
    """
    document = read_json(path, "a file written by save_clicks")
    if document.get("format") != _FORMAT:
        raise ValueError(
            f"`path` must be a file written by save_clicks; got {os.fspath(path)!r}, which is a different type of JSON "
            "file. Check which file it is."
        )
    version = field(document, "version", int, "the file")
    if version > _VERSION:
        raise ValueError(
            f"`path` must have version {_VERSION} or older; got version {version}. Upgrade ncut_widgets to read it."
        )
    saved_images = [
        ImageInfo(
            field(entry, "name", str, "an image"),
            field(entry, "width", int, "an image"),
            field(entry, "height", int, "an image"),
        )
        for entry in field(document, "images", list, "the file")
    ]
    try:
        objects = check_objects(document.get("objects"), saved_images)
    except (TypeError, ValueError) as error:
        # A wrong type inside the file is a wrong value of `path`, so always raise ValueError.
        raise ValueError(
            f"`path` must be a file written by save_clicks; got {os.fspath(path)!r}, which is damaged: {error}"
        ) from error
    infos = describe_images(images)
    new_indices: dict[int, int] = {}
    for prompt in (prompt for item in objects for kind in ("clicks", "boxes") for prompt in item[kind]):
        index = prompt["image"]
        if index not in new_indices:
            new_indices[index] = _find_image(index, saved_images[index], infos)
        prompt["image"] = new_indices[index]
    return objects


def _find_image(index: int, image: ImageInfo, images: Sequence[ImageInfo]) -> int:
    """Return the index of the image in `images`: the same index if it matches, or else the only match."""
    matches = [i for i, other in enumerate(images) if other == image]
    if index in matches:
        return index
    if len(matches) == 1:
        return matches[0]
    sizes = [f"{other.width} x {other.height}" for other in images if other.name == image.name]
    got = f"{len(matches)} of them" if matches else f"one of {sizes[0]} pixels" if sizes else "none with that name"
    raise ValueError(
        f"`images` must have one image named {image.name!r} of {image.width} x {image.height} pixels because the file "
        f"has clicks in it; got {got}. Pass the images in which the clicks were made."
    )
