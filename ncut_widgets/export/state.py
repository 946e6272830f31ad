"""What makes the masks, rather than the masks: objects with their clicks, boxes and settings, as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._files import field, read_json, replacing, to_json
from ._scene import ImageInfo, describe_images
from .objects import check_objects

__all__ = ["clicks_document", "load_clicks", "save_clicks"]

_FORMAT = "ncut-widgets clicks"
_VERSION = 1


def save_clicks(images: Any, objects: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> Path:
    """Write objects, with their clicks, boxes and settings, as a JSON file, and return its path.

    Parameters
    ----------
    images : list of PIL.Image or (name, width, height)
        Those that the clicks are in.
    objects : list of dict
        As in ``session.objects``; what is missing gets its default, see `check_objects`.
    path : path
        Where to write, usually ``*.json``; folders on the way are made, an older file is replaced.

    Returns
    -------
    pathlib.Path
        The file, which also holds the names and sizes of the images, and a version.

    Raises
    ------
    TypeError, ValueError
        Where an object is not as it should be; nothing is written then.

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
    """Return what `save_clicks` writes, as a dict."""
    scene = describe_images(images)
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "images": [image._asdict() for image in scene],
        "objects": check_objects(objects, scene),
    }


def load_clicks(path: str | os.PathLike[str], images: Any) -> list[dict[str, Any]]:
    """Return the objects of a file that `save_clicks` wrote, for these images.

    Parameters
    ----------
    path : path
    images : list of PIL.Image or (name, width, height)
        Each image with a click in it must be among them, of the same name and size: at the place it had, or elsewhere
        where there is one such image only. The clicks follow it there.

    Returns
    -------
    list of dict
        Complete objects, as ``session.objects`` takes them.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it is another kind of file, damaged, of a newer version, or of images that are not here.

    Examples
    --------
    See `save_clicks`.
    """
    document = read_json(path, "a file that save_clicks wrote")
    if document.get("format") != _FORMAT:
        raise ValueError(
            f"`path` must be a file that save_clicks wrote; got {os.fspath(path)!r}, which is another kind of JSON. "
            "Check which file it is."
        )
    version = field(document, "version", int, "the file")
    if version > _VERSION:
        raise ValueError(
            f"`path` must be of version {_VERSION} or older; got version {version}. Upgrade ncut_widgets to read it."
        )
    written = [
        ImageInfo(
            field(entry, "name", str, "an image"),
            field(entry, "width", int, "an image"),
            field(entry, "height", int, "an image"),
        )
        for entry in field(document, "images", list, "the file")
    ]
    try:
        objects = check_objects(document.get("objects"), written)
    except (TypeError, ValueError) as error:
        # Whatever is wrong in a file is a wrong value of the path.
        raise ValueError(
            f"`path` must be a file that save_clicks wrote; got {os.fspath(path)!r}, which is damaged: {error}"
        ) from error
    scene = describe_images(images)
    places: dict[int, int] = {}
    for prompt in (prompt for item in objects for kind in ("clicks", "boxes") for prompt in item[kind]):
        index = prompt["image"]
        if index not in places:
            places[index] = _place(index, written[index], scene)
        prompt["image"] = places[index]
    return objects


def _place(index: int, image: ImageInfo, images: Sequence[ImageInfo]) -> int:
    """The index of the image among `images`: its own if it can be, else the only one that can be."""
    fitting = [i for i, other in enumerate(images) if other == image]
    if index in fitting:
        return index
    if len(fitting) == 1:
        return fitting[0]
    named = [f"{other.width} x {other.height}" for other in images if other.name == image.name]
    got = f"{len(fitting)} of them" if fitting else f"one of {named[0]} pixels" if named else "none of that name"
    raise ValueError(
        f"`images` must have one named {image.name!r} of {image.width} x {image.height} pixels, which has clicks in "
        f"it; got {got}. Pass the images that the clicks were made in."
    )
