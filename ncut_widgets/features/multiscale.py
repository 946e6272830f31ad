"""The built-in backbone: describes patches by color, contrast, texture and position."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from ncut_widgets._threads import one_blas_thread, usable_threads
from ncut_widgets._validation import check_positive_int
from ncut_widgets.imaging import rgb_to_lab

from .edge_aware import smooth_within_edges

__all__ = ["Multiscale", "guide"]

# Lengths are in pixels of the resized image. Values are in CIE Lab units, in which equal steps look equally large;
# 20 units is a clearly visible difference.
_STEP = 20.0
_LIGHTNESS = np.arange(0, 101, _STEP)
_CHROMA = np.arange(-60, 61, _STEP)
# Bin centers of log2(1 + edge strength), with the strength in Lab units per pixel.
_EDGES = np.arange(5)
_CELLS_PER_PATCH = 2
# Standard deviations of the windows for color, contrast and orientation, and for histograms.
_CUE_SIGMA = 4.0
_HISTOGRAM_SIGMA = 8.0

# Radius of the averaging of color and texture within a region, and the step that counts as a contour.
_REGION_RADIUS = 160.0
_EDGE_THRESHOLD = 16.0
# Less than 1 because shading changes lightness more than chroma.
_LIGHTNESS_WEIGHT = 0.7
# Less than 1 because means say little if histograms differ: a step counts about half as much as it does as a contour.
_CUE_WEIGHT = 0.6
# Disjoint histograms of one cue have distance sqrt(2) * 80, about that of black and white in lightness.
_HISTOGRAM_WEIGHT = 80.0
# The distance between opposite sides of an image: smaller than that, so position matters only between similar patches.
_POSITION_WEIGHT = 80.0
# The weights are not critical: region covering of photographs changes by at most 0.011 for contour steps of 12 to 22,
# cue weights of 0.3 to 1 and lightness weights of 0.7 to 1.


@dataclass(frozen=True, kw_only=True)
class Multiscale:
    """Dense image descriptors with named channels for color, contrast, texture and position; requires no download.

    Each patch is described by the CIE Lab color, contrast and edge orientation around it, and by the square roots of
    histograms of lightness, chroma and edge strength, so that Euclidean distances are Hellinger distances. All of them
    are averaged over the region of the patch: over 160 pixels, but not across contours of color or texture
    (`smooth_within_edges`). Position has a small weight, which separates similar patches that are far apart.

    Parameters
    ----------
    stride : int
        Side of a patch in pixels.
    resolution : int
        The longer side in pixels to which images are scaled down; smaller images are not enlarged.

    Notes
    -----
    About 0.1 s for a 512 x 384 image on one core; several images run in parallel. Deterministic. Calling the object
    with PIL images returns one float32 array (rows, columns, c) per image.

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
            f"contrast, {_CUE_SIGMA:.0f} px",
            f"vertical minus horizontal edges, {_CUE_SIGMA:.0f} px",
            f"rising minus falling edges, {_CUE_SIGMA:.0f} px",
            *(f"lightness near {v:.0f}, {_HISTOGRAM_SIGMA:.0f} px" for v in _LIGHTNESS),
            *(f"green to red near {v:.0f}, {_HISTOGRAM_SIGMA:.0f} px" for v in _CHROMA),
            *(f"blue to yellow near {v:.0f}, {_HISTOGRAM_SIGMA:.0f} px" for v in _CHROMA),
            *(f"edges of strength {v}, {_HISTOGRAM_SIGMA:.0f} px" for v in strengths),
            "vertical position",
            "horizontal position",
        )

    @one_blas_thread
    def __call__(self, images: Sequence[Image.Image]) -> list[np.ndarray]:
        # Threads, not processes: the filters release the GIL.
        with ThreadPoolExecutor(max_workers=min(8, usable_threads())) as pool:
            return list(pool.map(self._describe, images))

    def _describe(self, image: Image.Image) -> np.ndarray:
        cells, cell_size = _cells(image, self.stride, self.resolution)
        cues = _cues(cells, cell_size)
        channels = np.concatenate([_CUE_WEIGHT * cues, _HISTOGRAM_WEIGHT * _histograms(cells, cell_size)], axis=2)
        channels = smooth_within_edges(channels, cues, radius=_REGION_RADIUS / cell_size, contrast=_EDGE_THRESHOLD)
        rows, columns = channels.shape[0] // _CELLS_PER_PATCH, channels.shape[1] // _CELLS_PER_PATCH
        patches = channels.reshape(rows, _CELLS_PER_PATCH, columns, _CELLS_PER_PATCH, -1).mean(axis=(1, 3))
        y, x = np.indices((rows, columns), dtype=np.float32)
        position = _POSITION_WEIGHT / max(rows, columns) * np.stack([y + 0.5, x + 0.5], axis=2)
        return np.concatenate([patches, position.astype(np.float32)], axis=2)


def guide(image: Image.Image, *, stride: int = 8, resolution: int = 512) -> tuple[np.ndarray, float]:
    """Return the cues whose steps are the contours, (2 rows, 2 columns, 6), and the number of pixels per cell."""
    cells, cell_size = _cells(image, stride, resolution)
    return _cues(cells, cell_size), cell_size


def _cells(image: Image.Image, stride: int, resolution: int) -> tuple[np.ndarray, float]:
    """Return the means of L, a, b, L^2 and the products of the lightness gradient over cells of half a patch."""
    scale = min(1.0, resolution / max(image.size))
    width, height = (max(stride, round(side * scale)) for side in image.size)
    rgb = np.asarray(image.resize((width, height), Image.Resampling.BOX)) if (width, height) != image.size else image
    lab = rgb_to_lab(np.asarray(rgb, dtype=np.float32) / 255)
    lightness = lab[..., 0]
    dy, dx = np.gradient(gaussian_filter(lightness, 1.0))
    raw = np.concatenate([lab, np.stack([lightness**2, dx * dx, dy * dy, dx * dy], axis=2)], axis=2)
    rows, columns = (_CELLS_PER_PATCH * max(1, round(side / stride)) for side in (height, width))
    top, left = (np.arange(n + 1) * side // n for n, side in ((rows, height), (columns, width)))
    sums = np.add.reduceat(np.add.reduceat(raw, top[:-1], axis=0), left[:-1], axis=1)
    area = np.diff(top)[:, None, None] * np.diff(left)[None, :, None]
    return (sums / area).astype(np.float32), stride / _CELLS_PER_PATCH


def _cues(cells: np.ndarray, cell_size: float) -> np.ndarray:
    """Return color, contrast and edge orientation in Lab units: (rows, columns, 6)."""
    sigma = _CUE_SIGMA / cell_size
    mean = gaussian_filter(cells[..., 0], sigma)
    contrast = np.sqrt(np.maximum(gaussian_filter(cells[..., 3], sigma) - mean**2, 0))
    xx, yy, xy = (gaussian_filter(cells[..., i], sigma) for i in (4, 5, 6))
    # Double-angle components of the edge strength, scaled like the lightness step of an edge across a cell.
    strength = np.sqrt(xx + yy + 1e-6) / (_LIGHTNESS_WEIGHT * _CUE_SIGMA)
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
    """Return the square roots of histograms of lightness, chroma and edge strength around each cell."""
    max_chroma = _CHROMA[-1] - _STEP / 2
    strength = np.log2(1 + np.sqrt(cells[..., 4] + cells[..., 5]))
    bins = [
        _bin_weights(cells[..., 0], _LIGHTNESS),
        _bin_weights(np.clip(cells[..., 1], -max_chroma, max_chroma), _CHROMA),
        _bin_weights(np.clip(cells[..., 2], -max_chroma, max_chroma), _CHROMA),
        _bin_weights(np.minimum(strength, _EDGES[-1]), _EDGES),
    ]
    sigma = _HISTOGRAM_SIGMA / cell_size
    smooth = gaussian_filter(np.concatenate(bins, axis=2).astype(np.float32), (sigma, sigma, 0))
    return np.sqrt(np.maximum(smooth, 0))


def _bin_weights(values: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return each value's weights in the histogram bins, interpolated linearly between their centers."""
    return np.maximum(0, 1 - np.abs(values[..., None] - centers) / (centers[1] - centers[0]))
