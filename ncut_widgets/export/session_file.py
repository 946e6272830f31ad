"""A session as one file: state, arrays and pictures in a zip that holds no code and needs no pickle."""

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

from ncut_widgets._process import undisturbed

from ._archive import read_array, reading_zip
from ._files import field, replacing

__all__ = ["SessionFile", "read_session", "write_session"]

_FORMAT = "ncut-widgets session"
_VERSION = 1
_MANIFEST = "manifest.json"
# Real and complex numbers and booleans: what a file can hold without pickle, and a session needs.
_KINDS = "biufc"
# A quarter of the time of the default level, for 4 % more bytes.
_PNG_LEVEL = 1
_MODES = ("1", "L", "LA", "RGB", "RGBA")
# What Pillow raises for a damaged PNG.
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
_EPOCH = (1980, 1, 1, 0, 0, 0)
# JSON has no name for what is not finite: {"$float": "nan"}.
_SPECIAL = "$float"
_NOT_FINITE = ("nan", "inf", "-inf")


class SessionFile(NamedTuple):
    """What a session file holds: state as JSON takes it, arrays by name, and images."""

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
    """Write state, arrays and images as one file, whole or not at all, and return its path.

    Parameters
    ----------
    path : path
        Where to write, by convention ``*.ncut``; folders on the way are made. An older file is replaced once the new
        one is whole, and stays what it was if anything goes wrong.
    state : dict
        None, booleans, numbers, text, and lists and dicts of these; tuples become lists. Floats come back exactly,
        NaN and infinity included.
    arrays : dict of str to numpy array
        By any name, of any shape, of numbers or booleans. They come back bit by bit.
    images : list of PIL.Image
        Of the modes 1, L, LA, RGB or RGBA. Their pixels and ``info["name"]`` come back.

    Returns
    -------
    pathlib.Path
        The file: a zip of ``manifest.json``, ``arrays/0.npy``, ``images/0.png`` and so on.

    Raises
    ------
    TypeError, ValueError
        Where something is of a kind that cannot be saved; nothing is written then.

    Notes
    -----
    The same content makes the same bytes. Arrays of floats are stored as they are, everything else compressed.

    Examples
    --------
    >>> import tempfile
    >>> picture = Image.new("RGB", (4, 3), "teal")
    >>> path = Path(tempfile.mkdtemp(), "cats.ncut")
    >>> path = write_session(path, state={"layer": "ncut"}, arrays={"labels/2": np.arange(6)}, images=[picture])
    >>> state, arrays, images = read_session(path)
    >>> state, arrays["labels/2"], images[0].getpixel((0, 0))
    ({'layer': 'ncut'}, array([0, 1, 2, 3, 4, 5]), (0, 128, 128))
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"`state` must be a dict; got {type(state).__name__}. Pass the traits by their names.")
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
            # The last bits of floats are noise, which takes long to compress and stays as large as it is.
            how = zipfile.ZIP_STORED if array.dtype.kind in "fc" else zipfile.ZIP_DEFLATED
            with _member(archive, _array_file(index), how) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), (1, 0), allow_pickle=False)
        for index, image in enumerate(images):
            with _member(archive, _image_file(index), zipfile.ZIP_STORED) as member:
                _bare(image).save(member, "PNG", compress_level=_PNG_LEVEL)
    return Path(path)


@undisturbed
def read_session(path: str | os.PathLike[str]) -> SessionFile:
    """Return what `write_session` wrote.

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
        Where there is no such file.
    ValueError
        Where it is another kind of file, of a newer version, cut off, damaged, or holds what it should not; the
        message says which. Nothing of it is executed, unpickled or unpacked to the disk.

    Examples
    --------
    See `write_session`.
    """
    with reading_zip(path, "a session file") as archive:
        manifest = _manifest(archive)
        state = _decode(field(manifest, "state", dict, "the manifest"))
        described, pictured = (field(manifest, key, list, "the manifest") for key in ("arrays", "images"))
        _check_members(archive, len(described), len(pictured))
        arrays = {
            field(entry, "name", str, "an array"): _read_array(archive, _array_file(index), entry)
            for index, entry in enumerate(described)
        }
        images = [_read_image(archive, _image_file(index), entry) for index, entry in enumerate(pictured)]
    return SessionFile(state, arrays, images)


def _array_file(index: int) -> str:
    # By number, not by name: a name may be anything, and a file never says where to look.
    return f"arrays/{index}.npy"


def _image_file(index: int) -> str:
    return f"images/{index}.png"


def _member(archive: zipfile.ZipFile, name: str, how: int) -> Any:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = how
    return archive.open(info, "w", force_zip64=True)


# -- checks before writing ---------------------------------------------------------------------------------------------


def _check_array(name: Any, array: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"`arrays` must have text for keys; got {name!r} ({type(name).__name__}). Name the array.")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"`arrays` must hold numpy arrays; got {type(array).__name__} for {name!r}. Convert it.")
    if array.dtype.kind not in _KINDS:
        raise TypeError(
            f"`arrays` must hold numbers or booleans; got dtype {array.dtype} for {name!r}. Put text into `state`."
        )


def _check_image(index: int, image: Any) -> None:
    if not isinstance(image, Image.Image):
        raise TypeError(f"`images` must hold PIL images; got {type(image).__name__} at index {index}. Convert it.")
    if image.mode not in _MODES:
        raise ValueError(
            f"`images` must be of the modes {', '.join(_MODES)}; got {image.mode!r} at index {index}. "
            "Convert it: `image.convert('RGB')`."
        )


def _bare(image: Image.Image) -> Image.Image:
    # What a camera has noted beside the pixels, such as the place, belongs to nobody who gets the file.
    copy = image.copy()
    copy.info.clear()
    return copy


def _encode(value: Any, where: str) -> Any:
    """What JSON can hold, in which floats that are not finite have a form of their own."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_SPECIAL: str(float(value))}
    if isinstance(value, list | tuple):
        return [_encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        wrong = [key for key in value if not isinstance(key, str) or key == _SPECIAL]
        if wrong:
            raise TypeError(f"`{where}` must have text for keys, and not {_SPECIAL!r}; got {wrong[0]!r}. Rename it.")
        return {key: _encode(item, f"{where}.{key}") for key, item in value.items()}
    raise TypeError(
        f"`{where}` must be None, a bool, number, text, list or dict; got {type(value).__name__}. "
        "Put arrays into `arrays`, and convert what is left."
    )


# -- checks while reading ----------------------------------------------------------------------------------------------


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {_SPECIAL} and value[_SPECIAL] in _NOT_FINITE:
            return float(value[_SPECIAL])
        return {key: _decode(item) for key, item in value.items()}
    return value


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    if _MANIFEST not in archive.namelist():
        raise ValueError("it is a zip of another kind. Check which file it is.")
    try:
        manifest = json.loads(archive.read(_MANIFEST))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the manifest must be JSON; got {error}. The file is damaged.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise ValueError("it is a zip of another kind. Check which file it is.")
    version = field(manifest, "version", int, "the manifest")
    if version > _VERSION:
        raise ValueError(f"its version must be {_VERSION} or older; got {version}. Upgrade ncut_widgets to read it.")
    return manifest


def _check_members(archive: zipfile.ZipFile, n_arrays: int, n_images: int) -> None:
    expected = [_MANIFEST, *map(_array_file, range(n_arrays)), *map(_image_file, range(n_images))]
    there = archive.namelist()
    missing = [name for name in expected if name not in there]
    if missing:
        raise ValueError(f"it must hold {missing[0]!r}; got none. The file is damaged.")
    if len(there) > len(expected):
        extra = next((name for name in there if name not in expected), "a second of the same name")
        raise ValueError(f"it must hold what its manifest names; got {extra!r} besides. Don't trust it.")


def _read_array(archive: zipfile.ZipFile, name: str, entry: Any) -> np.ndarray:
    described = (field(entry, "dtype", str, "an array"), field(entry, "shape", list, "an array"))
    array = read_array(archive, name)
    if array.dtype.kind not in _KINDS or (array.dtype.str, list(array.shape)) != described:
        raise ValueError(
            f"{name!r} must be {described[0]} of shape {described[1]}, as the manifest says; got {array.dtype.str} of "
            f"shape {list(array.shape)}. The file is damaged."
        )
    return array


def _read_image(archive: zipfile.ZipFile, name: str, entry: Any) -> Image.Image:
    mode, size = field(entry, "mode", str, "an image"), field(entry, "size", list, "an image")
    content = archive.read(name)
    try:
        # Pillow warns of large images, whose size is checked here.
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=["PNG"]) as stored:
            warnings.simplefilter("ignore")
            if stored.mode != mode or list(stored.size) != size:
                raise ValueError(f"mode {stored.mode!r} and size {list(stored.size)}")
            stored.load()
            image = stored.copy()
    except (*_PNG_ERRORS, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{name!r} must be a PNG of mode {mode!r} and size {size}; got another: {error}. The file is damaged."
        ) from error
    image.info.clear()
    if entry.get("name") is not None:
        image.info["name"] = field(entry, "name", str, "an image")
    return image
