"""Color conversion matches scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from ncut_widgets.imaging import rgb_to_lab


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rgb_to_lab_matches_scikit_image(dtype):
    steps = np.linspace(0, 1, 18)
    rgb = np.stack(np.meshgrid(steps, steps, steps), axis=-1).astype(dtype)
    found = rgb_to_lab(rgb)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, rgb2lab(rgb), atol=2e-4)
