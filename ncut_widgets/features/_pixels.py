"""Converts one image (file, bytes, stream, PIL image, array or tensor) to an upright 8-bit RGB image."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError

from ncut_widgets.errors import ImageReadError

# Exceptions that Pillow's decoders raise for damaged files. Each decoder differs, so the list covers the base classes.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_CHANNELS = (1, 2, 3, 4)
# EXIF orientation -> transposition that makes the image upright.
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# How far resampling may overshoot the range of an image, as a fraction of the range: photographs stay below 0.12 with
# bicubic and Lanczos filters.
_OVERSHOOT = 0.125
# PIL mode -> possible (white level, smallest maximum for which it is plausible). A maximum in between is ambiguous: a
# dark image at the larger scale, or one at the smaller scale that is out of range.
_WHITE_LEVELS = {"F": ((1, 0), (255, 32)), "I": ((255, 0), (65535, 2048))}
_WHITE_LEVEL_16_BIT = ((65535, 0),)


def from_file(path: str | os.PathLike[str], name: str | None = None) -> Image.Image:
    """Return the image in a file, named `name` or after the file."""
    path = Path(os.path.expanduser(path))
    if not os.path.exists(path):
        broken = ", which is a broken link" if os.path.islink(path) else ""
        raise FileNotFoundError(f"There is no image at {shorten(str(path))}{broken}. Check the path.")
    if not os.path.isfile(path):
        raise ImageReadError(f"{shorten(str(path))} is not a regular file. Pass the path of an image file.")
    name = name or path.name
    try:
        with open(path, "rb") as file:
            return _decode(file, str(path), name)
    except OSError as error:
        raise ImageReadError(
            f"{shorten(str(path))} cannot be opened: {error.strerror}. Check the permissions of the file."
        ) from error


def from_bytes(encoded: Any, name: str) -> Image.Image:
    """Return the image encoded in a bytes-like object."""
    return _decode(io.BytesIO(encoded), name, name)


def from_stream(stream: Any, name: str | None, fallback: str) -> Image.Image:
    """Return the image in an open file, read from the start if it is seekable. The file stays open."""
    if isinstance(stream, io.TextIOBase):
        raise TypeError(f"{fallback!r} is a file opened as text. Open it in binary mode: `open(path, 'rb')`.")
    path = getattr(stream, "name", None)
    own = os.path.basename(os.fsdecode(path)) if isinstance(path, str | bytes) and path else fallback
    return _decode(stream, own, name or own)


def from_pil(image: Image.Image, name: str | None, fallback: str) -> Image.Image:
    """Return a copy of a PIL image, named `name`, or else by its `info["name"]` or its file name."""
    filename = getattr(image, "filename", "")
    own = image.info.get("name") or (os.path.basename(os.fsdecode(filename)) if filename else "")
    label = str(name or own or fallback)
    if 0 in image.size:
        raise ValueError(f"{label!r} has no pixels; got an image of size {image.size}. Remove it.")
    try:
        upright = _apply_orientation(image)
    except _DECODER_ERRORS as error:
        raise _read_error(label, error) from error
    return _to_named_rgb(upright, label, label)


def from_array(array: np.ndarray, name: str) -> Image.Image:
    """Return the image in an (h, w) or (h, w, channels) array: gray, gray + alpha, RGB or RGBA."""
    if np.ma.is_masked(array):
        raise ValueError(
            f"{name!r} has {np.ma.count_masked(array)} masked values, and masked arrays are not supported. "
            "Fill them: `array.filled(value)`."
        )
    array = np.asarray(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in _CHANNELS or 0 in array.shape:
        raise ValueError(
            f"{name!r} must be an array of shape (height, width) or (height, width, 1 to 4 channels); got shape "
            f"{array.shape}. Move the channels last with `array.transpose(1, 2, 0)`."
        )
    pixels = _array_to_bytes(array, name)
    mode = ("L", "LA", "RGB", "RGBA")[pixels.shape[2] - 1]
    size = (pixels.shape[1], pixels.shape[0])
    return _set_name(_opaque_rgb(Image.frombytes(mode, size, np.ascontiguousarray(pixels).tobytes())), name)


def from_tensor(tensor: torch.Tensor, name: str) -> Image.Image:
    """Return the image in an (h, w), (channels, h, w) or (h, w, channels) tensor; channels first if ambiguous."""
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name!r} must be a dense tensor; got layout {tensor.layout}. Pass `tensor.to_dense()`.")
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point() and tensor.dtype != torch.float64:
        tensor = tensor.float()
    if tensor.ndim == 3 and tensor.shape[0] in _CHANNELS:
        tensor = tensor.permute(1, 2, 0)
    return from_array(tensor.numpy(), name)


def shorten(text: str) -> str:
    """Return the text in quotes for a message; the middle of long text is replaced by "..."."""
    return repr(text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}")


def _decode(file: BinaryIO, source: str, name: str) -> Image.Image:
    """Read the image in an open file; error messages refer to it as `source`."""
    try:
        # Pillow's warnings about metadata and large images do not mention the file and do not affect the pixels.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                upright = _apply_orientation(image)
    except _DECODER_ERRORS as error:
        raise _read_error(source, error) from error
    return _to_named_rgb(upright, source, name)


def _read_error(source: str, error: BaseException) -> ImageReadError:
    if isinstance(error, UnidentifiedImageError):
        return ImageReadError(
            f"{shorten(source)} cannot be read: it is empty, damaged, or in a format that Pillow does not know. "
            "Convert it to PNG or JPEG, replace it, or skip it (`load_images(..., skip_unreadable=True)`)."
        )
    if isinstance(error, Image.DecompressionBombError):
        return ImageReadError(
            f"{shorten(source)} cannot be read: {error} If you trust the file, raise `PIL.Image.MAX_IMAGE_PIXELS`."
        )
    return ImageReadError(
        f"{shorten(source)} cannot be read: {str(error) or 'it is damaged'} ({type(error).__name__}). "
        "Replace it, or skip it (`load_images(..., skip_unreadable=True)`)."
    )


def _apply_orientation(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation, and convert to opaque RGB unless the mode has more than 8 bits."""
    image.load()
    transposition = _TRANSPOSITIONS.get(_orientation(image))
    # Not ImageOps.exif_transpose: it rewrites the EXIF data and fails on damaged, unrelated entries.
    image = image if transposition is None else image.transpose(transposition)
    return image.copy() if _is_deep(image) else _opaque_rgb(image)


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except _DECODER_ERRORS:
        # Only the metadata are damaged: use the pixels as stored, as image viewers do.
        return None


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _opaque_rgb(image: Image.Image) -> Image.Image:
    """Return the image as RGB, with transparency composited over white."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def _to_named_rgb(image: Image.Image, source: str, name: str) -> Image.Image:
    if _is_deep(image):
        image = Image.fromarray(_deep_to_bytes(np.asarray(image), image.mode, source)).convert("RGB")
    return _set_name(image, name)


def _deep_to_bytes(values: np.ndarray, mode: str, source: str) -> np.ndarray:
    """Convert PIL's 16-bit, 32-bit and float modes to 8-bit gray; the values decide the scale if the mode does not."""
    levels = _WHITE_LEVELS.get(mode, _WHITE_LEVEL_16_BIT)
    low, high = float(values.min()), float(values.max())
    for white, smallest_maximum in levels:
        if (high >= smallest_maximum or smallest_maximum == 0) and _within(low, high, white):
            return _to_8_bit(values, white)
    scales = " or ".join(f"0..{white}" for white, _ in levels)
    raise ImageReadError(
        f"{shorten(source)} must have gray values in {scales} because its PIL mode is {mode!r}; got {low:g} to "
        f"{high:g}. Scale them, or clip the overshoot of resampling."
    )


def _array_to_bytes(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return _to_8_bit(array, 65535)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"{name!r} must hold uint8, uint16, bool or float pixels; got {array.dtype}. Convert it with `.astype`."
        )
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not _within(float(low), float(high), 1):
            raise ValueError(
                f"{name!r} must hold floats in [0, 1]; got {low:g} to {high:g}. Divide 8-bit values by 255, undo "
                "a model's normalization, or clip the overshoot of resampling: `array.clip(0, 1)`."
            )
        return _to_8_bit(array, 1)
    if low < 0 or high > 255:
        raise ValueError(
            f"{name!r} must hold integers in 0..255, or in 0..65535 as uint16; got {low} to {high}. "
            "Scale them, or pass uint16."
        )
    return array.astype(np.uint8)


def _within(low: float, high: float, white: float) -> bool:
    """Return whether values are in 0..white, with a tolerance for the overshoot of resampling."""
    return low >= -_OVERSHOOT * white and high <= (1 + _OVERSHOOT) * white


def _to_8_bit(values: np.ndarray, white: float) -> np.ndarray:
    return np.rint(np.clip(values, 0, white) * (255 / white)).astype(np.uint8)


def _set_name(image: Image.Image, name: str) -> Image.Image:
    image.info = {"name": name}
    return image
