"""Color conversions, and color maps of the plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ncut_widgets._validation import Like, check_features, check_in, check_number, check_positive_int, to_tensor

__all__ = ["COLORMAPS", "colormap_2d", "convert_to_lab_color", "place_in_box", "quantile_box", "rotate_rgb_cube"]

COLORMAPS = ("disc", "square")
_MAX_POSITION = 6
# Values may exceed [0, 1] by the rounding error of half precision. They are clamped.
_RANGE_TOLERANCE = 1e-3

# Fraction of nodes that are clipped at each end of an axis, so that a few outliers do not turn all others gray.
_CLIPPED_FRACTION = 0.02
# An axis whose extent, relative to the widest one, is below this holds only rounding errors.
_FLAT_AXIS = 1e-5
_MAX_POSITION_IN_BOX = 1e15

# CIE 1931, 2 degrees, D65: the white of sRGB (IEC 61966-2-1).
_WHITE = (0.95047, 1.0, 1.08883)
_RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_LINEAR_BELOW = 6 / 29
_SRGB_LINEAR_BELOW = 0.0031308

# The largest circle of constant lightness around gray in the sRGB gamut.
_DISC_LIGHTNESS, _DISC_CHROMA = 74.0, 40.0
# L, a, b at the corners (-1, -1), (1, -1), (-1, 1), (1, 1), which are as different as the sRGB gamut allows.
_CORNERS = ((45.0, 25.0, -70.0), (55.0, 75.0, 20.0), (80.0, -60.0, 50.0), (90.0, 0.0, 70.0))


def rotate_rgb_cube(rgb: Any, position: int = 1) -> Any:
    """Permute the color channels, to show differences that are hard to see in the original colors.

    Position 1 moves the values of each channel to the next, (r, g, b) to (b, r, g). Position 2 does so twice, and
    position 3 three times, which gives the original. Positions 4, 5 and 6 are the complements (1 - rgb) of positions
    1, 2 and 3. Position 0 changes nothing. Distances between colors are preserved.

    Parameters
    ----------
    rgb : array or tensor of shape (..., 3)
        Colors in [0, 1].
    position : int
        From 0 to 6.

    Returns
    -------
    array or tensor of shape (..., 3)
        In [0, 1], with the array type, dtype and device of `rgb`.

    Raises
    ------
    TypeError, ValueError
        If `rgb` does not hold colors in [0, 1], or the position is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> rotate_rgb_cube(np.array([0.25, 0.5, 1.0]))
    array([1.  , 0.25, 0.5 ])
    >>> rotate_rgb_cube(np.array([0.25, 0.5, 1.0]), position=6)
    array([0.75, 0.5 , 0.  ])
    """
    colors, like = _check_colors(rgb)
    position = check_positive_int(position, "position", minimum=0, maximum=_MAX_POSITION)
    rotated = colors.roll(position % 3, dims=-1)
    return like.restore(1 - rotated if position > 3 else rotated)


def convert_to_lab_color(rgb: Any, full_range: bool = True) -> Any:
    """Interpret the three channels as CIELAB coordinates and return the sRGB colors.

    The first channel becomes L in [0, 100]. The second and third become a and b in [-128, 127], or in [-50, 50] if
    `full_range` is False. Equal steps in the embedding then look about equally large, unlike in the RGB cube. Colors
    outside the sRGB gamut are clipped to the nearest channel values. The full range clips many colors; the small range
    clips few, but its colors are paler.

    Parameters
    ----------
    rgb : array or tensor of shape (..., 3)
        Three coordinates in [0, 1], for example the colors of `Coloring`.
    full_range : bool
        Whether to use the full range of the a and b axes.

    Returns
    -------
    array or tensor of shape (..., 3)
        sRGB in [0, 1], with the array type, dtype and device of `rgb`.

    Raises
    ------
    TypeError, ValueError
        If `rgb` does not hold values in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> convert_to_lab_color(np.array([[0.5, 0.5, 0.5], [0.5, 1.0, 0.5]]), full_range=False).round(2)
    array([[0.47, 0.47, 0.47],
           [0.76, 0.31, 0.47]])
    """
    colors, like = _check_colors(rgb)
    if not isinstance(full_range, (bool, np.bool_)):
        raise TypeError(f"`full_range` must be True or False; got {full_range!r}. Pass a bool.")
    scale, offset = (255.0, -128.0) if full_range else (100.0, -50.0)
    opponents = colors[..., 1:] * scale + offset
    return like.restore(lab_to_rgb(torch.cat([colors[..., :1] * 100, opponents], dim=-1)))


def colormap_2d(
    coords: Any, *, colormap: str = "disc", extent: tuple[tuple[float, float], tuple[float, float]] | None = None
) -> Any:
    """Color points of the plane, so that nearby points get similar colors and distant points different ones.

    Parameters
    ----------
    coords : array or tensor of shape (n, 2)
        A 2D embedding in any units.
    colormap : {"disc", "square"}
        "disc" has gray at the center and hues around it, all of the same lightness, with equal steps equally visible
        (CIELAB). Points outside the disc get the color of its rim. "square" blends four very different corner colors
        (blue, red, green, yellow) in CIELAB. Its colors are more saturated and differ in lightness.
    extent : ((x_low, x_high), (y_low, y_high)), optional
        The box that the color map covers, by default from the 2 % to the 98 % quantile of each axis. Pass it to color
        new coordinates consistently.

    Returns
    -------
    array or tensor of shape (n, 3)
        sRGB in [0, 1], with the array type, dtype and device of `coords`.

    Raises
    ------
    TypeError, ValueError
        If the coordinates are not finite or not of shape (n, 2), or the color map or the extent is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> colormap_2d(np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]), extent=((-1, 1), (-1, 1))).round(2)
    array([[0.71, 0.71, 0.71],
           [0.98, 0.6 , 0.72],
           [0.98, 0.6 , 0.72]])
    """
    tensor, like = check_features(coords, "coords")
    if tensor.shape[1] != 2:
        raise ValueError(
            f"`coords` must be of shape (n, 2); got {tuple(tensor.shape)}. Pass a 2D embedding, or use `Coloring`, "
            "which has three dimensions."
        )
    colormap = check_in(colormap, "colormap", COLORMAPS)
    low, high = quantile_box(tensor) if extent is None else _check_extent(extent)
    position = place_in_box(tensor.detach(), low, high).to(tensor.dtype) * 2 - 1
    if colormap == "disc":
        position = position / position.norm(dim=1, keepdim=True).clamp_min(1)
        lightness = torch.full_like(position[:, :1], _DISC_LIGHTNESS)
        return like.restore(lab_to_rgb(torch.cat([lightness, _DISC_CHROMA * position], dim=1)))
    right, top = ((position.clamp(-1, 1) + 1) / 2).unbind(1)
    weights = torch.stack([(1 - right) * (1 - top), right * (1 - top), (1 - right) * top, right * top], dim=1)
    return like.restore(lab_to_rgb(weights @ weights.new_tensor(_CORNERS)))


def lab_to_rgb(lab: torch.Tensor) -> torch.Tensor:
    """Convert CIELAB (..., 3) to sRGB (..., 3), clipped to [0, 1]."""
    lightness, a, b = lab.unbind(-1)
    y = (lightness + 16) / 116
    # Clamped, because imaginary colors can have negative amounts of light.
    f = torch.stack([y + a / 500, y, (y - b / 200).clamp_min(0)], dim=-1)
    linear = 3 * _LINEAR_BELOW**2 * (f - 4 / 29)
    xyz = torch.where(f > _LINEAR_BELOW, f**3, linear) * f.new_tensor(_WHITE)
    light = xyz @ torch.linalg.inv(xyz.new_tensor(_RGB_TO_XYZ)).T
    curved = 1.055 * light.clamp_min(_SRGB_LINEAR_BELOW) ** (1 / 2.4) - 0.055
    return torch.where(light > _SRGB_LINEAR_BELOW, curved, 12.92 * light).clamp(0, 1)


def quantile_box(coords: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the corners (d,), in float64, of the box between the 2 % and 98 % quantiles of coordinates (n, d).

    On a flat axis, which holds only rounding errors, both corners are the same.
    """
    ranked = coords.detach().sort(0).values
    last = len(ranked) - 1
    low, high = (ranked[round(q * last)].double() for q in (_CLIPPED_FRACTION, 1 - _CLIPPED_FRACTION))
    # Halved, because the difference of two large numbers may overflow.
    half = high / 2 - low / 2
    flat = half <= _FLAT_AXIS * max(float(half.max()), _FLAT_AXIS / 2)
    return low, torch.where(flat, low, high)


def place_in_box(coords: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Return the relative positions of coordinates (n, d) in a box, in float64: 0 at the corner `low`, 1 at `high`.

    On an axis on which both corners are the same, all positions are 0.5.
    """
    # Float64 represents differences of float32 coordinates exactly. Halved, so that they cannot overflow.
    half = (high / 2 - low / 2).to(coords.device)
    position = (coords.double() / 2 - low.to(coords.device) / 2) / torch.where(half > 0, half, 1)
    # Clamped far outside the box, so that the square of a position does not overflow.
    return torch.where(half > 0, position.clamp(-_MAX_POSITION_IN_BOX, _MAX_POSITION_IN_BOX), 0.5)


def _check_colors(rgb: Any) -> tuple[torch.Tensor, Like]:
    tensor, like = to_tensor(rgb, "rgb")
    if tensor.ndim == 0 or tensor.shape[-1] != 3:
        raise ValueError(
            f"`rgb` must be of shape (..., 3); got {tuple(tensor.shape)}. Move the color channels to the last axis."
        )
    tensor = tensor if tensor.dtype == torch.float64 else tensor.float()
    # NaN compares false, so that it counts as outside.
    inside = (tensor >= -_RANGE_TOLERANCE) & (tensor <= 1 + _RANGE_TOLERANCE)
    if not bool(inside.all()):
        raise ValueError(f"`rgb` must be in [0, 1]; got {float(tensor[~inside][0]):g}. Divide 8-bit colors by 255.")
    return tensor.clamp(0, 1), like


def _check_extent(extent: Any) -> tuple[torch.Tensor, torch.Tensor]:
    if not (isinstance(extent, (tuple, list)) and len(extent) == 2 and all(_is_pair(axis) for axis in extent)):
        raise TypeError(f"`extent` must be two pairs; got {extent!r}. Pass ((x_low, x_high), (y_low, y_high)).")
    box = [[check_number(value, "extent") for value in axis] for axis in extent]
    if not all(low < high for low, high in box):
        raise ValueError(f"`extent` must have each low below its high; got {extent!r}. Swap or change them.")
    low, high = torch.tensor(box, dtype=torch.float64).unbind(1)
    return low, high


def _is_pair(axis: Any) -> bool:
    return isinstance(axis, (tuple, list)) and len(axis) == 2
