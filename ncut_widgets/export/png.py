"""PNG images: `overlay` of patch colors on an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ncut_widgets._validation import check_number, to_float32_array

__all__ = ["overlay"]


def overlay(image: Image.Image, values_rgb: Any, *, blend: float = 0.5, smooth: bool = False) -> Image.Image:
    """Return `image` with the colors of its patches blended over it.

        out = (1 - blend) image + blend values

    Parameters
    ----------
    image : PIL.Image
        Any size and mode.
    values_rgb : array of shape (rows, columns, 3) or (rows, columns, 4)
        One color per patch, in [0, 1], with an optional alpha channel.
    blend : float
        0 shows only the image, 1 only the colors.
    smooth : bool
        Interpolate between patches instead of showing their edges.

    Returns
    -------
    PIL.Image
        RGB, of the same size as `image`.

    Raises
    ------
    ValueError
        If `values_rgb` does not have shape (rows, columns, 3 or 4), or `blend` is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from PIL import Image
    >>> red = np.array([[[1.0, 0.0, 0.0]]])
    >>> overlay(Image.new("L", (4, 2), 100), red, blend=0.5).getpixel((3, 1))
    (177, 50, 50)
    """
    values = to_float32_array(values_rgb, "values_rgb")
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.size == 0:
        raise ValueError(
            f"`values_rgb` must have shape (rows, columns, 3 or 4); got {values.shape}. Pass one map of "
            "`grid.split(rgb)`."
        )
    blend = check_number(blend, "blend", low=0, high=1)
    pixels = np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
    resampling = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    colors = Image.fromarray(np.ascontiguousarray(pixels[..., :3])).resize(image.size, resampling)
    original = image.convert("RGB")
    blended = Image.blend(original, colors, blend)
    if pixels.shape[2] == 3:
        return blended
    alpha = Image.fromarray(np.ascontiguousarray(pixels[..., 3])).resize(image.size, resampling)
    return Image.composite(blended, original, alpha)
