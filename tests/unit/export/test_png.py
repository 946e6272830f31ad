"""Overlays of patch colors on images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ncut_widgets.export.png import overlay


def test_overlay_blends_patches_at_their_positions():
    image = Image.new("RGB", (60, 20), (200, 0, 0))
    values = np.zeros((2, 3, 3))
    values[1, 2] = [0, 0, 1]
    bare, half, full = (np.asarray(overlay(image, values, blend=blend)) for blend in (0, 0.5, 1))
    assert (bare == (200, 0, 0)).all()
    assert (half[15, 50] == (100, 0, 127)).all()
    assert (half[5, 5] == (100, 0, 0)).all()
    assert (full[10:, 40:] == (0, 0, 255)).all()
    assert (full[:10] == 0).all()
    assert (full[:, :40] == 0).all()


def test_overlay_has_sharp_or_smooth_edges():
    image, values = Image.new("L", (64, 8)), np.array([[[0.0] * 3, [1.0] * 3]])
    crisp, smooth = (np.asarray(overlay(image, values, blend=1, smooth=smooth)) for smooth in (False, True))
    assert set(np.unique(crisp)) == {0, 255}
    assert len(np.unique(smooth)) > 10
    assert (np.diff(smooth[4, 8:56, 0].astype(int)) >= 0).all()


def test_overlay_clips_and_leaves_image_unchanged():
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 255))
    out = overlay(image, np.full((1, 1, 3), 7.0), blend=1)
    assert out.mode == "RGB"
    assert out.getpixel((0, 0)) == (255, 255, 255)
    assert image.getpixel((0, 0)) == (10, 20, 30, 255)
    with pytest.raises(ValueError, match=r"`values_rgb` must have shape \(rows, columns, 3 or 4\); got \(4, 3\)"):
        overlay(image, np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"`blend` must be in \[0, 1\]; got 2"):
        overlay(image, np.zeros((1, 1, 3)), blend=2)
