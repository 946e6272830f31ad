"""Resizing of images and maps, and conversion of colors."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["resize_map", "rgb_to_lab", "shrink"]

# Linear sRGB to CIE XYZ, divided by the white point D65 (2 degree observer).
_RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
) / np.array([[0.95047], [1.0], [1.08883]])


def shrink(image: Image.Image, long_side: int) -> Image.Image:
    """Return the image scaled down to a longer side of at most `long_side` pixels; smaller images are unchanged.

    Examples
    --------
    >>> shrink(Image.new("RGB", (200, 100)), 50).size
    (50, 25)
    """
    longest = max(image.size)
    if longest <= long_side:
        return image
    width, height = (max(1, round(side * long_side / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def resize_map(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a map (h, w) resized to `size`, (width, height): float32, bilinear between the centers of the cells.

    Examples
    --------
    >>> resize_map(np.array([[0.0, 1.0]]), (4, 1)).tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    plane = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.asarray(plane.resize(size, Image.Resampling.BILINEAR))


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Return the CIELAB values (..., 3) of sRGB colors (..., 3) in [0, 1]: L from 0 to 100, D65 white, same dtype.

    References
    ----------
    IEC 61966-2-1:1999 (sRGB). CIE 15:2004 (CIELAB).

    Examples
    --------
    >>> rgb_to_lab(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])).round(1) + 0.0
    array([[100. ,   0. ,   0. ],
           [ 53.2,  80.1,  67.2]])
    """
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ _RGB_TO_XYZ.T.astype(linear.dtype)
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
