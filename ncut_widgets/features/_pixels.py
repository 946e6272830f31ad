"""Anything that holds one picture -> an upright 8-bit RGB image."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from ncut_widgets.errors import ImageReadError

# PIL's decoders report a broken file by any of these, and a closed one by an assertion.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, TypeError, AssertionError, Image.DecompressionBombError)
_CHANNELS = (1, 2, 3, 4)
# An eighth of one 8-bit step: what resizing in floating point may overshoot without a visible difference.
_OVERSHOOT = 1 / 2048


def from_file(path: str | os.PathLike[str]) -> Image.Image:
    """Return the picture in a file, named after it."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"`source` must name an existing image; got {str(path)!r}. Check the path.")

    def read() -> Image.Image:
        with Image.open(path) as image:
            return upright_rgb(image)

    return _named(_decode(read, str(path)), path.name)


def from_bytes(encoded: bytes, name: str) -> Image.Image:
    """Return the picture in an encoded file's bytes."""

    def read() -> Image.Image:
        with Image.open(io.BytesIO(encoded)) as image:
            return upright_rgb(image)

    return _named(_decode(read, name), name)


def from_pil(image: Image.Image, name: str) -> Image.Image:
    """Return a copy of a PIL image; its own name or file's name counts before `name`."""
    filename = getattr(image, "filename", "")
    own = image.info.get("name") or (Path(os.fsdecode(filename)).name if filename else "")
    own = str(own or name)
    return _named(_decode(lambda: upright_rgb(image), own), own)


def from_array(array: np.ndarray, name: str) -> Image.Image:
    """Return the picture in an (h, w) or (h, w, channels) array: grey, grey + alpha, RGB or RGBA."""
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in _CHANNELS or 0 in array.shape:
        raise ValueError(
            f"`{name}` must be an array of shape (height, width) or (height, width, 1 to 4 channels); got shape "
            f"{array.shape}. Move channels last with `array.transpose(1, 2, 0)`."
        )
    pixels = _eight_bit(array, name)
    mode = ("L", "LA", "RGB", "RGBA")[pixels.shape[2] - 1]
    size = (pixels.shape[1], pixels.shape[0])
    return _named(upright_rgb(Image.frombytes(mode, size, np.ascontiguousarray(pixels).tobytes())), name)


def from_tensor(tensor: torch.Tensor, name: str) -> Image.Image:
    """Return the picture in an (h, w), (channels, h, w) or (h, w, channels) tensor; channels first where both fit."""
    tensor = tensor.detach().cpu()
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    if tensor.ndim == 3 and tensor.shape[0] in _CHANNELS:
        tensor = tensor.permute(1, 2, 0)
    return from_array(tensor.numpy(), name)


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return the image as RGB, turned as its EXIF tag says, transparency laid over white."""
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_deep_grey(np.asarray(image), image.mode))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def _deep_grey(values: np.ndarray, mode: str) -> np.ndarray:
    """8-bit grey from PIL's 16-bit, 32-bit and float modes, by the values' range where the mode leaves it open."""
    low, high = values.min(), values.max()
    scale = 255.0 if mode == "F" and high <= 1 else 1.0
    if mode != "F" and (mode.startswith("I;16") or high > 255):
        scale = 1 / 257
    if not (low >= 0 and high * scale <= 255):
        raise ValueError(
            f"grey values of mode {mode!r} range from {low:g} to {high:g}. Scale them to 0..1, 0..255 or 0..65535"
        )
    return np.rint(values * scale).astype(np.uint8)


def _eight_bit(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return np.rint(array / 257).astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"`{name}` must hold uint8, uint16, bool or float pixels; got {array.dtype}. Convert it with `.astype`."
        )
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):
            raise ValueError(
                f"`{name}` must hold floats in [0, 1]; got {low:g} to {high:g}. Divide 8-bit values by 255, and undo "
                "a model's normalisation."
            )
        return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
    if low < 0 or high > 255:
        raise ValueError(
            f"`{name}` must hold integers in 0..255, or in 0..65535 as uint16; got {low} to {high}. "
            "Scale them, or pass uint16."
        )
    return array.astype(np.uint8)


def _decode(read: Callable[[], Image.Image], name: str) -> Image.Image:
    try:
        return read()
    except _DECODER_ERRORS as error:
        raise ImageReadError(
            f"{name!r} must be a readable image; got {type(error).__name__}: {error}. "
            "Replace the file, or leave it out."
        ) from error


def _named(image: Image.Image, name: str) -> Image.Image:
    image.info = {"name": name}
    return image
