"""COCO instance files: masks as run-length encoded JSON, compatible with pycocotools."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ncut_widgets.objects import ImageInfo, describe_images

from ._files import field, read_json, replacing, to_json
from ._inputs import check_masks

__all__ = ["coco_document", "load_coco", "rle_decode", "rle_encode", "save_coco"]


# Limits the memory that a file with a damaged image size can take.
_MAX_PIXELS = 1 << 30


def save_coco(images: Any, masks: Mapping[str, Sequence[Any]], path: str | os.PathLike[str]) -> Path:
    """Write the masks as one COCO instance file, and return its path.

    Parameters
    ----------
    images : list of PIL.Image or (name, width, height)
        The images of the masks. An image's name becomes its ``file_name``.
    masks : dict of str to list of (height, width) bool arrays
        From the name of an object to one mask per image.
    path : path
        The file to write, usually ``*.json``; missing folders are created, an existing file is replaced.

    Returns
    -------
    pathlib.Path
        The file. It has a category for each object, and an annotation for each image in which the mask of the object is
        not empty, with the mask as compressed run lengths, its area, and its bounding box ``[x, y, width, height]`` in
        pixels. All ids start at 1. ``iscrowd`` is 0: a mask is one instance even if it has several parts.

    Raises
    ------
    TypeError, ValueError
        If a mask is not boolean, or does not have the size of its image; in that case nothing is written.

    References
    ----------
    The format: https://cocodataset.org/#format-data

    Examples
    --------
    >>> import tempfile
    >>> masks = {"paw": [np.eye(2, 3, dtype=bool)]}
    >>> path = save_coco([("cat.jpg", 3, 2)], masks, Path(tempfile.mkdtemp(), "coco.json"))
    >>> images, loaded = load_coco(path)
    >>> images, loaded["paw"][0].tolist()
    ([ImageInfo(name='cat.jpg', width=3, height=2)], [[True, False, False], [False, True, False]])
    """
    document = coco_document(images, masks)
    with replacing(path) as file:
        file.write(to_json(document))
    return Path(path)


def coco_document(images: Any, masks: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the content of `save_coco`'s file as a dict, which can be assigned to pycocotools' ``COCO().dataset``."""
    infos = describe_images(images)
    annotations: list[dict[str, Any]] = []
    checked = check_masks(infos, masks)
    for category, per_image in enumerate(checked.values(), 1):
        for image, mask in enumerate(per_image, 1):
            if mask.any():
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image,
                        "category_id": category,
                        "segmentation": rle_encode(mask),
                        "area": int(mask.sum()),
                        "bbox": _box(mask),
                        "iscrowd": 0,
                    }
                )
    return {
        "info": {"description": "Masks made with ncut_widgets"},
        "licenses": [],
        "images": [
            {"id": index, "file_name": image.name, "width": image.width, "height": image.height}
            for index, image in enumerate(infos, 1)
        ],
        "categories": [{"id": index, "name": name, "supercategory": ""} for index, name in enumerate(checked, 1)],
        "annotations": annotations,
    }


def load_coco(path: str | os.PathLike[str]) -> tuple[list[ImageInfo], dict[str, list[np.ndarray]]]:
    """Return the images and masks of a COCO instance file.

    Parameters
    ----------
    path : path
        A file of `save_coco`, or any other COCO file with segmentations as run lengths, compressed or not.

    Returns
    -------
    images : list of (name, width, height)
        In the order of the file.
    masks : dict of str to list of (height, width) bool arrays
        From the name of a category to one mask per image, empty if there is no annotation. Several annotations of a
        category in an image are combined to one mask.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged or of a different type; the message names the problem and its location.

    Examples
    --------
    See `save_coco`.
    """
    document = read_json(path, "a COCO file")
    entries, kinds = _records(document, "images"), _records(document, "categories")
    images = {
        field(entry, "id", int, "an image"): ImageInfo(
            field(entry, "file_name", str, "an image"),
            field(entry, "width", int, "an image"),
            field(entry, "height", int, "an image"),
        )
        for entry in entries
    }
    categories = {field(entry, "id", int, "a category"): field(entry, "name", str, "a category") for entry in kinds}
    if len(images) < len(entries) or len(set(categories.values())) < len(kinds):
        raise ValueError("A COCO file must have unique ids and category names; got a duplicate. The file is damaged.")
    if any(image.width < 1 or image.height < 1 for image in images.values()):
        raise ValueError("The images of a COCO file must have positive sizes; got a size below 1. The file is damaged.")
    largest = max((image.width * image.height for image in images.values()), default=0)
    if largest > _MAX_PIXELS:
        raise ValueError(f"The images of a COCO file must have at most {_MAX_PIXELS} pixels; got one with {largest}.")
    masks = {name: [np.zeros((i.height, i.width), bool) for i in images.values()] for name in categories.values()}
    index_of = {identity: index for index, identity in enumerate(images)}
    for number, annotation in enumerate(_records(document, "annotations")):
        where = f"annotation {number}"
        image, category = (field(annotation, key, int, where) for key in ("image_id", "category_id"))
        if image not in images or category not in categories:
            raise ValueError(
                f"{where} must refer to an image and a category in the file; got image {image} and category "
                f"{category}. The file is damaged."
            )
        if isinstance(annotation.get("segmentation"), list):
            raise ValueError(
                f"{where} must be run lengths; got polygons, whose conversion to pixels is not standardized. "
                "Convert them with `COCO.annToRLE` of pycocotools."
            )
        rle = field(annotation, "segmentation", dict, where)
        mask = masks[categories[category]][index_of[image]]
        if rle.get("size") != list(mask.shape):
            raise ValueError(
                f"{where} must have the size of its image, {list(mask.shape)}; got {rle.get('size')}. "
                "The file is damaged."
            )
        mask |= rle_decode(rle)
    return list(images.values()), masks


def _records(document: dict[str, Any], key: str) -> list[Any]:
    records: list[Any] = field(document, key, list, "a COCO file")
    return records


def _box(mask: np.ndarray) -> list[int]:
    """Return the bounding box [x, y, width, height] of a non-empty mask."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return [
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    ]


def rle_encode(mask: np.ndarray) -> dict[str, Any]:
    """Return a mask as COCO's compressed run lengths.

    Parameters
    ----------
    mask : (height, width) bool array

    Returns
    -------
    dict
        ``{"size": [height, width], "counts": text}``. The text encodes the lengths of alternating runs of zeros and
        ones in column-major order, zeros first. From the fourth length on, the difference to the length two positions
        before is encoded. A number takes one character per five bits, lowest bits first; a sixth bit marks that more
        characters follow, and 48 is added.

    Examples
    --------
    >>> rle_encode(np.array([[False, True], [True, True]]))
    {'size': [2, 2], 'counts': '13'}
    """
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], edges, [flat.size]]) if flat.size else np.zeros(1, int)
    counts = np.diff(starts).astype(np.int64)
    if flat.size and flat[0]:
        counts = np.concatenate([[0], counts])
    numbers = counts.copy()
    numbers[3:] -= counts[1:-2]
    characters = bytearray()
    for number in numbers.tolist():
        more = True
        while more:
            bits = number & 31
            number >>= 5
            # The highest of the five bits is the sign; the number ends when the remaining bits equal it.
            more = number != (-1 if bits & 16 else 0)
            characters.append(48 + (bits | 32 if more else bits))
    return {"size": list(np.shape(mask)), "counts": characters.decode("ascii")}


def rle_decode(rle: Mapping[str, Any]) -> np.ndarray:
    """Return the mask of run lengths from `rle_encode` or pycocotools.

    Parameters
    ----------
    rle : dict
        ``{"size": [height, width], "counts": ...}``; counts are text, bytes, or a list of uncompressed lengths.

    Returns
    -------
    (height, width) bool array

    Raises
    ------
    ValueError
        If the runs are damaged or do not add up to the size of the mask.

    Examples
    --------
    >>> rle_decode({"size": [2, 2], "counts": [1, 3]}).tolist()
    [[False, True], [True, True]]
    """
    record = dict(rle)
    size = field(record, "size", list, "run lengths")
    counts = field(record, "counts", (str, bytes, list), "run lengths")
    runs = (
        counts
        if isinstance(counts, list)
        else _lengths(counts.encode(errors="surrogatepass") if isinstance(counts, str) else counts)
    )
    whole = [n for n in [*size, *runs] if type(n) is int and n >= 0]
    if len(size) != 2 or len(whole) != 2 + len(runs) or sum(runs) != size[0] * size[1]:
        raise ValueError(
            f"run lengths must be non-negative and add up to the mask's size {size}; got {len(runs)} that do not. "
            "The file is damaged."
        )
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return np.ascontiguousarray(flat.reshape(size, order="F"))


def _lengths(characters: bytes) -> list[int]:
    lengths: list[int] = []
    number = shift = 0
    for character in characters:
        bits = character - 48
        if not 0 <= bits < 64 or shift > 50:
            raise ValueError(
                f"run lengths must consist of the characters '0' to 'o'; got {chr(character)!r}. The file is damaged."
            )
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("run lengths must be complete; they end inside a number. The file is damaged.")
    return lengths
