"""Images in, whatever they come as: a list of upright RGB images that know their names."""

from __future__ import annotations

import array
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from ncut_widgets._process import undisturbed, warn
from ncut_widgets.errors import ImageReadError

from ._paths import few_names, has_image_extension, image_files
from ._pixels import from_array, from_bytes, from_file, from_pil, from_stream, from_tensor

__all__ = ["load_images", "sample_images"]

# Under which a dataset's item, or a table, has the image, the best first.
_IMAGE_KEYS = (
    "image", "img", "images", "pixel_values", "jpg", "jpeg", "png", "webp",
    "path", "image_path", "file_path", "filepath", "file_name", "filename", "file",
)  # fmt: skip
_NAME_KEYS = ("name", "__key__")
_BYTES = bytes | bytearray | memoryview
_KINDS = (
    "a path, glob or folder, a PIL image, an array or tensor, the bytes of an image file, an open file, or a list, "
    "table, mapping or dataset of these"
)

# Color photographs first; the names are what a tile shows.
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


@undisturbed
def load_images(source: Any, *, skip_unreadable: bool = False) -> list[Image.Image]:
    """Return the images in `source` as upright 8-bit RGB PIL images, in order.

    Parameters
    ----------
    source : path, image, or collection of them
        - A path, a folder, or a glob (``**`` descends): the image files in it, in natural order (2 before 10).
        - A PIL image of any mode.
        - An array (h, w) or (h, w, channels), or a batch (b, h, w, channels): uint8, uint16, bool, or floats
          in [0, 1]. One channel is gray, two gray and alpha, four RGB and alpha.
        - A torch tensor, the same, with channels first or last (first if both fit).
        - The bytes of an encoded image file, also as a bytearray, memoryview or 1D uint8 array; or an open binary
          file.
        - A dataset's item: a mapping with the image under "image", "img", "pixel_values", "path" or the like.
        - A mapping from names to images.
        - An array or a pandas Series of any of the above, or a DataFrame with one column of them.
        - An iterable of any of the above, or of tuples (image, label, ...), as torch datasets yield them.
    skip_unreadable : bool, default False
        Leave out files that are damaged, with one warning that names them, instead of raising an error at the first.

    Returns
    -------
    list of PIL.Image.Image
        Mode "RGB", at the original size. `image.info["name"]` is the name given in a mapping or table, else that of
        the file, else "image 3".

    Raises
    ------
    ImageReadError
        If an image is damaged: the message names the file.
    FileNotFoundError
        If a path does not exist, or a folder or glob has no images.
    TypeError, ValueError
        If something is not an image: wrong kind, shape or range; or a URL.

    Warns
    -----
    UserWarning
        If a folder or glob has image files with an extension that Pillow cannot open, or unreadable ones are skipped.

    Notes
    -----
    EXIF orientation is applied, unless the EXIF data are damaged. Transparency is laid over white, 16-bit values are
    divided by 257 and not stretched, and the first frame of an animation is read. Values out of range by as little as
    resampling overshoots are clipped. An existing path is never taken as a glob; hidden files in a folder are ignored.
    Files are closed on return, except those that were open already.

    Examples
    --------
    >>> import numpy as np
    >>> images = load_images([np.zeros((4, 6)), np.ones((2, 2, 3))])
    >>> [(image.mode, image.size, image.info["name"]) for image in images]
    [('RGB', (6, 4), 'image 0'), ('RGB', (2, 2), 'image 1')]
    >>> [image.info["name"] for image in load_images({"dark": np.zeros((4, 6)), "bright": np.ones((4, 6))})]
    ['dark', 'bright']
    """
    images: list[Image.Image] = []
    skipped: dict[str, ImageReadError] = {}
    left_out: list[str] = []
    for entry in _entries(source, left_out):
        image = _read_or_error(entry) if skip_unreadable else _read(*entry)
        if isinstance(image, ImageReadError):
            skipped[entry.label] = image
        else:
            images.append(image)
    if skipped and not images:
        raise next(iter(skipped.values()))
    if not images:
        raise ValueError(f"There must be at least one image; got none. Pass {_KINDS}.")
    if skipped:
        warn(
            f"Skipped {len(skipped)} of {len(skipped) + len(images)} images, which cannot be read: "
            f"{few_names(list(skipped))}. Replace them to have them loaded.",
            UserWarning,
        )
    if left_out:
        warn(
            f"Left out {few_names(left_out)}: image files with an extension that Pillow cannot open here. Convert or "
            "rename them, or install the Pillow plugin for their format.",
            UserWarning,
        )
    return images


@undisturbed
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
        raise ModuleNotFoundError(
            f"The sample images come with {package}, which is not installed. Install it.", name=package
        )
    return Path(spec.origin).parent


class _Entry(NamedTuple):
    """Something that should be one image; the name given to it, if any; and its name otherwise."""

    item: Any
    name: str | None
    fallback: str

    @property
    def label(self) -> str:
        return self.name or (self.item.name if isinstance(self.item, Path) else self.fallback)


def _entries(source: Any, left_out: list[str]) -> Iterator[_Entry]:
    """What `source` holds, one by one; image files that Pillow does not open are added to `left_out`."""
    source = _plain(source)
    named: Iterable[tuple[Any, str | None]]
    if _is_frame(source):
        named = _rows(source)
    elif isinstance(source, Mapping) and _image_key(source) is None and all(map(_may_be_image, source.values())):
        named = ((item, str(name)) for name, item in source.items())
    elif _may_be_image(source) and not (isinstance(source, np.ndarray | torch.Tensor) and source.ndim == 4):
        named = [(source, None)]
    else:
        named = ((item, None) for item in _items(source))
    for index, (item, name) in enumerate(named):
        yield from _flat(item, name, f"image {index}", left_out)


def _flat(item: Any, name: str | None, fallback: str, left_out: list[str]) -> Iterator[_Entry]:
    """The images of one item: several if it is a folder, a glob or a batch."""
    item = _plain(item)
    if isinstance(item, str | os.PathLike):
        files, not_opened = image_files(os.fsdecode(item))
        left_out += not_opened
        # The name of a folder is not that of each image in it.
        yield from (_Entry(Path(file), name if len(files) == 1 else None, fallback) for file in files)
    elif isinstance(item, np.ndarray | torch.Tensor) and item.ndim == 4:
        yield from (_Entry(image, None, f"{name or fallback}.{index}") for index, image in enumerate(item))
    elif isinstance(item, Mapping):
        value, own = _of_item(item, fallback)
        parts = value if isinstance(value, list | tuple) else None
        if parts is None:
            yield from _flat(value, name or own, fallback, left_out)
        else:
            # Several items of a dataset at once: a list under every key.
            for index, part in enumerate(parts):
                yield from _flat(part, None, f"{fallback}.{index}", left_out)
    elif isinstance(item, tuple) and hasattr(item, "_asdict"):
        yield from _flat(item._asdict(), name, fallback, left_out)
    elif isinstance(item, tuple) and item and not isinstance(item[0], tuple):
        yield from _flat(item[0], name, fallback, left_out)
    else:
        yield _Entry(item, name, fallback)


def _read_or_error(entry: _Entry) -> Image.Image | ImageReadError:
    try:
        return _read(*entry)
    except ImageReadError as error:
        return error


def _read(item: Any, name: str | None, fallback: str) -> Image.Image:
    if isinstance(item, Path):
        return from_file(item, name)
    if isinstance(item, Image.Image):
        return from_pil(item, name, fallback)
    if isinstance(item, _BYTES):
        return from_bytes(item, name or fallback)
    if isinstance(item, torch.Tensor):
        return from_tensor(item, name or fallback)
    if isinstance(item, np.ndarray):
        return from_array(item, name or fallback)
    if hasattr(item, "read"):
        return from_stream(item, name, fallback)
    raise TypeError(
        f"{name or fallback!r} must be an image; got {reprlib.repr(item)} ({type(item).__name__}). Pass {_KINDS}."
    )


def _plain(item: Any) -> Any:
    """Other libraries' containers in terms of ours: as an array, a list, a mapping or bytes."""
    if _is_series(item):
        labels = list(item.index)
        named = len(set(labels)) == len(labels) and all(isinstance(label, str) for label in labels)
        return dict(zip(labels, item, strict=True)) if named else list(item)
    if isinstance(item, array.array):
        item = memoryview(item)
    if isinstance(item, memoryview) and item.ndim > 1:
        item = np.asarray(item)
    if hasattr(item, "__array__") and not (_may_be_image(item) or _is_frame(item) or isinstance(item, np.generic)):
        # JAX, TensorFlow, xarray, h5py, polars and others.
        item = np.asarray(item)
    if isinstance(item, np.ndarray) and item.dtype.kind in "OSTU":
        return item.ravel().tolist() if item.ndim else item.item()
    if isinstance(item, np.ndarray | torch.Tensor) and item.ndim == 1 and item.dtype in (np.uint8, torch.uint8):
        # An encoded file, as OpenCV and torchvision hold them.
        return bytes(item.tolist())
    return item


def _may_be_image(item: Any) -> bool:
    """Whether the item is of a kind that one image comes as."""
    one = str | os.PathLike | Image.Image | np.ndarray | torch.Tensor | bytes | bytearray | memoryview | Mapping
    return isinstance(item, one) or hasattr(item, "read")


def _is_series(item: Any) -> bool:
    return all(hasattr(item, name) for name in ("index", "dtype", "items"))


def _is_frame(item: Any) -> bool:
    return all(hasattr(item, name) for name in ("columns", "dtypes", "__getitem__"))


def _items(source: Any) -> Iterator[Any]:
    # torch's map-style datasets have a length and items but need not stop iterating, so count.
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, Iterable):
        return (source[index] for index in range(len(source)))
    if not isinstance(source, Iterable):
        raise TypeError(
            f"Images must come as {_KINDS}; got {reprlib.repr(source)} ({type(source).__name__}). Pass one of these."
        )
    return iter(source)


def _rows(table: Any) -> Iterator[tuple[Any, str | None]]:
    """The image and the name in each row of a table."""
    columns = list(table.columns)
    known = {str(column).lower(): column for column in reversed(columns)}
    by_name = [known[key] for key in _IMAGE_KEYS if key in known and _holds_images(table[known[key]])]
    by_value = [column for column in columns if _holds_images(table[column], extension=True)]
    if not by_name and len(by_value) != 1:
        raise ValueError(
            f"A table must have one column of images or of paths to them; got columns {columns}. "
            "Pass the column, such as `table['path']`."
        )
    images = list(table[by_name[0] if by_name else by_value[0]])
    names = [str(name) for name in table[known["name"]]] if "name" in known else [None] * len(images)
    return zip(images, names, strict=True)


def _holds_images(column: Any, *, extension: bool = False) -> bool:
    """Whether all values that are not missing may be images; of texts, if so asked, only names of image files."""
    values = [value for value in column if _may_be_image(value) or str(value) not in ("None", "nan", "<NA>")]
    return bool(values) and all(
        _may_be_image(value) and not (extension and isinstance(value, str) and not has_image_extension(value))
        for value in values
    )


def _image_key(item: Mapping[Any, Any]) -> Any:
    """Under which key a dataset's item has its image, or None."""
    keys = {str(key).lower(): key for key in item if item[key] is not None}
    return next((keys[key] for key in ("bytes", *_IMAGE_KEYS) if key in keys), None)


def _of_item(item: Mapping[Any, Any], fallback: str) -> tuple[Any, str | None]:
    """The image in a dataset's item, and its name, if it has one."""
    key = _image_key(item)
    if key is None:
        raise ValueError(
            f"{fallback!r} must be a mapping with an image under one of {', '.join(map(repr, _IMAGE_KEYS))}; got keys "
            f"{reprlib.repr(list(item))}. Pass the images themselves."
        )
    name = next((str(item[key]) for key in _NAME_KEYS if item.get(key) is not None), None)
    if name is None and key == "bytes" and item.get("path") is not None:
        # Datasets of the Hugging Face hub that do not decode: the file's bytes beside its path.
        name = os.path.basename(str(item["path"]))
    return item[key], name
