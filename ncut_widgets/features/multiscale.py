"""The built-in backbone: what color, contrast and texture a patch and its region have, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from ncut_widgets._threads import one_blas_thread, usable_threads
from ncut_widgets._validation import check_positive_int

from .edge_aware import smooth_within_edges

__all__ = ["Multiscale", "guide"]

# All lengths are pixels of the image as the backbone sees it; all values are CIE Lab units, in which equal steps
# look equally large. 20 units are a difference that nobody misses.
_STEP = 20.0
_LIGHTNESS = np.arange(0, 101, _STEP)
_CHROMA = np.arange(-60, 61, _STEP)
# Edge strengths in Lab units per pixel, each twice as strong as the one before (from 1 on, shifted by 1).
_EDGES = np.arange(5)
_CELLS_PER_PATCH = 2
_NEAR = 4.0
_AROUND = 8.0

# How far color and texture are averaged where no contour is in the way, and the step that is a contour.
_REGION = 160.0
_SEPARATES = 16.0
# Shading changes lightness more than chroma does.
_LIGHTNESS_WEIGHT = 0.7
# Means say little where distributions differ, so a step of 16 units counts about half of what it does as a contour.
_CUE_WEIGHT = 0.6
# Surroundings that share nothing in one cue are sqrt(2) * 80 apart, as far as black and white are in lightness.
_HISTOGRAM_WEIGHT = 80.0
# From one side of the image to the other is less far than that: place decides only where nothing else does.
_POSITION_WEIGHT = 80.0
# On a plateau: region covering of photographs stays within 0.011 for contour steps of 12 to 22, cue weights of 0.3 to
# 1 and lightness weights of 0.7 to 1.


@dataclass(frozen=True)
class Multiscale:
    """Dense descriptors that need no download: color, contrast, texture and position, by channels with names.

    Each patch is described by the CIE Lab color, contrast and orientation of its surroundings, and by histograms of
    lightness, chroma and edge strength, whose square roots make Euclidean distances Hellinger distances. All of these
    are averaged over the region that the patch lies in: over 160 pixels where nothing separates, and not across
    contours of color or texture (`smooth_within_edges`). Position, weakly, keeps what is far apart apart.

    Parameters
    ----------
    stride : int
        Pixels per patch and direction.
    resolution : int
        The longer side in pixels at which images are seen; smaller ones are not enlarged.

    Notes
    -----
    About 0.1 s for a 512 x 384 image on one core, images in parallel. Deterministic. Called with PIL images, returns
    one (rows, columns, c) float32 array for each.

    References
    ----------
    Gastal, Oliveira. Domain Transform for Edge-Aware Image and Video Processing. SIGGRAPH 2011.
    Martin, Fowlkes, Malik. Learning to Detect Natural Image Boundaries. PAMI 2004.

    Examples
    --------
    >>> backbone = Multiscale(stride=16)
    >>> backbone([Image.new("RGB", (64, 32), "red")])[0].shape[:2]
    (2, 4)
    >>> backbone.channel_names[:3]
    ('lightness', 'green to red', 'blue to yellow')
    """

    stride: int = 8
    resolution: int = 512

    def __post_init__(self) -> None:
        check_positive_int(self.stride, "stride", minimum=2)
        check_positive_int(self.resolution, "resolution", minimum=self.stride)

    @property
    def name(self) -> str:
        return "multiscale" if self == Multiscale() else f"multiscale, {self.resolution} px, stride {self.stride}"

    @property
    def channel_names(self) -> tuple[str, ...]:
        strengths = [f"{2.0**e - 1:.0f}" for e in _EDGES]
        return (
            "lightness",
            "green to red",
            "blue to yellow",
            f"contrast, {_NEAR:.0f} px",
            f"upright against level edges, {_NEAR:.0f} px",
            f"rising against falling edges, {_NEAR:.0f} px",
            *(f"lightness near {v:.0f}, {_AROUND:.0f} px" for v in _LIGHTNESS),
            *(f"green to red near {v:.0f}, {_AROUND:.0f} px" for v in _CHROMA),
            *(f"blue to yellow near {v:.0f}, {_AROUND:.0f} px" for v in _CHROMA),
            *(f"edges of strength {v}, {_AROUND:.0f} px" for v in strengths),
            "vertical position",
            "horizontal position",
        )

    @one_blas_thread
    def __call__(self, images: Sequence[Image.Image]) -> list[np.ndarray]:
        # The filters release the interpreter while they run.
        with ThreadPoolExecutor(max_workers=min(8, usable_threads())) as pool:
            return list(pool.map(self._describe, images))

    def _describe(self, image: Image.Image) -> np.ndarray:
        cells, cell_size = _cells(image, self.stride, self.resolution)
        cues = _cues(cells, cell_size)
        both = np.concatenate([_CUE_WEIGHT * cues, _HISTOGRAM_WEIGHT * _histograms(cells, cell_size)], axis=2)
        both = smooth_within_edges(both, cues, radius=_REGION / cell_size, contrast=_SEPARATES)
        rows, columns = both.shape[0] // _CELLS_PER_PATCH, both.shape[1] // _CELLS_PER_PATCH
        patches = both.reshape(rows, _CELLS_PER_PATCH, columns, _CELLS_PER_PATCH, -1).mean(axis=(1, 3))
        y, x = np.indices((rows, columns), dtype=np.float32)
        place = _POSITION_WEIGHT / max(rows, columns) * np.stack([y + 0.5, x + 0.5], axis=2)
        return np.concatenate([patches, place.astype(np.float32)], axis=2)


def guide(image: Image.Image, *, stride: int = 8, resolution: int = 512) -> tuple[np.ndarray, float]:
    """Return the cues in whose steps contours are seen, (2 rows, 2 columns, 6), and the pixels per cell."""
    cells, cell_size = _cells(image, stride, resolution)
    return _cues(cells, cell_size), cell_size


def _cells(image: Image.Image, stride: int, resolution: int) -> tuple[np.ndarray, float]:
    """Means over cells of half a patch of L, a, b, L^2 and the products of the lightness gradient."""
    scale = min(1.0, resolution / max(image.size))
    width, height = (max(stride, round(side * scale)) for side in image.size)
    rgb = np.asarray(image.resize((width, height), Image.Resampling.BOX)) if (width, height) != image.size else image
    lab = rgb2lab(np.asarray(rgb, dtype=np.float32) / 255)
    lightness = lab[..., 0]
    dy, dx = np.gradient(gaussian_filter(lightness, 1.0))
    raw = np.concatenate([lab, np.stack([lightness**2, dx * dx, dy * dy, dx * dy], axis=2)], axis=2)
    rows, columns = (_CELLS_PER_PATCH * max(1, round(side / stride)) for side in (height, width))
    top, left = (np.arange(n + 1) * side // n for n, side in ((rows, height), (columns, width)))
    sums = np.add.reduceat(np.add.reduceat(raw, top[:-1], axis=0), left[:-1], axis=1)
    area = np.diff(top)[:, None, None] * np.diff(left)[None, :, None]
    return (sums / area).astype(np.float32), stride / _CELLS_PER_PATCH


def _cues(cells: np.ndarray, cell_size: float) -> np.ndarray:
    """Color, contrast and the orientation of edges, in Lab units: (rows, columns, 6)."""
    sigma = _NEAR / cell_size
    mean = gaussian_filter(cells[..., 0], sigma)
    contrast = np.sqrt(np.maximum(gaussian_filter(cells[..., 3], sigma) - mean**2, 0))
    xx, yy, xy = (gaussian_filter(cells[..., i], sigma) for i in (4, 5, 6))
    # The two parts of the edges' strength by double angle, as large as an edge across a cell of that strength.
    strength = np.sqrt(xx + yy + 1e-6) / (_LIGHTNESS_WEIGHT * _NEAR)
    return np.stack(
        [
            _LIGHTNESS_WEIGHT * cells[..., 0],
            cells[..., 1],
            cells[..., 2],
            contrast,
            (xx - yy) / strength,
            2 * xy / strength,
        ],
        axis=2,
    )


def _histograms(cells: np.ndarray, cell_size: float) -> np.ndarray:
    """Square roots of the shares of lightness, chroma and edge strength around each cell."""
    reach = _CHROMA[-1] - _STEP / 2
    strength = np.log2(1 + np.sqrt(cells[..., 4] + cells[..., 5]))
    shares = [
        _shares(cells[..., 0], _LIGHTNESS),
        _shares(np.clip(cells[..., 1], -reach, reach), _CHROMA),
        _shares(np.clip(cells[..., 2], -reach, reach), _CHROMA),
        _shares(np.minimum(strength, _EDGES[-1]), _EDGES),
    ]
    sigma = _AROUND / cell_size
    smooth = gaussian_filter(np.concatenate(shares, axis=2).astype(np.float32), (sigma, sigma, 0))
    return np.sqrt(np.maximum(smooth, 0))


def _shares(values: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Each value's shares in the bins beside it, linear between their centers."""
    return np.maximum(0, 1 - np.abs(values[..., None] - centers) / (centers[1] - centers[0]))
