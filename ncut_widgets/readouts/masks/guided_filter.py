"""The guided filter: a heatmap of patches becomes one of pixels whose edges are those of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from ncut_widgets._validation import check_number, check_positive_int

__all__ = ["GuidedFilter", "guided_upsample", "resized", "shrunk"]

# Pixels evaluated at a time: what is held beside the result stays in the tens of megabytes.
_STRIP_PIXELS = 1 << 19
# In a window of one colour, rounding of its covariance (1e-16) must be nothing beside it.
_SMALLEST_EPS = 1e-6


@dataclass(frozen=True)
class GuidedFilter:
    """Refine with the guided filter: in each window the heatmap is a linear function of the colour.

    In the window w_k around each pixel k, with I the colours, p the heatmap, and S_k the covariance of the colours,

        q = a_k . I + b_k,   a_k = (S_k + eps 1)^-1 cov_k(I, p),   b_k = mean_k(p) - a_k . mean_k(I),

    and every pixel takes the mean of all windows it lies in.

    Parameters
    ----------
    radius : float
        Half the side of a window, in patches, positive. Edges are found up to about a third of it away.
    eps : float
        At least 1e-6, for colours in [0, 1]. Differences of colour smaller than its root count as noise.
    long_side : int
        At least 16. The filter is fitted on the picture at most this many pixels long, and evaluated on all pixels.

    Raises
    ------
    TypeError, ValueError
        Where a value is of the wrong kind or out of range.

    References
    ----------
    He, Sun, Tang, "Guided Image Filtering", TPAMI 2013; He, Sun, "Fast Guided Filter", arXiv 1505.00996, 2015.

    Examples
    --------
    >>> GuidedFilter(radius=2)
    GuidedFilter(radius=2, eps=0.001, long_side=1024)
    """

    radius: float = 1.5
    eps: float = 1e-3
    long_side: int = 1024

    def __post_init__(self) -> None:
        check_number(self.radius, "radius", low=0, low_open=True)
        check_number(self.eps, "eps", low=_SMALLEST_EPS)
        check_positive_int(self.long_side, "long_side", minimum=16)

    def __call__(self, heat: np.ndarray, picture: Image.Image) -> np.ndarray:
        """Return the heatmap (H, W) float32 of a picture of W x H pixels, from that of its patches (h, w)."""
        small = shrunk(picture, self.long_side)
        patch = max(small.width / heat.shape[1], small.height / heat.shape[0])
        radius = max(1, round(self.radius * patch))
        return guided_upsample(resized(heat, small.size), small, picture, radius=radius, eps=self.eps)


def shrunk(picture: Image.Image, long_side: int) -> Image.Image:
    """Return the picture, scaled down where its longer side has more than `long_side` pixels."""
    scale = long_side / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def resized(heat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a heatmap (h, w) at `size`, (width, height): linear between the centres of its patches."""
    image = Image.fromarray(np.ascontiguousarray(heat, dtype=np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR)).clip(0, 1)


def guided_upsample(
    heat: np.ndarray, guide: Image.Image, picture: Image.Image, *, radius: int, eps: float
) -> np.ndarray:
    """Return at the picture's size what the guided filter makes of a heatmap at the size of its smaller `guide`."""
    return _evaluate(_coefficients(np.asarray(guide) / 255.0, heat.astype(np.float64), radius, eps), picture)


def _coefficients(guide: np.ndarray, heat: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Return a (h, w, 3) and b (h, w, 1), side by side and averaged over windows."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, size, mode="reflect", axes=(0, 1))

    mean_guide, mean_heat = mean(guide), mean(heat)
    # The matrix is symmetric: six products are averaged, of nine.
    spread = np.empty((*heat.shape, 3, 3))
    for i in range(3):
        for j in range(i + 1):
            spread[..., i, j] = mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
            spread[..., j, i] = spread[..., i, j]
    spread[..., range(3), range(3)] += eps
    joint = mean(guide * heat[..., None]) - mean_guide * mean_heat[..., None]
    a = np.linalg.solve(spread, joint[..., None])[..., 0]
    b = mean_heat - (a * mean_guide).sum(-1)
    return mean(np.concatenate([a, b[..., None]], -1)).astype(np.float32)


def _evaluate(coefficients: np.ndarray, picture: Image.Image) -> np.ndarray:
    """Return a . I + b in [0, 1] at every pixel, a and b linear between the pixels they were fitted at."""
    height, width = picture.height, picture.width
    result = np.empty((height, width), dtype=np.float32)
    rows, columns = (_linear(n, small) for n, small in zip((height, width), coefficients.shape, strict=False))
    for start in range(0, height, step := max(1, _STRIP_PIXELS // width)):
        strip = slice(start, min(start + step, height))
        low, high, weight = (values[strip] for values in rows)
        ab = coefficients[low] + weight[:, None, None] * (coefficients[high] - coefficients[low])
        low, high, weight = columns
        ab = ab[:, low] + weight[:, None] * (ab[:, high] - ab[:, low])
        colours = np.asarray(picture.crop((0, strip.start, width, strip.stop)), dtype=np.float32) / 255
        result[strip] = (np.einsum("hwc,hwc->hw", ab[..., :3], colours) + ab[..., 3]).clip(0, 1)
    return result


def _linear(n: int, n_small: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each of n pixel centres, its two neighbours among `n_small`, and the weight of the second."""
    place = ((np.arange(n) + 0.5) * n_small / n - 0.5).clip(0, n_small - 1)
    low = np.minimum(place.astype(np.int64), n_small - 1)
    return low, np.minimum(low + 1, n_small - 1), (place - low).astype(np.float32)
