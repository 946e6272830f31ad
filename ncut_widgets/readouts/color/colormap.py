"""Colours to other colours, and places in the plane to colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ncut_widgets._validation import Like, check_features, check_in, check_number, check_positive_int, to_tensor

__all__ = ["COLORMAPS", "colormap_2d", "convert_to_lab_color", "place_in_box", "quantile_box", "rotate_rgb_cube"]

COLORMAPS = ("disc", "square")
_LAST_POSITION = 6
# Rounding of half precision, which is forgiven and cut off.
_SLACK = 1e-3

# The share of nodes beyond each face of the colour cube: a few outliers must not squeeze all others into grey.
_TAIL = 0.02
# An axis this much thinner than the widest is rounding: stretched to the full cube it would be noise.
_FLAT = 1e-5
_FARTHEST = 1e15

# CIE 1931, 2 degrees, D65: the white of sRGB (IEC 61966-2-1).
_WHITE = (0.95047, 1.0, 1.08883)
_RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_LINEAR_BELOW = 6 / 29
_SRGB_LINEAR_BELOW = 0.0031308

# The largest circle around grey that sRGB can show at one lightness.
_DISC_LIGHTNESS, _DISC_CHROMA = 74.0, 40.0
# L, a, b at the corners (-1, -1), (1, -1), (-1, 1), (1, 1): as far from each other as a screen shows them.
_CORNERS = ((45.0, 25.0, -70.0), (55.0, 75.0, 20.0), (80.0, -60.0, 50.0), (90.0, 0.0, 70.0))


def rotate_rgb_cube(rgb: Any, position: int = 1) -> Any:
    """Return the colours with the axes of the RGB cube handed on, to tell apart what one assignment blurs.

    Position 1 gives each channel's values to the next, (r, g, b) to (b, r, g); position 2 does so twice, position 3
    three times, which is the original. Positions 4, 5 and 6 are the complements (1 - rgb) of 1, 2 and 3; 0 changes
    nothing. No difference between two colours gets lost.

    Parameters
    ----------
    rgb : array or tensor of shape (..., 3)
        Colours in [0, 1].
    position : int
        From 0 to 6.

    Returns
    -------
    array or tensor of shape (..., 3)
        In [0, 1], of the kind, dtype and device of `rgb`.

    Raises
    ------
    TypeError, ValueError
        Where `rgb` are not colours in [0, 1], or the position is none.

    Examples
    --------
    >>> import numpy as np
    >>> rotate_rgb_cube(np.array([0.25, 0.5, 1.0]))
    array([1.  , 0.25, 0.5 ])
    >>> rotate_rgb_cube(np.array([0.25, 0.5, 1.0]), position=6)
    array([0.75, 0.5 , 0.  ])
    """
    colors, like = _check_colors(rgb)
    position = check_positive_int(position, "position", minimum=0, maximum=_LAST_POSITION)
    turned = colors.roll(position % 3, dims=-1)
    return like.restore(1 - turned if position > 3 else turned)


def convert_to_lab_color(rgb: Any, full_range: bool = True) -> Any:
    """Return sRGB colours in which the three channels are taken for lightness and two colour-opponent axes.

    The first channel becomes L in [0, 100], the second and third become a and b of CIELAB in [-128, 127], or in
    [-50, 50] where `full_range` is False. Steps in the embedding then look about equally large anywhere, which in
    the RGB cube they do not. What a screen cannot show is cut off at the nearest channel values: much with
    the full range, little with the small one, whose colours are paler.

    Parameters
    ----------
    rgb : array or tensor of shape (..., 3)
        Three coordinates in [0, 1], such as the colours of `Coloring`.
    full_range : bool
        Whether to use all of the a and b axes.

    Returns
    -------
    array or tensor of shape (..., 3)
        sRGB in [0, 1], of the kind, dtype and device of `rgb`.

    Raises
    ------
    TypeError, ValueError
        Where `rgb` are not colours in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> convert_to_lab_color(np.array([[0.5, 0.5, 0.5], [0.5, 1.0, 0.5]]), full_range=False).round(2)
    array([[0.47, 0.47, 0.47],
           [0.76, 0.31, 0.47]])
    """
    colors, like = _check_colors(rgb)
    if not isinstance(full_range, (bool, np.bool_)):
        raise TypeError(f"`full_range` must be True or False; got {full_range!r}. Pass one of them.")
    scale, offset = (255.0, -128.0) if full_range else (100.0, -50.0)
    opponents = colors[..., 1:] * scale + offset
    return like.restore(lab_to_rgb(torch.cat([colors[..., :1] * 100, opponents], dim=-1)))


def colormap_2d(
    coords: Any, *, colormap: str = "disc", extent: tuple[tuple[float, float], tuple[float, float]] | None = None
) -> Any:
    """Return a colour for every place in the plane: what is close looks alike, what is far does not.

    Parameters
    ----------
    coords : array or tensor of shape (n, 2)
        Any 2D embedding, in any units.
    colormap : {"disc", "square"}
        "disc": grey in the middle, hue around it, all equally light, and equal steps equally visible (CIELAB); what
        lies outside the disc gets the colour of its rim. "square": four corners as different as can be (blue, red,
        green, yellow), blended in CIELAB; stronger colours, of different lightness.
    extent : ((x_low, x_high), (y_low, y_high)), optional
        The box that the map fills. By default from the 2 % to the 98 % quantile on each axis; pass one to give new
        coordinates the same colours.

    Returns
    -------
    array or tensor of shape (n, 3)
        sRGB in [0, 1], of the kind, dtype and device of `coords`.

    Raises
    ------
    TypeError, ValueError
        Where coordinates are not 2D or not finite, or the map or the extent is none.

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
            f"`coords` must be of shape (n, 2); got {tuple(tensor.shape)}. Reduce to two dimensions, or use "
            "`Coloring` for three."
        )
    colormap = check_in(colormap, "colormap", COLORMAPS)
    low, high = quantile_box(tensor) if extent is None else _check_extent(extent)
    place = place_in_box(tensor.detach(), low, high).to(tensor.dtype) * 2 - 1
    if colormap == "disc":
        place = place / place.norm(dim=1, keepdim=True).clamp_min(1)
        lightness = torch.full_like(place[:, :1], _DISC_LIGHTNESS)
        return like.restore(lab_to_rgb(torch.cat([lightness, _DISC_CHROMA * place], dim=1)))
    right, top = ((place.clamp(-1, 1) + 1) / 2).unbind(1)
    weights = torch.stack([(1 - right) * (1 - top), right * (1 - top), (1 - right) * top, right * top], dim=1)
    return like.restore(lab_to_rgb(weights @ weights.new_tensor(_CORNERS)))


def lab_to_rgb(lab: torch.Tensor) -> torch.Tensor:
    """Return sRGB (..., 3) in [0, 1] of CIELAB (..., 3), cut off where a screen cannot show it."""
    lightness, a, b = lab.unbind(-1)
    y = (lightness + 16) / 116
    # Colours that do not exist may have negative amounts of light: none, then.
    f = torch.stack([y + a / 500, y, (y - b / 200).clamp_min(0)], dim=-1)
    linear = 3 * _LINEAR_BELOW**2 * (f - 4 / 29)
    xyz = torch.where(f > _LINEAR_BELOW, f**3, linear) * f.new_tensor(_WHITE)
    light = xyz @ torch.linalg.inv(xyz.new_tensor(_RGB_TO_XYZ)).T
    curved = 1.055 * light.clamp_min(_SRGB_LINEAR_BELOW) ** (1 / 2.4) - 0.055
    return torch.where(light > _SRGB_LINEAR_BELOW, curved, 12.92 * light).clamp(0, 1)


def quantile_box(coords: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the lower and upper corner (d,), in float64, of the box of coordinates (n, d) that gets all colors.

    Of a flat axis, which holds nothing but rounding, both are the same.
    """
    ranked = coords.detach().sort(0).values
    last = len(ranked) - 1
    low, high = (ranked[round(q * last)].double() for q in (_TAIL, 1 - _TAIL))
    # Halves: the difference of two large numbers may overflow.
    half = high / 2 - low / 2
    flat = half <= _FLAT * max(float(half.max()), _FLAT / 2)
    return low, torch.where(flat, low, high)


def place_in_box(coords: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Return where coordinates (n, d) lie in a box, in float64: 0 at its lower and 1 at its upper corner (d,).

    On an axis on which both corners are the same, all are in the middle.
    """
    # In float64, which holds what float32 coordinates differ by; in halves, so that no difference overflows.
    half = (high / 2 - low / 2).to(coords.device)
    place = (coords.double() / 2 - low.to(coords.device) / 2) / torch.where(half > 0, half, 1)
    # A place this far outside has the color of the edge in any case, and its square is still in range.
    return torch.where(half > 0, place.clamp(-_FARTHEST, _FARTHEST), 0.5)


def _check_colors(rgb: Any) -> tuple[torch.Tensor, Like]:
    tensor, like = to_tensor(rgb, "rgb")
    if tensor.ndim == 0 or tensor.shape[-1] != 3:
        raise ValueError(
            f"`rgb` must be of shape (..., 3); got {tuple(tensor.shape)}. Move the colors to the last axis."
        )
    tensor = tensor if tensor.dtype == torch.float64 else tensor.float()
    # NaN compares false with everything, so the question is asked the positive way.
    inside = (tensor >= -_SLACK) & (tensor <= 1 + _SLACK)
    if not bool(inside.all()):
        raise ValueError(f"`rgb` must be in [0, 1]; got {float(tensor[~inside][0]):g}. Divide 8-bit colors by 255.")
    return tensor.clamp(0, 1), like


def _check_extent(extent: Any) -> tuple[torch.Tensor, torch.Tensor]:
    if not (isinstance(extent, (tuple, list)) and len(extent) == 2 and all(_is_pair(axis) for axis in extent)):
        raise TypeError(f"`extent` must be two pairs; got {extent!r}. Pass ((x_low, x_high), (y_low, y_high)).")
    box = [[check_number(value, "extent") for value in axis] for axis in extent]
    if not all(low < high for low, high in box):
        raise ValueError(f"`extent` must have each low below its high; got {extent!r}. Swap or widen them.")
    low, high = torch.tensor(box, dtype=torch.float64).unbind(1)
    return low, high


def _is_pair(axis: Any) -> bool:
    return isinstance(axis, (tuple, list)) and len(axis) == 2
