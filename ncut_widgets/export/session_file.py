"""Session files: state, arrays and images in one zip file, without code or pickle."""

from __future__ import annotations

import io
import json
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ncut_widgets._process import restores_process_state

from ._archive import read_array, reading_zip
from ._files import ZIP_TIMESTAMP, field, replacing

__all__ = ["SessionFile", "read_session", "write_session"]

_FORMAT = "ncut-widgets session"
_VERSION = 1
_MANIFEST = "manifest.json"
# Array dtypes: booleans, and real and complex numbers.
_DTYPE_KINDS = "biufc"
# Takes a quarter of the time of the default level, and 4 % more space.
_PNG_COMPRESSION = 1
_MODES = ("1", "L", "LA", "RGB", "RGBA")
# Exceptions that Pillow raises for a damaged PNG.
_PNG_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    OverflowError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
)
# Non-finite floats, which JSON lacks, are stored as {"$float": "nan"}.
_FLOAT_KEY = "$float"
_NON_FINITE = ("nan", "inf", "-inf")


class SessionFile(NamedTuple):
    """The content of a session file: state (JSON values), arrays by name, and images."""

    state: dict[str, Any]
    arrays: dict[str, np.ndarray]
    images: list[Image.Image]


def write_session(
    path: str | os.PathLike[str],
    *,
    state: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    images: Sequence[Image.Image],
) -> Path:
    """Write state, arrays and images atomically to one file, and return its path.

    Parameters
    ----------
    path : path
        The file to write, by convention ``*.ncut``; missing folders are created. An existing file is replaced only
        after the new one is complete.
    state : dict
        None, booleans, numbers, text, and lists and dicts of these; tuples become lists. Floats are restored exactly,
        including NaN and infinity.
    arrays : dict of str to numpy array
        Arrays of numbers or booleans, with any names and shapes. They are restored bit by bit.
    images : list of PIL.Image
        Images of mode 1, L, LA, RGB or RGBA. Their pixels and ``info["name"]`` are restored.

    Returns
    -------
    pathlib.Path
        The file: a zip of ``manifest.json``, ``arrays/0.npy``, ``images/0.png`` and so on.

    Raises
    ------
    TypeError, ValueError
        If a value cannot be saved; in that case nothing is written.

    Notes
    -----
    The same content gives the same bytes. Float arrays are stored uncompressed, everything else is compressed.

    Examples
    --------
    >>> import tempfile
    >>> image = Image.new("RGB", (4, 3), "teal")
    >>> path = Path(tempfile.mkdtemp(), "cats.ncut")
    >>> path = write_session(path, state={"layer": "ncut"}, arrays={"labels/2": np.arange(6)}, images=[image])
    >>> state, arrays, images = read_session(path)
    >>> state, arrays["labels/2"], images[0].getpixel((0, 0))
    ({'layer': 'ncut'}, array([0, 1, 2, 3, 4, 5]), (0, 128, 128))
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"`state` must be a dict; got {type(state).__name__}. Pass the traits by name.")
    for name, array in arrays.items():
        _check_array(name, array)
    for index, image in enumerate(images):
        _check_image(index, image)
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "state": _encode(state, "state"),
        "arrays": [{"name": n, "dtype": a.dtype.str, "shape": list(a.shape)} for n, a in arrays.items()],
        "images": [
            {"name": None if "name" not in i.info else str(i.info["name"]), "mode": i.mode, "size": list(i.size)}
            for i in images
        ],
    }
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        with _member(archive, _MANIFEST, zipfile.ZIP_DEFLATED) as member:
            member.write(json.dumps(manifest, allow_nan=False).encode())
        for index, array in enumerate(arrays.values()):
            # The low bits of floats are noise: compression is slow and saves nothing.
            compression = zipfile.ZIP_STORED if array.dtype.kind in "fc" else zipfile.ZIP_DEFLATED
            with _member(archive, _array_file(index), compression) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), (1, 0), allow_pickle=False)
        for index, image in enumerate(images):
            with _member(archive, _image_file(index), zipfile.ZIP_STORED) as member:
                _without_metadata(image).save(member, "PNG", compress_level=_PNG_COMPRESSION)
    return Path(path)


@restores_process_state
def read_session(path: str | os.PathLike[str]) -> SessionFile:
    """Return the content of a file written by `write_session`.

    Parameters
    ----------
    path : path

    Returns
    -------
    SessionFile
        ``state, arrays, images``, in this order. Arrays and images are in memory, and the file is closed.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is of a different type, of a newer version, truncated or damaged, or has unexpected content; the
        message says which. Nothing in the file is executed, unpickled or extracted to disk.

    Examples
    --------
    See `write_session`.
    """
    with reading_zip(path, "a session file") as archive:
        manifest = _manifest(archive)
        state = _decode(field(manifest, "state", dict, "the manifest"))
        array_entries, image_entries = (field(manifest, key, list, "the manifest") for key in ("arrays", "images"))
        _check_members(archive, len(array_entries), len(image_entries))
        arrays = {
            field(entry, "name", str, "an array"): _read_array(archive, _array_file(index), entry)
            for index, entry in enumerate(array_entries)
        }
        images = [_read_image(archive, _image_file(index), entry) for index, entry in enumerate(image_entries)]
    return SessionFile(state, arrays, images)


def _array_file(index: int) -> str:
    # By index: the name of an array may not be a valid or safe file name.
    return f"arrays/{index}.npy"


def _image_file(index: int) -> str:
    return f"images/{index}.png"


def _member(archive: zipfile.ZipFile, name: str, compression: int) -> Any:
    info = zipfile.ZipInfo(name, ZIP_TIMESTAMP)
    info.compress_type = compression
    return archive.open(info, "w", force_zip64=True)


# -- checks before writing ---------------------------------------------------------------------------------------------


def _check_array(name: Any, array: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"`arrays` must have text as keys; got {name!r} ({type(name).__name__}). Name the array.")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"`arrays` must contain numpy arrays; got {type(array).__name__} for {name!r}. Convert it.")
    if array.dtype.kind not in _DTYPE_KINDS:
        raise TypeError(
            f"`arrays` must contain numbers or booleans; got dtype {array.dtype} for {name!r}. Put text into `state`."
        )


def _check_image(index: int, image: Any) -> None:
    if not isinstance(image, Image.Image):
        raise TypeError(f"`images` must contain PIL images; got {type(image).__name__} at index {index}. Convert it.")
    if image.mode not in _MODES:
        raise ValueError(
            f"`images` must have one of the modes {', '.join(_MODES)}; got {image.mode!r} at index {index}. "
            "Convert it: `image.convert('RGB')`."
        )


def _without_metadata(image: Image.Image) -> Image.Image:
    # Camera metadata, such as the location, must not be shared with the file.
    copy = image.copy()
    copy.info.clear()
    return copy


def _encode(value: Any, where: str) -> Any:
    """Convert `value` to JSON values, with non-finite floats as {"$float": ...}; raise TypeError if not possible."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT_KEY: str(float(value))}
    if isinstance(value, list | tuple):
        return [_encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        wrong = [key for key in value if not isinstance(key, str) or key == _FLOAT_KEY]
        if wrong:
            raise TypeError(f"`{where}` must have text other than {_FLOAT_KEY!r} as keys; got {wrong[0]!r}. Rename it.")
        return {key: _encode(item, f"{where}.{key}") for key, item in value.items()}
    raise TypeError(
        f"`{where}` must be None, a bool, number, text, list or dict; got {type(value).__name__}. "
        "Put arrays into `arrays`, and convert other values."
    )


# -- checks while reading ----------------------------------------------------------------------------------------------


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {_FLOAT_KEY} and value[_FLOAT_KEY] in _NON_FINITE:
            return float(value[_FLOAT_KEY])
        return {key: _decode(item) for key, item in value.items()}
    return value


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    if _MANIFEST not in archive.namelist():
        raise ValueError("it is a different type of zip file. Check which file it is.")
    try:
        manifest = json.loads(archive.read(_MANIFEST))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the manifest must be JSON; got {error}. The file is damaged.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ValueError("it is a different type of zip file. Check which file it is.")
    version = field(manifest, "version", int, "the manifest")
    if version > _VERSION:
        raise ValueError(f"its version must be {_VERSION} or older; got {version}. Upgrade ncut_widgets to read it.")
    return manifest


def _check_members(archive: zipfile.ZipFile, n_arrays: int, n_images: int) -> None:
    expected = [_MANIFEST, *map(_array_file, range(n_arrays)), *map(_image_file, range(n_images))]
    found = archive.namelist()
    missing = [name for name in expected if name not in found]
    if missing:
        raise ValueError(f"it must contain {missing[0]!r}, which is missing. The file is damaged.")
    if len(found) > len(expected):
        extra = next((repr(name) for name in found if name not in expected), "two members with the same name")
        raise ValueError(f"it must contain only the members in its manifest; also got {extra}. Do not trust the file.")


def _read_array(archive: zipfile.ZipFile, name: str, entry: Any) -> np.ndarray:
    expected = (field(entry, "dtype", str, "an array"), field(entry, "shape", list, "an array"))
    array = read_array(archive, name)
    if array.dtype.kind not in _DTYPE_KINDS or (array.dtype.str, list(array.shape)) != expected:
        raise ValueError(
            f"{name!r} must have dtype {expected[0]} and shape {expected[1]} according to the manifest; got dtype "
            f"{array.dtype.str} and shape {list(array.shape)}. The file is damaged."
        )
    return array


def _read_image(archive: zipfile.ZipFile, name: str, entry: Any) -> Image.Image:
    mode, size = field(entry, "mode", str, "an image"), field(entry, "size", list, "an image")
    content = archive.read(name)
    try:
        # Pillow's warning about large images is not needed: the size is checked here.
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=["PNG"]) as stored:
            warnings.simplefilter("ignore")
            if stored.mode != mode or list(stored.size) != size:
                raise ValueError(f"mode {stored.mode!r} and size {list(stored.size)}")
            stored.load()
            image = stored.copy()
    except (*_PNG_ERRORS, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{name!r} must be a PNG of mode {mode!r} and size {size}; got {error}. The file is damaged."
        ) from error
    image.info.clear()
    if entry.get("name") is not None:
        image.info["name"] = field(entry, "name", str, "an image")
    return image
