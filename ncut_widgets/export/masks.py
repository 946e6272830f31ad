"""Masks as PNG files: one per object and image, overlays on the images, or label maps with all objects."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ncut_widgets._process import warn
from ncut_widgets._validation import check_number
from ncut_widgets.objects import ImageInfo, describe_images

from ._files import file_names, png_bytes, to_json, write_folder
from ._inputs import check_colors, check_masks

__all__ = [
    "label_map_files",
    "mask_files",
    "overlay_files",
    "save_label_maps",
    "save_masks",
    "save_overlays",
]

_MAX_LABELS = 255
# Next to the folders of the objects.
_MASKS_JSON = "masks.json"


def save_masks(images: Any, masks: Mapping[str, Sequence[Any]], folder: str | os.PathLike[str]) -> list[Path]:
    """Write each mask as a PNG, ``<folder>/<object>/<image>.png``, and return the paths of all files written.

    Parameters
    ----------
    images : list of PIL.Image or (name, width, height)
        The images of the masks. An image's name is its ``info["name"]``, or for example "image 3" if it has none.
    masks : dict of str to list of (height, width) bool arrays
        From the name of an object to one mask per image.
    folder : path
        Created if it does not exist. Existing files with the same names are replaced, other files are kept.

    Returns
    -------
    list of pathlib.Path
        The masks, 8-bit gray with 0 outside and 255 inside, followed by ``masks.json``, which lists the object and
        image of each file.

    Raises
    ------
    TypeError, ValueError
        If a mask is not boolean, or does not have the size of its image; in that case nothing is written.

    Notes
    -----
    Names are used as file names, with slashes, control characters and other characters that are invalid on some system
    replaced by "_". If two names become equal, a number is appended to the second.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> folder = tempfile.mkdtemp()
    >>> paths = save_masks([("cat.jpg", 4, 3)], {"left/paw": [np.eye(3, 4, dtype=bool)]}, folder)
    >>> [path.relative_to(folder).as_posix() for path in paths]
    ['left_paw/cat.png', 'masks.json']
    """
    return write_folder(folder, mask_files(images, masks))


def save_overlays(
    images: Sequence[Image.Image],
    masks: Mapping[str, Sequence[Any]],
    folder: str | os.PathLike[str],
    *,
    colors: Mapping[str, str] | None = None,
    opacity: float = 0.5,
) -> list[Path]:
    """Write each image with its masks blended over it, ``<folder>/<image>.png``, and return the paths.

        out = (1 - opacity) image + opacity color,  inside each mask, one object after the other

    Parameters
    ----------
    images : list of PIL.Image
        Images of any mode.
    masks : dict of str to list of (height, width) bool arrays
        From the name of an object to one mask per image. Later objects cover earlier ones.
    folder : path
        Created if it does not exist. Existing files with the same names are replaced, other files are kept.
    colors : dict of str to "#rrggbb", optional
        Colors by object name; other objects get default colors.
    opacity : float in [0, 1]
        0 shows only the image, 1 only the colors.

    Returns
    -------
    list of pathlib.Path
        RGB images of the same size as `images`.

    Raises
    ------
    TypeError, ValueError
        If masks, colors and images do not fit together; in that case nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> gray = Image.new("L", (2, 1), 100)
    >>> mask = np.array([[True, False]])
    >>> (path,) = save_overlays([gray], {"paw": [mask]}, tempfile.mkdtemp(), colors={"paw": "#ff0000"})
    >>> with Image.open(path) as overlay:
    ...     overlay.getpixel((0, 0)), overlay.getpixel((1, 0))
    ((178, 50, 50), (100, 100, 100))
    """
    return write_folder(folder, overlay_files(images, masks, colors=colors, opacity=opacity))


def save_label_maps(
    images: Any,
    masks: Mapping[str, Sequence[Any]],
    folder: str | os.PathLike[str],
    *,
    colors: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write all objects of each image as one label map, ``<folder>/<image>.png``, and return the paths.

    Parameters
    ----------
    images : list of PIL.Image or (name, width, height)
        The images of the masks.
    masks : dict of str to list of (height, width) bool arrays
        From the name of an object to one mask per image; at most 255 objects. For the clusters of `segment`:
        ``{f"cluster {k}": [labels == k for labels in label_maps] for k in range(n_clusters)}``.
    folder : path
        Created if it does not exist. Existing files with the same names are replaced, other files are kept.
    colors : dict of str to "#rrggbb", optional
        Colors by object name; other objects get default colors.

    Returns
    -------
    list of pathlib.Path
        The label maps, PNG files with a palette, in which 0 is the background and objects are numbered from 1 in the
        order of `masks`; followed by ``labels.json`` with the names, numbers and colors of the objects and the file of
        each image.

    Raises
    ------
    TypeError, ValueError
        If masks, colors and images do not fit together, or there are too many objects; in that case nothing is written.

    Warns
    -----
    UserWarning
        If objects overlap: a pixel can have only one number, that of the later object.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> masks = {"paw": [np.array([[True, False, False]])], "tail": [np.array([[False, False, True]])]}
    >>> png, names = save_label_maps([("cat.jpg", 3, 1)], masks, tempfile.mkdtemp())
    >>> with Image.open(png) as labels:
    ...     np.asarray(labels)
    array([[1, 0, 2]], dtype=uint8)
    """
    return write_folder(folder, label_map_files(images, masks, colors=colors))


def mask_files(images: Any, masks: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file of `save_masks`."""
    infos = describe_images(images)
    return _mask_files(infos, check_masks(infos, masks))


def _mask_files(infos: list[ImageInfo], masks: dict[str, list[np.ndarray]]) -> Iterator[tuple[str, bytes]]:
    stems = file_names([image.name for image in infos])
    entries = []
    folders = file_names(list(masks), reserved=[_MASKS_JSON])
    for (name, per_image), folder in zip(masks.items(), folders, strict=True):
        for image, stem, mask in zip(infos, stems, per_image, strict=True):
            file = f"{folder}/{stem}.png"
            entries.append({"file": file, "object": name, "image": image.name})
            yield file, png_bytes(Image.fromarray(mask.astype(np.uint8) * 255))
    yield _MASKS_JSON, to_json({"masks": entries})


def overlay_files(
    images: Sequence[Image.Image],
    masks: Mapping[str, Sequence[Any]],
    *,
    colors: Mapping[str, str] | None = None,
    opacity: float = 0.5,
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file of `save_overlays`."""
    infos = describe_images(images)
    for index, image in enumerate(images):
        if not isinstance(image, Image.Image):
            raise TypeError(
                f"`images` must be PIL images for overlays; got {type(image).__name__} at index {index}. "
                "Open files with load_images."
            )
    checked = check_masks(infos, masks)
    rgb = check_colors(colors, list(checked))
    return _overlay_files(images, infos, checked, rgb, check_number(opacity, "opacity", low=0, high=1))


def _overlay_files(
    images: Sequence[Image.Image],
    infos: list[ImageInfo],
    masks: dict[str, list[np.ndarray]],
    rgb: np.ndarray,
    opacity: float,
) -> Iterator[tuple[str, bytes]]:
    for index, stem in enumerate(file_names([image.name for image in infos])):
        pixels = np.array(images[index].convert("RGB"), np.float32)
        for per_image, color in zip(masks.values(), rgb, strict=True):
            mask = per_image[index]
            pixels[mask] = (1 - opacity) * pixels[mask] + opacity * color
        yield f"{stem}.png", png_bytes(Image.fromarray(np.rint(pixels).astype(np.uint8)))


def label_map_files(
    images: Any, masks: Mapping[str, Sequence[Any]], *, colors: Mapping[str, str] | None = None
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file of `save_label_maps`."""
    infos = describe_images(images)
    checked = check_masks(infos, masks)
    if len(checked) > _MAX_LABELS:
        raise ValueError(
            f"`masks` must have at most {_MAX_LABELS} objects in a label map; got {len(checked)}. "
            "Save them with save_masks or save_coco."
        )
    rgb = check_colors(colors, list(checked))
    n_overlap = sum(int((np.sum(per_image, axis=0) > 1).sum()) for per_image in zip(*checked.values(), strict=True))
    if n_overlap:
        warn(
            f"Objects overlap in {n_overlap} pixels, and a label map has one object per pixel: the later one. "
            "save_masks, save_coco and save_npz keep overlapping objects.",
        )
    return _label_map_files(infos, checked, rgb)


def _label_map_files(
    infos: list[ImageInfo], masks: dict[str, list[np.ndarray]], rgb: np.ndarray
) -> Iterator[tuple[str, bytes]]:
    palette = [0, 0, 0, *rgb.ravel().tolist()]
    files = [f"{stem}.png" for stem in file_names([image.name for image in infos])]
    for index, (image, file) in enumerate(zip(infos, files, strict=True)):
        labels = np.zeros((image.height, image.width), np.uint8)
        for number, per_image in enumerate(masks.values(), 1):
            labels[per_image[index]] = number
        label_map = Image.fromarray(labels)
        # Changes the mode from gray to palette; the numbers stay the same.
        label_map.putpalette(palette)
        yield file, png_bytes(label_map)
    yield (
        "labels.json",
        to_json(
            {
                "background": 0,
                "objects": [
                    {"label": number, "name": name, "color": f"#{bytes(color).hex()}"}
                    for number, (name, color) in enumerate(zip(masks, rgb, strict=True), 1)
                ],
                "images": [{**image._asdict(), "file": file} for image, file in zip(infos, files, strict=True)],
            }
        ),
    )
