"""Fully connected CRF: refine a mask so that nearby pixels of similar color get the same label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage, sparse
from scipy.special import binom, expit

from ncut_widgets._validation import check_number, check_positive_int
from ncut_widgets.imaging import resize_map, shrink

from .guided_filter import guided_upsample

__all__ = ["DenseCrf", "bilateral_kernel", "mean_field", "spatial_kernel"]

Kernel = Callable[[np.ndarray], np.ndarray]
_Neighbors = list[tuple[np.ndarray, np.ndarray]]

# Probability that a label of the input mask is wrong, as in the reference implementation.
_LABEL_ERROR_PROBABILITY = 0.01
# Binomial blur weights of a vertex and of those 1, 2, ... steps away. The blur has a variance of _BLUR_RADIUS / 2
# squared cells, splatting and slicing of 1/6 each. With this cell size, the total standard deviation is one unit of the
# features.
_BLUR_RADIUS = 2
_BLUR_WEIGHTS = (binom(2 * _BLUR_RADIUS, np.arange(_BLUR_RADIUS, -1, -1)) / 4**_BLUR_RADIUS).astype(np.float32)
_CELL_SIZE = (1 / 6 + 1 / 6 + _BLUR_RADIUS / 2) ** -0.5
# Guided filter that upsamples the marginals to the full size of the image.
_UPSAMPLING_RADIUS, _UPSAMPLING_EPS = 2, 1e-4


@dataclass(frozen=True, kw_only=True)
class DenseCrf:
    """Refine heatmaps with a fully connected CRF, by default with the parameters of Deep Spectral Methods.

    With s and s' the positions and I and I' the colors of two pixels, the Potts energy of different labels is

        w1 exp(-|s - s'|^2 / 2 alpha^2 - |I - I'|^2 / 2 beta^2) + w2 exp(-|s - s'|^2 / 2 gamma^2),

    with each kernel normalized symmetrically, D^-1/2 K D^-1/2. With p the heatmap, clamped to [0.01, 0.99], and l the
    log-odds of the mask, one mean field iteration is

        l <- log(p / (1 - p)) + (w1 K1 + w2 K2) tanh(l / 2).

    Parameters
    ----------
    w1, w2 : float
        Weights of the appearance kernel and the smoothness kernel, at least 0. A weight of 0 omits the kernel.
    alpha : float
        Standard deviation of the appearance kernel in space, in pixels, at least 0.5.
    beta : float
        Standard deviation of the appearance kernel in color, in units of [0, 255], at least 0.5. Smaller values need
        more memory.
    gamma : float
        Standard deviation of the smoothness kernel, in pixels, at least 0.5.
    n_iter : int
        Number of mean field iterations, at least 1.
    long_side : int
        At least 16. A larger image is scaled down to this length, and `alpha` and `gamma` are in pixels of the smaller
        image. A guided filter of radius 2 upsamples the result.

    Raises
    ------
    TypeError, ValueError
        If a value has the wrong type or is out of range.

    References
    ----------
    Krähenbühl, Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NeurIPS 2011.
    Chen, Paris, Durand, "Real-time Edge-Aware Image Processing with the Bilateral Grid", SIGGRAPH 2007.
    Melas-Kyriazi, Rupprecht, Laina, Vedaldi, "Deep Spectral Methods", CVPR 2022.

    Examples
    --------
    >>> DenseCrf(alpha=60)
    DenseCrf(w1=10, alpha=60, beta=13, w2=3, gamma=3, n_iter=5, long_side=1024)
    """

    w1: float = 10
    alpha: float = 80
    beta: float = 13
    w2: float = 3
    gamma: float = 3
    n_iter: int = 5
    long_side: int = 1024

    def __post_init__(self) -> None:
        for name in ("w1", "w2"):
            check_number(getattr(self, name), name, low=0)
        # A smaller kernel would not connect a pixel to its neighbors.
        for name in ("alpha", "beta", "gamma"):
            check_number(getattr(self, name), name, low=0.5)
        check_positive_int(self.n_iter, "n_iter")
        check_positive_int(self.long_side, "long_side", minimum=16)

    def __call__(self, heat: np.ndarray, image: Image.Image) -> np.ndarray:
        """Return the marginals (H, W) float32 of an image of W x H pixels from the heatmap (h, w) of its patches."""
        small = shrink(image, self.long_side)
        p = resize_map(heat, small.size).clip(_LABEL_ERROR_PROBABILITY, 1 - _LABEL_ERROR_PROBABILITY)
        kernels = []
        if self.w1:
            kernels.append((self.w1, bilateral_kernel(np.asarray(small), self.alpha, self.beta)))
        if self.w2:
            kernels.append((self.w2, spatial_kernel(p.shape, self.gamma)))
        q = mean_field(p, kernels, self.n_iter)
        if small is image:
            return q
        return guided_upsample(q, small, image, radius=_UPSAMPLING_RADIUS, eps=_UPSAMPLING_EPS)


def mean_field(p: np.ndarray, kernels: list[tuple[float, Kernel]], n_iter: int) -> np.ndarray:
    """Return the marginals (h, w) of the mask after `n_iter` iterations from the probabilities p (h, w)."""
    unary = log_odds = np.log(p / (1 - p))
    for _ in range(n_iter):
        # The expectation of a label of 1 inside the mask and -1 outside.
        expectation = np.tanh(log_odds / 2)
        log_odds = sum((weight * kernel(expectation) for weight, kernel in kernels), start=unary)
    return expit(log_odds)


def spatial_kernel(shape: tuple[int, ...], sigma: float) -> Kernel:
    """Return a function that multiplies values (h, w) by a normalized Gaussian kernel of pixel positions."""
    # Zero beyond the border, because there are no pixels outside the image.
    return _normalized(lambda values: ndimage.gaussian_filter(values, sigma, mode="constant", truncate=4.0), shape)


def bilateral_kernel(rgb: np.ndarray, alpha: float, beta: float) -> Kernel:
    """Return a function that multiplies values (h, w) by a normalized Gaussian kernel of pixel positions and colors.

    The values are splatted onto a bilateral grid with five dimensions, position and color, blurred there, and sliced.
    The grid is sparse: it has only the vertices next to a pixel, so that memory grows with the number of colors in the
    image.
    """
    height, width = rgb.shape[:2]
    rows, columns = np.meshgrid(np.arange(height) / alpha, np.arange(width) / alpha, indexing="ij")
    points = np.column_stack([rows.ravel(), columns.ravel(), rgb.reshape(-1, 3) / beta]) / _CELL_SIZE
    splat, neighbors = _sparse_grid(points)

    def product(values: np.ndarray) -> np.ndarray:
        on_grid = np.append(splat.T @ values.ravel(), np.float32(0))
        for axis in neighbors:
            blurred = _BLUR_WEIGHTS[0] * on_grid[:-1]
            for weight, (below, above) in zip(_BLUR_WEIGHTS[1:], axis, strict=True):
                blurred += weight * (on_grid[below] + on_grid[above])
            on_grid[:-1] = blurred
        return (splat @ on_grid[:-1]).reshape(values.shape)

    return _normalized(product, (height, width))


def _normalized(kernel: Kernel, shape: tuple[int, ...]) -> Kernel:
    scale = 1 / np.sqrt(kernel(np.ones(shape, dtype=np.float32)))
    return lambda values: scale * kernel(scale * values)


def _sparse_grid(points: np.ndarray) -> tuple[sparse.csr_matrix, list[_Neighbors]]:
    """Return the linear weights (n, m) of points (n, d) at m vertices of a unit grid, and the neighbors per axis."""
    n, d = points.shape
    points -= points.min(0)
    floor = np.floor(points).astype(np.int64)
    # Padded, so that two steps along an axis never wrap around to the other side of the grid.
    extent = floor.max(0) + 4
    stride = np.append(np.cumprod(extent[:0:-1])[::-1], 1)
    corners, weights = np.zeros(1, dtype=np.int64), np.ones((n, 1), dtype=np.float32)
    for axis in range(d):
        above = (points[:, axis] - floor[:, axis]).astype(np.float32)[:, None]
        corners = np.concatenate([corners, corners + stride[axis]])
        weights = np.concatenate([weights * (1 - above), weights * above], 1)
    cells, cell = np.unique(floor @ stride, return_inverse=True)
    vertices, corner = np.unique(cells[:, None] + corners, return_inverse=True)
    columns = corner.reshape(len(cells), len(corners)).astype(np.int32)[cell]
    ends = np.arange(0, n * len(corners) + 1, len(corners))
    splat = sparse.csr_matrix((weights.ravel(), columns.ravel(), ends), shape=(n, len(vertices)))
    return splat, [_neighbors(vertices, step) for step in stride]


def _neighbors(vertices: np.ndarray, stride: np.int64) -> _Neighbors:
    """Return the indices of the neighbors below and above each vertex, at each step of the blur.

    `vertices` (m,) are sorted vertex numbers, and `stride` is their difference along the axis. The index of a neighbor
    that is not in the sparse grid is m.
    """
    m = len(vertices)
    pairs = []
    for step in range(1, _BLUR_RADIUS + 1):
        below, above = np.full((2, m), m, dtype=np.int32)
        found = np.searchsorted(vertices, vertices + step * stride).clip(max=m - 1)
        here = np.flatnonzero(vertices[found] == vertices + step * stride)
        above[here], below[found[here]] = found[here], here
        pairs.append((below, above))
    return pairs
