"""Resizing of images and maps."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["resize_map", "shrink"]


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
