"""Pictures in, whatever they come as: a list of upright RGB images that know their names."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ._pixels import from_array, from_bytes, from_file, from_pil, from_tensor

__all__ = ["load_images", "sample_images"]

_IMAGE_KEYS = ("image", "img", "pixel_values", "jpg", "jpeg", "png", "webp", "path", "image_path", "file_name")
_SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp", ".avif"))
_KINDS = (
    "a path, glob or folder, a PIL image, a numpy array, a torch tensor, or an iterable of these or of dataset items"
)

# Colour photographs first; the names are what a tile shows.
_SAMPLES = (
    ("cat", "skimage", "data/chelsea.png"),
    ("astronaut", "skimage", "data/astronaut.png"),
    ("coffee", "skimage", "data/coffee.png"),
    ("temple", "sklearn", "datasets/images/china.jpg"),
    ("flower", "sklearn", "datasets/images/flower.jpg"),
    ("rocket", "skimage", "data/rocket.jpg"),
    ("motorcycle, left", "skimage", "data/motorcycle_left.png"),
    ("motorcycle, right", "skimage", "data/motorcycle_right.png"),
    ("galaxies", "skimage", "data/hubble_deep_field.jpg"),
    ("tissue", "skimage", "data/ihc.png"),
    ("retina", "skimage", "data/retina.jpg"),
    ("cameraman", "skimage", "data/camera.png"),
)


def load_images(source: Any) -> list[Image.Image]:
    """Return the images in `source` as upright 8-bit RGB PIL images, in order.

    Parameters
    ----------
    source : path, image, or iterable of them
        - A path, a glob (``**`` descends) or a folder: the image files in it, in natural order (2 before 10).
        - A PIL image of any mode.
        - A numpy array (h, w) or (h, w, channels), or a batch (b, h, w, channels): uint8, uint16, bool, or floats
          in [0, 1]. One channel is grey, two grey and alpha, four RGB and alpha.
        - A torch tensor, the same, with channels first or last (first where both fit).
        - The bytes of an encoded image file.
        - A mapping with the image under "image", "img", "pixel_values" or the like, as datasets yield them.
        - An iterable of any of the above, or of tuples (image, label, ...), as torch datasets yield them.

    Returns
    -------
    list of PIL.Image.Image
        Mode "RGB", at the original size. `image.info["name"]` is the file's name, or "image 3" where there is none.

    Raises
    ------
    ImageReadError
        Where an image is corrupt: the message names the file.
    FileNotFoundError
        Where a path does not exist, or a folder or glob holds no images.
    TypeError, ValueError
        Where a thing is not an image: wrong kind, shape or range.

    Notes
    -----
    EXIF orientation is applied, transparency is laid over white, 16-bit values are divided by 257 and not stretched,
    and of an animation the first frame counts. Files are closed on return.

    Examples
    --------
    >>> import numpy as np
    >>> images = load_images([np.zeros((4, 6)), np.ones((2, 2, 3))])
    >>> [(image.mode, image.size, image.info["name"]) for image in images]
    [('RGB', (6, 4), 'image 0'), ('RGB', (2, 2), 'image 1')]
    """
    if isinstance(source, np.ndarray | torch.Tensor) and source.ndim == 4:
        source = list(source)
    if isinstance(source, str | os.PathLike):
        return [from_file(path) for path in _paths(os.fspath(source))]
    if isinstance(source, Image.Image | np.ndarray | torch.Tensor | bytes | Mapping):
        return [_one(source, "image 0")]
    images = [image for index, item in enumerate(_items(source)) for image in _some(item, f"image {index}")]
    if not images:
        raise ValueError("`source` must hold at least one image; got none. Pass " + _KINDS + ".")
    return images


def sample_images() -> list[Image.Image]:
    """Return 12 photographs that come with scikit-image and scikit-learn; nothing is downloaded.

    Returns
    -------
    list of PIL.Image.Image
        Mode "RGB", of 7 different sizes from 451 x 300 to 1411 x 1411; `image.info["name"]` says what is to be seen.

    Examples
    --------
    >>> [image.info["name"] for image in sample_images()[:3]]
    ['cat', 'astronaut', 'coffee']
    """
    images = []
    for name, package, path in _SAMPLES:
        image = from_file(_package_folder(package) / path)
        image.info["name"] = name
        images.append(image)
    return images


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the sample images come with {package}, which is not installed.", name=package)
    return Path(spec.origin).parent


def _paths(source: str) -> list[str]:
    path = Path(source).expanduser()
    if path.is_dir():
        found = [str(entry) for entry in path.iterdir() if entry.suffix.lower() in _SUFFIXES]
    elif glob.has_magic(source) and not path.exists():
        matches = (match for match in glob.glob(str(path), recursive=True) if os.path.isfile(match))
        found = [match for match in matches if Path(match).suffix.lower() in _SUFFIXES]
    else:
        return [source]
    if not found:
        raise FileNotFoundError(
            f"`source` must name a folder or a glob with images in it; got {source!r}, which has none of "
            f"{', '.join(sorted(_SUFFIXES))}. Check the path."
        )
    return sorted(found, key=_natural)


def _natural(path: str) -> list[tuple[int, str]]:
    """Sort key under which numbers count by value: a2 before a10."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", path)]


def _items(source: Any) -> Iterator[Any]:
    # torch's map-style datasets have a length and items but need not stop iterating, so count.
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, Iterable):
        return (source[index] for index in range(len(source)))
    if not isinstance(source, Iterable):
        raise TypeError(f"`source` must be {_KINDS}; got {source!r} ({type(source).__name__}). Pass one of these.")
    return iter(source)


def _some(item: Any, name: str) -> list[Image.Image]:
    """The images of one item: several where it is a folder, a glob or a batch."""
    if isinstance(item, str | os.PathLike):
        return [from_file(path) for path in _paths(os.fspath(item))]
    if isinstance(item, np.ndarray | torch.Tensor) and item.ndim == 4:
        return [_one(image, f"{name}.{index}") for index, image in enumerate(item)]
    return [_one(item, name)]


def _one(item: Any, name: str) -> Image.Image:
    if isinstance(item, Image.Image):
        return from_pil(item, name)
    if isinstance(item, np.ndarray):
        return from_array(item, name)
    if isinstance(item, torch.Tensor):
        return from_tensor(item, name)
    if isinstance(item, bytes):
        return from_bytes(item, name)
    if isinstance(item, str | os.PathLike):
        return from_file(item)
    if isinstance(item, Mapping):
        return _one(*_entry(item, name))
    if isinstance(item, tuple) and item and not isinstance(item[0], tuple):
        return _one(item[0], name)
    raise TypeError(f"`{name}` must be an image; got {type(item).__name__}. Pass {_KINDS}.")


def _entry(item: Mapping[Any, Any], name: str) -> tuple[Any, str]:
    """The image in a dataset's item, and its name."""
    # Datasets of the Hugging Face hub that do not decode: the file's bytes beside its path.
    if item.get("bytes") is not None:
        return item["bytes"], os.path.basename(str(item.get("path") or name))
    for key in _IMAGE_KEYS:
        if item.get(key) is not None:
            return item[key], str(item.get("name") or name)
    raise ValueError(
        f"`{name}` must be a mapping with an image under one of {', '.join(map(repr, _IMAGE_KEYS))}; got keys "
        f"{list(item)}. Pass the images themselves."
    )
