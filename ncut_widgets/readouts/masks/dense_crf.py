"""The fully connected CRF: pixels that are near and of like colour come to agree on whether they are in the mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage, sparse
from scipy.special import binom, expit

from ncut_widgets._validation import check_number, check_positive_int

from .guided_filter import guided_upsample, resized, shrunk

__all__ = ["DenseCrf", "bilateral_kernel", "mean_field", "spatial_kernel"]

Kernel = Callable[[np.ndarray], np.ndarray]
_Neighbours = list[tuple[np.ndarray, np.ndarray]]

# The code that others use keeps the probabilities of a hard mask this far from 0 and 1.
_DOUBT = 0.01
# A vertex, and those 1, 2, ... steps away: a binomial. Splatting and slicing spread by 1/6 of a squared cell each, and
# this by half its reach: together the deviation is one unit of the features.
_REACH = 2
_BLUR = (binom(2 * _REACH, np.arange(_REACH, -1, -1)) / 4**_REACH).astype(np.float32)
_CELL = (1 / 6 + 1 / 6 + _REACH / 2) ** -0.5
# At the full size of a photograph, edges are looked for this near to where the CRF has put them.
_UPSAMPLING_RADIUS, _UPSAMPLING_EPS = 2, 1e-4


@dataclass(frozen=True)
class DenseCrf:
    """Refine with a fully connected CRF: five steps of mean field, with the parameters of Deep Spectral Methods.

    With places s and colours I of two pixels, the Potts energy of labelling them differently is

        w1 exp(-|s - s'|^2 / 2 alpha^2 - |I - I'|^2 / 2 beta^2) + w2 exp(-|s - s'|^2 / 2 gamma^2),

    each kernel normalised symmetrically, D^-1/2 K D^-1/2. With p the heatmap, clamped to [0.01, 0.99], and l the
    log-odds of the mask, one step of mean field is

        l <- log(p / (1 - p)) + (w1 K1 + w2 K2) tanh(l / 2).

    Parameters
    ----------
    w1, w2 : float
        Weights of the kernels of appearance and of smoothness, not negative; 0 leaves a kernel out.
    alpha : float
        Reach of the appearance kernel in pixels, at least 0.5.
    beta : float
        What counts as like colour, in units of [0, 255], at least 0.5. Memory grows as it shrinks.
    gamma : float
        Reach of the smoothness kernel in pixels, at least 0.5.
    n_iter : int
        Steps of mean field, at least 1.
    long_side : int
        At least 16. A longer picture is scaled down to this many pixels; `alpha` and `gamma` are in pixels of the
        smaller one. A guided filter of radius 2 brings the result back.

    Raises
    ------
    TypeError, ValueError
        Where a value is of the wrong kind or out of range.

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
        # Any smaller, and each pixel is alone with itself.
        for name in ("alpha", "beta", "gamma"):
            check_number(getattr(self, name), name, low=0.5)
        check_positive_int(self.n_iter, "n_iter")
        check_positive_int(self.long_side, "long_side", minimum=16)

    def __call__(self, heat: np.ndarray, picture: Image.Image) -> np.ndarray:
        """Return the marginals (H, W) float32 of a picture of W x H pixels, from the heatmap of its patches (h, w)."""
        small = shrunk(picture, self.long_side)
        p = resized(heat, small.size).clip(_DOUBT, 1 - _DOUBT)
        kernels = []
        if self.w1:
            kernels.append((self.w1, bilateral_kernel(np.asarray(small), self.alpha, self.beta)))
        if self.w2:
            kernels.append((self.w2, spatial_kernel(p.shape, self.gamma)))
        q = mean_field(p, kernels, self.n_iter)
        if small is picture:
            return q
        return guided_upsample(q, small, picture, radius=_UPSAMPLING_RADIUS, eps=_UPSAMPLING_EPS)


def mean_field(p: np.ndarray, kernels: list[tuple[float, Kernel]], n_iter: int) -> np.ndarray:
    """Return the marginals (h, w) of two labels that start at p and are drawn together by kernels with weights."""
    unary = log_odds = np.log(p / (1 - p))
    for _ in range(n_iter):
        opinion = np.tanh(log_odds / 2)
        log_odds = sum((weight * kernel(opinion) for weight, kernel in kernels), start=unary)
    return expit(log_odds)


def spatial_kernel(shape: tuple[int, ...], sigma: float) -> Kernel:
    """Return the product of a Gaussian over places, symmetrically normalised, with values (h, w)."""
    # Zero beyond the border: pixels that are not there have no opinion.
    return _normalised(lambda values: ndimage.gaussian_filter(values, sigma, mode="constant", truncate=4.0), shape)


def bilateral_kernel(rgb: np.ndarray, alpha: float, beta: float) -> Kernel:
    """Return the product of a Gaussian over places and colours (h, w, 3), symmetrically normalised, with values (h, w).

    Values are splatted onto a grid in the five dimensions of place and colour, blurred there and sliced. Only the
    vertices around some pixel are kept, so that memory grows with the colours there are, not with those there could be.
    """
    height, width = rgb.shape[:2]
    rows, columns = np.meshgrid(np.arange(height) / alpha, np.arange(width) / alpha, indexing="ij")
    points = np.column_stack([rows.ravel(), columns.ravel(), rgb.reshape(-1, 3) / beta]) / _CELL
    splat, neighbours = _grid(points)

    def product(values: np.ndarray) -> np.ndarray:
        on_grid = np.append(splat.T @ values.ravel(), np.float32(0))
        for axis in neighbours:
            blurred = _BLUR[0] * on_grid[:-1]
            for weight, (below, above) in zip(_BLUR[1:], axis, strict=True):
                blurred += weight * (on_grid[below] + on_grid[above])
            on_grid[:-1] = blurred
        return (splat @ on_grid[:-1]).reshape(values.shape)

    return _normalised(product, (height, width))


def _normalised(kernel: Kernel, shape: tuple[int, ...]) -> Kernel:
    scale = 1 / np.sqrt(kernel(np.ones(shape, dtype=np.float32)))
    return lambda values: scale * kernel(scale * values)


def _grid(points: np.ndarray) -> tuple[sparse.csr_matrix, list[_Neighbours]]:
    """Return the linear weights (n, m) of points (n, d) in a grid of unit cells, and who is next to whom on d axes."""
    n, d = points.shape
    points -= points.min(0)
    floor = np.floor(points).astype(np.int64)
    # Numbered so that two steps along an axis never lead around a corner of the grid.
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
    return splat, [_neighbours(vertices, step) for step in stride]


def _neighbours(vertices: np.ndarray, stride: np.int64) -> _Neighbours:
    """Return where the vertices (m,), sorted numbers, have those at each step of the blur; m where not kept."""
    m = len(vertices)
    pairs = []
    for step in range(1, _REACH + 1):
        below, above = np.full((2, m), m, dtype=np.int32)
        found = np.searchsorted(vertices, vertices + step * stride).clip(max=m - 1)
        here = np.flatnonzero(vertices[found] == vertices + step * stride)
        above[here], below[found[here]] = found[here], here
        pairs.append((below, above))
    return pairs
