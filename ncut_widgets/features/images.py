"""Image loading: converts any supported input to a list of upright RGB images with names."""

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

from ncut_widgets._process import restores_process_state, warn
from ncut_widgets.errors import ImageReadError

from ._paths import has_image_extension, image_files, list_names
from ._pixels import from_array, from_bytes, from_file, from_pil, from_stream, from_tensor

__all__ = ["load_images", "sample_images"]

# Keys of the image in a dataset item, and columns in a table, in order of preference.
_IMAGE_KEYS = (
    "image", "img", "images", "pixel_values", "jpg", "jpeg", "png", "webp",
    "path", "image_path", "file_path", "filepath", "file_name", "filename", "file",
)  # fmt: skip
_NAME_KEYS = ("name", "__key__")
_BYTES = bytes | bytearray | memoryview
# For error messages.
_SUPPORTED_INPUTS = (
    "a path, glob or folder, a PIL image, an array or tensor, the bytes of an image file, an open file, or a list, "
    "table, mapping or dataset of these"
)

# Name (shown on the tile), package, path in it. Color photographs come first.
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


@restores_process_state
def load_images(images: Any, *, skip_unreadable: bool = False) -> list[Image.Image]:
    """Return images as upright 8-bit RGB PIL images, in order.

    Parameters
    ----------
    images : path, image, or collection of them
        - A path, a folder, or a glob pattern (``**`` is recursive): its image files, in natural order (2 before 10).
        - A PIL image of any mode.
        - An array (h, w) or (h, w, channels), or a batch (b, h, w, channels): uint8, uint16, bool, or floats
          in [0, 1]. One channel is gray, two gray and alpha, four RGB and alpha.
        - A torch tensor of these shapes and types, with channels first or last (first if ambiguous).
        - The bytes of an encoded image file, also as a bytearray, memoryview or 1D uint8 array; or an open binary
          file.
        - A dataset item: a mapping with the image under "image", "img", "pixel_values", "path" or a similar key.
        - A mapping from names to images.
        - An array or a pandas Series of any of the above, or a DataFrame with one column of them.
        - An iterable of any of the above, or of tuples (image, label, ...), as torch datasets yield them.
    skip_unreadable : bool, default False
        Skip damaged files, with one warning that lists them, instead of raising an error at the first.

    Returns
    -------
    list of PIL.Image.Image
        Mode "RGB", at the original size. `image.info["name"]` is the name given in a mapping or table, or else the
        file name, or else for example "image 3".

    Raises
    ------
    ImageReadError
        If an image is damaged; the message names the file.
    FileNotFoundError
        If a path does not exist, or a folder or glob has no images.
    TypeError, ValueError
        If an item has the wrong type, shape or range for an image, or is a URL.

    Warns
    -----
    UserWarning
        If a folder or glob has image files with an extension that Pillow cannot open, or unreadable files are skipped.

    Notes
    -----
    EXIF orientation is applied unless the EXIF data are damaged. Transparency is composited over white, 16-bit values
    are divided by 257 without stretching the contrast, and only the first frame of an animation is read. Values
    slightly out of range, as resampling produces them, are clipped. An existing path is never treated as a glob
    pattern, and hidden files in a folder are ignored. Files are closed on return unless the caller opened them.

    Examples
    --------
    >>> import numpy as np
    >>> images = load_images([np.zeros((4, 6)), np.ones((2, 2, 3))])
    >>> [(image.mode, image.size, image.info["name"]) for image in images]
    [('RGB', (6, 4), 'image 0'), ('RGB', (2, 2), 'image 1')]
    >>> [image.info["name"] for image in load_images({"dark": np.zeros((4, 6)), "bright": np.ones((4, 6))})]
    ['dark', 'bright']
    """
    loaded: list[Image.Image] = []
    skipped: dict[str, ImageReadError] = {}
    unsupported: list[str] = []
    for entry in _entries(images, unsupported):
        image = _read_or_error(entry) if skip_unreadable else _read(*entry)
        if isinstance(image, ImageReadError):
            skipped[entry.label] = image
        else:
            loaded.append(image)
    if skipped and not loaded:
        raise next(iter(skipped.values()))
    if not loaded:
        raise ValueError(f"There must be at least one image; got none. Pass {_SUPPORTED_INPUTS}.")
    if skipped:
        warn(
            f"Skipped {len(skipped)} of {len(skipped) + len(loaded)} images, which cannot be read: "
            f"{list_names(list(skipped))}. Replace these files to load them.",
            UserWarning,
        )
    if unsupported:
        warn(
            f"Skipped {list_names(unsupported)}: Pillow cannot open image files with this extension here. Convert or "
            "rename them, or install the Pillow plugin for their format.",
            UserWarning,
        )
    return loaded


@restores_process_state
def sample_images() -> list[Image.Image]:
    """Return 12 photographs that come with scikit-image and scikit-learn; nothing is downloaded.

    Returns
    -------
    list of PIL.Image.Image
        Mode "RGB", in 7 different sizes from 451 x 300 to 1411 x 1411; `image.info["name"]` is the subject.

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
    """One item to read as an image, the name given to it, if any, and the name used otherwise."""

    item: Any
    name: str | None
    fallback: str

    @property
    def label(self) -> str:
        return self.name or (self.item.name if isinstance(self.item, Path) else self.fallback)


def _entries(images: Any, unsupported: list[str]) -> Iterator[_Entry]:
    """Yield the entries of `images`; add image files that Pillow cannot open to `unsupported`."""
    images = _to_builtin(images)
    named: Iterable[tuple[Any, str | None]]
    if _is_frame(images):
        named = _rows(images)
    elif isinstance(images, Mapping) and _image_key(images) is None and all(map(_may_be_image, images.values())):
        named = ((item, str(name)) for name, item in images.items())
    elif _may_be_image(images) and not (isinstance(images, np.ndarray | torch.Tensor) and images.ndim == 4):
        named = [(images, None)]
    else:
        named = ((item, None) for item in _items(images))
    for index, (item, name) in enumerate(named):
        yield from _expand(item, name, f"image {index}", unsupported)


def _expand(item: Any, name: str | None, fallback: str, unsupported: list[str]) -> Iterator[_Entry]:
    """Yield the images of one item; a folder, glob or batch has several."""
    item = _to_builtin(item)
    if isinstance(item, str | os.PathLike):
        files, skipped = image_files(os.fsdecode(item))
        unsupported += skipped
        # A name given to a folder is not used for the images in it.
        yield from (_Entry(Path(file), name if len(files) == 1 else None, fallback) for file in files)
    elif isinstance(item, np.ndarray | torch.Tensor) and item.ndim == 4:
        yield from (_Entry(image, None, f"{name or fallback}.{index}") for index, image in enumerate(item))
    elif isinstance(item, Mapping):
        value, own = _image_and_name(item, fallback)
        parts = value if isinstance(value, list | tuple) else None
        if parts is None:
            yield from _expand(value, name or own, fallback, unsupported)
        else:
            # A slice of a dataset has a list under every key.
            for index, part in enumerate(parts):
                yield from _expand(part, None, f"{fallback}.{index}", unsupported)
    elif isinstance(item, tuple) and hasattr(item, "_asdict"):
        yield from _expand(item._asdict(), name, fallback, unsupported)
    elif isinstance(item, tuple) and item and not isinstance(item[0], tuple):
        yield from _expand(item[0], name, fallback, unsupported)
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
        f"{name or fallback!r} must be an image; got {reprlib.repr(item)} ({type(item).__name__}). "
        f"Pass {_SUPPORTED_INPUTS}."
    )


def _to_builtin(item: Any) -> Any:
    """Convert containers of other libraries to an array, list, mapping or bytes."""
    if _is_series(item):
        labels = list(item.index)
        named = len(set(labels)) == len(labels) and all(isinstance(label, str) for label in labels)
        return dict(zip(labels, item, strict=True)) if named else list(item)
    if isinstance(item, array.array):
        item = memoryview(item)
    if isinstance(item, memoryview) and item.ndim > 1:
        item = np.asarray(item)
    if hasattr(item, "__array__") and not (_may_be_image(item) or _is_frame(item) or isinstance(item, np.generic)):
        # Arrays of JAX, TensorFlow, xarray, h5py, polars and others.
        item = np.asarray(item)
    if isinstance(item, np.ndarray) and item.dtype.kind in "OSTU":
        return item.ravel().tolist() if item.ndim else item.item()
    if isinstance(item, np.ndarray | torch.Tensor) and item.ndim == 1 and item.dtype in (np.uint8, torch.uint8):
        # An encoded file, as OpenCV and torchvision store it.
        return bytes(item.tolist())
    return item


def _may_be_image(item: Any) -> bool:
    """Return whether the item has a type that can be one image."""
    kinds = str | os.PathLike | Image.Image | np.ndarray | torch.Tensor | bytes | bytearray | memoryview | Mapping
    return isinstance(item, kinds) or hasattr(item, "read")


def _is_series(item: Any) -> bool:
    return all(hasattr(item, name) for name in ("index", "dtype", "items"))


def _is_frame(item: Any) -> bool:
    return all(hasattr(item, name) for name in ("columns", "dtypes", "__getitem__"))


def _items(images: Any) -> Iterator[Any]:
    # Map-style torch datasets have a length, but iterating over them may not end: use indices instead.
    if hasattr(images, "__getitem__") and hasattr(images, "__len__") and not isinstance(images, Iterable):
        return (images[index] for index in range(len(images)))
    if not isinstance(images, Iterable):
        raise TypeError(
            f"Images must be given as {_SUPPORTED_INPUTS}; got {reprlib.repr(images)} ({type(images).__name__}). "
            "Pass one of these."
        )
    return iter(images)


def _rows(table: Any) -> Iterator[tuple[Any, str | None]]:
    """Return the image and the name in each row of a table."""
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
    """Return whether all non-missing values can be images; with `extension`, text must be an image file name."""
    values = [value for value in column if _may_be_image(value) or str(value) not in ("None", "nan", "<NA>")]
    return bool(values) and all(
        _may_be_image(value) and not (extension and isinstance(value, str) and not has_image_extension(value))
        for value in values
    )


def _image_key(item: Mapping[Any, Any]) -> Any:
    """Return the key of the image in a dataset item, or None."""
    keys = {str(key).lower(): key for key in item if item[key] is not None}
    return next((keys[key] for key in ("bytes", *_IMAGE_KEYS) if key in keys), None)


def _image_and_name(item: Mapping[Any, Any], fallback: str) -> tuple[Any, str | None]:
    """Return the image in a dataset item, and its name if there is one."""
    key = _image_key(item)
    if key is None:
        raise ValueError(
            f"{fallback!r} must be a mapping with an image under one of {', '.join(map(repr, _IMAGE_KEYS))}; got keys "
            f"{reprlib.repr(list(item))}. Pass the images themselves."
        )
    name = next((str(item[key]) for key in _NAME_KEYS if item.get(key) is not None), None)
    if name is None and key == "bytes" and item.get("path") is not None:
        # Undecoded items of Hugging Face datasets have the file's bytes and path.
        name = os.path.basename(str(item["path"]))
    return item[key], name
