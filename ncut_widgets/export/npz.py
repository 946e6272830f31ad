"""Masks as one compressed ``.npz`` file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ncut_widgets.objects import ImageInfo, describe_images

from ._archive import read_array, reading_zip
from ._files import replacing
from ._inputs import check_masks

__all__ = ["load_npz", "save_npz", "write_npz"]


def save_npz(images: Any, masks: Mapping[str, Sequence[Any]], path: str | os.PathLike[str]) -> Path:
    """Write the masks as one ``.npz`` file, and return its path.

    Parameters
    ----------
    images : list of PIL.Image or (name, width, height)
        The images of the masks.
    masks : dict of str to list of (height, width) bool arrays
        From the name of an object to one mask per image.
    path : path
        The file to write; missing folders are created, an existing file is replaced. No suffix is added.

    Returns
    -------
    pathlib.Path
        The compressed file, with arrays "objects" and "images" (names), "sizes" (width, height of each image), and for
        example "mask_0_2" for the first object in the third image. `numpy.load` can read it too, without pickle.

    Raises
    ------
    TypeError, ValueError
        If a mask is not boolean, or does not have the size of its image; in that case nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> masks = {"paw": [np.eye(2, 3, dtype=bool)]}
    >>> path = save_npz([("cat.jpg", 3, 2)], masks, Path(tempfile.mkdtemp(), "masks.npz"))
    >>> images, loaded = load_npz(path)
    >>> images, loaded["paw"][0].tolist()
    ([ImageInfo(name='cat.jpg', width=3, height=2)], [[True, False, False], [False, True, False]])
    """
    with replacing(path) as file:
        write_npz(file, images, masks)
    return Path(path)


def write_npz(file: BinaryIO, images: Any, masks: Mapping[str, Sequence[Any]]) -> None:
    """Write the content of `save_npz`'s file to an open file."""
    infos = describe_images(images)
    checked = check_masks(infos, masks)
    arrays: dict[str, Any] = {
        "objects": np.array(list(checked), np.str_),
        "images": np.array([image.name for image in infos], np.str_),
        "sizes": np.array([image[1:] for image in infos], np.int64),
    }
    for number, per_image in enumerate(checked.values()):
        arrays |= {f"mask_{number}_{index}": mask for index, mask in enumerate(per_image)}
    np.savez_compressed(file, **arrays)


def load_npz(path: str | os.PathLike[str]) -> tuple[list[ImageInfo], dict[str, list[np.ndarray]]]:
    """Return the images and masks of a file written by `save_npz`.

    Parameters
    ----------
    path : path

    Returns
    -------
    images : list of (name, width, height)
    masks : dict of str to list of (height, width) bool arrays
        From the name of an object to one mask per image.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged or of a different type. Pickled objects are rejected without loading them.

    Examples
    --------
    See `save_npz`.
    """
    with reading_zip(path, "a file written by save_npz") as archive:
        names, objects, sizes = (read_array(archive, f"{name}.npy") for name in ("images", "objects", "sizes"))
        if [names.ndim, objects.ndim, sizes.shape] != [1, 1, (len(names), 2)] or sizes.dtype.kind not in "iu":
            raise ValueError("the names and sizes of its images and objects do not match. The file is damaged.")
        images = [
            ImageInfo(str(name), int(width), int(height)) for name, (width, height) in zip(names, sizes, strict=True)
        ]
        masks = {
            str(name): [read_array(archive, f"mask_{number}_{index}.npy") for index in range(len(images))]
            for number, name in enumerate(objects)
        }
        try:
            return images, check_masks(describe_images(images), masks)
        except TypeError as error:
            raise ValueError(f"{error} The file is damaged.") from error
