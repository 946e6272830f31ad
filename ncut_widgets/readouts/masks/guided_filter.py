"""Guided filter: upsample a heatmap of patches to pixels, with edges that follow the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from ncut_widgets._validation import check_number, check_positive_int
from ncut_widgets.imaging import resize_map, shrink

__all__ = ["GuidedFilter", "guided_upsample"]

# Number of pixels evaluated at a time, which limits temporary arrays to tens of megabytes.
_STRIP_PIXELS = 1 << 19
# Far above the rounding error of the covariance in a window of one color (1e-16).
_MIN_EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class GuidedFilter:
    """Refine heatmaps with the guided filter, which models the heatmap in each window as a linear function of color.

    In the window around pixel k, with I the colors, p the heatmap, and S_k the covariance matrix of the colors,

        q = a_k . I + b_k,   a_k = (S_k + eps 1)^-1 cov_k(I, p),   b_k = mean_k(p) - a_k . mean_k(I),

    and each pixel gets the mean of q over all windows that contain it.

    Parameters
    ----------
    radius : float
        Half the side of a window, in patches, positive. Outlines move to edges up to about a third of it away.
    eps : float
        Regularization, at least 1e-6, for colors in [0, 1]. Color differences below sqrt(eps) are treated as noise.
    long_side : int
        At least 16. The filter is fitted to the image scaled down to at most this length, and evaluated at all pixels.

    Raises
    ------
    TypeError, ValueError
        If a value has the wrong type or is out of range.

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
        check_number(self.eps, "eps", low=_MIN_EPS)
        check_positive_int(self.long_side, "long_side", minimum=16)

    def __call__(self, heat: np.ndarray, image: Image.Image) -> np.ndarray:
        """Return the heatmap (H, W) float32 of an image of W x H pixels from the heatmap (h, w) of its patches."""
        small = shrink(image, self.long_side)
        patch_size = max(small.width / heat.shape[1], small.height / heat.shape[0])
        radius = max(1, round(self.radius * patch_size))
        resized = resize_map(heat, small.size).clip(0, 1)
        return guided_upsample(resized, small, image, radius=radius, eps=self.eps)


def guided_upsample(heat: np.ndarray, guide: Image.Image, image: Image.Image, *, radius: int, eps: float) -> np.ndarray:
    """Fit the guided filter to `heat` and the `guide` of the same size, and evaluate it at all pixels of `image`."""
    return _evaluate(_coefficients(np.asarray(guide) / 255.0, heat.astype(np.float64), radius, eps), image)


def _coefficients(guide: np.ndarray, heat: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Return the coefficients a and b, averaged over windows, in one array (h, w, 4)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(values, size, mode="reflect", axes=(0, 1))

    mean_guide, mean_heat = mean(guide), mean(heat)
    covariance = np.empty((*heat.shape, 3, 3))
    for i in range(3):
        for j in range(i + 1):
            covariance[..., i, j] = mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
            covariance[..., j, i] = covariance[..., i, j]
    covariance[..., range(3), range(3)] += eps
    cross_covariance = mean(guide * heat[..., None]) - mean_guide * mean_heat[..., None]
    a = np.linalg.solve(covariance, cross_covariance[..., None])[..., 0]
    b = mean_heat - (a * mean_guide).sum(-1)
    return mean(np.concatenate([a, b[..., None]], -1)).astype(np.float32)


def _evaluate(coefficients: np.ndarray, image: Image.Image) -> np.ndarray:
    """Return a . I + b in [0, 1] at every pixel of the image, with a and b interpolated linearly."""
    height, width = image.height, image.width
    result = np.empty((height, width), dtype=np.float32)
    rows, columns = (
        _interpolation(n, n_small) for n, n_small in zip((height, width), coefficients.shape, strict=False)
    )
    for start in range(0, height, step := max(1, _STRIP_PIXELS // width)):
        strip = slice(start, min(start + step, height))
        low, high, weight = (values[strip] for values in rows)
        ab = coefficients[low] + weight[:, None, None] * (coefficients[high] - coefficients[low])
        low, high, weight = columns
        ab = ab[:, low] + weight[:, None] * (ab[:, high] - ab[:, low])
        colors = np.asarray(image.crop((0, strip.start, width, strip.stop)), dtype=np.float32) / 255
        result[strip] = (np.einsum("hwc,hwc->hw", ab[..., :3], colors) + ab[..., 3]).clip(0, 1)
    return result


def _interpolation(n: int, n_small: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each of n pixel centers its two neighbors among `n_small` pixels, and the weight of the second."""
    position = ((np.arange(n) + 0.5) * n_small / n - 0.5).clip(0, n_small - 1)
    low = np.minimum(position.astype(np.int64), n_small - 1)
    return low, np.minimum(low + 1, n_small - 1), (position - low).astype(np.float32)
