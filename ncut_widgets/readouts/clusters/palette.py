"""Colours that stay near the ones they stand for, and apart from each other."""

from __future__ import annotations

from functools import cache

import numpy as np
from skimage.color import rgb2lab

__all__ = ["Palette"]

# In CIELAB: about five times what the eye just tells apart, so that it does at a glance, in thin regions too.
_APART = 15.0
# Beyond this distance a colour is no longer recognised as a shade of the one it stands for.
_NEAR = 40.0
_STEPS = 32


class Palette:
    """Colours given out one after another: each the nearest to what is asked for that is unlike all before it."""

    def __init__(self) -> None:
        rgb, lab = _screen_colors()
        self._rgb, self._lab = rgb, lab
        # How far each colour of the screen is from the nearest that is taken.
        self._clearance = np.full(len(lab), np.inf)

    def take(self, wanted: np.ndarray) -> np.ndarray:
        """Return the sRGB colour (3,) for `wanted` (3,), both in [0, 1].

        At least 15 away from all before it in CIELAB, or as far as can be within 40 of `wanted`.
        """
        distance = np.linalg.norm(self._lab - rgb2lab(wanted), axis=1)
        free = self._clearance >= _APART
        if (distance[free] <= _NEAR).any():
            chosen = int(np.where(free, distance, np.inf).argmin())
        else:
            near = distance <= max(_NEAR, distance.min())
            chosen = int(np.where(near, self._clearance, -np.inf).argmax())
        np.minimum(self._clearance, np.linalg.norm(self._lab - self._lab[chosen], axis=1), out=self._clearance)
        return self._rgb[chosen].copy()


@cache
def _screen_colors() -> tuple[np.ndarray, np.ndarray]:
    """A grid of sRGB colours (m, 3), and the same in CIELAB; multiples of 1 / 255, so that 8 bits lose nothing."""
    steps = np.rint(np.linspace(0, 255, _STEPS)) / 255
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return rgb, rgb2lab(rgb)
