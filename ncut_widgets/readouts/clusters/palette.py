"""Pick cluster colors that are close to requested colors and distinct from each other."""

from __future__ import annotations

from functools import cache

import numpy as np

from ncut_widgets.imaging import rgb_to_lab

__all__ = ["Palette"]

# CIELAB distance between two colors of the palette: about five times the just noticeable difference, so that colors
# are distinct at a glance, also in thin regions.
_MIN_SEPARATION = 15.0
# CIELAB distance beyond which a color is no longer recognized as a shade of the requested one.
_MAX_SHIFT = 40.0
_STEPS_PER_CHANNEL = 32


class Palette:
    """Assigns colors one by one, each the closest to the requested color that is distinct from all previous ones."""

    def __init__(self) -> None:
        rgb, lab = _candidate_colors()
        self._rgb, self._lab = rgb, lab
        # Distance of each candidate from the nearest assigned color.
        self._clearance = np.full(len(lab), np.inf)

    def take(self, requested: np.ndarray) -> np.ndarray:
        """Return the sRGB color (3,) assigned to the `requested` one (3,), both in [0, 1].

        Its CIELAB distance from all previous colors is at least 15, or the largest possible within 40 of `requested`.
        """
        distance = np.linalg.norm(self._lab - rgb_to_lab(requested), axis=1)
        free = self._clearance >= _MIN_SEPARATION
        if (distance[free] <= _MAX_SHIFT).any():
            chosen = int(np.where(free, distance, np.inf).argmin())
        else:
            near = distance <= max(_MAX_SHIFT, distance.min())
            chosen = int(np.where(near, self._clearance, -np.inf).argmax())
        np.minimum(self._clearance, np.linalg.norm(self._lab - self._lab[chosen], axis=1), out=self._clearance)
        return self._rgb[chosen].copy()


@cache
def _candidate_colors() -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of sRGB colors (m, 3), all multiples of 1 / 255, and their CIELAB values (m, 3)."""
    steps = np.rint(np.linspace(0, 255, _STEPS_PER_CHANNEL)) / 255
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return rgb, rgb_to_lab(rgb)
